/**
 * One feed, followed by EventSource from a token on.
 *
 * The browser itself comes back after a lost connection, with the id of the last event. It gives
 * up when the server refuses (it is starting, the session has ended, the token is too old): then
 * `onRefused` finds out why, and says whether to come back.
 */

const FIRST_PAUSE = 500; // ms before coming back, doubled each time, up to
const LONGEST_PAUSE = 8_000;

export class Stream {
  #source = null;
  #timer = 0;
  #pause = FIRST_PAUSE;
  #place = "";

  /**
   * @param {string} path
   * @param {(event: object) => void} onEvent
   * @param {() => Promise<boolean>} onRefused asks why; true: come back to where we were
   */
  constructor(path, onEvent, onRefused) {
    this.path = path;
    this.onEvent = onEvent;
    this.onRefused = onRefused;
  }

  /** The place behind the last event that was given on. */
  get place() {
    return this.#place;
  }

  /** Follow the feed from a place on, and from nowhere else any more. */
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

  /** Stop; what is on its way is not given on. */
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
