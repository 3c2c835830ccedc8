/**
 * Requests the figures again after events, at most once a second, and every few seconds without
 * events (some changes, such as a call that joins a queue, have no event).
 */

import * as clock from "./clock.js";
import { Refusal } from "./requests.js";
import { isOlder, timeOf } from "./tokens.js";

const QUICKEST = 1_000; // ms between two rounds
const SLOWEST = 3_000;
const UNSEEN = 10_000; // ms between two rounds while the page is hidden
const IN_A_ROUND = 3; // requests per round, roughly, including those for agents
const REFUSED = 60_000; // ms until a denied method is retried, because rights change
const LONGEST_PAUSE = 8_000; // ms between rounds without a response

/**
 * @typedef {object} Figures
 * @property {string} path         the method
 * @property {number} every        minimum ms between two requests
 * @property {object} [body]       the request's body
 * @property {(answer: object) => void} show   shows what `send` returns
 * @property {(why: string) => void} explain   shown instead if the method is not allowed
 */

export class Statistics {
  #due = new Map(); // Figures → the earliest time of the next request
  #shown = new Map(); // Figures → the token of the shown response
  #timer = 0;
  #running = false;
  #began = -Infinity;
  #failures = 0;
  #wanted = false;
  #quickest = QUICKEST; // longer if the server limits a session's requests

  /**
   * @param {import("./session.js").Session} session
   * @param {Figures[]} figures
   * @param {{onTrouble: (error: Error) => void, onRound: () => void}} told
   */
  constructor(session, figures, told) {
    this.session = session;
    this.figures = figures;
    this.told = told;
    /** whether the page is visible; if not, rounds are slow */
    this.isHurried = true;
  }

  /** Start the first round at once. */
  start() {
    this.#running = true;
    this.#schedule(0);
  }

  /** Stop. */
  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  /** Request the figures soon, because something has changed. */
  nudge() {
    if (this.#wanted || this.#failures || !this.#running) return;
    this.#wanted = true;
    this.#schedule(this.#began + this.#quickest - performance.now());
  }

  #schedule(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#round(), ms);
  }

  async #round() {
    this.#began = performance.now();
    this.#wanted = false;
    const due = this.figures.filter((one) => (this.#due.get(one) ?? 0) <= this.#began);
    let trouble = null;
    const answers = due.map((one) =>
      this.#ask(one).catch((error) => {
        trouble = error;
      }),
    );
    await Promise.all(answers);
    if (!this.#running) return;
    this.#failures = trouble ? this.#failures + 1 : 0;
    if (trouble) this.told.onTrouble(trouble);
    else this.told.onRound();
    if (this.#running) this.#schedule(this.#pause(trouble));
  }

  #pause(trouble) {
    if (!trouble)
      return this.#wanted
        ? this.#began + this.#quickest - performance.now()
        : Math.max(this.isHurried ? SLOWEST : UNSEEN, this.#quickest);
    const backOff = Math.min(LONGEST_PAUSE, QUICKEST * 2 ** (this.#failures - 1));
    return Math.max((trouble.retryAfter ?? 0) * 1000, backOff * (0.5 + Math.random() / 2));
  }

  async #ask(one) {
    try {
      const answer = await this.session.ask(one.path, one.body);
      const { token, pace = 0 } = answer;
      if (!this.#running || !this.figures.includes(one)) return;
      clock.hear(timeOf(token));
      this.#quickest = Math.max(QUICKEST, pace * 1000 * IN_A_ROUND);
      this.#due.set(one, this.#began + one.every);
      const shown = this.#shown.get(one);
      if (shown && isOlder(token, shown)) return; // the response is from a node that lags
      this.#shown.set(one, token);
      one.show(answer);
    } catch (error) {
      if (!(error instanceof Refusal && (error.isOfRights || error.isOfParameters))) throw error;
      clock.touch();
      this.#due.set(one, this.#began + REFUSED);
      one.explain(error.message);
    }
  }
}
