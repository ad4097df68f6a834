/* --------------------------------------------------------------- rows and cells of the table */

function bodyRow(table, row, columns) {
  return el(
    "tr",
    {},
    methodHead(row, true),
    columns.map((column, i) => bodyCell(table, row, column, startsBand(columns, i))),
  );
}

function bodyCell(table, row, column, edge) {
  const value = valueOf(row, column),
    cell = row.cells[column.key],
    open = column.kind === "task" && cell?.runs;
  const kinds = [
    edge && "edge",
    open && "open",
    value == null && "blank",
    cell?.mark,
    column.kind === "average" && "wide",
  ]
    .filter(Boolean)
    .join(" ");
  const props = {
    class: kinds || null,
    tabindex: "-1",
    tip: () => cellTip(table, row, column),
    "data-open": open ? "1" : null,
  };
  if (open) props.on = { click: () => openCell(row, column) };
  if (value == null) return el("td", props, cell?.runs ? "\u2020" : DASH);
  if (column.kind === "cost") return el("td", props, column.text(value));
  const digits = column.kind === "task" ? 1 : 2,
    below = [plusminus(cell.half, digits), seedsOf(cell) === `${table.seeds.length}` ? "" : `n=${seedsOf(cell)}`]
      .filter(Boolean)
      .join(" ");
  return el(
    "td",
    props,
    fixed(value, digits),
    cell.why ? "\u2020" : null,
    below ? el("span", { class: "half" }, below) : null,
  );
}

/** How many seeds a cell is over; of an average from the fewest to the most that one of its tasks has. */
function seedsOf(cell) {
  return (cell.fewest ?? cell.n) === cell.n ? `${cell.n}` : `${cell.fewest}-${cell.n}`;
}

function cellTip(table, row, column) {
  const cell = row.cells[column.key],
    seeds = cell && `${seedsOf(cell)} seed${seedsOf(cell) === "1" ? "" : "s"}`,
    value = valueOf(row, column),
    head = el("b", {}, `${row.label}, ${column.kind === "cost" ? column.title : column.key}`);
  if (value == null) return [head, el("div", {}, whyBlank(table, row, column))];
  if (column.kind === "cost")
    return [head, el("div", {}, column.text(value)), el("div", { class: "dim" }, column.long + measuredOn(table, column))];
  const mark = { best: "best of its column", same: "not distinguishable from the best" }[cell.mark];
  const runs = finished(cell).map((run) => `seed ${run.seed}: ${fixed(run.accuracy, 2)}`);
  return [
    head,
    el("div", {}, `${fixed(value, 2)} ${plusminus(cell.half, 2)} (${seeds})`),
    runs.length
      ? el("div", { class: "dim" }, runs.slice(0, 10).join(" \u00b7 ") + (runs.length > 10 ? " \u2026" : ""))
      : null,
    mark ? el("div", {}, mark) : null,
    cell.why ? el("div", {}, "\u2020 " + cell.why) : null,
    cell.runs ? el("div", { class: "dim" }, "click or Enter: runs and records") : null,
  ];
}

/** Arrow keys move through the table, Enter opens. */
function walk(event) {
  const cell = event.target.closest("tbody td, tbody th");
  if (!cell || event.altKey || event.ctrlKey || event.metaKey) return;
  const cells = (row) => [...row.children],
    row = cell.parentElement,
    at = cells(row).indexOf(cell);
  const to = {
    ArrowLeft: cells(row)[at - 1],
    ArrowRight: cells(row)[at + 1],
    Home: cells(row)[0],
    End: cells(row).at(-1),
    ArrowUp: row.previousElementSibling?.children[at],
    ArrowDown: row.nextElementSibling?.children[at],
  }[event.key];
  if (to) {
    event.preventDefault();
    cell.setAttribute("tabindex", "-1");
    to.setAttribute("tabindex", "0");
    to.focus();
  } else if (event.key === "Enter" && cell.dataset.open) {
    event.preventDefault(); // else the same key would press the dialog's first button
    cell.click();
  }
}

