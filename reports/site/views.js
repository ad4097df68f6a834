/* --------------------------------------------------------------- views of a run, a method and a copied row */

function openRun(row, column, run) {
  const where = DATA.words[run.where] ?? {},
    command = (run.command ?? []).map((i) => DATA.words[i]).join(" ");
  const versions = Object.entries(where.versions ?? {})
    .map(([name, version]) => `${name} ${version}`)
    .join(", ");
  show(`${row.label} on ${column.key}, seed ${run.seed}`, () => [
    pairs([
      ["accuracy", run.accuracy == null ? null : fixed(run.accuracy, 4) + " %"],
      ["status", run.status],
      ["error", run.error],
      ["training", run.seconds == null ? null : seconds(run.seconds)],
      ["peak memory", run.memory == null ? null : bytes(run.memory) + (where.memory ? ` (${where.memory})` : "")],
      [
        "images/s",
        run.train_rate == null
          ? null
          : `${plain(run.train_rate)} in training` + (run.rate == null ? "" : `, ${plain(run.rate)} at inference`),
      ],
      ["merge error", run.merge_error == null ? null : run.merge_error.toExponential(1)],
      ["device", where.device],
      ["finished", run.finished],
      ["commit", where.commit ? where.commit + (where.dirty ? ", with changes" : "") : null],
      ["versions", versions],
      [
        "images",
        Object.entries(column.splits)
          .map(([name, [size, digest]]) => `${name} ${size.toLocaleString("en")} (${digest})`)
          .join(", "),
      ],
      ["record", recordLink(run.file)],
    ]),
    el("h3", {}, "Repeat it"),
    command
      ? [el("pre", {}, command), copyButton(command)]
      : el("p", { class: "soft small" }, run.command
            ? "No command line made this run but a script; its record has all of its settings."
            : "The line that made this run is not recorded; its record has all of its settings."),
    curves([run]),
  ]);
}

function copyButton(text) {
  const button = el("button", { class: "button", type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
    }
  });
  return button;
}

function openMethod(row) {
  const table = current(),
    cites = DATA.citations[row.method],
    runs = taskColumns(table).flatMap((column) => finished(row.cells[column.key])),
    errors = runs.map((run) => run.merge_error).filter(isNumber);
  const tasks = taskColumns(table).filter((c) => row.cells[c.key]?.value != null);
  show(row.label, () => [
    cites ? el("p", {}, cites.what + (cites.paper ? `. ${cites.paper}. ` : "."), webLink(cites.link)) : null,
    el("p", { class: "soft small" }, `${row.target}, version ${row.version}; ${row.tuned}`),
    el("h3", {}, "Parameters and cost"),
    pairs([
      ...COSTS.map((cost) => [cost.title, cost.of(row) == null ? null : cost.text(cost.of(row))]),
      ["measured on", measuredWhere(table, row)],
      ["merge error", errors.length ? "at most " + Math.max(...errors).toExponential(1) : null],
    ]),
    el("h3", {}, "Settings"),
    settings(row.settings),
    el("h3", {}, "Recipe"),
    settings(row.recipe),
    el("h3", {}, "Accuracy"),
    pairs(
      tasks.map((c) => [
        c.key,
        el(
          "span",
          {},
          `${fixed(row.cells[c.key].value, 2)} ${plusminus(row.cells[c.key].half, 2)}  `,
          el(
            "a",
            {
              href: "#",
              on: {
                click: (event) => {
                  event.preventDefault();
                  openCell(row, c);
                },
              },
            },
            "runs",
          ),
        ),
      ]),
    ),
  ]);
}

function settings(values) {
  const text = (value) =>
    value !== null && typeof value === "object" && "by task" in value
      ? "by task: " +
        Object.entries(value["by task"])
          .map(([task, v]) => `${task} ${JSON.stringify(v)}`)
          .join(", ")
      : typeof value === "string"
        ? value
        : JSON.stringify(value);
  const list = Object.entries(values);
  return list.length
    ? pairs(list.map(([name, value]) => [name, text(value)]))
    : el("p", { class: "soft small" }, "none");
}

function openCopied(line) {
  show(line.method, () => [
    el(
      "p",
      {},
      el("span", { class: "badge", style: { margin: 0 } }, "copied"),
      " as printed; not made by this program",
    ),
    pairs([
      ["source", line.source],
      ["chosen by", line.selection],
      ["backbone", line.backbone],
      ["data", line.data],
      ["params (M)", line.params],
      ["known errors, notes", line.notes],
    ]),
    el("h3", {}, "Figures"),
    pairs(Object.entries(line.values).map(([name, value]) => [name, fixed(value, 2)])),
  ]);
}
