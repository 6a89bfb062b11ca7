// Keeps the bar of a console page up to date, and presses buttons without leaving the page.
// Without scripts the buttons are a plain form, and the bar shows what it was when the page came.
"use strict";
(() => {
  const form = document.getElementById("demo-buttons");
  const list = document.getElementById("demo-news");
  const nothing = document.getElementById("demo-nothing");
  if (!form || !list) return;
  const EVERY_MS = 700;
  const MOST_SHOWN = 60;
  let last = Number(list.dataset.last);

  const made = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };

  const show = (entry) => {
    const item = made("li", "", {
      "data-news": entry.what, "data-step": entry.step, "data-number": entry.number,
    });
    const clock = new Date(entry.at * 1000).toISOString().slice(11, 19);
    item.append(made("time", clock), " ", made("b", entry.what.replace("-", " ")), " ", entry.text);
    for (const link of entry.links) item.append(" ", made("a", link.words, { href: link.address }));
    list.prepend(item);
    while (list.children.length > MOST_SHOWN) list.lastElementChild.remove();
    last = entry.number;
    nothing.hidden = true;
  };

  const mark = (state) => {
    for (const button of form.querySelectorAll("button[data-demo]")) {
      const name = button.dataset.demo;
      button.disabled = state.busy.includes(name);
      if (name === "mail-fails") {
        button.dataset.failing = state.is_failing;
        button.textContent = state.words;
      }
    }
  };

  const look = async () => {
    const answer = await fetch(`/demo/news?after=${last}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(`news: ${answer.status}`);
    const state = await answer.json();
    state.entries.filter((entry) => entry.number > last).forEach(show);
    mark(state);
  };

  const follow = async () => {
    try {
      await look();
    } catch (error) {
      // The demo has ended, or is about to: the next look tells.
      console.info("the demo does not answer", error);
    }
    setTimeout(follow, EVERY_MS);
  };

  form.addEventListener("submit", async (event) => {
    if (!event.submitter) return;
    event.preventDefault();
    const said = new URLSearchParams(new FormData(form));
    said.set("button", event.submitter.value);
    event.submitter.disabled = true;
    const answer = await fetch(form.action, {
      method: "POST", body: said, headers: { Accept: "application/json" },
    });
    await answer.json();
    await look();
  });

  follow();
})();
