/** The services: service level, queue, longest wait, abandon rate. */

import * as clock from "./clock.js";
import { callsInRates, count, duration, percent, plural } from "./figures.js";
import { Panel } from "./panel.js";
import { figure, mark, room, Rows, write } from "./table.js";
import { LEVELS } from "./thresholds.js";
import { timeOf } from "./tokens.js";

export class ServicesPanel {
  #panel = new Panel("services");
  #scroll = this.#panel.section.querySelector(".scroll");
  #rows = new Rows(this.#scroll.querySelector("tbody"), "service-row");
  #at = 0; // the server's time at which the rows are true, ms

  /** @param {import("./thresholds.js").Thresholds} thresholds */
  constructor(thresholds) {
    this.thresholds = thresholds;
    /** @type {object[]} as the API gives them */
    this.stats = [];
    this.onWall = false;
  }

  /** Show an answer of service/stats. */
  show({ stats }, token) {
    this.stats = stats;
    this.#at = timeOf(token);
    this.#panel.shown(token, stats.length ? "" : "No service has had an agent or a call today.");
    this.draw();
  }

  /** Whether there is anything to go by: no answer, or no right to one, is no figure of 0. */
  get isKnown() {
    return !this.#panel.isExplained;
  }

  /** Say why there are none. */
  explain(why) {
    this.stats = [];
    this.#panel.explain(why);
  }

  /** How long the longest call of a service has waited by now, in seconds. */
  longestWait(service) {
    if (!service.totalCallsInQueue) return 0;
    return service.longestCallInQueue + Math.max(0, Math.floor((clock.now() - this.#at) / 1000));
  }

  /** The levels of a service's figures by measure. */
  levels(service) {
    const decided = callsInRates(service);
    const level = (measure, value) => this.thresholds.level(measure, value);
    return {
      // a rate of nothing is 0, which would call for help at every day's beginning
      serviceLevel: decided ? level("serviceLevel", service.serviceLevel) : "",
      abandonRate: decided ? level("abandonRate", service.abandonRate) : "",
      inQueue: level("inQueue", service.totalCallsInQueue),
      longestWait: level("longestWait", this.longestWait(service)),
    };
  }

  /** Draw all rows anew; only what differs is touched. */
  draw() {
    if (this.#panel.isExplained) return;
    const rows = this.stats.map((service) => [service, this.levels(service)]);
    if (this.onWall) rows.sort((one, other) => need(other[1]) - need(one[1]));
    const shown = rows.slice(0, room(this.#scroll));
    this.#rows.show(
      shown,
      ([service]) => service.serviceId,
      (row, one) => this.#fill(row, ...one),
    );
    const all = plural(rows.length, "service");
    this.#panel.note(shown.length < rows.length ? `${shown.length} of ${all}, in need first` : all);
  }

  #fill(row, service, levels) {
    const [name, serviceLevel, inQueue, longestWait, abandoned, offered, agents] = row.children;
    const decided = callsInRates(service);
    const wait = this.longestWait(service);
    write(name, service.serviceName);
    mark(row.dataset, "id", service.serviceId);
    figure(
      serviceLevel,
      decided ? percent(service.serviceLevel) : "–",
      service.serviceLevel,
      levels.serviceLevel,
    );
    serviceLevel.style.setProperty("--share", decided ? service.serviceLevel / 100 : 0);
    figure(inQueue, count(service.totalCallsInQueue), service.totalCallsInQueue, levels.inQueue);
    figure(
      longestWait,
      wait ? duration(wait) : "–",
      service.longestCallInQueue,
      levels.longestWait,
    );
    figure(
      abandoned,
      decided ? percent(service.abandonRate) : "–",
      service.abandonRate,
      levels.abandonRate,
    );
    figure(offered, count(service.totalOffered), service.totalOffered);
    figure(agents, count(service.totalAgents), service.totalAgents);
  }
}

/** How much a service needs a hand: the sum of its figures' levels, the worst one first. */
function need(levels) {
  const all = Object.values(levels).map((level) => LEVELS.indexOf(level));
  return Math.max(...all) * 10 + all.reduce((sum, one) => sum + one, 0);
}
