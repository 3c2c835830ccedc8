/** Shows the age of the data, how long the source has been silent, and any problem. */

import * as clock from "./clock.js";
import { spoken, timeOfDay } from "./figures.js";
import { Refusal, Unreachable } from "./requests.js";
import { write } from "./table.js";

const box = document.getElementById("freshness");
const state = document.getElementById("freshness-state");
const what = document.getElementById("freshness-what");
const age = document.getElementById("freshness-age");
const announcement = document.getElementById("announcement");
const wallClock = document.getElementById("wall-clock");
const UNHURRIED = 30_000; // ms between two announcements

let trouble = "";
let newest = null; // when the server recorded the newest event, ms
let isPast = false;
let saidNeed = "";
let saidAt = -Infinity;

/** Start to show a past time if the argument is true, or otherwise the present. */
export function begin(past) {
  isPast = past;
  newest = null;
  trouble = "";
}

/** Note that all responses arrived. */
export function well() {
  if (trouble && !isPast) announce("The wallboard is live again.");
  trouble = "";
}

/** Note a failed request. */
export function troubled(error) {
  const words = inWords(error);
  if (words !== trouble) announce(words);
  trouble = words;
}

/** Note that the server recorded an event at `at` (ms). */
export function heard(at) {
  newest = Math.max(newest ?? 0, at);
}

/** The seconds since the newest event (null if unknown), and whether this needs attention. */
export function silence(thresholds) {
  if (newest === null || clock.isStale()) return { seconds: null, level: "" };
  const seconds = Math.max(0, (clock.now() - newest) / 1000);
  return { seconds, level: thresholds.level("silence", seconds) };
}

/** Draw the ages, once a second. */
export function draw({ seconds, level }) {
  const isOld = clock.isStale();
  box.dataset.state = trouble || isOld ? "lost" : isPast ? "past" : level ? "silent" : "live";
  document.documentElement.dataset.fresh = String(!isOld);
  write(state, trouble || (isOld ? "No response" : isPast ? "Past" : level ? "No events" : "Live"));
  const [of, old] = told(seconds, isOld);
  write(what, of);
  write(age, old);
  write(wallClock, timeOfDay(Date.now()));
}

/** Call a listener when the list of problems changes, at a limited rate. */
export function announceNeed(needs) {
  const who = needs.map((need) => need.who);
  const words = who.length ? `Needs a hand: ${who.join(", ")}.` : "";
  if (words === saidNeed || performance.now() - saidAt < UNHURRIED) return;
  saidNeed = words;
  saidAt = performance.now();
  if (words) announce(words);
}

/** The label of the age, and the age. */
function told(seconds, isOld) {
  const gap = clock.silence();
  if (isOld) {
    if (!Number.isFinite(gap)) return ["", ""];
    return [`· as of ${timeOfDay(Date.now() - gap)},`, `${spoken(gap / 1000)} ago`];
  }
  if (seconds !== null) return ["· newest event", `${spoken(seconds)} ago`];
  return isPast ? ["", ""] : ["· no events yet", ""];
}

function inWords(error) {
  if (error instanceof Unreachable) return "Connection lost, trying again";
  if (error instanceof Refusal && error.isForNow) return `Waiting: ${error.message}`;
  return error.message;
}

/** Have screen readers say something when they are idle. */
export function announce(words) {
  write(announcement, words);
}
