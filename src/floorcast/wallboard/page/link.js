/**
 * The tab's link to the Source: in the browser's SharedWorker or, if that is missing or does not
 * start, in the tab itself.
 */

import { keyOf, Source } from "./source.js";

const SCRIPT = "/wallboard/worker.js";
const NAME = "floorcast-1"; // changes when the messages change, so that a new page never uses an old worker
const SOON = 5_000; // ms in which a worker must respond
const AGAIN = 10_000; // ms between two messages that report that the tab exists
const DEAD = 45_000; // ms without a message from the worker, which sends one every few seconds

export class Link {
  #session = null;
  #filter = null;
  #port = null;
  #source = null;
  #said = 0;
  #heard = 0; // the time of the worker's last message

  /** @param {(message: object) => void} onMessage */
  constructor(onMessage) {
    this.onMessage = onMessage;
    document.addEventListener("visibilitychange", () => this.#join());
    addEventListener("pagehide", () => this.#say({ kind: "leave" }));
    addEventListener("pageshow", ({ persisted }) => persisted && this.#join());
  }

  /** Start to follow a session's floor. */
  open(session) {
    this.#session = session;
    if (!this.#port && !this.#source) this.#connect();
    this.#join();
    clearInterval(this.#said);
    this.#said = setInterval(() => {
      const isDead = performance.now() - this.#heard > DEAD;
      if (this.#port && isDead && !document.hidden) this.#alone();
      else this.#join();
    }, AGAIN);
  }

  /** Stop following. */
  close() {
    clearInterval(this.#said);
    this.#say({ kind: "leave" });
    this.#session = null;
    this.#source?.stop();
    this.#source = null;
  }

  /** Count live connects only for this filter. */
  show(filter) {
    if (keyOf(filter) === keyOf(this.#filter)) return;
    this.#filter = filter;
    this.#join();
  }

  /** Report the id of the renewed session. An empty one means that this tab cannot renew it. */
  renewed(id) {
    if (this.#source) this.#source.renew(id);
    else this.#say({ kind: "renewed", who: this.#session?.who, session: id });
  }

  #connect() {
    try {
      const worker = new SharedWorker(trusted(SCRIPT), { type: "module", name: NAME });
      const late = setTimeout(() => this.#alone(), SOON);
      worker.onerror = () => this.#alone();
      worker.port.onmessage = ({ data }) => {
        clearTimeout(late);
        this.#heard = performance.now();
        if (this.#session && this.#port) this.onMessage(data);
      };
      this.#port = worker.port;
      this.#heard = performance.now();
    } catch {
      this.#alone();
    }
  }

  /** Without a worker, follow the floor in this tab while it is visible. */
  #alone() {
    this.#say({ kind: "leave" });
    this.#port?.close();
    this.#port = null;
    if (this.#session) this.#join();
  }

  #join() {
    if (!this.#session) return;
    const { id: session, who, canRenew: isFresh } = this.#session;
    const isWatched = !document.hidden;
    if (this.#port) {
      this.#say({ kind: "join", who, session, isFresh, isWatched, filter: this.#filter });
      return;
    }
    const isNew = !this.#source;
    this.#source ??= new Source(session, (message) => this.onMessage(message));
    this.#source.session = session;
    this.#source.count([this.#filter]);
    this.#source.watch(isWatched);
    if (isNew) this.#source.start();
  }

  #say(message) {
    this.#port?.postMessage(message);
  }
}

/** The page's content security policy allows only this script as a worker. */
function trusted(script) {
  const policy = globalThis.trustedTypes?.createPolicy("floorcast-worker", {
    createScriptURL: () => script,
  });
  return policy ? policy.createScriptURL(script) : script;
}
