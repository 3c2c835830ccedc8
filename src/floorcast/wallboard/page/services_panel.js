/** The services: service level, queue, longest wait, abandon rate, and a trend. */

import { shows } from "./address.js";
import * as clock from "./clock.js";
import { callsInRates, count, duration, percent, plural } from "./figures.js";
import { BEHIND, titleOf } from "./calls_dialog.js";
import { handsOf } from "./needs.js";
import { Panel } from "./panel.js";
import { figure, light, mark, opens, room, Rows, write } from "./table.js";
import { inNeed, ORDERS, Sorting } from "./services_order.js";
import { timeOf } from "./tokens.js";
import { drawTrend } from "./trends.js";

const PAGE = 10_000; // ms between two pages on a wall

export class ServicesPanel {
  #panel = new Panel("services");
  #scroll = this.#panel.section.querySelector(".scroll");
  #rows = new Rows(this.#scroll.querySelector("tbody"), "service-row");
  #search = this.#panel.section.querySelector("input");
  #sorting = new Sorting(this.#panel.section, () => this.draw());
  #at = 0; // the server's time of the rows, ms

  /** @param {import("./thresholds.js").Thresholds} thresholds */
  constructor(thresholds) {
    this.thresholds = thresholds;
    /** @type {object[]} the API's rows of all services, regardless of the view */
    this.all = [];
    /** @type {import("./address.js").View} */
    this.view = { isWall: false, services: new Set(), callCenters: new Set() };
    /** @type {?import("./trends.js").Trends} */
    this.trends = null;
    /** @type {?(service: object, figure: string) => void} shows calls if the user may see them */
    this.openCalls = null;
    /** @type {import("./roster.js").Agent[]} the logged-in agents */
    this.present = [];
    this.#search.oninput = () => this.draw();
  }

  /** The services of the view. */
  get stats() {
    return this.all.filter((one) => shows(this.view, one.serviceId, one.callCenterId));
  }

  /** Show a response of service/stats. */
  show({ stats }, token) {
    this.all = stats;
    this.#at = timeOf(token);
    this.#panel.known(token);
    this.draw();
  }

  /** Whether agents are known. Without a response or permission, the figure is unknown, not 0. */
  get isKnown() {
    return !this.#panel.isExplained;
  }

  /** Show why there are no services. */
  explain(why) {
    this.all = [];
    this.#panel.explain(why);
  }

  /** The longest current wait at a service, in seconds. */
  longestWait(service) {
    if (!service.totalCallsInQueue) return 0;
    return service.longestCallInQueue + Math.max(0, Math.floor((clock.now() - this.#at) / 1000));
  }

  /** The levels of a service's figures by measure. */
  levels(service) {
    const decided = callsInRates(service);
    const wait = this.longestWait(service);
    const level = (measure, value) => this.thresholds.level(measure, value, service);
    return {
      // Without calls, the rate is 0, which would raise an alarm at the start of every day.
      serviceLevel: decided ? level("serviceLevel", service.serviceLevel) : "",
      abandonRate: decided ? level("abandonRate", service.abandonRate) : "",
      inQueue: level("inQueue", service.totalCallsInQueue),
      longestWait: service.totalCallsInQueue ? level("longestWait", wait) : "",
      hands: handsOf(service, wait, this.present) ? "act" : "",
    };
  }

  /** The services of the view with their levels, urgent ones first. */
  rated() {
    const rated = this.stats.map((service) => ({
      service,
      levels: this.levels(service),
      wait: this.longestWait(service),
    }));
    return rated.sort(inNeed);
  }

  /** Draw all rows again. Only nodes that differ are changed. */
  draw() {
    if (this.#panel.isExplained) return;
    const rated = this.rated();
    const listed = this.view.isWall ? rated : this.#sorting.sorted(this.#found(rated), this.all);
    this.#panel.shown(this.#nothing(listed));
    const { shown, note } = this.view.isWall ? this.#page(listed) : { shown: listed, note: "" };
    this.#rows.show(
      shown,
      ({ service }) => service.serviceId,
      (row, one) => this.#fill(row, one),
    );
    const some = shown.length < rated.length ? `${shown.length} of ` : "";
    this.#panel.note(some + plural(rated.length, "service") + note);
    document.documentElement.style.setProperty("--services", Math.max(2, rated.length));
  }

  /** Focus the row of a service, by default the first, and highlight it briefly. */
  lead(id) {
    this.#search.value = "";
    this.draw();
    const row = this.#rows.of(id) ?? this.#rows.body.firstElementChild;
    if (!row) return;
    row.tabIndex = -1;
    row.scrollIntoView({ block: "nearest" });
    row.focus({ preventScroll: true });
    light(row);
  }

  /** Sort by a column, worst first, as if its title were clicked. */
  sortBy(order) {
    if (!this.view.isWall) this.#sorting.by(order, Boolean(ORDERS[order]?.worstIsMost));
  }

  #found(rated) {
    const words = this.#search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const isIt = ({ service }) => {
      const text = `${service.serviceName} ${service.callCenterName ?? ""}`.toLowerCase();
      return words.every((word) => text.includes(word));
    };
    return rated.filter(isIt);
  }

  #nothing(listed) {
    if (listed.length) return "";
    if (!this.all.length) return "No service has had an agent or a call today.";
    if (!this.stats.length) return "No service in this view has had an agent or a call today.";
    return `No service matches “${this.#search.value.trim()}”.`;
  }

