/**
 * A dialog with the last hours, or a day of the archive, by interval, for one service or for all
 * services of the view.
 */

import * as address from "./address.js";
import * as clock from "./clock.js";
import { count, duration, minuteOfDay, percent, plural } from "./figures.js";
import { Refusal } from "./requests.js";
import { INTERVALS } from "./source.js";
import { Rows, write } from "./table.js";

const REPORT = "/reporting/service/stats";
const HOURS = 8;
const FRESH = 15_000; // ms between two requests

export class IntervalsDialog {
  #dialog = document.getElementById("intervals");
  #service = this.#dialog.querySelector("[name=service]");
  #length = this.#dialog.querySelector("[name=interval]");
  #day = this.#dialog.querySelector("[name=day]");
  #note = document.getElementById("intervals-note");
  #failure = document.getElementById("intervals-failure");
  #rows = new Rows(this.#dialog.querySelector("tbody"), "interval-row");
  #timer = 0;
  #asked = 0; // number of requests; only the response to the last request is shown

  /**
   * @param {(path: string, body: object) => Promise<object>} ask a method of the API
   * @param {() => object[]} services returns the view's rows of service/stats
   */
  constructor(ask, services) {
    this.ask = ask;
    this.services = services;
    document.getElementById("show-intervals").onclick = () => this.open();
    for (const one of [this.#service, this.#length, this.#day]) one.onchange = () => this.#load();
    this.#day.onkeydown = (event) => {
      if (event.key === "Enter") event.preventDefault(); // it would close the dialog
    };
    this.#dialog.onclose = () => this.close();
  }

  /** Show the intervals. */
  open() {
    const options = [["", "All services in this view"]];
    for (const one of this.services()) options.push([one.serviceId, one.serviceName]);
    const chosen = this.#service.value;
    this.#service.replaceChildren(...options.map(([id, name]) => new Option(name, id)));
    this.#service.value = options.some(([id]) => id === chosen) ? chosen : "";
    this.#dialog.showModal();
    this.#load();
  }

  /** Close the dialog and stop the requests. */
  close() {
    clearTimeout(this.#timer);
    this.#asked += 1;
    this.#rows.show([], String, () => {});
    if (this.#dialog.open) this.#dialog.close();
  }

  async #load() {
    clearTimeout(this.#timer);
    if (!this.#day.validity.valid) return; // a year that is being typed is one of the first centuries
    const asked = (this.#asked += 1);
    const id = this.#service.value;
    const filter = id ? { service: [{ id }] } : address.filterOf(address.view());
    const day = this.#day.value;
    const span = day ? { from: day, to: day } : { last: HOURS * 3600 };
    const body = { interval: Number(this.#length.value), ...span, ...(filter && { filter }) };
    if (day) write(this.#note, "Loading …");
    try {
      const { body: answer } = await this.ask(day ? REPORT : INTERVALS, body);
      if (asked !== this.#asked) return;
      write(this.#failure, "");
      this.#show(answer.intervals, day);
    } catch (error) {
      if (asked !== this.#asked) return;
      write(this.#failure, error instanceof Refusal ? error.message : "The server is not responding.");
      if (day) this.#clear(); // the shown figures are from another day
      const isFinal = error instanceof Refusal && !error.isForNow;
      if (day && !isFinal) this.#again((error.retryAfter ?? 0) * 1000 || FRESH);
    }
    if (!day) this.#again(FRESH);
  }

  #again(ms) {
    this.#timer = setTimeout(() => this.#load(), ms);
  }

  #clear() {
    this.#rows.show([], String, () => {});
    write(this.#note, "");
  }

  #show(intervals, day) {
    const sums = summed(intervals);
    const most = Math.max(1, ...sums.map((one) => one.offered));
    const when = day || `The last ${plural(HOURS, "hour")}`;
    const none = day ? `No calls on ${day}.` : `No calls in the last ${plural(HOURS, "hour")}.`;
    write(this.#note, sums.length ? when : none);
    this.#rows.show(sums, (one) => String(one.start), (row, one) => fill(row, one, most));
  }
}

/** The combined intervals of several services, newest first. */
export function summed(intervals) {
  const sums = new Map();
  for (const one of intervals) {
    const sum = sums.get(one.start) ?? {
      start: one.start, end: one.end, complete: one.complete,
      offered: 0, handled: 0, abandoned: 0, weight: 0, level: 0, wait: 0, longest: 0,
    };
    const decided = one.handled + one.abandoned;
    sum.offered += one.offered;
    sum.handled += one.handled;
    sum.abandoned += one.abandoned;
    sum.weight += decided;
    sum.level += decided * one.serviceLevel;
    sum.wait += one.handled * one.averageSpeedOfAnswer;
    sum.longest = Math.max(sum.longest, one.waitMax);
    sums.set(one.start, sum);
  }
  return [...sums.values()].sort((one, other) => other.start - one.start);
}

function fill(row, one, most) {
  const [time, offered, handled, abandoned, level, speed, longest] = row.children;
  row.dataset.start = one.start;
  write(time, `${minuteOfDay(one.start)}–${minuteOfDay(one.complete ? one.end : clock.now())}`);
  write(offered, count(one.offered));
  offered.style.setProperty("--share", one.offered / most);
  write(handled, count(one.handled));
  write(abandoned, count(one.abandoned));
  write(level, one.weight ? percent(one.level / one.weight) : "–");
  level.style.setProperty("--share", one.weight ? one.level / one.weight / 100 : 0);
  write(speed, one.handled ? duration(one.wait / one.handled) : "–");
  write(longest, one.handled ? duration(one.longest) : "–");
}
