/**
 * The SharedWorker: one Source for all tabs of a user.
 *
 * A tab repeatedly reports that it exists and what it shows (`join`), because a port does not
 * report that its tab has crashed. A tab that closes reports this and does not affect the others.
 */

import { keyOf, Source } from "./source.js";

const GONE = 180_000; // ms of silence after which a tab counts as crashed; hidden tabs wake every minute
const SWEEP = 30_000; // ms

/** @type {Map<string, Hub>} by signed-in user */
const hubs = new Map();

class Hub {
  #tabs = new Map(); // port → the tab's last message
  #cannot = new Set(); // ports of tabs that cannot renew the session

  constructor(session) {
    this.source = new Source(session, (message) => this.#tell(message));
  }

  join(port, wants) {
    const isNew = !this.#tabs.has(port);
    const isFirst = !this.#tabs.size;
    this.#tabs.set(port, { ...wants, heard: performance.now() });
    if (isNew && wants.session !== this.source.session) this.#agree(port, wants);
    this.#look();
    if (isFirst) this.source.start();
    else if (isNew) this.source.welcome((message) => port.postMessage(message));
  }

  /** A tab that has just signed in has the current session; a reopened tab does not. */
  #agree(port, { session, isFresh }) {
    if (isFresh) this.source.renew(session);
    else port.postMessage({ kind: "renewed", session: this.source.session });
  }

  /** Whether no tab is left. */
  leave(port) {
    this.#tabs.delete(port);
    if (this.#tabs.size) this.#look();
    else this.source.stop();
    return !this.#tabs.size;
  }

  renew(port, session) {
    if (session) this.source.renew(session);
    else if (this.#cannot.add(port).size >= this.#tabs.size) this.source.renew("");
  }

  /** The ports that have been silent for too long. */
  silent() {
    const oldest = performance.now() - GONE;
    return [...this.#tabs].filter(([, tab]) => tab.heard < oldest).map(([port]) => port);
  }

  #look() {
    const tabs = [...this.#tabs.values()];
    const filters = new Map(tabs.map(({ filter }) => [keyOf(filter), filter]));
    this.source.count([...filters.values()]);
    this.source.watch(tabs.some((tab) => tab.isWatched));
  }

  #tell(message) {
    if (message.kind === "expired") this.#cannot.clear();
    for (const port of this.#tabs.keys()) port.postMessage(message);
  }
}

function leave(port) {
  for (const [who, hub] of hubs) if (hub.leave(port)) hubs.delete(who);
}

const said = {
  join(port, { who, ...wants }) {
    for (const [other, hub] of hubs) if (other !== who && hub.leave(port)) hubs.delete(other);
    if (!hubs.has(who)) hubs.set(who, new Hub(wants.session));
    hubs.get(who).join(port, wants);
  },
  leave,
  renewed(port, { who, session }) {
    hubs.get(who)?.renew(port, session);
  },
};

onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data: { kind, ...more } }) => said[kind]?.(port, more);
  port.postMessage({ kind: "hello" });
};

setInterval(() => {
  for (const hub of hubs.values()) hub.silent().forEach(leave);
}, SWEEP);
