/** The calls that wait for an agent, longest first. */

import * as clock from "./clock.js";
import { count, duration } from "./figures.js";
import { Panel } from "./panel.js";
import { figure, room, Rows, write } from "./table.js";

const MOST = 200; // rows; the title tells of the others

export class WaitingPanel {
  #panel = new Panel("waiting");
  #scroll = this.#panel.section.querySelector(".scroll");
  #rows = new Rows(this.#scroll.querySelector("tbody"), "waiting-row");
  #calls = [];

  /** @param {import("./thresholds.js").Thresholds} thresholds */
  constructor(thresholds) {
    this.thresholds = thresholds;
  }

  /** Show an answer of service/calls/status. */
  show({ callsDetails }, token) {
    this.#calls = callsDetails;
    this.#panel.shown(token, callsDetails.length ? "" : "Nobody waits.");
    this.draw();
  }

  /** Say why there are none. */
  explain(why) {
    this.#calls = [];
    this.#panel.explain(why);
  }

  /** Draw all rows anew, as long as they have waited by now. */
  draw() {
    if (this.#panel.isExplained) return;
    const shown = this.#calls.slice(0, Math.min(MOST, room(this.#scroll)));
    this.#rows.show(shown, looksOf, (row, call) => this.#fill(row, call));
    this.#panel.note(note(this.#calls.length, shown.length));
  }

  #fill(row, call) {
    const [service, caller, waits] = row.children;
    const seconds = Math.max(0, clock.now() / 1000 - Number(call.timeStamp));
    write(service, call.serviceName ?? "no service");
    write(caller, call.name ?? call.phone ?? call.account ?? "unknown");
    figure(waits, duration(seconds), call.timeStamp, this.thresholds.level("longestWait", seconds));
  }
}

/** What tells one call from another, as far as the API tells them apart. */
function looksOf(call) {
  return [call.serviceId, call.timeStamp, call.phone, call.account].join(" ");
}

function note(waiting, shown) {
  return shown < waiting ? `${count(waiting)}, the longest ${shown} shown` : count(waiting);
}
