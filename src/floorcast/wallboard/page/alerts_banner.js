/**
 * A banner above the figures with the firing alerts. A dialog lists all alerts, acknowledges them,
 * and has the options for sound and notifications.
 */

import * as address from "./address.js";
import { alertSound, Notices } from "./alert_notices.js";
import { count, duration, percent, plural, timeOfDay } from "./figures.js";
import { busy, keep, keeping, returns } from "./focus.js";
import { Refusal } from "./requests.js";
import { mark, Rows, write } from "./table.js";

const ACKNOWLEDGING = ["Sysadmin", "Superuser", "Manager"];
const STATES = { firing: 0, acknowledged: 1 };
const NAMES = {
  silence: "no event",
  longestCallInQueue: "longest wait",
  totalCallsInQueue: "in queue",
  totalAgents: "agents",
  callsWithAgent: "calls with agent",
};

export class AlertsBanner {
  #banner = document.getElementById("alerts");
  #first = this.#banner.querySelector("p");
  #open = document.getElementById("show-alerts");
  #dialog = document.getElementById("alerts-dialog");
  #none = this.#dialog.querySelector(".explanation");
  #failure = document.getElementById("alerts-failure");
  #said = document.getElementById("alert-announcement");
  #rows = new Rows(this.#dialog.querySelector("tbody"), "alert-row");
  #openers = []; // of the dialog, and what has the focus without them
  #all = []; // firing and acknowledged alerts, the most urgent first
  #known = null; // the alerts of the last response, by id and time; null: no response yet
  #notices = new Notices(this.#dialog, this.#failure);

  /** @param {(path: string) => Promise<object>} post sends a request to the API */
  constructor(post) {
    this.post = post;
    this.role = "";
    const open = () => {
      write(this.#failure, "");
      this.#dialog.showModal();
    };
    const button = this.#banner.querySelector("button");
    this.#open.onclick = open;
    button.onclick = open;
    this.#openers = [button, this.#open, ...document.querySelectorAll("#show-menu, #board h1")];
    returns(this.#dialog, ...this.#openers);
  }

  /** Start a session without any known alert. */
  forget(role) {
    this.role = role;
    this.#all = [];
    this.#known = null;
    this.#hide(this.#open, true);
    this.draw();
  }

  /** Show a response of `alerts`. */
  show({ alerts }) {
    this.#hide(this.#open, !alerts.length);
    this.#all = alerts
      .filter((one) => one.status in STATES)
      .sort((one, other) => STATES[one.status] - STATES[other.status] || one.since - other.since);
    this.#tell();
    this.draw();
  }

  /** Hide the alerts from a user without permission. */
  explain() {
    this.forget(this.role);
  }

  /** Close the dialog. */
  close() {
    if (this.#dialog.open) this.#dialog.close();
  }

  /** Draw the alerts of the view. */
  draw() {
    const shown = this.#shown();
    const firing = shown.filter((one) => one.status === "firing");
    this.#hide(this.#banner, !shown.length);
    mark(this.#banner.dataset, "level", firing.length ? "act" : "watch");
    const [first] = shown;
    if (first) {
      const more = shown.length > 1 ? ` · and ${count(shown.length - 1)} more` : "";
      write(this.#first, `${inWords(first)}${whoKnows(first)}${more}`);
      this.#first.title = inWords(first);
    }
    write(this.#open, firing.length ? `Alerts: ${count(firing.length)}` : "Alerts");
    this.#none.hidden = shown.length > 0;
    const row = this.#rows.of(this.#rows.focused());
    this.#rows.show(shown, (one) => `${one.clientId}/${one.alertId}`, (one, alert) => this.#fill(one, alert));
    if (row) keep(...this.#buttonsAfter(row), this.#dialog.querySelector(".primary"));
  }

  /** The buttons that can have the focus once the alert of a row has been acknowledged. */
  #buttonsAfter(row) {
    const rows = [...this.#rows.body.rows];
    const place = rows.indexOf(row);
    return [...rows.slice(place + 1), ...rows.slice(0, place + 1)].map((one) => one.querySelector("button"));
  }

  #hide(element, isHidden) {
    const hide = () => {
      element.hidden = isHidden;
    };
    keeping(element, hide, ...this.#openers);
  }

  #shown() {
    const view = address.view();
    return this.#all.filter(
      (one) => one.serviceId === null || address.shows(view, one.serviceId, one.callCenterId),
    );
  }

  #fill(row, one) {
    const [what, value, since, act] = row.children;
    mark(row.dataset, "level", one.status === "firing" ? "act" : "watch");
    write(what, named(one));
    write(value, `${shownValue(one, one.value)} (${one.condition} ${shownValue(one, one.threshold)})`);
    write(since, `since ${timeOfDay(one.since)}`);
    const button = act.querySelector("button");
    const may = ACKNOWLEDGING.includes(this.role);
    button.hidden = !may || one.status !== "firing";
    button.ariaLabel = `Acknowledge ${named(one)}`;
    button.onclick = () => busy(button, () => this.#acknowledge(one));
    write(act.querySelector("span"), one.status === "firing" ? "" : `seen by ${one.acknowledgedBy}`);
  }

  async #acknowledge(one) {
    try {
      const { body } = await this.post(`/realtime/alerts/${one.alertId}/acknowledge`);
      Object.assign(one, body);
      write(this.#failure, "");
    } catch (error) {
      write(this.#failure, error instanceof Refusal ? error.message : "The server is not responding.");
    }
    this.draw();
  }

  /** Announce the alerts that have begun to fire since the last response. */
  #tell() {
    const firing = this.#shown().filter((one) => one.status === "firing");
    const known = new Set(firing.map((one) => `${one.clientId}/${one.alertId}/${one.since}`));
    const fresh = this.#known
      ? firing.filter((one) => !this.#known.has(`${one.clientId}/${one.alertId}/${one.since}`))
      : [];
    this.#known = known;
    if (!fresh.length) return;
    const words = fresh.map(inWords).join(". ");
    write(this.#said, `${plural(fresh.length, "alert")}: ${words}`);
    if (this.#notices.wantsSound) alertSound();
    if (this.#notices.wantsNotices) {
      for (const one of fresh) this.#notices.notify(one.alertId, named(one), inWords(one));
    }
  }
}

function named(one) {
  return one.serviceName ? `${one.name} · ${one.serviceName}` : one.name;
}

function inWords(one) {
  const figure = NAMES[one.figure] ?? spaced(one.figure.replace(/^interval\./, ""));
  return `${named(one)}: ${figure} ${shownValue(one, one.value)} since ${timeOfDay(one.since)}`;
}

function whoKnows(one) {
  return one.acknowledgedBy ? ` · seen by ${one.acknowledgedBy}` : "";
}

/** `averageTalkDuration` as "average talk duration". */
function spaced(figure) {
  return figure.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
}

/** A value with the unit of its figure. */
function shownValue({ figure }, value) {
  if (value === null) return "–";
  if (/Rate$|Level$|^percent|occupancy$/.test(figure)) return percent(value);
  if (/^silence$|^longest|[aA]verage|\bwait|Time$/.test(figure)) return duration(value);
  return count(value);
}
