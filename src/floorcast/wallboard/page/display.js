/** How the page is shown: its theme, and the wall view. */

const THEME = "floorcast.theme";
const THEMES = ["auto", "light", "dark"];
const WALL = "#wall"; // in the address, so that a screen can begin with it

const page = document.documentElement;
const theme = document.getElementById("theme");
const wall = document.getElementById("show-wall");
let lock = null;

/** @param {(onWall: boolean) => void} onChange colours or sizes have changed */
export function bind(onChange) {
  const changed = () => onChange(isWall());
  const turn = () => {
    applyWall();
    changed();
  };
  applyTheme(localStorage.getItem(THEME) ?? "auto");
  theme.onclick = () => {
    const next = THEMES[(THEMES.indexOf(page.dataset.theme) + 1) % THEMES.length];
    localStorage.setItem(THEME, next);
    applyTheme(next);
    changed();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  wall.onclick = () => {
    history.replaceState(null, "", isWall() ? location.pathname : WALL);
    turn();
  };
  addEventListener("hashchange", turn);
  addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && isWall() && !document.querySelector("dialog[open]")) wall.click();
  });
  document.addEventListener("visibilitychange", keepAwake);
  turn();
}

/** Whether this is a wall. */
export function isWall() {
  return location.hash === WALL;
}

function applyTheme(name) {
  const chosen = THEMES.includes(name) ? name : "auto";
  page.dataset.theme = chosen;
  theme.textContent = `Theme: ${chosen}`;
}

function applyWall() {
  page.dataset.view = isWall() ? "wall" : "desk";
  wall.ariaPressed = String(isWall());
  keepAwake();
}

/** A wall does not go to sleep; browsers that cannot promise it are set so by their owner. */
async function keepAwake() {
  if (!isWall()) {
    lock?.release();
    lock = null;
  } else if (document.visibilityState === "visible") {
    lock = await navigator.wakeLock?.request("screen").catch(() => null);
  }
}
