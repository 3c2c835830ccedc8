/** The page's theme, wall view and full-screen mode. */

import * as address from "./address.js";
import { keeping } from "./focus.js";

const THEME = "floorcast.theme";
const THEMES = ["auto", "light", "dark"];

const page = document.documentElement;
const theme = document.getElementById("theme");
const wall = document.getElementById("show-wall");
const menu = document.getElementById("show-menu");
const tools = document.getElementById("menu");
const fullScreen = document.getElementById("full-screen");
let lock = null;

/** @param {() => void} onChange called when colors, sizes or the view change */
export function bind(onChange) {
  const turn = () => {
    keeping(tools, applyWall, wall, menu);
    onChange();
  };
  applyTheme(localStorage.getItem(THEME) ?? "auto");
  theme.onclick = () => {
    const next = THEMES[(THEMES.indexOf(page.dataset.theme) + 1) % THEMES.length];
    localStorage.setItem(THEME, next);
    applyTheme(next);
    onChange();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onChange);
  wall.onclick = () => address.change({ isWall: !isWall() });
  addEventListener("hashchange", turn);
  document.addEventListener("visibilitychange", keepAwake);
  bindFullScreen();
  menu.onclick = () => openMenu(menu.ariaExpanded !== "true");
  document.addEventListener("close", closeMenu, { capture: true }); // of a dialog; does not bubble
  turn();
}

/** Whether the wall view is on. */
export function isWall() {
  return address.view().isWall;
}

/** Leave the wall view. Returns whether it was on. */
export function leaveWall() {
  const wasWall = isWall();
  if (wasWall) address.change({ isWall: false });
  return wasWall;
}

/** Close the menu with the tools. Returns whether it was open. */
export function closeMenu() {
  if (menu.ariaExpanded !== "true" || !menu.checkVisibility()) return false;
  keeping(tools, () => openMenu(false), menu);
  return true;
}

function bindFullScreen() {
  fullScreen.hidden = !document.fullscreenEnabled;
  fullScreen.onclick = () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else page.requestFullscreen();
  };
  document.addEventListener("fullscreenchange", () => {
    fullScreen.ariaPressed = String(Boolean(document.fullscreenElement));
  });
}

/** On a narrow screen the tools are behind a button. */
function openMenu(isOpen) {
  menu.ariaExpanded = String(isOpen);
  tools.dataset.open = String(isOpen);
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

/** Keep a wall screen awake, if the browser supports it. */
async function keepAwake() {
  if (!isWall()) {
    lock?.release();
    lock = null;
  } else if (document.visibilityState === "visible") {
    lock = await navigator.wakeLock?.request("screen").catch(() => null);
  }
}
