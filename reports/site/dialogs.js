/* --------------------------------------------------------------- dialogs */

const views = [];

function show(title, body) {
  views.push([title, body]);
  drawDialog();
}

function drawDialog() {
  const dialog = $("dialog"),
    [title, body] = views.at(-1);
  const back =
    views.length > 1
      ? el(
          "button",
          {
            class: "button",
            type: "button",
            on: {
              click: () => {
                views.pop();
                drawDialog();
              },
            },
          },
          "Back",
        )
      : null;
  fill(
    dialog,
    el(
      "div",
      { class: "head" },
      back,
      el("h2", { id: "dialog-title" }, title),
      el("button", { class: "button", type: "button", on: { click: () => dialog.close() } }, "Close"),
    ),
    el("div", { class: "body" }, body()),
  );
  hideTip();
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

const pairs = (list) =>
  el(
    "dl",
    { class: "pairs" },
    list
      .filter(([, value]) => value != null && value !== "")
      .map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
  );

/** A link to a record, which lies beside the page. */
function recordLink(file) {
  return el("a", { href: "./" + file.split("/").map(encodeURIComponent).join("/") }, file.split("/").at(-1));
}

/** A link if it is one to the web, else the text. */
const webLink = (text) => (/^https:\/\//.test(text ?? "") ? el("a", { href: text, rel: "noreferrer" }, text) : text);

function openCell(row, column) {
  const cell = row.cells[column.key],
    runs = runsOf(cell);
  const mean =
    cell.value == null
      ? null
      : el(
          "p",
          {},
          `${[fixed(cell.value, 2), plusminus(cell.half, 2)].filter(Boolean).join(" ")}, ${count(cell.n, "seed")}`,
          cell.half == null
            ? el("span", { class: "soft" }, cell.n > 1 ? "; seeds that agree have no interval" : "; one seed has no interval")
            : null,
        );
  show(`${row.label} on ${column.key}`, () => [
    mean,
    cell.why ? el("p", {}, "\u2020 " + cell.why) : null,
    smallTable(
      ["run", "accuracy", "training", "peak memory"],
      runs.map((run) => runLine(row, column, run)),
    ),
    curves(runs),
    el(
      "p",
      {},
      plainButton(["method: ", breakable(row.label)], () => openMethod(row)),
    ),
  ]);
}

function runLine(row, column, run) {
  return [
    el(
      "th",
      { class: "first", scope: "row" },
      plainButton(`seed ${run.seed}`, () => openRun(row, column, run)),
    ),
    run.accuracy == null ? run.status : fixed(run.accuracy, 2),
    run.seconds == null ? DASH : seconds(run.seconds),
    run.memory == null ? DASH : bytes(run.memory),
  ];
}

/** The training loss of some runs; phases follow each other. */
function curves(runs) {
  const rows = runs.flatMap((run) => lossRows(run)),
    drawing = rows.length > 1 ? chart("loss", "loss", rows) : null;
  return drawing && [el("h3", {}, "Training loss"), drawing];
}

function lossRows(run) {
  const rows = [];
  let before = 0;
  for (const [phase, flat] of run.curve) {
    for (let i = 0; i < flat.length; i += 2)
      rows.push({ run: `seed ${run.seed}`, phase, epoch: before + flat[i], value: flat[i + 1] });
    before = rows.at(-1)?.epoch ?? before;
  }
  return rows;
}
