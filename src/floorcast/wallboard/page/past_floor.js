/**
 * The floor at a past time, in place of a Link: requests every method once, with `at`.
 *
 * The server computes two such responses at a time, so this requests them one after the other, all
 * at the position of the first.
 */

import { Refusal } from "./requests.js";
import { CAMPAIGNS, CONNECTS, INTERVALS, keyOf, PAST, SERVICES, WAITING } from "./source.js";

const AGENTS = "/realtime/service/agents/status";
const AGAIN = 2_000; // ms until a request is retried, unless the server sends Retry-After

export class PastFloor {
  #isOn = false;
  #filter = null;
  #place = null; // the token at which all responses hold
  #isRefused = false; // the time itself was refused, so no further request is sent
  #timer = 0;

  /**
   * @param {number} at the time, ms
   * @param {(path: string, body: object) => Promise<object>} ask
   * @param {(message: object) => void} onMessage the messages of a Source
   */
  constructor(at, ask, onMessage) {
    this.at = at;
    this.ask = ask;
    this.onMessage = onMessage;
  }

  /** Start the requests. */
  open() {
    this.#isOn = true;
    this.#load();
  }

  /** Stop. */
  close() {
    this.#isOn = false;
    clearTimeout(this.#timer);
  }

  /** Count live connects only for this filter. */
  show(filter) {
    const isNew = keyOf(filter) !== keyOf(this.#filter);
    this.#filter = filter;
    if (isNew && this.#place) this.#showFigures(CONNECTS);
  }

  /** Nothing to do: each request uses the current session. */
  renewed() {}

  async #load() {
    for (const path of [SERVICES, AGENTS, WAITING, INTERVALS, CAMPAIGNS, CONNECTS]) {
      if (!this.#isOn || this.#isRefused) return;
      await (path === AGENTS ? this.#showAgents() : this.#showFigures(path));
    }
    this.#tell({ kind: "round" });
  }

  async #showAgents() {
    const answer = await this.#answer(AGENTS, {}, (why) => ({ kind: "agents-refused", why }));
    if (!answer) return;
    const { body, token, newest } = answer;
    this.#tell({ kind: "agents", rows: body.agentDetails, token, newest });
  }

  async #showFigures(path) {
    const filter = path === CONNECTS ? this.#filter : null;
    const key = keyOf(filter);
    const asked = path === INTERVALS ? PAST : filter ? { filter } : {};
    const answer = await this.#answer(path, asked, (why) => ({ kind: "refused", path, key, why }));
    if (answer) this.#tell({ kind: "figures", path, key, ...answer });
  }

  /** The response, or null if it is no longer needed or was refused (already reported). */
  async #answer(path, body, refused) {
    while (this.#isOn) {
      try {
        const answer = await this.ask(path, { ...body, at: this.#place ?? this.at });
        this.#place ??= answer.token;
        return answer;
      } catch (error) {
        if (error instanceof Refusal && !error.isForNow) {
          this.#isRefused = error.isOfParameters && !this.#place;
          if (this.#isRefused) this.#tell({ kind: "no-past", why: error.message });
          else if (error.isOfRights || error.isOfParameters) this.#tell(refused(error.message));
          else this.#tell({ kind: "failed", error });
          return null;
        }
        this.#tell({ kind: "failed", error });
        await new Promise((resolve) => {
          this.#timer = setTimeout(resolve, (error.retryAfter ?? 0) * 1000 || AGAIN);
        });
      }
    }
    return null;
  }

  #tell(message) {
    if (this.#isOn) this.onMessage(message);
  }
}
