/* --------------------------------------------------------------- which columns and rows are shown */

/** The heading above a column. */
function bandOf(column) {
  if (column.kind === "cost") return column.key === "added" ? "" : "cost";
  if (column.kind === "average") return "all tasks";
  return column.kind === "group"
    ? column.key
    : column.target || column.kind === "task mean"
      ? column.task
      : column.group;
}

function orderedColumns(table) {
  const tasks = taskColumns(table),
    averages = table.columns.filter((c) => c.kind === "average");
  const inside = unique(tasks.map((c) => c.group)).flatMap((group) => [
    ...table.columns.filter((c) => c.kind === "group" && c.key === group),
    ...unique(tasks.filter((c) => c.group === group).map((c) => c.task)).flatMap((task) => [
      ...table.columns.filter((c) => c.kind === "task mean" && c.task === task),
      ...tasks.filter((c) => c.task === task && c.group === group),
    ]),
  ]);
  const all = [COSTS[0], ...averages, ...inside, ...COSTS.slice(1).filter((cost) => !cost.more)];
  return all.filter((column) => column.kind === "task" || hasValue(table, column));
}

function shownColumns(table) {
  const off = hidden();
  return orderedColumns(table).filter((column) => !off.has(column.key));
}

function shownRows(table) {
  const words = state.find.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (row) =>
    words.every((word) => row.label.toLowerCase().includes(word)) && (!state.tuned || row.tuned === state.tuned);
  const rows = table.rows.filter(fits),
    column = orderedColumns(table).find((c) => c.key === state.sort);
  if (state.sort === "method") rows.sort((a, b) => a.label.localeCompare(b.label, "en", { numeric: true }));
  else if (column) sortBy(rows, (row) => valueOf(row, column));
  if (state.sort === "method" && state.up) rows.reverse();
  return rows;
}

/** Sorts down, or up if the state says so; blanks stay at the end. */
function sortBy(list, value) {
  const way = state.up ? 1 : -1;
  list.sort((a, b) => {
    const x = value(a),
      y = value(b);
    return x == null || y == null ? (x == null) - (y == null) : way * (x - y);
  });
}

/** The method that others are compared with: the chosen one, else linear probing, else the first. */
function reference(table) {
  return (
    table.rows.find((row) => row.label === state.ref) ??
    table.rows.find((row) => row.label === "linear") ??
    table.rows[0]
  );
}

/* --------------------------------------------------------------- setting, facts, navigation */

/** Tables are what may be compared; the facets in which they differ lead from one to the others. */
function drawFacets() {
  const table = current(),
    values = (facet) => unique(DATA.tables.map((one) => one.facets[facet])).map((v) => [v, v]);
  fill($("facets"), ...DATA.facets.map((facet) => select(facet, values(facet), table.facets[facet], (v) => pick(facet, v))));
  fill($("facts"), ...table.facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

/** Goes to the table with a value that is otherwise most like this one: the facets count in their order, whatever
 *  follows, so that each table is reached by choosing its facets one after the other. */
function pick(facet, value) {
  const now = current().facets;
  const alike = (one) => DATA.facets.reduce((sum, f) => 2 * sum + (one.facets[f] === now[f]), 0);
  const fits = DATA.tables.filter((one) => one.facets[facet] === value).sort((a, b) => alike(b) - alike(a));
  change({ table: String(DATA.tables.indexOf(fits[0])), sort: "", up: "", hide: "", y: "", by: "", on: "" });
}

const SECTIONS = {
  table: "Table",
  cost: "Accuracy and cost",
  against: "Differences",
  groups: "Groups",
  shots: "Few-shot",
  shift: "Shift",
  selection: "Selection",
  tuning: "Tuning",
  statistics: "Statistics",
  legend: "How to read it",
};

function drawNav() {
  const shown = Object.entries(SECTIONS).filter(([id]) => !$(id).hidden);
  const go = (id) =>
    $(id).scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  fill($("nav"), ...shown.map(([id, title]) => el("button", { type: "button", on: { click: () => go(id) } }, title)));
}

function drawLede() {
  const runs = DATA.tables.flatMap((table) =>
    table.rows.flatMap((row) => taskColumns(table).flatMap((c) => row.cells[c.key]?.runs ?? [])),
  );
  const files = unique(runs.map((run) => run[0])).length,
    last = runs
      .map((run) => run[DATA.run_fields.indexOf("finished")])
      .sort()
      .at(-1);
  const rows = DATA.tables.flatMap((table) => table.rows),
    [methods, labels] = ["method", "label"].map((field) => unique(rows.map((row) => row[field])).length);
  $("lede").textContent =
    count(methods, "method") +
    (labels > methods ? ` in ${count(labels, "variant")}` : "") +
    `, ${count(files, "run")}` +
    (last ? `, the last of ${last.slice(0, 10)}` : "") +
    (DATA.tables.length > 1 ? `; ${count(DATA.tables.length, "setting")}, which are never mixed` : "");
  if (!window.vegaEmbed)
    $("lede").after(el("p", { class: "soft small" }, "No charts: they need pip install 'visionpeft[figures]', then make leaderboard."));
}
