"use strict";
// Sorting: a button in each heading works with mouse and keyboard. Empty cells are always last.
document.querySelectorAll("table.results").forEach(table => {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, index) => head.querySelector("button").addEventListener("click", () => {
    const now = head.getAttribute("aria-sort");
    const next = !now ? head.dataset.first : now === "ascending" ? "descending" : "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", next);
    const sign = next === "ascending" ? 1 : -1;
    const key = row => {
      const cell = row.cells[index], value = cell.dataset.value;
      return value === undefined ? cell.textContent.trim() : value === "" ? null : Number(value);
    };
    const compare = (a, b) => {
      const x = key(a), y = key(b);
      if (x === null || y === null) return (x === null) - (y === null);
      return sign * (typeof x === "string" ? x.localeCompare(y) : x - y);
    };
    body.append(...[...body.rows].sort(compare));
  }));
});

// Filtering: every word must be in the name, class or family; a family can be selected as well.
document.querySelectorAll(".tools").forEach(tools => {
  const rows = [...document.getElementById(tools.dataset.table).tBodies[0].rows];
  const [text, family, output] = ["input", "select", "output"].map(name => tools.querySelector(name));
  const filter = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const matches = words.every(word => row.dataset.words.includes(word));
      row.hidden = !matches || (family.value && row.dataset.family !== family.value);
    }
    const shown = rows.filter(row => !row.hidden).length;
    output.textContent = shown < rows.length ? `${shown} of ${rows.length}` : "";
  };
  text.addEventListener("input", filter);
  family.addEventListener("change", filter);
});

// A table that is cut off says so, and fades out on that side.
function mark(box) {
  const rest = box.scrollWidth - box.clientWidth - box.scrollLeft;
  box.classList.toggle("more", rest > 4);
  const cue = box.previousElementSibling;
  if (cue?.classList.contains("cue")) cue.hidden = box.scrollWidth - box.clientWidth <= 4;
}
const cut = document.querySelectorAll(".scroll, .pan");
const sizes = new ResizeObserver(entries => entries.forEach(entry => mark(entry.target)));
cut.forEach(box => { sizes.observe(box); box.addEventListener("scroll", () => mark(box), {passive: true}); });

// A link to an experiment opens its details.
function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
}
addEventListener("hashchange", openTarget);
addEventListener("load", openTarget);

document.querySelectorAll(".copy").forEach(button => button.addEventListener("click", async () => {
  await navigator.clipboard.writeText(button.nextElementSibling.textContent);
  button.textContent = "copied";
  setTimeout(() => { button.textContent = "copy"; }, 1500);
}));

// Figures: drawn when they come near the window, again when the theme or the layout width changes.
const dark = matchMedia("(prefers-color-scheme: dark)"), narrow = matchMedia("(max-width: 640px)");
const drawn = new Set();
// Mean of two #rrggbb colours: a background on which the text of the page is legible.
function mix(one, two) {
  const part = (colour, at) => parseInt(colour.slice(1 + 2 * at, 3 + 2 * at), 16);
  return `rgb(${[0, 1, 2].map(at => Math.round((part(one, at) + part(two, at)) / 2)).join()})`;
}
function draw(box) {
  drawn.add(box);
  const style = getComputedStyle(document.documentElement);
  const colour = name => style.getPropertyValue("--" + name).trim();
  const roles = {accent: colour("accent"), muted: colour("soft"), warm: colour("warm"), rule: colour("soft")};
  const scales = {
    diverging: [[0, mix(colour("paper"), roles.warm)], [0.5, colour("paper")], [1, mix(colour("paper"), roles.accent)]],
    sequential: [[0, colour("paper")], [1, mix(colour("paper"), roles.accent)]],
  };
  box.figures ??= [...box.querySelectorAll("script")].map(holder => JSON.parse(holder.textContent));
  const {data, layout} = structuredClone(box.figures[box.dataset.shown ?? 0]);
  for (const trace of data) {
    const {role} = trace.meta, tone = roles[role] ?? colour(role);
    if (scales[role]) {
      trace.colorscale = scales[role];
      trace.textfont = {color: colour("ink"), size: 11};
      if (trace.colorbar) Object.assign(trace.colorbar, {outlinewidth: 0, tickfont: {color: colour("soft")}});
      continue;
    }
    trace.marker = {...trace.marker, color: tone, line: {width: trace.marker?.symbol ? 1.5 : 0, color: tone}};
    if (trace.type !== "bar") trace.line = {...trace.line, color: tone};
    if (narrow.matches && layout.height && trace.marker.size > 5) trace.marker.size = 6;
    for (const bar of ["error_x", "error_y"]) if (trace[bar]) trace[bar].color = tone + (bar === "error_y" ? "55" : "");
  }
  // Names beside points: placed for a desktop and for a phone; numbers where there is no room.
  const meta = narrow.matches && layout.meta?.narrow || layout.meta;
  if (meta) {
    layout.annotations = meta.annotations ?? layout.annotations;
    for (const note of layout.annotations) Object.assign(note, {arrowcolor: roles.muted, font: {size: 12, color: colour("ink")}});
    const key = document.getElementById(box.dataset.key)?.parentElement.querySelector(".key");
    if (key) { key.hidden = !meta.key; key.firstElementChild.textContent = meta.key; }
    if (narrow.matches) layout.legend = {...layout.legend, y: -0.22, yanchor: "top", font: {size: 11}};
  }
  for (const name of Object.keys(layout).filter(name => /^[xy]axis/.test(name))) {
    layout[name] = {gridcolor: colour("rule"), zeroline: false, automargin: true, nticks: 6, fixedrange: true, ...layout[name]};
    layout[name].title = {standoff: 8, font: {size: 12, color: colour("soft")}, ...layout[name].title};
    if (narrow.matches && layout.height) layout[name].tickfont = {size: 11};
  }
  Object.assign(layout, {
    font: {family: style.getPropertyValue("--sans"), size: 12, color: colour("soft")},
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    margin: {l: 8, r: 14, t: layout.legend && !(meta && narrow.matches) ? 34 : box.classList.contains("tradeoff") ? 24 : 10, b: 8},
    hoverlabel: {bgcolor: colour("paper"), bordercolor: colour("rule"), font: {color: colour("ink")}, align: "left"},
    dragmode: false,
  });
  Plotly.react(box, data, layout, {responsive: true, displayModeBar: false});
}
const near = new IntersectionObserver(entries => entries.forEach(entry => {
  if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
}), {rootMargin: "600px"});
const charts = document.querySelectorAll(".chart");
charts.forEach(box => near.observe(box));
for (const query of [dark, narrow]) query.addEventListener("change", () => drawn.forEach(draw));
addEventListener("beforeprint", () => charts.forEach(draw));

// Buttons that choose the cost axis.
document.querySelectorAll(".switch").forEach(group => {
  const box = document.getElementById(group.dataset.chart), buttons = [...group.children];
  buttons.forEach((button, index) => button.addEventListener("click", () => {
    buttons.forEach(other => other.setAttribute("aria-pressed", other === button));
    box.dataset.shown = index;
    document.getElementById(group.dataset.front).textContent = button.dataset.front;
    draw(box);
  }));
});