  /** The rows that fit on a wall. The most urgent services stay in half of them, others rotate. */
  #page(listed) {
    const fits = room(this.#scroll);
    if (listed.length <= fits) return { shown: listed, note: "" };
    const needy = listed.filter(({ levels }) => Object.values(levels).includes("act"));
    const stay = needy.slice(0, Math.floor(fits / 2));
    const others = listed.slice(stay.length);
    const size = fits - stay.length;
    const pages = Math.ceil(others.length / size);
    const page = Math.floor(performance.now() / PAGE) % pages;
    // Fill the last page, so that the table keeps its height.
    const from = Math.min(page * size, others.length - size);
    const note = `, urgent first · page ${page + 1} of ${pages}`;
    return { shown: [...stay, ...others.slice(from, from + size)], note };
  }

  #fill(row, { service, levels, wait }) {
    const cell = (name) => row.querySelector(`.${name}`);
    const decided = callsInRates(service);
    const rate = (name, member, level) => {
      figure(cell(name), decided ? percent(service[member]) : "–", service[member], level);
    };
    const number = (name, member, level = "") => {
      figure(cell(name), count(service[member]), service[member], level);
    };
    for (const [name, behind] of Object.entries(BEHIND)) {
      const open = this.openCalls && !this.view.isWall;
      opens(cell(name), `Show calls: ${titleOf(name)}`, open && (() => this.openCalls(service, behind)));
    }
    const name = row.firstElementChild;
    write(name.firstElementChild, service.serviceName);
    name.style.setProperty("--letters", service.serviceName.length);
    if (name.title !== service.serviceName) name.title = service.serviceName;
    mark(row.dataset, "id", service.serviceId);
    rate("level", "serviceLevel", levels.serviceLevel);
    const share = decided ? service.serviceLevel / 100 : 0;
    cell("level").style.setProperty("--share", share);
    number("queue", "totalCallsInQueue", levels.inQueue);
    const waited = wait || service.totalCallsInQueue ? duration(wait) : "–";
    figure(cell("wait"), waited, service.longestCallInQueue, levels.longestWait);
    rate("abandoned", "abandonRate", levels.abandonRate);
    const speed = service.averageSpeedOfAnswer;
    figure(cell("speed"), decided ? duration(speed) : "–", speed);
    number("handled", "totalHandled");
    number("offered", "totalOffered");
    number("agents-in", "totalAgents", levels.hands);
    if (levels.hands && service.totalAgents) write(cell("agents-in"), `0/${count(service.totalAgents)} ready`);
    drawTrend(cell("trend"), this.trends?.of(service.serviceId) ?? []);
  }
}
