/* --------------------------------------------------------------- numbers */

/** Runs of a cell as objects; the lists in the data have the fields of DATA.run_fields. */
function runsOf(cell) {
  return (cell?.runs ?? []).map((list) => Object.fromEntries(DATA.run_fields.map((name, i) => [name, list[i]])));
}
const finished = (cell) => runsOf(cell).filter((run) => run.status === "ok");

/** The place of the chosen machine among those that the table's runs were measured on; the first is where most rows are whole. */
const machine = (table) => Math.max(0, table.machines.indexOf(state.on));

/** What a cost reads; names, units and axes are in the data. */
const COST = {
  added: millions,
  trainable: millions,
  merged_total: millions,
  inference: (v) => fixed(v, 2) + "\u00d7",
  seconds: seconds,
  memory: bytes,
  process: bytes,
  rate: (v) => fixed(v, 0),
};
const COSTS = DATA.charts.costs.map((cost) => ({ ...cost, kind: "cost", of: costOf(cost), text: COST[cost.key] }));

const measuredOn = (table, { cost }) => (cost.length ? `, mean over all tasks; measured on ${table.machines[machine(table)]}` : "");

/** Where the costs that are shown of a row were measured, and where else. */
function measuredWhere(table, row) {
  const known = (each, m) => Object.values(each?.[m] ?? {}).some((value) => value != null),
    here = table.machines.filter((_, m) => m === machine(table) && known(row.costs[""], m)),
    there = table.machines.filter((name, m) => !here.includes(name) && Object.values(row.costs).some((each) => known(each, m)));
  return [...here, ...(there.length ? [`(not shown: ${there.join("; ")})`] : [])].join(" ") || null;
}


/** How a row's cost is found: a value of the row, or what the chosen machine measured behind a column ("": all tasks). */
function costOf({ key, cost }) {
  if (!cost.length) return (row) => (key === "inference" ? row.inference : row.params[key]);
  return (row, column = "") => row.costs[column]?.[machine(current())]?.[key] ?? null;
}

const taskColumns = (table) => table.columns.filter((column) => column.kind === "task");
const valueOf = (row, column) => (column.kind === "cost" ? column.of(row) : row.cells[column.key]?.value) ?? null;
const hasValue = (table, column) => (column.kind === "cost" ? measured(table, column, "") : table.rows.some((row) => valueOf(row, column) != null));
/** Whether a cost is known of a row, on whatever machine, behind a column. */
const measured = (table, cost, column) =>
  table.rows.some((row) => (cost.cost.length ? (row.costs[column] ?? []).some((one) => one[cost.key] != null) : cost.of(row) != null));

/** Accuracies by seed of a task's cell; empty if a run failed, as such cells enter no comparison. */
function bySeed(cell) {
  if (!cell || cell.why) return new Map();
  return new Map(finished(cell).map((run) => [run.seed, run.accuracy]));
}

/** The mean of paired differences and half its 95 % Student's t interval, over the seeds that both cells have.
 *  Differences that are all alike have none: on a grid of accuracies a few often agree by chance. */
function paired(cell, reference) {
  const a = bySeed(cell),
    b = bySeed(reference);
  const d = [...a.keys()].filter((seed) => b.has(seed)).map((seed) => a.get(seed) - b.get(seed));
  if (!d.length) return null;
  const m = mean(d);
  const alike = Math.max(...d) - Math.min(...d) < 5e-4; // accuracies are rounded to 1e-4, and one image is more
  if (d.length < 2 || alike) return { value: m, half: null, n: d.length };
  const sd = Math.sqrt(d.reduce((sum, x) => sum + (x - m) ** 2, 0) / (d.length - 1));
  return { value: m, half: (DATA.t[d.length - 2] * sd) / Math.sqrt(d.length), n: d.length };
}

/** The comparison of rows i and j as the data has it for i < j, seen from i. */
function pairOf(table, i, j, key) {
  const [a, b] = i < j ? [i, j] : [j, i],
    n = table.rows.length;
  const found = table.pairs[key][(a * (2 * n - a - 1)) / 2 + (b - a - 1)];
  if (found == null || i < j) return found;
  return Array.isArray(found) ? [-found[0], ...found.slice(1)] : key === "improvement" ? 1 - found : found;
}

/** Why a cost is blank: a mean over all tasks needs every one. */
function whyUnmeasured(table, row, column) {
  if (!column.cost.length) return "not measured";
  const somewhere = Object.values(row.costs).some((each) => each[machine(table)]?.[column.key] != null);
  return `not measured ${somewhere ? "for every task " : ""}on ${table.machines[machine(table)]}`;
}

/** Why an average is blank. */
function whyBlank(table, row, column) {
  const cell = row.cells[column.key];
  if (column.kind === "cost") return whyUnmeasured(table, row, column);
  if (cell?.why) return cell.why;
  const part = taskColumns(table).filter(
    (task) => task.counted && (column.kind === "average" || task.group === column.key || task.task === column.task),
  );
  const lacking = part
    .filter((task) => row.cells[task.key]?.value == null || row.cells[task.key]?.why)
    .map((task) => task.key);
  const due =
    column.kind === "group" ? table.group_tasks[column.key] : column.kind === "average" ? table.suite_tasks : 0;
  const have = unique(part.map((task) => task.task)).length;
  if (due > have) return `an average needs all ${due} tasks; ${have} of them have runs`;
  return "an average needs every task; not here: " + lacking.join(", ");
}
