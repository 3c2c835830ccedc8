/** The agents by state, with their time in that state. Only visible rows are in the page. */

import { AgentDialog } from "./agent_dialog.js";
import { listed } from "./agents_order.js";
import { shows } from "./address.js";
import * as clock from "./clock.js";
import { count, duration, plural } from "./figures.js";
import { keep } from "./focus.js";
import { HeldAgent } from "./held_agent.js";
import { Panel } from "./panel.js";
import { reasonName, stateName } from "./roster.js";
import { HOLD, IN_CALL, NOT_READY, WRAP_UP } from "./states.js";
import { StatesBar } from "./states_bar.js";
import { figure, light, mark, opens, room, Rows, write } from "./table.js";

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
  #details = new AgentDialog(() => this.#closed());
  #held = new HeldAgent(this.#rows, () => this.#details.isOpen);
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

  /** Focus an agent and highlight the agent briefly. Sorts the list by urgency, and lists all agents. */
  lead(key) {
    this.choose([]);
    this.#choose({ order: "need", descending: false });
    this.#tellOrder();
    this.#list();
    if (this.#placeOf(key) < 0) return;
    this.#focus(key);
    light(this.#rows.of(key));
  }

  /**
   * The list is one tab stop. Within it, the arrow keys move from agent to agent, from the one with
   * the focus even if it has been scrolled out of view.
   */
  #step(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || this.view.isWall) return;
    event.preventDefault();
    this.#held.look();
    if (!this.#isListed) this.#list();
    const place = this.#placeOf(this.#held.key);
    const inView = Math.floor(this.#scroll.scrollTop / this.#rowHeight());
    const next = this.#listed[place < 0 ? inView : place + step];
    if (next) this.#focus(next.agent.key);
  }

  /** Focus an agent, in view. */
  #focus(key) {
    this.#held.key = key;
    this.#reveal(this.#placeOf(key));
    this.#drawRows();
    const row = this.#rows.of(key);
    row?.scrollIntoView({ block: "nearest" }); // the panel itself may be out of view
    row?.querySelector("button")?.focus({ preventScroll: true });
  }

  /** Return the focus from the closed dialog to its agent, or to the neighbor of one who has left. */
  #closed() {
    const button = this.#rows.of(this.#held.key)?.querySelector("button");
    button?.focus({ preventScroll: true });
    if (button?.matches(":focus-visible")) this.#reveal(this.#placeOf(this.#held.key));
    keep(this.#scroll);
    this.#held.tell();
  }

  #placeOf(key) {
    return this.#listed.findIndex(({ agent }) => agent.key === key);
  }

  /** Scroll the list as little as possible to show a place in it. */
  #reveal(place) {
    const height = this.#rowHeight();
    const room = this.#scroll.clientHeight - this.#table.tHead.offsetHeight;
    const { scrollTop } = this.#scroll;
    const top = Math.min(place * height, Math.max(scrollTop, (place + 1) * height - room));
    if (top !== scrollTop) this.#scroll.scrollTop = top;
  }

  /** Whether a keyboard user sees the agent with the focus, so that the list follows the agent. */
  #isFollowed() {
    const row = this.#rows.of(this.#held.key);
    if (!row?.contains(document.activeElement) || !document.activeElement.matches(":focus-visible")) {
      return false;
    }
    const [{ top, bottom }, list] = [row, this.#scroll].map((one) => one.getBoundingClientRect());
    return top < list.bottom && bottom > list.top + this.#table.tHead.offsetHeight;
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
      this.#held.look();
      if (!this.#isListed) {
        const isFollowed = this.#isFollowed();
        this.#list();
        if (isFollowed && this.#held.key !== null) this.#reveal(this.#placeOf(this.#held.key));
      }
      this.#drawRows();
      this.#held.tell();
    });
  }

  #list() {
    this.#isListed = true;
    const before = this.#listed;
    this.#listed = listed(this.present, this.#choice, (agent) => this.level(agent));
    this.#held.relist(before, this.#listed);
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
    const last = Math.min(first + seen, this.#listed.length);
    const places = Array.from({ length: last - first }, (_, index) => first + index);
    const held = this.view.isWall ? -1 : this.#placeOf(this.#held.key);
    if (held >= last) places.push(held);
    else if (held >= 0 && held < first) places.unshift(held);
    this.#rows.show(
      places.map((place) => this.#listed[place]),
      ({ agent }) => agent.key,
      (row, one) => this.#fill(row, one),
      this.#held.key,
    );
    places.forEach((place, index) => this.#put(this.#rows.body.children[index], place, first, last));
    this.#table.ariaRowCount = String(this.#listed.length + 1);
    [first, this.#listed.length - last].forEach((hidden, index) => {
      this.#spaces[index].style.height = `${hidden * height}px`;
    });
  }

  /**
   * Number a row by its place in the whole table, most of which is not drawn. The row with the focus
   * is drawn even away from the others, over the space that stands for its neighbors.
   */
  #put(row, place, first, last) {
    const number = String(place + 2);
    if (row.ariaRowIndex !== number) row.ariaRowIndex = number;
    const isAway = place < first || place >= last;
    mark(row.dataset, "away", isAway ? "true" : "");
    const top = isAway ? `${this.#table.tHead.offsetHeight + place * this.#rowHeight()}px` : "";
    if (row.style.top !== top) row.style.top = top;
  }

  #rowHeight() {
    const row = this.#rows.body.querySelector("tr:not([data-away])");
    return row?.offsetHeight || 36;
  }

  #open(agent) {
    this.#held.key = agent.key; // some browsers do not focus a button that is clicked
    this.#details.open(agent);
  }

  #fill(row, { agent, level }) {
    const [name, state, time, service] = row.children;
    const reason = reasonName(agent);
    opens(name, agent.name, this.view.isWall ? null : () => this.#open(agent));
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
