/** The board: what follows the floor, and what shows it. */

import { AgentsPanel } from "./agents_panel.js";
import { CampaignsPanel } from "./campaigns_panel.js";
import { ConnectsChart, QueueChart } from "./charts.js";
import { LiveFloor } from "./floor.js";
import * as freshness from "./freshness.js";
import * as glance from "./glance.js";
import { QueueHistory } from "./history.js";
import { Refusal, Unreachable } from "./requests.js";
import { ServicesPanel } from "./services_panel.js";
import { Statistics } from "./statistics.js";
import { Stream } from "./stream.js";
import { WaitingPanel } from "./waiting_panel.js";
import { timeOf } from "./tokens.js";

const INTERACTIONS = "/realtime/event/feed";
const SELDOM = 10_000; // ms between two looks at what changes slowly
const TICK = 1_000;
const REFUSED = 60_000; // ms until a feed that the user may not use is tried again

export class Board {
  #isOn = false;
  #ticks = 0;
  #again = 0;
  #wasTroubled = false;
  #follows = false; // the interaction feed

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
    this.campaigns = new CampaignsPanel(
      (id) => this.floor.roster.services.get(id) ?? `service ${id}`,
    );
    thresholds.addEventListener("change", () => this.#draw());
    document.addEventListener("visibilitychange", () => this.#seen());
  }

  /** Follow the floor of the session. */
  start() {
    this.history = new QueueHistory(this.session.client);
    this.floor = this.#makeFloor();
    this.interactions = new Stream(
      `${INTERACTIONS}/sse`,
      () => this.statistics.nudge(),
      () => this.#refused(),
    );
    this.statistics = new Statistics(this.session, this.#figures(), {
      onTrouble: (error) => this.#troubled(error),
      onRound: () => this.#well(),
    });
    const panels = [
      this.services,
      this.agents,
      this.waiting,
      this.queue,
      this.connects,
      this.campaigns,
    ];
    for (const panel of panels) panel.explain("asking for the first figures");
    this.#follows = false;
    this.#isOn = true;
    this.statistics.start();
    this.floor.start();
    this.#draw();
    this.#ticks = setInterval(() => this.#draw(), TICK);
  }

  /** Follow nothing any more. */
  stop() {
    if (!this.#isOn) return;
    this.#isOn = false;
    clearInterval(this.#ticks);
    clearTimeout(this.#again);
    this.statistics.stop();
    this.floor.stop();
    this.interactions.close();
  }

  /** Colours, sizes or the view have changed. */
  look(onWall) {
    this.services.onWall = onWall;
    this.services.draw();
    this.queue.renew();
    this.connects.renew();
  }

  /** A browser gives a host six connections for all its tabs: one that is not seen takes none. */
  #seen() {
    if (!this.#isOn) return;
    if (document.hidden) {
      this.floor.stop();
      this.interactions.close();
    } else {
      this.floor.start();
      if (this.#follows) this.interactions.open();
    }
  }

  #makeFloor() {
    return new LiveFloor(this.session, {
      onChange: (roster, token) => this.agents.show(roster, token),
      onEvent: () => this.statistics.nudge(),
      onRefused: (why) => this.agents.explain(why),
      onTrouble: (error) => this.#troubled(error),
    });
  }

  #figures() {
    const figures = (path, panel, every = 0) => ({
      path,
      every,
      show: (body, token) => panel.show(body, token),
      explain: (why) => panel.explain(why),
    });
    return [
      figures("/realtime/service/stats", {
        show: (body, token) => this.#showServices(body, token),
        explain: (why) => [this.services, this.queue].forEach((panel) => panel.explain(why)),
      }),
      figures("/realtime/service/calls/status", this.waiting),
      figures("/realtime/service/liveConnects", this.connects, SELDOM / 2),
      figures("/realtime/campaign/stats", this.campaigns, SELDOM),
    ];
  }

  #showServices(body, token) {
    this.floor.roster.name(body.stats);
    this.services.show(body, token);
    const waiting = body.stats.reduce((sum, one) => sum + one.totalCallsInQueue, 0);
    this.history.add(Math.floor(timeOf(token) / 1000), waiting);
    this.queue.show(this.history, token);
    if (this.#follows || document.hidden) return;
    this.#follows = true;
    this.interactions.open(token);
  }

  #draw() {
    this.services.draw();
    this.waiting.draw();
    this.agents.draw();
    glance.draw(this.services, this.agents, this.thresholds);
    freshness.announceNeed(glance.need(this.services, this.agents).services);
    freshness.draw();
  }

  #well() {
    freshness.well();
    glance.draw(this.services, this.agents, this.thresholds);
    if (this.#wasTroubled && !document.hidden) {
      this.#wasTroubled = false;
      this.floor.resume();
      if (this.#follows) this.interactions.open();
    }
  }

  #troubled(error) {
    if (error instanceof Refusal && error.status === 401) {
      this.onSessionOver("Your session has ended. Sign in again, and it goes on.");
      return;
    }
    if (!(error instanceof Refusal || error instanceof Unreachable)) reportError(error);
    this.#wasTroubled = true;
    freshness.troubled(error);
  }

  /** The interaction feed only hurries the statistics: without it they come every few seconds. */
  async #refused() {
    try {
      await this.session.ask(INTERACTIONS);
      this.#follows = false; // the place was refused: the next figures have another
      return false;
    } catch (error) {
      if (!(error instanceof Refusal && error.isOfRights)) return true;
      clearTimeout(this.#again);
      this.#again = setTimeout(() => (this.#follows = false), REFUSED); // the next figures open it
      return false;
    }
  }
}
