/** Connects the floor's data to the panels. */

import * as address from "./address.js";
import { AgentsPanel } from "./agents_panel.js";
import { AlertsBanner } from "./alerts_banner.js";
import { CallsDialog, ROLES } from "./calls_dialog.js";
import { CampaignsPanel } from "./campaigns_panel.js";
import { ConnectsChart, QueueChart } from "./charts.js";
import * as clock from "./clock.js";
import * as freshness from "./freshness.js";
import * as glance from "./glance.js";
import { Past, QueueHistory } from "./history.js";
import { IntervalsDialog } from "./intervals_dialog.js";
import { Link } from "./link.js";
import { needs } from "./needs.js";
import { NeedsDialog } from "./needs_dialog.js";
import { PastFloor } from "./past_floor.js";
import { PastTime } from "./past_time.js";
import { Refusal, revived, send, Unreachable } from "./requests.js";
import { Roster } from "./roster.js";
import { ServicesPanel } from "./services_panel.js";
import { ALERTS, CAMPAIGNS, CONNECTS, INTERVALS, keyOf, SERVICES, WAITING } from "./source.js";
import { timeOf } from "./tokens.js";
import { Trends } from "./trends.js";
import { ViewDialog } from "./view_dialog.js";
import { WaitingPanel } from "./waiting_panel.js";

const TICK = 1_000;

export class Board {
  #isOn = false;
  #ticks = 0;
  #hasSnapshot = false;
  #isFilled = false;
  #past = null; // initial values of the charts
  #at = null; // the time shown, ms; null: now
  #live = new Link((message) => this.#hear(message));
  #link = this.#live;

