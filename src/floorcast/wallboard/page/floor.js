/**
 * The live agents: a snapshot, then the agent feed from the snapshot's position.
 *
 * A new snapshot regularly replaces this state, because some changes have no event (names, agents
 * that are silent for too long, a child client's floor). Events are held back during the request,
 * so that the snapshot is never older than the state that it replaces.
 */

import * as clock from "./clock.js";
import { Refusal } from "./requests.js";
import { Stream } from "./stream.js";
import { isOlder, timeOf } from "./tokens.js";

const PATH = "/realtime/agentEvent/feed";
const AGAIN = 20_000; // ms until the next snapshot
const SOON = 2_000; // ms until the next snapshot when an agent's name is unknown
const POLL = 3_000; // ms until the next snapshot if the user may not read the feed
const REFUSED = 60_000; // ms until a denied snapshot or feed is retried

export class LiveFloor {
  #timer = 0;
  #again = 0;
  #running = false;
  #follows = true;
  #known = new Set(); // login ids

  /**
   * @param {{ask: (path: string) => Promise<object>}} session
   * @param {object} told
   * @param {(rows: object[], token: string, newest: ?number) => void} told.onSnapshot
   * @param {(event: object, position: string) => void} told.onEvent
   * @param {(why: string) => void} told.onRefused the snapshot was denied
   * @param {(error: Error) => void} told.onTrouble
   */
  constructor(session, told) {
    this.session = session;
    this.told = told;
    this.stream = new Stream(
      `${PATH}/sse`,
      (event) => this.#apply(event),
      () => this.#refused(),
    );
  }

  /** Start. */
  start() {
    this.#running = true;
    this.#follows = true;
    this.#snapshot();
  }

  /** Stop. */
  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
    clearTimeout(this.#again);
    this.stream.close();
  }

  /** Continue after a lost connection. */
  resume() {
    if (this.#running) this.#snapshot();
  }

  #next(ms) {
    clearTimeout(this.#timer);
    if (this.#running) this.#timer = setTimeout(() => this.#snapshot(), ms);
  }

  async #snapshot() {
    clearTimeout(this.#timer);
    this.stream.close();
    try {
      const { body, token, newest } = await this.session.ask("/realtime/service/agents/status");
      if (!this.#running) return;
      clock.hear(timeOf(token));
      const shown = this.stream.place;
      if (shown && isOlder(token, shown)) {
        this.#follow(shown); // the response is from a node that lags
        return;
      }
      this.#known = new Set(body.agentDetails.map((row) => row.agentLoginId));
      this.told.onSnapshot(body.agentDetails, token, newest);
      this.#follow(token);
    } catch (error) {
      this.#failed(error);
    }
  }

  #follow(place) {
    if (this.#follows) this.stream.open(place);
    this.#next(this.#follows ? AGAIN : POLL);
  }

  #failed(error) {
    if (!this.#running) return;
    if (error instanceof Refusal && error.isOfRights) {
      this.told.onRefused(error.message);
      this.#next(REFUSED);
      return;
    }
    if (this.stream.place && this.#follows) this.stream.open();
    this.#next(Math.max(POLL, (error.retryAfter ?? 0) * 1000));
    this.told.onTrouble(error);
  }

  #apply(event) {
    const login = event.agentLoginId ?? String(event.agentId);
    if (!this.#known.has(login)) {
      this.#known.add(login);
      this.#next(SOON); // the next snapshot has the name
    }
    this.told.onEvent(event, this.stream.place);
  }

  /** EventSource gives no reason for a refusal. A long poll of the same feed does. */
  async #refused() {
    try {
      await this.session.ask(PATH);
      this.#next(SOON); // the position was rejected, so start again
      return false;
    } catch (error) {
      if (error instanceof Refusal && error.isOfRights) {
        this.#follows = false; // use snapshots only, until the rights may have changed
        clearTimeout(this.#again);
        this.#again = setTimeout(() => (this.#follows = true), REFUSED);
        this.#next(POLL);
        return false;
      }
      if (this.#running) this.told.onTrouble(error);
      return true;
    }
  }
}
