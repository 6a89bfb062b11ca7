"use strict";
// Draws what the page holds: figure[data-chart] is Vega-Lite, figure[data-live] a line for now.
// The libraries are fetched with the first figure, so a page without one does not know them.
(() => {
  const PIXELS_OF_A_LETTER = 7;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const fetched = new Map();
  let drawn = []; // {figure, end}

  function fetchScript(address) {
    if (!fetched.has(address)) {
      fetched.set(address, new Promise((done, failed) => {
        const script = document.createElement("script");
        script.src = address;
        script.onload = done;
        script.onerror = () => failed(new Error(`${address} did not load`));
        document.head.append(script);
      }));
    }
    return fetched.get(address);
  }

  async function library(name) {
    const named = document.querySelector(`meta[name="${name}"]`);
    // One after the other: each needs the one before.
    for (const address of named.content.split(" ")) await fetchScript(address);
  }

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const palette = () => [1, 2, 3, 4, 5, 6, 7, 8].map((each) => colour(`series-${each}`));

  // How wide a name in the legend is, with its mark: as the longest, and never wider than the plot.
  function nameWidth(spec, width) {
    const [coloured] = [spec, ...(spec.layer ?? [])].map((each) => each.encoding?.color?.scale?.domain).filter(Boolean);
    const letters = Math.max(8, ...(coloured ?? []).map((each) => each.length));
    return Math.min(letters * PIXELS_OF_A_LETTER + 30, width - 60);
  }

  function theme(spec, width) {
    const name = nameWidth(spec, width);
    const soft = { labelColor: colour("soft"), titleColor: colour("soft"), titleFontWeight: "normal" };
    return {
      background: null,
      font: getComputedStyle(document.body).fontFamily,
      aria: false, // the figure says what it shows, and the table has the numbers
      padding: 4,
      view: { stroke: null },
      axis: { ...soft, gridColor: colour("line"), domainColor: colour("line"), tickColor: colour("line"),
        labelLimit: Math.max(70, width / 4), labelFontSize: 12, titleFontSize: 12 },
      axisX: { titleLimit: width / 2 },
      axisY: { titleLimit: 120 },
      scale: { barBandPaddingInner: 0.25 },
      legend: { ...soft, orient: "top", labelFontSize: 12, titleFontSize: 12, labelLimit: name - 25,
        columns: Math.max(1, Math.floor((width - 60) / name)), gradientLength: Math.min(200, width / 2) },
      range: { category: palette(), heatmap: [colour("heat-least"), colour("heat-most")],
        ramp: [colour("heat-least"), colour("heat-most")] },
      mark: { color: colour("series-1") },
      rule: { color: colour("series-1") },
      style: { zero: { color: colour("soft") } },
    };
  }

  async function drawChart(figure, plot) {
    await library("chart-scripts");
    const width = plot.clientWidth;
    const spec = { height: width < 480 ? 240 : 280, ...JSON.parse(figure.dataset.chart), width: "container",
      autosize: { type: "fit", contains: "padding", resize: true } };
    const result = await vegaEmbed(plot, spec, {
      actions: false, ast: true, defaultStyle: false, renderer: "svg", config: theme(spec, width),
      tooltip: { disableDefaultStyle: true, theme: "own" },
    });
    return () => result.finalize();
  }

  async function drawLive(figure, plot) {
    await library("live-scripts");
    const told = JSON.parse(figure.dataset.live);
    const colours = palette();
    const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
    const line = (each, place) => ({
      label: each.name, stroke: colours[place % colours.length], width: 2, points: { show: false }, dash: place ? [8, 2 + 2 * place] : [],
    });
    // Where no pointer is, the legend tells of the last minute.
    const rest = (plotted) => { if (plotted.cursor.idx == null) plotted.setLegend({ idx: told.at.length - 1 }); };
    const live = new uPlot({
      width: plot.clientWidth, height: 220,
      tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), "Etc/UTC"),
      series: [{ label: "UTC", value: (_, at) => (at ? new Date(at * 1e3).toISOString().slice(11, 16) : "") }, ...told.series.map(line)],
      axes: [{ ...axis, values: (_, at) => at.map((each) => new Date(each * 1e3).toISOString().slice(11, 16)) }, { ...axis, size: 40, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6] }],
      scales: { y: { range: (_, least, most) => [0, Math.max(1, most)] } },
      hooks: { ready: [rest], setCursor: [rest] },
    }, [told.at, ...told.series.map((each) => each.values)], plot);
    return () => live.destroy();
  }

  async function draw(figure) {
    // A place of its own for each time: one that is overtaken ends where nobody sees it.
    const plot = document.createElement("div");
    figure.querySelector(".plot").replaceChildren(plot);
    const entry = { figure, end: () => {} };
    drawn.push(entry);
    try {
      entry.end = await ("live" in figure.dataset ? drawLive : drawChart)(figure, plot);
      if (!drawn.includes(entry)) entry.end();
    } catch (error) {
      // The numbers are there: open the table instead, and leave the reason for whoever looks.
      plot.remove();
      figure.querySelector("details")?.setAttribute("open", "");
      console.error(error);
    }
  }

  function drawAll() {
    for (const each of drawn) if (!each.figure.isConnected) each.end();
    drawn = drawn.filter((each) => each.figure.isConnected);
    const known = new Set(drawn.map((each) => each.figure));
    for (const figure of document.querySelectorAll("figure[data-chart], figure[data-live]")) {
      if (!known.has(figure)) draw(figure);
    }
  }

  function drawAnew() {
    for (const each of drawn) each.end();
    drawn = [];
    drawAll();
  }

  addEventListener("DOMContentLoaded", drawAll);
  document.addEventListener("htmx:afterSwap", (event) => {
    const details = again(event)?.querySelector("details");
    if (details) details.open = opened;
    drawAll();
  });
  dark.addEventListener("change", drawAnew);
  let resized;
  addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(drawAnew, 200); });
  // What is asked for again and again: not while nobody looks, and what cannot be had leaves what is there.
  const again = ({ detail }) => (detail.requestConfig?.elt ?? detail.elt)?.closest("[data-while-seen]");
  const tell = (part, failed) => {
    const note = document.getElementById(part.dataset.whileSeen);
    if (note) note.hidden = !failed;
  };
  let opened = false;
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (again(event) && document.hidden) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const part = again(event);
    if (!part) return;
    const failed = event.detail.xhr.status >= 400;
    tell(part, failed);
    event.detail.shouldSwap = !failed;
    opened = part.querySelector("details")?.open ?? false;
  });
  document.addEventListener("htmx:sendError", (event) => {
    const part = again(event);
    if (part) tell(part, true);
  });
})();
