// What a page is like for whoever looks at it, reads it aloud or types: facts, judged elsewhere.
// Playwright runs this in the page; the policy for content does not concern it.
(() => {
  const named = element => {
    const words = (element.innerText || element.value || element.name || "").trim().slice(0, 40);
    return `<${element.localName}${element.id ? "#" + element.id : ""}> ${words}`;
  };
  const isShown = element => element.checkVisibility({ visibilityProperty: true });

  // --- colours ---------------------------------------------------------------------------------
  const parse = colour => {
    const parts = colour.match(/^rgba?\(([^)]*)\)$/);
    if (!parts) throw new Error(`a colour that nobody taught this to read: ${colour}`);
    const [red, green, blue, alpha = 1] = parts[1].split(/[ ,/]+/).map(
      part => part.endsWith("%") ? parseFloat(part) / 100 : parseFloat(part));
    return { channels: [red, green, blue], alpha };
  };
  const over = (front, back) =>
    front.channels.map((each, index) => each * front.alpha + back[index] * (1 - front.alpha));
  const behind = element => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      layers.push(parse(getComputedStyle(at).backgroundColor));
      if (layers.at(-1).alpha === 1) break;
    }
    return layers.reverse().reduce((back, front) => over(front, back), [255, 255, 255]);
  };
  const brightness = channels => {
    const [red, green, blue] = channels.map(each => {
      const share = each / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [dark, bright] = [brightness(one), brightness(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  // WCAG 2.2, 1.4.3: 4.5 to 1, and 3 to 1 for large letters. Drawings are not text.
  const faint = () => {
    const found = new Map();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || element.closest("svg, canvas, script, option")) continue;
      if (!isShown(element)) continue;
      const style = getComputedStyle(element);
      const back = behind(element);
      const size = parseFloat(style.fontSize);
      const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      const ratio = contrast(over(parse(style.color), back), back);
      if (ratio < (isLarge ? 3 : 4.5)) found.set(named(element), ratio.toFixed(2));
    }
    return [...found].map(([name, ratio]) => `${name}: ${ratio}`);
  };

  // --- structure -------------------------------------------------------------------------------
  const typed = 'input:not([type=hidden]):not([type=submit]):not([type=button]), select, textarea';
  const unlabelled = () => [...document.querySelectorAll(typed)]
    .filter(field => ![...field.labels].some(label => label.innerText.trim())
      && !field.getAttribute("aria-label"))
    .map(named);
  const nameless = () => [...document.querySelectorAll("a[href], button")]
    .filter(each => !each.innerText.trim() && !each.getAttribute("aria-label"))
    .map(each => each.outerHTML.slice(0, 80));
  const twice = () => {
    const ids = [...document.querySelectorAll("[id]")].map(each => each.id);
    return ids.filter((id, index) => ids.indexOf(id) !== index);
  };
  // What sticks out of the page, the outermost alone; what scrolls within itself does not.
  const outside = () => {
    const room = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= room) return [];
    return [...document.body.querySelectorAll("*")]
      .filter(each => each.getBoundingClientRect().right > room + 1 && !each.closest(".wide, pre"))
      .slice(0, 3).map(named);
  };
  // Where forms lead that only ask: with the last of each choice, or with what they hold.
  const asked = () => [...document.querySelectorAll("form[method=get]")]
    .filter(form => form.querySelector("select"))
    .map(form => {
      const fields = new FormData(form);
      for (const choice of form.querySelectorAll("select")) {
        fields.set(choice.name, choice.options[choice.options.length - 1].value);
      }
      return `${form.action}?${new URLSearchParams(fields)}`;
    });
  const facts = () => ({
    lang: document.documentElement.lang,
    title: document.title,
    headings: [...document.querySelectorAll("h1")].map(each => each.innerText),
    mains: document.querySelectorAll("main").length,
    unlabelled: unlabelled(),
    nameless: nameless(),
    twice: twice(),
    faint: faint(),
    wider_by: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    outside: outside(),
    links: [...document.querySelectorAll("a[href]")].map(each => each.href).concat(asked()),
  });

  // --- keyboard --------------------------------------------------------------------------------
  const reachable = 'a[href], button, input:not([type=hidden]), select, textarea, summary';
  const stops = () => [...document.querySelectorAll(reachable)]
    .filter(each => !each.disabled && each.tabIndex >= 0 && isShown(each));
  // Where the focus is: the place among the stops (-1 for what scrolls), and how one sees it.
  const focus = () => {
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    return {
      stop: stops().indexOf(element),
      name: named(element),
      is_marked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
      is_in_view: box.width > 1 && box.height > 1 && box.bottom > 0 && box.top < innerHeight,
    };
  };
  return { facts, focus, stops: () => stops().map(named) };
})()
