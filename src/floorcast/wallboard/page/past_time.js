/** The time that the board shows: now, or a time of the last 26 hours, chosen in a dialog. */

import { momentOfDay } from "./figures.js";
import { write } from "./table.js";

const REACH = 26 * 3_600_000; // ms for which the server keeps the past
const STEP = 15 * 60_000; // ms per step
const MINUTE = 60_000;

export class PastTime {
  #dialog = document.getElementById("past");
  #input = this.#dialog.querySelector("input");
  #button = document.getElementById("show-past");
  #bar = document.getElementById("past-bar");
  #at = null;

  /** @param {(at: ?number) => void} onChange the time to show, ms; null: now */
  constructor(onChange) {
    this.onChange = onChange;
    this.#button.onclick = () => this.#choose();
    this.#dialog.querySelector("form").onsubmit = ({ submitter }) => {
      if (submitter?.value === "show") this.#go(new Date(this.#input.value).getTime());
    };
    this.#dialog.querySelector("[value=live]").onclick = () => {
      this.#dialog.close();
      this.#go(null);
    };
    for (const button of this.#bar.querySelectorAll("[data-step]")) {
      button.onclick = () => this.#go(this.#at + Number(button.dataset.step) * STEP);
    }
    this.#bar.querySelector("[value=live]").onclick = () => this.#go(null);
    addEventListener("keydown", (event) => {
      const isFree = !event.defaultPrevented && !document.querySelector("dialog[open]");
      if (event.key === "Escape" && isFree && this.#at !== null) this.#go(null);
    });
  }

  /** Show a time (ms), or the present if it is null. */
  show(at) {
    this.#at = at;
    const isPast = at !== null;
    document.documentElement.dataset.past = String(isPast);
    this.#bar.hidden = !isPast;
    this.#button.ariaPressed = String(isPast);
    write(this.#button, isPast ? `Time: ${momentOfDay(at)}` : "Time: live");
    if (isPast) write(this.#bar.querySelector("b"), momentOfDay(at));
  }

  #choose() {
    const now = Date.now();
    this.#input.min = local(now - REACH);
    this.#input.max = local(now);
    this.#input.value = local(this.#at ?? now - 4 * STEP);
    this.#dialog.showModal();
    this.#input.focus();
  }

  #go(at) {
    if (Number.isNaN(at)) return;
    this.onChange(at === null || at >= Date.now() ? null : at);
    if (at === null) this.#button.focus();
  }
}

/** A time in the format of the input: local, to the minute. */
function local(ms) {
  const offset = new Date(ms).getTimezoneOffset() * MINUTE;
  return new Date(ms - offset).toISOString().slice(0, 16);
}
