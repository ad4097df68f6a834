/* --------------------------------------------------------------- statistics */

/** What the statistics show of a row: a title and a number, where some row has it. */
const SPREADS = [
  ["mean rank", (row) => row.rank],
  ["seeds", (row) => row.spread.seed],
  ["training samples", (row) => row.spread.sample],
  ["test images", (row) => row.spread.test],
];

function drawStatistics() {
  const table = current(),
    section = $("statistics"),
    rows = shownRows(table);
  const columns = SPREADS.filter(([, of]) => rows.some((row) => of(row) != null));
  section.hidden = !columns.length;
  if (section.hidden) return;
  const text = (value) => (value == null ? DASH : fixed(value, 2));
  fill(
    section,
    el("h2", {}, "Ranks, and where scores vary from"),
    el(
      "p",
      { class: "lead" },
      "Mean rank over tasks, 1 is best, by the table's seeds, among methods that have these on every task. Standard " +
        "deviations of one run's accuracy in points, pooled over tasks: from seed to seed (and its training images, " +
        "where each seed has its own), from one training sample to another (where there are several), and what " +
        "another draw of as many test images would change (binomial).",
    ),
    smallTable(
      ["method", ...columns.map(([title]) => title)],
      rows.map((row) => [methodHead(row), ...columns.map(([, of]) => text(of(row)))]),
    ),
  );
}

/* --------------------------------------------------------------- legend */

/** How often test images were read: runs with oracle=true read them for a diagnostic as well. */
function looks(table) {
  const watched = table.rows.filter((row) => row.watched).map((row) => row.label);
  if (!watched.length) return "Test images were read once, after training.";
  return (
    "Each result is from one reading of the test images, after training; every epoch of runs with oracle=true was also " +
    `read, for a diagnostic: ${watched.join(", ")}.`
  );
}

const rules = (table) => [
  "Accuracies are top-1 on the test split in %, the mean over seeds, with half the width of a 95 % Student's t " +
    `interval; one seed has none, nor have seeds that all agree. ${looks(table)}`,
  "An average's interval is a bootstrap of the seeds within every task, those of tasks that share images drawn " +
    "together, widened for few seeds. Averages are blank unless every task is there and every run finished.",
  "mean of groups: the mean of the group means, as in VPT, NOAH, FacT, SSF, RepAdapter and GLoRA. mean of tasks: " +
    "the mean over all tasks, as in V-PETL Bench. They differ by points; never compare one with the other.",
  "Best: the highest mean of its column by the table's seeds, among cells that have these and no failed run. Not " +
    "distinguishable from it: the paired difference over seeds is not significant at 5 % after Holm's correction " +
    "over the column, or is the same with every seed, which leaves nothing to judge it by. " +
    "With one seed only the best is marked, and that says little.",
  "\u2020 a run failed; the mean is over the others and enters no average or comparison. \u2021 the test set is " +
    "incomplete, or not scored as others do.",
  "Published rows are copied as printed, with the errors known of them noted; they were made on other copies of " +
    "the data, sometimes with other weights, and mostly chosen on test images. Nothing here is averaged with them.",
];

function drawLegend() {
  const skipped = DATA.skipped.length
    ? [
        el("h3", {}, `Not counted: ${count(DATA.skipped.length, "file")}`),
        el(
          "ul",
          { class: "notes" },
          DATA.skipped.slice(0, 50).map((line) => el("li", {}, line)),
        ),
      ]
    : [];
  fill(
    $("legend"),
    el("h2", {}, SECTIONS.legend),
    el(
      "ul",
      { class: "notes" },
      rules(current()).map((rule) => el("li", {}, rule)),
    ),
    ...skipped,
  );
}
