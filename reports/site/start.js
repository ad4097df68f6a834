/* --------------------------------------------------------------- tooltip */

const tips = new WeakMap();

function showTip(node, x, y) {
  const make = tips.get(node),
    tip = $("tip");
  if (!make) return;
  fill(tip, make());
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = Math.max(6, Math.min(x + 14, innerWidth - width - 6)) + "px";
  tip.style.top = (y + 18 + height > innerHeight ? Math.max(6, y - height - 12) : y + 18) + "px";
}

const hideTip = () => {
  $("tip").hidden = true;
};

/** The nearest element around that has a tip. */
function tipped(node) {
  while (node && !tips.has(node)) node = node.parentElement;
  return node;
}

function watchTips() {
  addEventListener("pointermove", (event) => {
    const node = event.pointerType === "touch" ? null : tipped(event.target);
    if (node) showTip(node, event.clientX, event.clientY);
    else hideTip();
  });
  addEventListener("focusin", (event) => {
    if (!event.target.matches?.(":focus-visible") || !tips.has(event.target)) return hideTip();
    const box = event.target.getBoundingClientRect();
    showTip(event.target, box.left, box.bottom - 10);
  });
  addEventListener("scroll", hideTip, true);
}

/** Menus close when the user goes elsewhere. */
function watchMenus() {
  addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]"))
      if (event.target.isConnected && !menu.contains(event.target)) menu.open = false;
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
  });
}

/* --------------------------------------------------------------- theme, start */

const THEMES = { "": "Theme: auto", light: "Theme: light", dark: "Theme: dark" };

function drawTheme() {
  document.documentElement.style.colorScheme = state.theme || "light dark";
  $("theme").textContent = THEMES[state.theme] ?? THEMES[""];
}

function nextTheme() {
  const names = Object.keys(THEMES);
  change({ theme: names[(names.indexOf(state.theme) + 1) % names.length] });
}

function draw() {
  drawTheme();
  drawFacets();
  for (const part of [drawTable, drawCost, drawAgainst, drawGroups, drawShots, drawShift, drawSelection, drawTuning, drawStatistics, drawLegend])
    part();
  drawNav();
}

function start() {
  $("theme").addEventListener("click", nextTheme);
  $("dialog").addEventListener("close", () => {
    views.length = 0;
  });
  $("dialog").addEventListener("click", (event) => {
    if (event.target === $("dialog")) $("dialog").close();
  });
  addEventListener("hashchange", () => {
    readState();
    draw();
  });
  let wide = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== wide) {
      wide = innerWidth;
      requestAnimationFrame(draw);
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  watchTips();
  watchMenus();
  readState();
  drawLede();
  draw();
}

start();
