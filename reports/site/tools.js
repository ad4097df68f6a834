"use strict";
/* The page in a few parts, put together by reports/page.py: tools, state, numbers, then one function for each section,
   then dialogs. Text from records only ever becomes text nodes (el); nothing is parsed as HTML. The state is in the address, so views can be
   shared; it is read once and after the user edits the address. */

const DATA = JSON.parse(document.getElementById("data").textContent);

/* --------------------------------------------------------------- tools */

const $ = (id) => document.getElementById(id);
const MINUS = "\u2212",
  DASH = "\u2013";

/** Gives a node its attributes, listeners (`on`), tooltip (`tip`, a function of nodes), style and children. */
function dress(node, props, children) {
  for (const [key, value] of Object.entries(props)) {
    if (value == null || value === false) continue;
    if (key === "on") for (const [type, call] of Object.entries(value)) node.addEventListener(type, call);
    else if (key === "tip") tips.set(node, value);
    else if (key === "style") Object.assign(node.style, value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...present(children));
  return node;
}

/** Children that are something; texts become text nodes when they are appended, never HTML. */
const present = (children) => children.flat(Infinity).filter((child) => child != null && child !== false);
const el = (tag, props = {}, ...children) => dress(document.createElement(tag), props, children);
const fill = (node, ...children) => node.replaceChildren(...present(children));

const fixed = (value, digits) => value.toFixed(digits).replace("-", MINUS);
const signed = (value, digits) => (value > 0 ? "+" : "") + fixed(value, digits);
const plusminus = (half, digits) => (half == null ? "" : "\u00b1" + half.toFixed(digits));
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const unique = (values) => [...new Set(values)];
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const count = (n, word) => n.toLocaleString("en") + " " + word + (n === 1 ? "" : "s");

const short = (text, length) => (text.length > length ? text.slice(0, length - 1) + "\u2026" : text);

/** Breaks long_task_names where they may be broken. */
function breakable(name) {
  return name.split("_").flatMap((part, i) => (i ? ["_", el("wbr"), part] : [part]));
}

function select(label, options, value, onPick) {
  const box = el("select", { id: "pick " + label, on: { change: () => onPick(box.value) } });
  for (const [key, text] of options) box.append(el("option", { value: key, selected: key === value }, text));
  return el("label", {}, label, box);
}

function seconds(value) {
  if (value < 90) return fixed(value, value < 10 ? 1 : 0) + " s";
  return value < 5400 ? fixed(value / 60, 1) + " min" : fixed(value / 3600, 1) + " h";
}
const bytes = (value) => (value < 1e9 ? fixed(value / 2 ** 20, 0) + " MiB" : fixed(value / 2 ** 30, 2) + " GiB");
const millions = (value) => (value >= 10 ? fixed(value, 1) : value ? fixed(value, 3) : "0");
const plain = (v) =>
  (Math.abs(v) >= 1000 ? v.toLocaleString("en") : String(Number(v.toPrecision(6)))).replace("-", MINUS);
const pText = (p) => (p == null ? null : p < 0.001 ? "<0.001" : p.toFixed(3));

/* --------------------------------------------------------------- state */

/** The number of the table with the most runs, which the page opens with. */
function largest() {
  const runs = DATA.tables.map((table) =>
    table.rows.reduce((n, row) => n + Object.values(row.cells).reduce((m, cell) => m + (cell.runs?.length ?? 0), 0), 0),
  );
  return String(runs.indexOf(Math.max(...runs)));
}

const DEFAULT = {
  table: largest(),
  sort: "",
  up: "",
  find: "",
  tuned: "",
  hide: "",
  published: "",
  ref: "",
  y: "",
  x: "added",
  by: "",
  on: "",
  theme: "",
};
const state = { ...DEFAULT };

function readState() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const key of Object.keys(DEFAULT)) state[key] = given.get(key) ?? DEFAULT[key];
  if (!DATA.tables[Number(state.table)]) state.table = DEFAULT.table;
}

function writeState() {
  const kept = Object.entries(state).filter(([key, value]) => value !== DEFAULT[key]);
  const hash = new URLSearchParams(kept).toString();
  try {
    history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
  } catch {
    /* file:// in some browsers */
  }
}

/** Takes over a choice and draws anew; what had the focus, found by its id, has it again. */
function change(values) {
  const focused = document.activeElement?.id;
  Object.assign(state, values);
  writeState();
  draw();
  if (focused) $(focused)?.focus({ preventScroll: true });
}

const current = () => DATA.tables[Number(state.table)];
const hidden = () => new Set(state.hide ? state.hide.split("~") : []);
