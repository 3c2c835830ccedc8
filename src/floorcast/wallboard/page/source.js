/**
 * Follows the floor for one session and informs every tab that shows it.
 *
 * It runs in a SharedWorker, so that all tabs of a browser share two streams and one set of
 * requests (a browser keeps six connections per host over HTTP/1.1); without one, it runs in the
 * page. It therefore does not use the document.
 */

import { LiveFloor } from "./floor.js";
import { plain, Refusal, send } from "./requests.js";
import { Statistics } from "./statistics.js";
import { Stream } from "./stream.js";
import { timeOf } from "./tokens.js";

export const SERVICES = "/realtime/service/stats";
export const WAITING = "/realtime/service/calls/status";
export const INTERVALS = "/realtime/service/stats/intervals";
export const CONNECTS = "/realtime/service/liveConnects";
export const ALERTS = "/realtime/alerts";
export const CAMPAIGNS = "/realtime/campaign/stats";
const INTERACTIONS = "/realtime/event/feed";
export const PAST = { interval: 300, last: 2_100 }; // seconds: the charts start with half an hour
const ONCE = 300_000; // ms between two requests for the past: each tab fills its charts once
const SELDOM = 10_000; // ms between two requests for slowly changing figures
const REFUSED = 60_000; // ms until a denied feed is retried
const RENEWAL = 20_000; // ms in which a tab must renew the session

export class Source {
  #last = new Map(); // path and filter → the last message about it
  #isWatched = false;
  #follows = false; // whether the interaction feed is followed
  #wasTroubled = false;
  #again = 0;
  #renewal = null;
  #renewed = () => {};

  /**
   * @param {string} session the session's id
   * @param {(message: object) => void} tell
   */
  constructor(session, tell) {
    this.session = session;
    this.tell = tell;
    this.floor = new LiveFloor(this, {
      onSnapshot: (rows, token, newest) => this.#keep("agents", { kind: "agents", rows, token, newest }),
      onEvent: (event, place) => {
        this.statistics.nudge();
        this.tell({ kind: "event", event, place });
      },
      onRefused: (why) => this.#keep("agents", { kind: "agents-refused", why }),
      onTrouble: (error) => this.#troubled(error),
    });
    this.interactions = new Stream(
      `${INTERACTIONS}/sse`,
      () => {
        this.statistics.nudge();
        this.tell({ kind: "heard", at: timeOf(this.interactions.place) });
      },
      () => this.#refused(),
    );
    this.statistics = new Statistics(
      this,
      [
        this.#figures(SERVICES),
        this.#figures(WAITING),
        this.#figures(CAMPAIGNS, SELDOM),
        this.#figures(ALERTS, 0, null, null),
        this.#figures(INTERVALS, ONCE, null, PAST),
      ],
      { onTrouble: (error) => this.#troubled(error), onRound: () => this.#well() },
    );
  }

  /** Start. */
  start() {
    this.statistics.start();
  }

  /** Stop permanently. */
  stop() {
    clearTimeout(this.#again);
    this.statistics.stop();
    this.watch(false);
  }

  /** Set whether any tab is visible. Without a visible tab, there is no stream. */
  watch(isWatched) {
    if (isWatched === this.#isWatched) return;
    this.#isWatched = isWatched;
    this.statistics.isHurried = isWatched;
    if (isWatched) {
      this.floor.start();
      this.statistics.nudge();
      if (this.#follows) this.interactions.open();
    } else {
      this.floor.stop();
      this.interactions.close();
    }
  }

  /** The filters (as `{service, callCenter}` or null) for which live connects are shown. */
  count(filters) {
    const wanted = new Map(filters.map((filter) => [keyOf(filter), filter]));
    const kept = this.statistics.figures.filter(
      (one) => one.path !== CONNECTS || wanted.delete(keyOf(one.filter)),
    );
    const added = [...wanted.values()].map((filter) =>
      this.#figures(CONNECTS, SELDOM / 2, filter),
    );
    this.statistics.figures = [...kept, ...added];
    if (added.length) this.statistics.nudge();
  }

  /** Send the current state to a new tab. */
  welcome(tell) {
    for (const message of this.#last.values()) tell(message);
    this.floor.resume();
  }

  /** Call a method of the API. If the session has ended, a tab renews it if it can. */
  async ask(path, body = {}) {
    const session = this.session;
    try {
      return await this.#post(path, body);
    } catch (error) {
      if (!(error instanceof Refusal && error.isOfSession)) throw error;
      if (session === this.session && !(await this.#renew())) throw error;
      return await this.#post(path, body);
    }
  }

  /** Note that a tab has renewed the session or, if the id is empty, that no tab can. */
  renew(session) {
    if (session && session !== this.session) {
      this.session = session;
      this.tell({ kind: "renewed", session });
    }
    this.#renewed(Boolean(session));
  }

  #post(path, body) {
    // a method without a body uses GET
    const method = body === null ? "GET" : "POST";
    return send(method, path, { headers: { "LV-Session": this.session }, body });
  }

  /** Requests that find the session ended at the same time share one renewal. */
  #renew() {
    this.#renewal ??= new Promise((resolve) => {
      this.#renewed = resolve;
      setTimeout(() => resolve(false), RENEWAL);
      this.tell({ kind: "expired", session: this.session });
    }).finally(() => {
      this.#renewal = null;
    });
    return this.#renewal;
  }

  #figures(path, every = 0, filter = null, asked = {}) {
    const key = keyOf(filter);
    return {
      path,
      every,
      filter,
      body: filter ? { filter } : asked,
      show: ({ body, token, newest = null, earliest = null }) => {
        this.#keep(path + key, { kind: "figures", path, key, body, token, newest, earliest });
        if (path === SERVICES) this.#follow(token);
      },
      explain: (why) => this.#keep(path + key, { kind: "refused", path, key, why }),
    };
  }

  #keep(name, message) {
    this.#last.set(name, message);
    this.tell(message);
  }

  #follow(token) {
    if (this.#follows || !this.#isWatched) return;
    this.#follows = true;
    this.interactions.open(token);
  }

  #well() {
    this.tell({ kind: "round" });
    if (this.#wasTroubled && this.#isWatched) {
      this.#wasTroubled = false;
      this.floor.resume();
      if (this.#follows) this.interactions.open();
    }
  }

  #troubled(error) {
    this.#wasTroubled = true;
    this.tell({ kind: "trouble", error: plain(error) });
  }

  /**
   * The interaction feed only triggers the statistics earlier. Without it, they are requested every
   * few seconds.
   */
  async #refused() {
    try {
      await this.ask(INTERACTIONS);
      this.#follows = false; // the position was rejected; the next figures have a new position
      return false;
    } catch (error) {
      if (!(error instanceof Refusal && error.isOfRights)) return true;
      clearTimeout(this.#again);
      this.#again = setTimeout(() => (this.#follows = false), REFUSED); // the next figures reopen the feed
      return false;
    }
  }
}

/** The identity of a filter. */
export function keyOf(filter) {
  return filter ? JSON.stringify(filter) : "";
}
