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
    rows = shownRows(table).map((row) => costRow(row, x, y)).filter((one) => one.x != null && one.value != null),
    name = (c) => (c.kind === "group" ? `mean of ${c.key}` : c.key);
  fill(
    section,
    el("h2", {}, SECTIONS.cost),
    el(
      "p",
      { class: "lead" },
      "Filled: on the Pareto front, nothing shown is both cheaper and better. Bars are 95 % intervals. " +
        costNote(table, x),
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

/** A task's own training cost where the accuracy is a task's, else the mean over the row's runs. */
function costRow(row, x, y) {
  const runs = y.kind === "task" ? finished(row.cells[y.key]) : undefined;
  const cost = x.of(row, runs),
    { value, half } = row.cells[y.key] ?? {};
  return { method: row.label, x: cost == null ? null : cost / x.unit, ...interval(value, half) };
}

/** Where zeros are drawn on a logarithmic axis: well before the smallest cost. */
function laneOfZeros(rows, x) {
  const some = rows.map((one) => one.x).filter((v) => v > 0);
  return { zero: x.log && some.length && some.length < rows.length ? Math.min(...some) / 4 : 0 };
}

function costNote(table, x) {
  const where = table.facts.find(([name]) => name === "devices")?.[1] ?? "";
  const note = x.long.replace(/^./, (c) => c.toUpperCase()) + ".";
  if (!x.cost || !where) return note;
  return `${note} Measured on ${where}.` + (where.includes(";") ? " Several devices: do not compare." : "");
}
