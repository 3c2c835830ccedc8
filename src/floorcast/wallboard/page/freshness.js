/** How old what is shown is, and what is the matter if it is old. */

import * as clock from "./clock.js";
import { spoken, timeOfDay } from "./figures.js";
import { Refusal, Unreachable } from "./requests.js";
import { write } from "./table.js";

const box = document.getElementById("freshness");
const state = document.getElementById("freshness-state");
const age = document.getElementById("freshness-age");
const announcement = document.getElementById("announcement");
const wallClock = document.getElementById("wall-clock");
const UNHURRIED = 30_000; // ms between two announcements of what needs a hand

let trouble = "";
let saidNeed = "";
let saidAt = -Infinity;

/** All answers came. */
export function well() {
  if (trouble) announce("The wallboard is live again.");
  trouble = "";
  draw();
}

/** An answer failed. */
export function troubled(error) {
  const words = inWords(error);
  if (words !== trouble) announce(words);
  trouble = words;
  draw();
}

/** Draw the age: each second. */
export function draw() {
  const isOld = clock.isStale();
  box.dataset.state = trouble || isOld ? "lost" : "live";
  document.documentElement.dataset.fresh = String(!isOld);
  write(state, trouble || (isOld ? "No news" : "Live"));
  const silence = clock.silence();
  write(age, Number.isFinite(silence) ? told(silence, isOld) : "");
  write(wallClock, timeOfDay(Date.now()));
}

/** Tell a listener what needs a hand, when that has changed, and not too often. */
export function announceNeed(services) {
  const words = services.length ? `Needs a hand: ${services.join(", ")}.` : "";
  if (words === saidNeed || performance.now() - saidAt < UNHURRIED) return;
  saidNeed = words;
  saidAt = performance.now();
  if (words) announce(words);
}

function told(silence, isOld) {
  const age = spoken(silence / 1000);
  return isOld ? `· as of ${timeOfDay(Date.now() - silence)}, ${age} ago` : `${age} old`;
}

function inWords(error) {
  if (error instanceof Unreachable) return "Connection lost, trying again";
  if (error instanceof Refusal && error.isForNow) return `Waiting: ${error.message}`;
  return error.message;
}

function announce(words) {
  write(announcement, words);
}