  /**
   * @param {import("./session.js").Session} session
   * @param {import("./thresholds.js").Thresholds} thresholds
   * @param {(why: string) => void} onSessionOver
   */
  constructor(session, thresholds, onSessionOver) {
    this.session = session;
    this.thresholds = thresholds;
    this.onSessionOver = onSessionOver;
    this.services = new ServicesPanel(thresholds);
    this.agents = new AgentsPanel(thresholds);
    this.waiting = new WaitingPanel(thresholds);
    this.queue = new QueueChart();
    this.connects = new ConnectsChart();
    this.campaigns = new CampaignsPanel();
    this.roster = new Roster();
    this.chosen = new ViewDialog();
    this.alerts = new AlertsBanner((path) => this.#ask(path, {}));
    this.time = new PastTime((at) => this.#showAt(at));
    const ask = (path, body) => this.#ask(path, this.#at === null ? body : { ...body, at: this.#at });
    this.calls = new CallsDialog(ask, (login) => this.roster.nameOf(login));
    this.needs = new NeedsDialog((target) => this.#lead(target));
    this.intervals = new IntervalsDialog(ask, () => this.services.stats);
    this.figures = {
      [SERVICES]: [this.services, this.queue],
      [WAITING]: [this.waiting],
      [CONNECTS]: [this.connects],
      [CAMPAIGNS]: [this.campaigns],
      [INTERVALS]: [],
      [ALERTS]: [this.alerts],
    };
    thresholds.addEventListener("change", () => this.#draw());
  }

  /** Start to follow the session's floor. */
  start() {
    clock.stop(this.#at);
    freshness.begin(this.#at !== null);
    this.time.show(this.#at);
    this.history = new QueueHistory(this.session.who);
    this.services.trends = new Trends(this.session.who);
    const seesCalls = ROLES.includes(this.session.role);
    this.services.openCalls = seesCalls ? (...behind) => this.calls.open(...behind) : null;
    this.roster = new Roster();
    this.#hasSnapshot = this.#isFilled = false;
    this.#past = null;
    for (const panel of [...Object.values(this.figures).flat(), this.agents]) {
      panel.explain("loading the first figures");
    }
    this.alerts.forget(this.session.role);
    this.#isOn = true;
    this.look();
    this.#link.open(this.session);
    clearInterval(this.#ticks);
    this.#ticks = setInterval(() => this.#draw(), TICK);
  }

  /** Stop following. */
  stop() {
    if (!this.#isOn) return;
    this.#isOn = false;
    this.#at = null;
    clearInterval(this.#ticks);
    this.calls.close();
    this.alerts.close();
    this.intervals.close();
    this.needs.close();
    this.#link.close();
    this.#link = this.#live;
  }

  /** Show the floor at a past time (ms). null returns to the present. */
  #showAt(at) {
    if (!this.#isOn) return;
    this.stop();
    this.#at = at;
    this.#link = this.#live;
    if (at !== null) {
      const ask = (path, body) => this.#ask(path, body);
      this.#link = new PastFloor(at, ask, (message) => this.#hear(message));
    }
    this.start();
  }

  /** Draw everything again after the colors, sizes or view have changed. */
  look() {
    const view = address.view();
    for (const panel of [this.services, this.agents, this.waiting, this.campaigns]) {
      panel.view = view;
    }
    this.#link.show(address.filterOf(view));
    this.queue.renew();
    this.connects.renew();
    if (!this.#isOn) return;
    this.#showView();
    this.#showRoster(null);
    this.#showQueue();
    this.campaigns.draw();
    this.alerts.draw();
    this.#draw();
  }

  #hear(message) {
    if (!this.#isOn) return;
    const { kind } = message;
    if (kind === "figures") this.#showFigures(message);
    else if (kind === "no-past") this.time.refuse(message.why);
    else if (kind === "refused") this.#explain(message);
    else if (kind === "agents") this.#showSnapshot(message);
    else if (kind === "agents-refused") this.agents.explain(message.why);
    else if (kind === "event") this.#apply(message);
    else if (kind === "heard") freshness.heard(message.at);
    else if (kind === "round") this.#well();
    else if (kind === "trouble") this.#troubled(revived(message.error));
    else if (kind === "failed") this.#troubled(message.error);
    else if (kind === "renewed") this.session.goOnAs(message.session);
    else if (kind === "expired") this.#renew(message.session);
  }

  /** Send a request for this tab alone. A session that has ended is renewed first. */
  async #ask(path, body) {
    const post = () => send("POST", path, { headers: { "LV-Session": this.session.id }, body });
    try {
      return await post();
    } catch (error) {
      if (!(error instanceof Refusal && error.isOfSession && this.session.canRenew)) throw error;
      if (!(await this.session.renew())) throw error;
      return await post();
    }
  }

  #showFigures({ path, key, body, token, newest, earliest }) {
    clock.hear(timeOf(token));
    if (earliest) this.time.earliest = earliest;
    if (newest) freshness.heard(newest);
    if (path === SERVICES) {
      this.#showServices(body, token);
    } else if (path === INTERVALS) {
      this.#past ??= new Past(body);
      this.#fillCharts();
    } else if (path !== CONNECTS || key === keyOf(address.filterOf(address.view()))) {
      this.figures[path][0].show(body, token);
    }
  }

  #explain({ path, key, why }) {
    clock.touch();
    if (path === CONNECTS && key !== keyOf(address.filterOf(address.view()))) return;
    for (const panel of this.figures[path]) panel.explain(why);
  }

  #showServices(body, token) {
    const at = timeOf(token);
    this.roster.name(body.stats);
    this.campaigns.name(this.roster.services);
    this.waiting.services = this.roster.services;
    this.campaigns.draw();
    this.#showRoster(null); // the view of a call center has the agents of its services
    this.services.trends.add(at / 1000, body.stats);
    this.services.show(body, token);
    const every = body.stats.reduce((sum, one) => sum + one.totalCallsInQueue, 0);
    this.history.add(Math.floor(at / 1000), every);
    this.#fillCharts();
    this.#showQueue(token);
    this.#showView();
  }

  /** Fill the charts once the first figures and the past have both arrived. */
  #fillCharts() {
    if (!this.#past || this.#isFilled || !this.services.isKnown) return;
    this.#isFilled = true;
    this.history.fill(this.#past);
    this.services.trends.fill(this.#past);
    this.#showQueue();
  }

  /** The queue history covers all services. For a view of some of them, use the trends. */
  #showQueue(token) {
    if (!this.services.isKnown) return;
    const isAll = this.services.stats.length === this.services.all.length;
    const past = isAll ? this.history : this.services.trends.pastOf(this.services.stats);
    this.queue.show(past, token ?? "");
  }

  #showSnapshot({ rows, token, newest }) {
    clock.hear(timeOf(token));
    if (newest) freshness.heard(newest);
    this.#hasSnapshot = true;
    this.roster.replace(rows);
    this.#showRoster(token);
  }

  #apply({ event, place }) {
    freshness.heard(timeOf(place));
    if (!this.#hasSnapshot) return;
    this.roster.apply(event, timeOf(place));
    this.#showRoster(null);
  }

  #showRoster(token) {
    if (!this.#hasSnapshot) return;
    this.agents.show(this.roster, token);
    this.services.present = this.roster.present();
  }

  #showView() {
    this.chosen.show(address.view(), this.services.all);
  }

  #draw() {
    const silence = freshness.silence(this.thresholds);
    const { services, agents, thresholds } = this;
    services.draw();
    this.waiting.draw();
    agents.draw();
    const isStale = clock.isStale();
    const found = needs(services, agents, silence, clock.isUnanswered());
    const shown = { services, agents, thresholds, needs: found, isStale };
    glance.draw(shown, (target) => this.#lead(target));
    this.needs.draw(found);
    freshness.announceNeed(found);
    freshness.draw(silence);
  }

  /** Show the target of a tile. */
  #lead({ order, service, agent, states, needs: problems }) {
    if (problems) this.needs.open(problems);
    if (states) this.agents.choose(new Set(states));
    if (agent) this.agents.lead(agent);
    if (order) this.services.sortBy(order);
    if (service || order) this.services.lead(service);
  }

  #well() {
    freshness.well();
    this.#draw();
  }

  #troubled(error) {
    if (error instanceof Refusal && error.status === 401 && !this.session.canRenew) {
      this.onSessionOver(this.session.whyOver);
      return;
    }
    if (!(error instanceof Refusal || error instanceof Unreachable)) reportError(error);
    freshness.troubled(error);
  }

  /** Replace the session `ended` if this tab can open a new session. */
  async #renew(ended) {
    if (this.session.id !== ended) {
      this.#link.renewed(this.session.id);
      return;
    }
    const isRenewed = await this.session.renew().catch(() => false);
    if (this.#isOn) this.#link.renewed(isRenewed ? this.session.id : "");
  }
}
