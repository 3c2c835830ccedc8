/** The calls waiting for an agent, longest first. */

import { shows } from "./address.js";
import * as clock from "./clock.js";
import { count, duration, plural } from "./figures.js";
import { Panel } from "./panel.js";
import { figure, room, Rows, write } from "./table.js";

const MOST = 200; // rows; the title counts the others

export class WaitingPanel {
  #panel = new Panel("waiting");
  #scroll = this.#panel.section.querySelector(".scroll");
  #rows = new Rows(this.#scroll.querySelector("tbody"), "waiting-row");
  #calls = [];

  /** @param {import("./thresholds.js").Thresholds} thresholds */
  constructor(thresholds) {
    this.thresholds = thresholds;
    /** @type {import("./address.js").View} */
    this.view = null;
    /** @type {Map<number, object>} the rows of service/stats by the service's id */
    this.services = new Map();
  }

  /** Show a response of service/calls/status. */
  show({ callsDetails }, token) {
    this.#calls = callsDetails;
    this.#panel.known(token);
    this.draw();
  }

  /** Show why there are no calls. */
  explain(why) {
    this.#calls = [];
    this.#panel.explain(why);
  }

  /** Draw all rows again, with their waits up to now. */
  draw() {
    if (this.#panel.isExplained) return;
    const center = (id) => this.services.get(Number(id))?.callCenterId;
    const calls = this.#calls.filter(({ serviceId: id }) => shows(this.view, id, center(id)));
    this.#panel.shown(calls.length ? "" : "No calls are waiting.");
    const shown = calls.slice(0, Math.min(MOST, room(this.#scroll)));
    this.#rows.show(shown, looksOf, (row, call) => this.#fill(row, call));
    this.#panel.note(note(calls.length, shown.length));
  }

  #fill(row, call) {
    const [service, caller, waits] = row.children;
    const seconds = Math.max(0, clock.now() / 1000 - Number(call.timeStamp));
    write(service, call.serviceName ?? "no service");
    if (service.title !== service.textContent) service.title = service.textContent;
    const who = call.name ?? call.phone ?? call.account ?? "unknown";
    write(caller, who);
    if (caller.title !== who) caller.title = who;
    const own = this.services.get(Number(call.serviceId));
    const level = this.thresholds.level("longestWait", seconds, own);
    figure(waits, duration(seconds), call.timeStamp, level);
  }
}

/** The identity of a call, from the members that the API has. */
function looksOf(call) {
  return [call.serviceId, call.timeStamp, call.phone, call.account].join(" ");
}

function note(waiting, shown) {
  return (shown < waiting ? `${count(shown)} of ` : "") + plural(waiting, "call");
}
