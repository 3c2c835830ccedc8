/** The agents by state, with their time in that state. Only visible rows are in the page. */

import { AgentDialog } from "./agent_dialog.js";
import { listed } from "./agents_order.js";
import { shows } from "./address.js";
import * as clock from "./clock.js";
import { count, duration, plural } from "./figures.js";
import { Panel } from "./panel.js";
import { reasonName, stateName } from "./roster.js";
import { HOLD, IN_CALL, NOT_READY, WRAP_UP } from "./states.js";
import { StatesBar } from "./states_bar.js";
import { figure, mark, opens, room, Rows, write } from "./table.js";

const MEASURE = {
  [NOT_READY]: "notReady",
  [WRAP_UP]: "wrapUp",
  [IN_CALL]: "inCall",
  [HOLD]: "hold",
};
const BEYOND = 6; // rows drawn above and below the visible ones

export class AgentsPanel {
  #panel = new Panel("agents");
  #find = (selector) => this.#panel.section.querySelector(selector);
  #scroll = this.#find(".scroll");
  #table = this.#find("table");
  #spaces = this.#panel.section.querySelectorAll(".space td");
  #rows = new Rows(this.#find("tbody:not(.space)"), "agent-row");
  #states = new StatesBar(this.#find(".share"), this.#find(".states"), (states) =>
    this.#choose({ states }),
  );
  #choice = { states: this.#states.chosen, search: "", order: "need", descending: false };
  #listed = [];
  #isListed = false;
  #details = new AgentDialog();
  #nothing = this.#find(".nothing");
  #frame = 0;

  /** @param {import("./thresholds.js").Thresholds} thresholds */
  constructor(thresholds) {
    this.thresholds = thresholds;
    /** @type {import("./roster.js").Agent[]} */
    this.present = [];
    /** @type {import("./address.js").View} */
    this.view = null;
    this.#scroll.addEventListener("scroll", () => this.#later(), { passive: true });
    new ResizeObserver(() => this.#later()).observe(this.#scroll);
    this.#scroll.onkeydown = (event) => this.#step(event);
    this.#find("input").oninput = ({ target }) => this.#choose({ search: target.value });
    for (const button of this.#panel.section.querySelectorAll("[data-order]")) {
      button.onclick = () => this.#orderBy(button.dataset.order);
    }
  }

  /** Show the agents of a roster. `token` is the token of a snapshot, null after an event. */
  show(roster, token) {
    const center = (id) => roster.services.get(id)?.callCenterId;
    this.present = roster
      .present()
      .filter(({ serviceId: id }) => shows(this.view, id, center(id)));
    this.#panel.known(token);
    this.#panel.shown(this.present.length ? "" : "Nobody is logged in.");
    this.draw();
  }

  /** Whether agents are known. Without a response or permission, the figure is unknown, not 0. */
  get isKnown() {
    return !this.#panel.isExplained;
  }

  /** Show why there are no agents. */
  explain(why) {
    this.present = [];
    this.#listed = [];
    this.#details.close();
    this.#panel.explain(why);
  }

  /** The level of an agent's time in the current state. */
  level(agent) {
    const measure = MEASURE[agent.state];
    return measure ? this.thresholds.level(measure, (clock.now() - agent.since) / 60_000) : "";
  }

  /** List only the agents in these states. */
  choose(states) {
    this.#states.chosen.clear();
    for (const state of states) this.#states.chosen.add(state);
    this.#clearSearch();
    this.#choose({ states: this.#states.chosen });
    this.#reach();
  }

  /** Show an agent. Sorts the list by urgency, which puts the agent near the top. */
  lead(login) {
    this.choose([]);
    this.#choose({ order: "need", descending: false });
    this.#tellOrder();
    this.#list();
    const place = this.#listed.findIndex(({ agent }) => agent.login === login);
    this.#scroll.scrollTop = Math.max(0, (place - 2) * this.#rowHeight());
  }

  /** The list is one tab stop. Within it, the arrow keys move from agent to agent. */
  #step(event) {
    const way = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (!way) return;
    const row = document.activeElement.closest("[data-login]");
    const top = this.#scroll.getBoundingClientRect().top + this.#table.tHead.offsetHeight;
    const inView = (one) => one.getBoundingClientRect().bottom > top;
    const next = row ? row[way] : [...this.#rows.body.children].find(inView);
    next?.querySelector("button")?.focus();
    event.preventDefault();
  }

  /** Select, sort and draw again, because levels also change with time. */
  draw() {
    if (this.#panel.isExplained) return;
    this.#details.draw(this.present);
    this.#isListed = false;
    this.#later();
  }

  #clearSearch() {
    this.#find("input").value = "";
    this.#choice.search = "";
  }

  /** Scroll to the panel and focus its list. */
  #reach() {
    this.#panel.section.scrollIntoView({ block: "nearest" });
    this.#scroll.focus({ preventScroll: true });
  }

  #choose(change) {
    Object.assign(this.#choice, change);
    this.#scroll.scrollTop = 0;
    this.draw();
  }

  /** Cycle through a column's order, its reverse order, and the default order. */
  #orderBy(order) {
    const { order: before, descending } = this.#choice;
    if (before !== order) this.#choose({ order, descending: false });
    else if (!descending) this.#choose({ descending: true });
    else this.#choose({ order: "need", descending: false });
    this.#tellOrder();
  }

  #tellOrder() {
    for (const button of this.#panel.section.querySelectorAll("[data-order]")) {
      const isIt = button.dataset.order === this.#choice.order;
      const way = this.#choice.descending ? "descending" : "ascending";
      button.closest("th").ariaSort = isIt ? way : null;
    }
  }

  /** Draw all changes since the last frame together. */
  #later() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (!this.#isListed) this.#list();
      this.#drawRows();
    });
  }

  #list() {
    this.#isListed = true;
    this.#listed = listed(this.present, this.#choice, (agent) => this.level(agent));
    const all = this.present.length;
    const some = this.#listed.length;
    this.#panel.note(
      some === all ? plural(all, "agent") : `${count(some)} of ${plural(all, "agent")}`,
    );
    this.#states.show(this.present);
    const isNothing = !some && all;
    const search = this.#choice.search.trim();
    const what = search ? `matches “${search}”` : "is in the selected states";
    this.#nothing.hidden = !isNothing;
    write(this.#nothing, isNothing ? `No agent ${what}.` : "");
  }

  #drawRows() {
    const height = this.#rowHeight();
    const top = Math.max(0, Math.floor(this.#scroll.scrollTop / height) - BEYOND);
    const seen = Math.min(
      room(this.#scroll),
      Math.ceil(this.#scroll.clientHeight / height) + 2 * BEYOND,
    );
    const first = Math.min(top, Math.max(0, this.#listed.length - seen));
    const rows = this.#listed.slice(first, first + seen);
    this.#rows.show(
      rows,
      ({ agent }) => agent.login,
      (row, one) => this.#fill(row, one),
    );
    rows.forEach((_, index) => this.#number(index, first + index + 2));
    this.#table.ariaRowCount = String(this.#listed.length + 1);
    const below = this.#listed.length - first - rows.length;
    [first, below].forEach((hidden, index) => {
      this.#spaces[index].style.height = `${hidden * height}px`;
    });
  }

  /** The index of a row in the whole table, most of which is not drawn. */
  #number(index, place) {
    const row = this.#rows.body.children[index];
    if (row.ariaRowIndex !== String(place)) row.ariaRowIndex = String(place);
  }

  #rowHeight() {
    return this.#rows.body.firstElementChild?.offsetHeight || 36;
  }

  #fill(row, { agent, level }) {
    const [name, state, time, service] = row.children;
    const reason = reasonName(agent);
    opens(name, agent.name, this.view.isWall ? null : () => this.#details.open(agent));
    const opener = name.querySelector("button");
    write(opener ?? name, agent.name);
    if (opener) opener.tabIndex = -1;
    name.style.setProperty("--letters", agent.name.length);
    mark(row.dataset, "login", agent.login);
    write(state.firstElementChild, reason ? `${stateName(agent)} · ` : "");
    write(state.lastElementChild, reason || stateName(agent));
    mark(state.dataset, "state", String(agent.state));
    figure(time, duration((clock.now() - agent.since) / 1000), agent.since, level);
    write(service, agent.service);
    if (service.title !== agent.service) service.title = agent.service;
  }
}
