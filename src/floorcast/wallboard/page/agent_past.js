/**
 * An agent's status, computed from the agent's events in the order of their own times.
 *
 * An event that arrives up to 15 minutes late is inserted at its time, as on the server, and the
 * status is recomputed from there. A later event is ignored, but a later Logon sets the service
 * if no event has changed it since.
 */

import { LOGOFF, NOT_READY, READY, stateAfter } from "./states.js";

const LATE = 15 * 60_000; // ms by which an event may be late
const MOST_EVENTS = 256; // kept per agent
const PREVIEW_OFFERED = "PREVIEW_DIAL_OFFERED";

/**
 * @typedef {object} Status
 * @property {number} state      its stateId
 * @property {string} reason     why the agent is not ready, else empty
 * @property {number} since      when the state began, ms
 * @property {number} before     the state before a preview was offered
 * @property {?number} serviceId the service that the agent is logged in to
 * @property {number} moved      the last known change of the service, ms
 */

export class AgentPast {
  #base; // the status before the oldest event in memory
  #reached; // the time up to which the base holds, ms
  #events = []; // in the order of time

  /** An agent without any known event. */
  static unknown() {
    const never = -Infinity;
    const status = { state: LOGOFF, reason: "", since: never, before: READY };
    return new AgentPast({ ...status, serviceId: null, moved: never });
  }

  /** An agent from a row of a snapshot. `known` is the past collected from events so far. */
  static ofRow(row, known) {
    const now = known?.status;
    const found = {
      state: row.stateId,
      reason: row.reasonCode,
      since: row.stateChangedAfter,
      serviceId: row.serviceId,
    };
    if (now && Object.entries(found).every(([name, value]) => now[name] === value)) return known;
    const before = now?.before ?? READY;
    const moved = Math.max(found.since, now?.moved ?? -Infinity);
    return new AgentPast({ ...found, before, moved }, known?.last);
  }

  /**
   * @param {Status} status as it is
   * @param {number} last the time of the newest event, ms; earlier events are not inserted
   */
  constructor(status, last = -Infinity) {
    this.status = status;
    this.#base = status;
    this.#reached = Math.max(status.since, last);
  }

  /** The time of the newest known event, ms. */
  get last() {
    return this.#events.at(-1)?.at ?? this.#reached;
  }

  /** Apply an event of the feed that the server recorded at `taken` (ms). */
  take(event, taken) {
    const at = Math.min(event.timestamp, taken); // the source's clock may be ahead
    const serviceId = event.agentServiceId ?? null;
    if (at < this.#reached || (at < this.last && taken - at > LATE)) {
      if (event.eventType === "LOGON") this.#tellService(serviceId, at);
      return;
    }
    const events = this.#events;
    const index = events.findLastIndex((other) => other.at <= at) + 1;
    const isNewest = index === events.length;
    const prior = isNewest ? this.status : events.slice(0, index).reduce(after, this.#base);
    events.splice(index, 0, {
      at,
      type: event.eventType,
      reason: event.notReadyReasonCode ?? "",
      serviceId,
      moves: serviceId !== prior.serviceId,
    });
    this.status = events.slice(index).reduce(after, prior);
    while (events.length > MOST_EVENTS || events[0]?.at < taken - LATE) this.#forget();
  }

  #tellService(serviceId, at) {
    if (serviceId === null || at < this.status.moved) return;
    this.#reached = this.last;
    this.#events = [];
    this.#base = this.status = { ...this.status, serviceId, moved: at };
  }

  #forget() {
    const oldest = this.#events.shift();
    this.#base = after(this.#base, oldest);
    this.#reached = oldest.at;
  }
}

/** The status after an event. Events do not say whether the service was named again. */
function after(status, { at, type, reason, serviceId, moves }) {
  const state = stateAfter(type) ?? status.before;
  const isOffer = type === PREVIEW_OFFERED && state !== status.state;
  return {
    state,
    reason: state === NOT_READY ? reason : "",
    since: state === status.state ? status.since : at,
    before: isOffer ? status.state || READY : status.before,
    serviceId: moves ? serviceId : status.serviceId,
    moved: moves ? at : status.moved,
  };
}
