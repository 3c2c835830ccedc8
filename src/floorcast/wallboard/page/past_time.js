/** The time that the board shows: now, or a time of the last 26 hours, chosen in a dialog. */

import { momentOfDay } from "./figures.js";
import { keep, keeping } from "./focus.js";
import { write } from "./table.js";

const REACH = 26 * 3_600_000; // ms for which the server keeps the past
const STEP = 15 * 60_000; // ms per step
const MINUTE = 60_000;

export class PastTime {
  #dialog = document.getElementById("past");
  #input = this.#dialog.querySelector("input");
  #button = document.getElementById("show-past");
  #bar = document.getElementById("past-bar");
  #earlier = this.#bar.querySelector("[data-step='-1']");
  #earliestButton = this.#bar.querySelector("[value=earliest]");
  #later = this.#bar.querySelector("[data-step='1']");
  #menu = document.getElementById("show-menu");
  #at = null;

  /** @param {(at: ?number) => void} onChange the time to show, ms; null: now */
  constructor(onChange) {
    this.onChange = onChange;
    /** @type {?number} the earliest time that the server has, ms; null: unknown */
    this.earliest = null;
    this.#button.onclick = () => this.#choose();
    this.#dialog.querySelector("form").onsubmit = ({ submitter }) => {
      if (submitter?.value === "show") this.#go(this.#chosen());
    };
    this.#dialog.querySelector("[value=live]").onclick = () => {
      this.#dialog.close();
      this.#go(null);
    };
    for (const button of this.#bar.querySelectorAll("[data-step]")) {
      const step = Number(button.dataset.step) * STEP;
      button.onclick = () => this.#go(Math.max(this.#at + step, this.earliest ?? 0));
    }
    this.#bar.querySelector("[value=live]").onclick = () => this.#go(null);
    this.#earliestButton.onclick = () => this.#go(this.earliest);
  }

  /** Return to the present. Returns whether a past time was shown. */
  leave() {
    if (this.#at === null) return false;
    this.#go(null);
    return true;
  }

  /** Show a time (ms), or the present if it is null. */
  show(at) {
    this.#keepFocus(() => this.#show(at));
  }

  #show(at) {
    this.#at = at;
    const isPast = at !== null;
    document.documentElement.dataset.past = String(isPast);
    this.#bar.hidden = !isPast;
    this.#button.ariaPressed = String(isPast);
    write(this.#button, isPast ? `Time: ${momentOfDay(at)}` : "Time: live");
    if (isPast) write(this.#bar.querySelector("b"), momentOfDay(at));
    this.#earlier.disabled = isPast && at <= this.earliest;
    this.#say("");
  }

  /** Show instead of all panels that the server has no data for the time, or why. */
  refuse(why) {
    const isTooEarly = this.earliest !== null && this.#at < this.earliest;
    const first = isTooEarly ? momentOfDay(this.earliest) : "";
    document.documentElement.dataset.past = "none";
    this.#keepFocus(() => {
      this.#say(isTooEarly ? `There is no data before ${first}.` : `${why}.`);
      this.#earlier.disabled = isTooEarly;
      this.#earliestButton.hidden = !isTooEarly;
    });
    write(this.#earliestButton, `Go to ${first}`);
  }

  /** A step can disable or hide the button that has the focus. */
  #keepFocus(change) {
    keeping(this.#bar, change, this.#earliestButton, this.#later, this.#button, this.#menu);
  }

  /** Set the bar's message. Empty: the time that is shown. */
  #say(message) {
    const [usual, other] = this.#bar.querySelectorAll("p > span");
    usual.hidden = Boolean(message);
    other.hidden = !message;
    write(other, message);
    this.#earliestButton.hidden = true;
  }

  /** The time in the dialog. The earliest minute begins before the earliest time. */
  #chosen() {
    const at = new Date(this.#input.value).getTime();
    const isFirstMinute = this.earliest !== null && at < this.earliest && at > this.earliest - MINUTE;
    return isFirstMinute ? this.earliest : at;
  }

  #choose() {
    const now = Date.now();
    this.#input.min = local(this.earliest ?? now - REACH);
    this.#input.max = local(now);
    this.#input.value = local(this.#at ?? Math.max(now - 4 * STEP, this.earliest ?? 0));
    this.#dialog.showModal();
    this.#input.focus();
  }

  #go(at) {
    if (Number.isNaN(at)) return;
    this.onChange(at === null || at >= Date.now() ? null : at);
    if (at === null) keep(this.#button, this.#menu);
  }
}

/** A time in the format of the input: local, to the minute. */
function local(ms) {
  const offset = new Date(ms).getTimezoneOffset() * MINUTE;
  return new Date(ms - offset).toISOString().slice(0, 16);
}
