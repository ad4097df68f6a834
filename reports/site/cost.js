/* --------------------------------------------------------------- accuracy and cost */

function drawCost() {
  const table = current(),
    section = $("cost");
  const ys = orderedColumns(table).filter((c) => c.kind !== "cost" && hasValue(table, c)),
    y = ys.find((c) => c.key === state.y) ?? ys[0],
    xs = COSTS.filter((c) => measured(table, c, y?.key));
  section.hidden = !ys.length || !xs.length || table.rows.length < 2 || !window.vegaEmbed;
  if (section.hidden) return;
  const x = xs.find((c) => c.key === state.x) ?? xs[0],
    scored = shownRows(table).map((row) => costRow(row, x, y)).filter((one) => one.value != null),
    rows = scored.filter((one) => one.x != null),
    name = (c) => (c.kind === "group" ? `mean of ${c.key}` : c.key);
  fill(
    section,
    el("h2", {}, SECTIONS.cost),
    el(
      "p",
      { class: "lead" },
      "Filled: on the Pareto front, nothing shown is both cheaper and better. Bars are 95 % intervals. " +
        costNote(table, x, y, scored.length - rows.length),
    ),
    el(
      "div",
      { class: "bar" },
      select("accuracy", ys.map((c) => [c.key, name(c)]), y.key, (v) => change({ y: v })),
      select("cost", xs.map((c) => [c.key, c.title]), x.key, (v) => change({ x: v })),
    ),
    rows.length
      ? chart("cost", `cost ${x.key}`, rows, { values: laneOfZeros(rows, x), open: openNamed, crowded: true })
      : "Nothing to show for this choice.",
  );
}

/** An accuracy and the cost of the runs behind it. */
function costRow(row, x, y) {
  const cost = x.of(row, y.key),
    { value, half } = row.cells[y.key] ?? {};
  return { ...who(row), x: cost == null ? null : cost / x.unit, ...interval(value, half) };
}

/** Where zeros are drawn on a logarithmic axis: well before the smallest cost. */
function laneOfZeros(rows, x) {
  const some = rows.map((one) => one.x).filter((v) => v > 0);
  return { zero: x.log && some.length && some.length < rows.length ? Math.min(...some) / 4 : 0 };
}

/** What a cost is, over what and where it was measured; numbers of other machines are not beside it. */
function costNote(table, x, y, lacking) {
  const what = x.long.replace(/^./, (c) => c.toUpperCase()),
    left = lacking ? ` Left out, without this cost${x.cost.length ? " there" : ""}: ${count(lacking, "row")}.` : "";
  if (!x.cost.length) return `${what}.${left}`;
  const over = y.task ? `the runs on ${y.task}` : y.kind === "group" ? `the tasks of ${y.key}` : "all tasks",
    others = table.machines.length > 1 ? " What other machines measured is not set beside it; choose one above the table." : "";
  return `${what}, mean over ${over}. Measured on ${table.machines[machine(table)]}.${others}${left}`;
}