function tableLegend(table) {
  const marked = table.rows.some((row) => Object.values(row.cells).some((cell) => cell.mark));
  const items = marked
    ? [
        ["best", "best of its column"],
        ["same", "not distinguishable from the best"],
      ]
    : [];
  if (state.published) items.push(["copied", "copied from the literature, made under other conditions"]);
  return el(
    "div",
    { class: "legend" },
    items.map(([kind, text]) => el("span", {}, el("span", { class: "swatch " + kind }), text)),
  );
}

/** What must be known of single cells and columns. */
function notes(table, columns) {
  const tasks = unique(taskColumns(table).map((c) => c.task)).length,
    lines = [];
  if (tasks < table.suite_tasks)
    lines.push(
      `Runs on ${tasks} of the suite's ${table.suite_tasks} tasks; an average is given only when it is complete.`,
    );
  for (const column of columns) for (const note of column.notes ?? []) lines.push(`\u2021 ${column.key}: ${note}`);
  const failed = shownRows(table).flatMap((row) =>
    taskColumns(table).flatMap((c) =>
      runsOf(row.cells[c.key])
        .filter((run) => run.status !== "ok")
        .map((run) => [row, c, run]),
    ),
  );
  for (const [row, column, run] of failed)
    lines.push(`\u2020 ${row.label}, ${column.key}, seed ${run.seed}: ${run.error || run.status}`);
  return el(
    "ul",
    { class: "notes" },
    lines.slice(0, 30).map((line) => el("li", {}, line)),
    lines.length > 30 ? el("li", {}, `and ${lines.length - 30} more`) : null,
  );
}

/* --------------------------------------------------------------- published rows */

function copiedRows(table, columns) {
  const board = DATA.published[table.facets.suite],
    words = state.find.toLowerCase().split(/\s+/).filter(Boolean);
  return Object.entries(board.sections).flatMap(([section, title]) => {
    const lines = board.lines.filter(
      (line) => line.section === section && words.every((w) => line.method.toLowerCase().includes(w)),
    );
    const column = columns.find((c) => c.key === state.sort);
    if (column) sortBy(lines, (line) => copiedValue(line, column));
    if (!lines.length) return [];
    return [
      el("tr", { class: "band" }, el("th", { colspan: columns.length + 1 }, el("span", {}, title))),
      ...lines.map((line) => copiedRow(line, columns)),
    ];
  });
}

function copiedValue(line, column) {
  const params = Number.parseFloat(line.params),
    shots = /^(\d+)-shot$/.exec(column.key)?.[1];
  if (column.key === "added") return isNumber(params) ? params : null;
  if (shots) return line.values[`${shots} shot${shots === "1" ? "" : "s"}, mean of 5 sets`] ?? null;
  return (
    line.values[column.key] ?? line.values[column.target] ?? line.values[`${column.task}_${column.target}`] ?? null
  );
}

function copiedRow(line, columns) {
  const tip = () => [
    el("b", {}, line.method),
    el("div", {}, line.source),
    el("div", { class: "dim" }, line.selection),
    el("div", { class: "dim" }, "click: source and known errors"),
  ];
  const open = () => openCopied(line);
  return el(
    "tr",
    { class: "copied" },
    el(
      "th",
      { class: "first", scope: "row", tabindex: "-1", "data-open": "1", tip, on: { click: open } },
      line.method,
      el("span", { class: "badge" }, "copied"),
    ),
    columns.map((column, i) => {
      const value = copiedValue(line, column),
        text = value == null ? DASH : column.kind === "cost" ? millions(value) : fixed(value, 1);
      return el(
        "td",
        { class: (startsBand(columns, i) ? "edge " : "") + (value == null ? "blank" : ""), tabindex: "-1", tip },
        text,
      );
    }),
  );
}
