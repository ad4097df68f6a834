/* --------------------------------------------------------------- the table */

/** The table is written by hand: sticky heads, arrow keys, marks that come from tests, failed runs, copied rows and their
 *  dialogs are most of what it does, and table libraries cover none of them without as much code. */
function drawTable() {
  const table = current(),
    columns = shownColumns(table),
    rows = shownRows(table);
  const grid = enter(
    el(
      "table",
      { role: "grid", "aria-label": table.title, on: { keydown: walk } },
      el("thead", {}, bandRow(columns), titleRow(columns)),
      el(
        "tbody",
        {},
        rows.map((row) => bodyRow(table, row, columns)),
        state.published ? copiedRows(table, columns) : null,
      ),
    ),
  );
  const empty = rows.length ? null : el("p", { class: "soft" }, "No method fits this filter.");
  fill(
    $("table"),
    el("h2", {}, table.title),
    tableBar(table),
    el("div", { class: "frame" }, grid),
    empty,
    tableLegend(table),
    notes(table, columns),
  );
}

function tableBar(table) {
  const find = el("input", {
    id: "find",
    type: "search",
    placeholder: "filter methods",
    value: state.find,
    "aria-label": "filter methods",
    on: { input: () => change({ find: $("find").value }) },
  });
  const kinds = unique(table.rows.map((row) => row.tuned));
  const copied = DATA.published[table.facets.suite];
  return el(
    "div",
    { class: "bar" },
    el("label", {}, "method", find),
    kinds.length > 1
      ? select("settings", [["", "all"], ...kinds.map((k) => [k, k])], state.tuned, (v) => change({ tuned: v }))
      : null,
    columnMenu(table),
    table.machines.length > 1 && table.rows.some((row) => Object.values(row.costs).flat().some((one) => Object.keys(one).length))
      ? select("costs measured on", table.machines.map((m) => [m, m]), table.machines[machine(table)], (v) => change({ on: v }))
      : null,
    copied
      ? el(
          "label",
          { class: "check" },
          checkbox("published", Boolean(state.published), (on) => change({ published: on ? "1" : "" })),
          "published rows, as copied",
        )
      : null,
  );
}

function checkbox(id, on, call) {
  const box = el("input", { id, type: "checkbox", on: { change: () => call(box.checked) } });
  box.checked = on;
  return box;
}

const columnName = (column) => (column.kind === "group" ? "mean" : column.title);

/** Columns on and off: whole bands, and every column in them. */
function columnMenu(table) {
  const off = hidden(),
    columns = orderedColumns(table),
    open = $("table").querySelector("details.menu")?.open;
  const flip = (keys, on) => {
    for (const key of keys)
      if (on) off.delete(key);
      else off.add(key);
    change({ hide: [...off].join("~") });
  };
  const lines = unique(columns.map(bandOf)).flatMap((band) => {
    const keys = columns.filter((c) => bandOf(c) === band).map((c) => c.key);
    const whole = el(
      "label",
      {},
      checkbox(
        "band " + band,
        keys.some((k) => !off.has(k)),
        (on) => flip(keys, on),
      ),
      band || "params",
    );
    const each = keys.map((key) =>
      el(
        "label",
        { class: "inner" },
        checkbox("column " + key, !off.has(key), (on) => flip([key], on)),
        columnName(columns.find((c) => c.key === key)),
      ),
    );
    return keys.length > 1 ? [whole, ...each] : [whole];
  });
  return el("details", { class: "menu", open }, el("summary", { class: "button" }, "Columns"), el("div", {}, lines));
}

function bandRow(columns) {
  const cells = [el("th", { class: "first" })];
  for (let i = 0; i < columns.length;) {
    let n = 1;
    while (columns[i + n] && bandOf(columns[i + n]) === bandOf(columns[i])) n++;
    cells.push(el("th", { colspan: n, scope: "colgroup", class: "edge" }, bandOf(columns[i])));
    i += n;
  }
  return el("tr", {}, cells);
}

const plainButton = (text, call) => el("button", { class: "plain", type: "button", on: { click: call } }, text);

/** A row's head that opens the method; inside a grid the cell itself takes the focus. */
function methodHead(row, inGrid) {
  const open = () => openMethod(row),
    props = { class: "first", scope: "row" };
  if (!inGrid) return el("th", props, plainButton(breakable(row.label), open));
  return el("th", { ...props, tabindex: "-1", "data-open": "1", on: { click: open } }, breakable(row.label));
}

/** A table in its frame from heads and lines; what is no element becomes a cell. */
function smallTable(heads, lines) {
  const head = (value, i) => (value instanceof Element ? value : el("th", { class: i ? null : "first" }, value));
  const cell = (value) =>
    value instanceof Element ? value : el("td", { class: value === DASH ? "blank" : null }, value);
  return el(
    "div",
    { class: "frame" },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, heads.map(head))),
      el(
        "tbody",
        {},
        lines.map((line) => el("tr", {}, line.map(cell))),
      ),
    ),
  );
}

/** Makes the first cell of a grid the one that Tab reaches; arrow keys do the rest. */
function enter(grid) {
  grid.querySelector("tbody [tabindex]")?.setAttribute("tabindex", "0");
  return grid;
}

const startsBand = (columns, i) => i === 0 || bandOf(columns[i]) !== bandOf(columns[i - 1]);

function titleRow(columns) {
  const sorted = (key) => (state.sort === key ? (state.up ? "ascending" : "descending") : null);
  const arrow = (key) => (state.sort === key ? (state.up ? " \u2191" : " \u2193") : "");
  const head = (key, title, down) =>
    el("button", { id: "sort " + key, type: "button", on: { click: () => resort(key, down) } }, title, arrow(key));
  const title = (c) =>
    c.kind === "group"
      ? ["mean"]
      : c.kind === "average"
        ? [c.title.replace("mean of ", "mean of\u00a0")]
        : breakable(c.title);
  return el(
    "tr",
    {},
    el("th", { class: "first", scope: "col", "aria-sort": sorted("method") }, head("method", "method", true)),
    columns.map((c, i) =>
      el(
        "th",
        {
          scope: "col",
          class: startsBand(columns, i) ? "edge" : null,
          "aria-sort": sorted(c.key),
          tip: () => columnTip(c),
        },
        head(c.key, [...title(c), c.notes?.length ? "\u2021" : ""], c.kind !== "cost"),
      ),
    ),
  );
}

/** First click sorts by what is good first, the second the other way round, the third as the table came. */
function resort(key, down) {
  const start = down && key !== "method" ? "" : key === "method" ? "" : "1";
  if (state.sort !== key) change({ sort: key, up: start });
  else if (state.up === start) change({ up: start ? "" : "1" });
  else change({ sort: "", up: "" });
}

function columnTip(column) {
  if (column.kind === "cost") return [el("div", {}, column.long + measuredOn(current(), column))];
  if (column.kind !== "task")
    return [el("div", {}, column.kind === "group" ? `mean of the group ${column.key}` : column.key)];
  const sizes = Object.entries(column.splits).map(([name, [size, digest]]) =>
    el("div", { class: "dim" }, `${name}: ${count(size, "image")} (${digest})`),
  );
  return [
    el("b", {}, column.key),
    el("div", { class: "dim" }, "data: " + column.sources.join(" or ")),
    sizes,
    column.notes.map((note) => el("div", {}, "\u2021 " + note)),
  ];
}
