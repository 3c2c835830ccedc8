/**
 * What an agent is at, by the agent's own events in the order of their own times.
 *
 * An event that arrives up to 15 minutes late is put where it belongs, as the server puts it, and
 * what follows from it is worked out again. Of one that is later still, only a Logon tells
 * something: the service, if nothing has moved the agent since.
 */

import { LOGOFF, NOT_READY, READY, stateAfter } from "./states.js";

const LATE = 15 * 60_000; // ms that an event may be late
const MOST_EVENTS = 256; // that are kept of an agent
const PREVIEW_OFFERED = "PREVIEW_DIAL_OFFERED";

/**
 * @typedef {object} Status
 * @property {number} state      its stateId
 * @property {string} reason     why the agent is not ready, else empty
 * @property {number} since      when the state began, ms
 * @property {number} before     the state before a preview was offered
 * @property {?number} serviceId the service that the agent is logged in to
 * @property {number} moved      when that last became another, as far as is known, ms
 */

export class AgentPast {
  #base; // the status before the events that are kept
  #reached; // up to when the base is true, ms
  #events = []; // in the order of time

  /** An agent of whom nothing is known. */
  static unknown() {
    const never = -Infinity;
    const status = { state: LOGOFF, reason: "", since: never, before: READY };
    return new AgentPast({ ...status, serviceId: null, moved: never });
  }

  /** An agent as a row of a snapshot has it; `known` is the agent's past as it was put together. */
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
   * @param {number} last when the newest event happened, ms; events from before are not placed
   */
  constructor(status, last = -Infinity) {
    this.status = status;
    this.#base = status;
    this.#reached = Math.max(status.since, last);
  }

  /** When the newest event happened, as far as is known, ms. */
  get last() {
    return this.#events.at(-1)?.at ?? this.#reached;
  }

  /** Take one event of the feed that the server took at `taken` (ms). */
  take(event, taken) {
    const at = Math.min(event.timestamp, taken); // a clock that is ahead is not believed
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

/** The status that an event leaves an agent in; none tells whether it named the service again. */
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
