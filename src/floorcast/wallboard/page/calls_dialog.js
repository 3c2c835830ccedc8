/** A dialog with the calls that a figure of a service counts, loaded page by page. */

import { count, duration, plural, timeOfDay } from "./figures.js";
import { busy, keeping, returns } from "./focus.js";
import { Refusal } from "./requests.js";
import { mark, write } from "./table.js";
import { timeOf } from "./tokens.js";

const CALLS = "/realtime/service/calls";
const LONG = 24; // characters above which a cell may wrap
export const ROLES = ["Sysadmin", "Superuser", "Report Admin"]; // the roles that may read call data

/** The names of the figures, by member of service/stats, and when a call counts in each. */
const FIGURES = {
  totalCallsInQueue: { title: "In queue", at: "joined" },
  totalOffered: { title: "Offered", at: "joined" },
  totalHandled: { title: "Handled", at: "answered" },
  totalAbandoned: { title: "Abandoned", at: "left" },
  totalCallsAnsweredWithinSLA: { title: "Answered in time", at: "answered" },
};

/** The figure that a cell of the services table links to. */
export const BEHIND = {
  level: "totalCallsAnsweredWithinSLA",
  queue: "totalCallsInQueue",
  wait: "totalCallsInQueue",
  abandoned: "totalAbandoned",
  handled: "totalHandled",
  offered: "totalOffered",
};

/** The accessible name of a cell's button. */
export function titleOf(name) {
  return FIGURES[BEHIND[name]].title;
}

export class CallsDialog {
  #dialog = document.getElementById("calls");
  #title = document.getElementById("calls-title");
  #note = document.getElementById("calls-note");
  #failure = document.getElementById("calls-failure");
  #scroll = this.#dialog.querySelector(".scroll");
  #body = this.#dialog.querySelector("tbody");
  #more = this.#dialog.querySelector("[value=more]");
  #row = document.getElementById("call-row").content.firstElementChild;
  #asked = null; // the body of the request, without its cursor
  #cursor = null;

  /**
   * @param {(path: string, body: object) => Promise<object>} ask a method of the API
   * @param {(login: string) => string} nameOf the name of an agent, if it is known
   */
  constructor(ask, nameOf) {
    this.ask = ask;
    this.nameOf = nameOf;
    this.#more.onclick = () => busy(this.#more, () => this.#load());
    this.#dialog.onclose = () => this.close();
    returns(this.#dialog, ...document.querySelectorAll("#services :is(.scroll, .explanation)"));
  }

  /** Show the calls behind a figure of a service. */
  open(service, figure) {
    this.#asked = { filter: { service: [{ id: service.serviceId }] }, figure };
    this.#cursor = null;
    this.#body.replaceChildren();
    write(this.#title, `${FIGURES[figure].title} · ${service.serviceName}`);
    write(this.#note, "Loading …");
    this.#more.hidden = true;
    this.#scroll.hidden = true;
    this.#dialog.showModal();
    return this.#load();
  }

  /** Close the dialog and discard the calls. */
  close() {
    this.#asked = null;
    this.#body.replaceChildren();
    if (this.#dialog.open) this.#dialog.close();
  }

  async #load() {
    const asked = this.#asked;
    write(this.#failure, "");
    try {
      const cursor = this.#cursor ? { cursor: this.#cursor } : {};
      const { body, token } = await this.ask(CALLS, { ...asked, ...cursor });
      if (asked === this.#asked) this.#show(body, timeOf(token));
    } catch (error) {
      if (asked !== this.#asked) return;
      write(this.#failure, error instanceof Refusal ? error.message : "The server is not responding.");
      if (!this.#body.rows.length) write(this.#note, "");
      this.#more.hidden = false;
      write(this.#more, "Try again");
    }
  }

  #show({ calls, total, cursor }, at) {
    const { at: member } = FIGURES[this.#asked.figure];
    const first = this.#body.rows.length;
    this.#body.append(...calls.map((call) => this.#filled(call, call[member] ?? call.joined)));
    this.#cursor = cursor;
    write(this.#more, "Show more");
    this.#scroll.hidden = !this.#body.rows.length;
    const hide = () => {
      this.#more.hidden = !cursor;
    };
    keeping(this.#more, hide, this.#scroll);
    const shown = this.#body.rows.length;
    const some = shown < total ? `${count(shown)} of ` : "";
    write(this.#note, `${some}${plural(total, "call")} at ${timeOfDay(at)}`);
    if (first && calls.length) this.#body.rows[first].scrollIntoView({ block: "nearest" });
    else if (!first) this.#scroll.focus();
  }

  #filled(call, at) {
    const row = this.#row.cloneNode(true);
    const [when, caller, account, wait, talk, agent, result] = row.children;
    row.dataset.id = call.transactionId;
    write(when, at === null ? "–" : timeOfDay(at));
    name(caller, call.phone ?? "unknown");
    name(account, call.account ?? "–");
    write(wait, call.wait === null ? "–" : duration(call.wait));
    write(talk, call.talk === null ? "–" : duration(call.talk));
    const login = call.agentLoginId;
    name(agent, login === null ? "–" : this.nameOf(login));
    agent.title = login ?? "";
    name(result, call.termCode ?? call.lvResult ?? "–");
    return row;
  }
}

/** Write a number or name, which stays on one line unless it is long. */
function name(cell, text) {
  write(cell, text);
  mark(cell.dataset, "long", text.length > LONG ? "true" : "");
}
