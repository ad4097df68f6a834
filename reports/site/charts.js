/* --------------------------------------------------------------- charts

   The specifications are made by reports/charts, the same that `make figures` writes; what is shown of a table becomes
   their rows. Their expressions are interpreted (`ast`), never compiled, so that the page's policy can forbid eval. */

const GAP = 40,
  LETTER = 6.6,
  PHONE = 640,
  ERRORS = 1; // a level of logging
/** The charts on the page by id: where each is drawn, what with, and the Vega view. */
const drawn = new Map();
const isDark = () => (state.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

/** A chart of some rows; `open` is called with the row that is clicked, `crowded` has names that may overlap. */
function chart(id, name, rows, { values = {}, open, crowded } = {}) {
  if (!window.vegaEmbed) return null;
  const one = drawn.get(id) ?? { box: el("div", { class: "chart", id: "chart " + id, on: chartKeys(id) }), queue: Promise.resolve() };
  drawn.set(id, one);
  Object.assign(one, { name, rows, values, open, crowded });
  one.queue = one.queue.then(() => drawChart(one));
  return el("figure", {}, one.box, el("div", { class: "save" }, "save", saveButton(one, "svg"), saveButton(one, "png")));
}

/** Draws what is wanted last: new rows in the view that there is, or a new view where anything else changed. */
async function drawChart(one) {
  const width = one.box.clientWidth,
    key = JSON.stringify([one.name, one.values, isDark(), width, lines(one)]);
  if (!width) return;
  if (one.key === key) await one.view.data("rows", one.rows).runAsync();
  else {
    one.view?.finalize();
    one.view = (await vegaEmbed(one.box, sized(one, width), { ...EMBED, config: configured(width, longest(one)) })).view;
    one.key = key;
  }
  if (one.crowded) thinOut(one.box);
  one.box.querySelectorAll(".role-mark [aria-roledescription]").forEach((mark, i) => {
    mark.setAttribute("tabindex", i ? "-1" : "0");
    tips.set(mark, () => chartTip(mark.__data__?.tooltip));
  });
}

const lines = ({ rows }) => unique(rows.map((row) => row.name)).length;

/** The specification with its rows and the values of its parameters; panels side by side as the width allows. */
function sized({ name, rows, values }, width) {
  const spec = { ...DATA.charts.specs[name], data: { name: "rows", values: rows } };
  if (spec.params) spec.params = spec.params.map((one) => ({ ...one, value: values[one.name] ?? one.value }));
  if (!spec.facet && spec.height.step) spec.height = spec.height.step * lines({ rows }); // Vega-Lite fits no steps
  if (!spec.columns) return spec;
  const names = spec.spec.height?.step ? GAP / 2 + LETTER * Math.max(0, ...rows.map((row) => row.name.length)) : GAP, // beside a panel
    inner = Math.min(spec.spec.width, width - names - GAP);
  return { ...spec, columns: Math.max(1, Math.floor(width / (inner + names + GAP))), spec: { ...spec.spec, width: inner } };
}

const EMBED = { mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false, logLevel: ERRORS, tooltip: () => {} };

/** How many letters the longest name in a chart's legend has. */
function longest({ name, rows }) {
  const spec = DATA.charts.specs[name].spec ?? DATA.charts.specs[name],
    field = spec.layer.map((layer) => layer.encoding?.color?.field).find(Boolean);
  return Math.max(0, ...rows.map((row) => String(row[field] ?? "").length));
}

/** The theme's colours, and room for a legend's longest name and for those of axes as the width allows. */
function configured(width, letters) {
  const theme = DATA.charts.themes[isDark() ? "dark" : "light"],
    room = Math.max(140, 46 + LETTER * letters),
    legend = { ...theme.legend, columns: Math.max(1, Math.floor(width / room)), labelLimit: Math.min(theme.legend.labelLimit, width * 0.66) },
    within = (axis) => ({ ...axis, labelLimit: Math.min(axis.labelLimit, width * 0.3) });
  return { ...theme, legend, axis: within(theme.axis), axisX: { ...theme.axisX, titleLimit: width * 0.8 }, axisY: within(theme.axisY) };
}

/** Hides names that would lie on one another, the later ones: those on a front are drawn last and looked at first. */
function thinOut(box) {
  const kept = [];
  for (const text of [...box.querySelectorAll(".mark-text.role-mark text")].reverse()) {
    const a = text.getBoundingClientRect();
    const free = kept.every((b) => b.right < a.left || b.left > a.right || b.bottom < a.top + 2 || b.top > a.bottom - 2);
    text.style.visibility = free ? "" : "hidden";
    if (free) kept.push(a);
  }
}

const chartTip = (tooltip) =>
  Object.entries(tooltip ?? {})
    .filter(([, value]) => value !== "null" && value !== "NaN")
    .map(([name, value], i) => (i ? el("div", {}, el("span", { class: "dim" }, name + " "), String(value)) : el("b", {}, String(value))));

/** Click or Enter opens what a mark stands for; arrow keys go from mark to mark. */
function chartKeys(id) {
  const open = (mark) => mark.__data__?.datum && drawn.get(id).open?.(mark.__data__.datum);
  const keydown = (event) => {
    const marks = [...event.currentTarget.querySelectorAll(".role-mark [tabindex]")],
      step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key],
      to = step && marks[marks.indexOf(event.target) + step];
    if (event.key === "Enter" || event.key === " ") open(event.target);
    else if (to) {
      event.target.setAttribute("tabindex", "-1");
      to.setAttribute("tabindex", "0");
      to.focus();
    } else if (!step) return;
    event.preventDefault();
  };
  return { click: (event) => open(event.target), keydown };
}

function saveButton(one, format) {
  const save = async () => {
    const href = await one.view.toImageURL(format, 2);
    el("a", { href, download: `${one.name.replaceAll(" ", "-")}.${format}` }).click();
  };
  return el("button", { type: "button", "aria-label": `save as ${format}`, on: { click: save } }, format.toUpperCase());
}

/** A value and the ends of its interval. */
const interval = (value, half) => ({ value, half: half ?? null, low: half == null ? null : value - half, high: half == null ? null : value + half });
const rowNamed = (label) => current().rows.find((row) => row.label === label);
/** Whose a chart's row is: the whole label, and what an axis has room for. */
const who = (row) => ({ method: row.label, name: innerWidth < PHONE ? row.narrow : row.name });
const openNamed = ({ method }) => openMethod(rowNamed(method));
