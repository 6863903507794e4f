"use strict";
{
  const page = document.documentElement;
  page.classList.add("scripted-page");
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  const valueOf = (body, column) => body.rows[0].cells[column].dataset.value;

  // Empty values are last in both directions.
  function compare(a, b, sign) {
    if (a === "" || b === "") return (a === "") - (b === "");
    const numbers = [Number(a), Number(b)];
    return sign * (numbers.some(Number.isNaN) ? a.localeCompare(b) : numbers[0] - numbers[1]);
  }

  function sort(button) {
    const header = button.closest("th");
    const table = header.closest("table");
    const column = header.cellIndex;
    const low = ["method", "rank", "entry", "parameters", "wall_s"].includes(button.dataset.sort);
    const before = header.getAttribute("aria-sort");
    const up = before === "none" ? low : before === "descending";
    for (const other of header.parentNode.cells) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", up ? "ascending" : "descending");
    const bodies = [...table.tBodies];
    bodies.sort((a, b) => compare(valueOf(a, column), valueOf(b, column), up ? 1 : -1));
    table.append(...bodies);
  }

  function filter(form) {
    const text = form.elements.text.value.trim().toLowerCase();
    const kind = form.elements.kind ? form.elements.kind.value : "";
    for (const item of all("[data-name]")) {
      const named = item.dataset.name.toLowerCase().includes(text);
      item.classList.toggle("filtered", !named || (kind !== "" && item.dataset.kind !== kind));
    }
    const rows = all("tbody[data-name]");
    const shown = rows.filter((row) => !row.classList.contains("filtered")).length;
    form.querySelector("output").value = text || kind ? `${shown} of ${rows.length} rows` : "";
  }

  function highlight(target) {
    const item = target.closest && target.closest("[data-series]");
    for (const lit of all(".lit")) lit.classList.remove("lit");
    for (const dim of all(".dim")) dim.classList.remove("dim");
    if (!item || item.querySelector("details[open]")) return;
    const section = item.closest("section");
    for (const charts of all(".charts", section)) charts.classList.add("dim");
    for (const other of all("[data-series]", section)) {
      other.classList.toggle("lit", other.dataset.series === item.dataset.series);
    }
  }

  async function copy(button) {
    const code = button.parentNode.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }

  // A hint above each table that is wider than the window.
  function hint() {
    for (const line of all(".more-columns")) {
      const table = line.nextElementSibling;
      line.hidden = table.scrollWidth <= table.clientWidth;
    }
  }

  // A link to a row opens its panel, even if it was closed before.
  function open() {
    // Anchors of rows have no characters that a URL encodes as %xx: nothing to decode.
    const panel = document.getElementById(location.hash.slice(1));
    if (!panel || !panel.classList.contains("panel")) return;
    panel.closest("details").open = true;
    panel.closest("tbody").classList.remove("filtered");
    panel.scrollIntoView();
    panel.focus({ preventScroll: true });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button && button.dataset.sort) sort(button);
    if (button && button.classList.contains("copy")) copy(button);
    const link = event.target.closest("a[href^='#']");
    if (link && link.getAttribute("href") === location.hash) open();
  });
  for (const name of ["mouseover", "focusin"]) {
    document.addEventListener(name, (event) => highlight(event.target));
  }
  for (const form of all("form.filter")) {
    form.addEventListener("input", () => filter(form));
    form.addEventListener("submit", (event) => event.preventDefault());
  }
  addEventListener("hashchange", open);
  addEventListener("resize", hint);
  hint();
  open();
}
