/**
 * The agents, live: a snapshot, then the agent feed from the very place at which it is true.
 *
 * Now and then a new snapshot takes the place of what was put together, for what no event tells
 * (names, agents that have been silent for too long, a child client's floor). The feed is held
 * while it is asked for, so that nothing shown is ever newer than what comes to replace it.
 */

import * as clock from "./clock.js";
import { Refusal } from "./requests.js";
import { Roster } from "./roster.js";
import { Stream } from "./stream.js";
import { isOlder, timeOf } from "./tokens.js";

const PATH = "/realtime/agentEvent/feed";
const AGAIN = 20_000; // ms until the next snapshot
const SOON = 2_000; // the same, when an agent's name is not known
const POLL = 3_000; // the same, where the feed may not be used
const REFUSED = 60_000; // the same, where the snapshot may not be had, and until the feed is tried again

export class LiveFloor {
  #timer = 0;
  #again = 0;
  #running = false;
  #follows = true;

  /**
   * @param {import("./session.js").Session} session
   * @param {object} told
   * @param {(roster: Roster, token: string | null) => void} told.onChange
   * @param {(event: object) => void} told.onEvent
   * @param {(why: string) => void} told.onRefused the snapshot may not be had
   * @param {(error: Error) => void} told.onTrouble
   */
  constructor(session, told) {
    this.session = session;
    this.told = told;
    this.roster = new Roster();
    this.stream = new Stream(
      `${PATH}/sse`,
      (event) => this.#apply(event),
      () => this.#refused(),
    );
  }

  /** Begin. */
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

  /** The connection was lost for a while, and is back. */
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
      const { body, token } = await this.session.ask("/realtime/service/agents/status");
      if (!this.#running) return;
      clock.hear(timeOf(token));
      const shown = this.stream.place;
      if (shown && isOlder(token, shown)) {
        this.#follow(shown); // of a node that lags behind
        return;
      }
      this.roster.replace(body.agentDetails);
      this.told.onChange(this.roster, token);
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
    const knew = !this.roster.hasStrangers;
    this.roster.apply(event, timeOf(this.stream.place));
    if (knew && this.roster.hasStrangers) this.#next(SOON);
    this.told.onChange(this.roster, null);
    this.told.onEvent(event);
  }

  /** The stream was refused, which tells no reason: the same feed by long poll has one. */
  async #refused() {
    try {
      await this.session.ask(PATH);
      this.#next(SOON); // the place was refused: begin anew
      return false;
    } catch (error) {
      if (error instanceof Refusal && error.isOfRights) {
        this.#follows = false; // by snapshots alone, until the rights may have changed
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
