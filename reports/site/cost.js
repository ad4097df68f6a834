/* --------------------------------------------------------------- accuracy and cost */

function drawCost() {
  const table = current(),
    section = $("cost");
  const ys = orderedColumns(table).filter((c) => c.kind !== "cost" && hasValue(table, c)),
    xs = COSTS.filter((c) => hasValue(table, c));
  section.hidden = !ys.length || !xs.length || table.rows.length < 2 || !window.vegaEmbed;
  if (section.hidden) return;
  const y = ys.find((c) => c.key === state.y) ?? ys[0],
    x = xs.find((c) => c.key === state.x) ?? xs[0],
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
        costNote(table, x, scored.length - rows.length),
    ),
    el(
      "div",
      { class: "bar" },
      select("accuracy", ys.map((c) => [c.key, name(c)]), y.key, (v) => change({ y: v })),
      select("cost", xs.map((c) => [c.key, c.title]), x.key, (v) => change({ x: v })),
      table.machines.length > 1 && x.cost.length
        ? select("measured on", table.machines.map((m) => [m, m]), table.machines[machine(table)], (v) => change({ on: v }))
        : null,
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

/** What a cost is and where it was measured; numbers of other machines are not beside it. */
function costNote(table, x, lacking) {
  const note = x.long.replace(/^./, (c) => c.toUpperCase()) + ".";
  if (!x.cost.length) return note;
  const others = table.machines.length > 1 ? " What other machines measured is not set beside it." : "";
  const left = lacking ? ` Left out, not measured there for every task: ${count(lacking, "row")}.` : "";
  return `${note} Measured on ${table.machines[machine(table)]}.${others}${left}`;
}
