/**
 * A feed that EventSource follows from a token on.
 *
 * The browser reconnects by itself after a lost connection, with the id of the last event. It gives
 * up if the server refuses (because it is starting, the session has ended, or the token is too
 * old). `onRefused` then finds out why, and returns whether to reconnect.
 */

const FIRST_PAUSE = 500; // ms before the first retry; doubled each time up to
const LONGEST_PAUSE = 8_000;

export class Stream {
  #source = null;
  #timer = 0;
  #pause = FIRST_PAUSE;
  #place = "";

  /**
   * @param {string} path
   * @param {(event: object) => void} onEvent
   * @param {() => Promise<boolean>} onRefused finds out why; true: continue from the same position
   */
  constructor(path, onEvent, onRefused) {
    this.path = path;
    this.onEvent = onEvent;
    this.onRefused = onRefused;
  }

  /** The position after the last event that was passed on. */
  get place() {
    return this.#place;
  }

  /** Follow the feed only from this position on. */
  open(place = this.#place) {
    this.close();
    this.#place = place;
    const source = new EventSource(`${this.path}?token=${place}`);
    this.#source = source;
    source.onopen = () => {
      this.#pause = FIRST_PAUSE;
    };
    source.onmessage = (message) => {
      this.#place = message.lastEventId;
      this.onEvent(JSON.parse(message.data));
    };
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) this.#refused();
    };
  }

  /** Stop. Events in transit are not passed on. */
  close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  async #refused() {
    const source = this.#source;
    const goOn = await this.onRefused();
    if (source !== this.#source || !goOn) return;
    this.#timer = setTimeout(() => this.open(), this.#pause * (0.5 + Math.random()));
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
  }
}
