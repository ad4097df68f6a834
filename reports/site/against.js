/* --------------------------------------------------------------- against a reference */

function drawAgainst() {
  const table = current(),
    section = $("against");
  section.hidden = table.rows.length < 2;
  if (section.hidden) return;
  const ref = reference(table),
    measures = differenceMeasures(table),
    by = measures.find(([key]) => key === state.by)?.[0] ?? measures[0][0];
  const rows = shownRows(table)
    .filter((row) => row !== ref)
    .map((row) => differenceRow(table, row, ref, by))
    .filter((one) => one.d);
  rows.sort((a, b) => b.d.value - a.d.value);
  if (rows.some((one) => one.partial)) for (const one of rows) one.tasks = String(one.d.tasks);
  fill(
    section,
    el("h2", {}, `Differences from ${ref.label}`),
    el(
      "p",
      { class: "lead" },
      "Seed by seed on the same tasks, in points, with 95 % intervals: over averages a bootstrap of the seeds " +
        "within tasks, on one task Student's t. Coloured where the interval leaves zero out; the p-values are " +
        "adjusted for all comparisons with this reference (Holm).",
    ),
    el(
      "div",
      { class: "bar" },
      select("reference", table.rows.map((row) => [row.label, row.label]), ref.label, (v) => change({ ref: v })),
      select("difference on", measures, by, (v) => change({ by: v })),
    ),
    rows.length
      ? el("div", { class: "beside" }, chart("forest", "forest", rows.map(forestRow), { open: openNamed }), differenceTable(rows))
      : el("p", { class: "soft" }, "No method has tasks and seeds in common with this one here."),
    heatMap(table, ref),
  );
}

function differenceMeasures(table) {
  const whole = hasValue(table, { key: "mean of tasks" });
  const first = [["mean of tasks", whole ? "mean of tasks" : "mean of the tasks that both have"]];
  if (table.pairs["mean of groups"].some(Boolean)) first.unshift(["mean of groups", "mean of groups"]);
  return [...first, ...taskColumns(table).map((c) => [c.key, c.key])];
}

/** The difference of a row from the reference, and what the data says of the pair. */
function differenceRow(table, row, ref, by) {
  const i = table.rows.indexOf(row),
    j = table.rows.indexOf(ref);
  if (!(by in table.pairs)) return { row, d: paired(row.cells[by], ref.cells[by]) };
  const pair = pairOf(table, i, j, by),
    adjusted = table.pairs.adjusted;
  return {
    row,
    d: pair && { value: pair[0], half: pair[1], tasks: pair[2] },
    partial: pair && pair[2] < table.pairs.tasks,
    p: adjusted[by][j][i],
    wilcoxon: adjusted.wilcoxon[j][i],
    improvement: pairOf(table, i, j, "improvement"),
  };
}

const sure = (d) => d.half != null && Math.abs(d.value) > d.half;
const verdict = (d) => (!sure(d) ? "not distinguishable" : d.value > 0 ? "better" : "worse");
const forestRow = ({ row, d }) => ({ ...who(row), ...interval(d.value, d.half), verdict: verdict(d) });

/** Columns behind a difference: a title, what it says, and a text for a row; null where a row has none. */
const TESTS = [
  ["tasks", "tasks that both have", (one) => one.tasks],
  ["p", "of the difference, adjusted after Holm for all comparisons with this reference", (one) => pText(one.p)],
  [
    "Wilcoxon p",
    "of the signed-rank test over tasks, those that share images counted once; adjusted after Holm",
    (one) => pText(one.wilcoxon),
  ],
  [
    "P(better)",
    "how often a run of the method beats one of the reference on a task drawn at random",
    (one) => one.improvement?.toFixed(2),
  ],
];

function differenceTable(rows) {
  const columns = TESTS.filter(([, , of]) => rows.some((row) => of(row) != null));
  const heads = columns.map(([title, long]) => el("th", { tip: () => [el("div", {}, long)] }, title));
  const line = (one) => [
    methodHead(one.row),
    el("td", {}, signed(one.d.value, 2), el("span", { class: "half" }, plusminus(one.d.half, 2))),
    ...columns.map(([, , of]) => of(one) ?? DASH),
  ];
  return smallTable(["method", "difference", ...heads], rows.map(line));
}

/** Differences on every task. */
function heatMap(table, ref) {
  const rows = shownRows(table)
    .filter((row) => row !== ref)
    .flatMap((row) => taskColumns(table).map((column) => heatRow(row, column, ref)))
    .filter(Boolean);
  const sizes = rows.map((one) => Math.abs(one.value)).sort((a, b) => a - b),
    most = Math.max(1, sizes[Math.floor(sizes.length * 0.8)] ?? 1);
  const open = ({ method, column }) => openCell(rowNamed(method), taskColumns(table).find((c) => c.key === column));
  const drawing = rows.length ? chart("heat", "heat", rows, { values: { most }, open }) : null;
  return drawing && [el("h3", {}, "Task by task"), drawing, el("p", { class: "legend" }, "Bold: the interval over seeds leaves zero out.")];
}

function heatRow(row, column, ref) {
  const d = paired(row.cells[column.key], ref.cells[column.key]);
  if (!d) return null;
  const place = { title: column.title, column: column.key, group: column.group };
  return { ...who(row), ...place, value: d.value, half: d.half, sure: sure(d), n: d.n };
}
