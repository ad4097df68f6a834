/* --------------------------------------------------------------- groups, shots, test sets */

const meanRow = (row, key) => ({ ...who(row), ...interval(row.cells[key].value, row.cells[key].half) });
const has = (row, key) => row.cells[key]?.value != null;

function drawGroups() {
  const table = current(),
    section = $("groups"),
    groups = table.columns.filter((c) => c.kind === "group" && hasValue(table, c));
  const rows = shownRows(table).flatMap((row) =>
    groups.filter((c) => has(row, c.key)).map((c) => ({ ...meanRow(row, c.key), group: c.title })),
  );
  section.hidden = groups.length < 2 || !rows.length || shotsOf(table).length > 1 || !window.vegaEmbed;
  if (section.hidden) return;
  fill(
    section,
    el("h2", {}, "Group by group"),
    el("p", { class: "lead" }, "Mean of each complete group, with 95 % intervals."),
    chart("groups", "groups", rows, { open: openNamed }),
  );
}

/** Task columns that are numbers of shots of a data set: [{column, set, shots}]. */
function shotsOf(table) {
  const found = taskColumns(table)
    .map((column) => ({ column, match: /^(.+)_k(\d+)$/.exec(column.key) }))
    .filter((one) => one.match);
  return found.map(({ column, match }) => ({ column, set: match[1], shots: Number(match[2]) }));
}

function drawShots() {
  const table = current(),
    section = $("shots"),
    found = shotsOf(table),
    sets = unique(found.map((one) => one.set)).filter((set) => found.filter((one) => one.set === set).length > 1).sort();
  section.hidden = !sets.length || !window.vegaEmbed;
  if (section.hidden) return;
  const groups = table.columns
    .filter((c) => c.kind === "group" && /^\d+-shot$/.test(c.key))
    .map((column) => ({ column, set: MEAN_OF_SETS, shots: Number.parseInt(column.key, 10) }));
  const points = [...groups, ...found],
    order = [MEAN_OF_SETS, ...sets];
  const rows = shownRows(table).flatMap((row) => order.flatMap((set, place) => shotRows(row, points.filter((p) => p.set === set), place)));
  fill(
    section,
    el("h2", {}, "Few-shot curves"),
    el("p", { class: "lead" }, "Accuracy against the number of training images per class, with 95 % intervals."),
    chart("shots", "shots", rows, { open: openNamed }),
  );
}

const MEAN_OF_SETS = "mean of the data sets";

/** A method's curve on a data set, if it has two points. */
function shotRows(row, points, place) {
  const there = points.filter(({ column }) => has(row, column.key) && !row.cells[column.key].why).sort((a, b) => a.shots - b.shots);
  return there.length > 1 ? there.map(({ column, set, shots }) => ({ ...meanRow(row, column.key), set, shots, place })) : [];
}

function drawShift() {
  const table = current(),
    section = $("shift"),
    columns = taskColumns(table).filter((c) => c.target && hasValue(table, c));
  section.hidden = !columns.length || !window.vegaEmbed;
  if (section.hidden) return;
  const rows = columns.flatMap((c, place) =>
    shownRows(table)
      .filter((row) => has(row, c.key))
      .map((row) => ({ ...meanRow(row, c.key), column: c.key, mark: row.cells[c.key].mark, place })),
  );
  const open = ({ method, column }) => openCell(rowNamed(method), columns.find((c) => c.key === column));
  fill(
    section,
    el("h2", {}, "Other test sets"),
    el("p", { class: "lead" }, "Models of one training task on each of its test sets, with 95 % intervals; the best in full colour."),
    chart("shift", "shift", rows, { open }),
  );
}
