/* --------------------------------------------------------------- other selection rules, tuning */

function drawSelection() {
  const table = current(),
    section = $("selection"),
    labels = new Set(shownRows(table).map((row) => row.label)),
    rows = table.inflation.filter((one) => labels.has(one.method)).map((one) => ({ ...one, ...who(rowNamed(one.method)) }));
  section.hidden = !rows.length;
  if (section.hidden) return;
  fill(
    section,
    el("h2", {}, "Had the epoch been chosen on the test images"),
    el(
      "p",
      { class: "lead" },
      "A diagnostic: what another selection rule would have added to the very runs of this table, in points, with 95 % " +
        "intervals over seeds. Most published figures are chosen so. None of it enters any other number here.",
    ),
    el("div", { class: "beside" }, chart("inflation", "inflation", rows, { open: openNamed }), inflationTable(rows)),
  );
}

/** What each rule adds, a line per method. */
function inflationTable(rows) {
  const rules = unique(rows.map((one) => one.rule)),
    of = (method, rule) => rows.find((one) => one.method === method && one.rule === rule);
  const cell = (one) => (one ? el("td", {}, signed(one.value, 2), el("span", { class: "half" }, plusminus(one.half, 2))) : DASH);
  return smallTable(
    ["method", "over", "accuracy", ...rules.map((rule) => el("th", { class: "words" }, rule))],
    unique(rows.map((one) => one.method)).map((method) => {
      const one = rows.find((row) => row.method === method);
      return [methodHead(rowNamed(method)), one.over, fixed(one.honest, 2), ...rules.map((rule) => cell(of(method, rule)))];
    }),
  );
}

function drawTuning() {
  const section = $("tuning"),
    rows = DATA.studies.filter((one) => one.suite === current().facets.suite);
  section.hidden = !rows.length || !window.vegaEmbed;
  if (section.hidden) return;
  fill(
    section,
    el("h2", {}, "What tuning buys"),
    el(
      "p",
      { class: "lead" },
      "Expected validation accuracy of the best of n settings drawn without replacement from those that a study tried, " +
        "the exact mean over all such draws. Studies of this suite, whatever the table's setting; no test image was read.",
    ),
    chart("budget", "budget", rows),
  );
}
