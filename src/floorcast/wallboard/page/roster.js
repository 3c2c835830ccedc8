/**
 * Who is logged in, at what, since when: a snapshot (agents/status) and the agent events after
 * it. The rules are the server's own, so that snapshot + events = the next snapshot.
 */

import { LOGOFF, NAMES, NOT_READY, READY, stateAfter } from "./states.js";

const PREVIEW_OFFERED = "PREVIEW_DIAL_OFFERED";

/**
 * @typedef {object} Agent
 * @property {string} login
 * @property {string} name
 * @property {number} state      its stateId
 * @property {string} reason     why it is not ready, else empty
 * @property {number} since      when the state began, ms
 * @property {number} heard      when its newest event happened, ms
 * @property {number} before     the state before a preview was offered
 * @property {?number} serviceId the service that it is logged in to
 * @property {string} service    its name; its number, as long as that is not known
 */

export class Roster {
  constructor() {
    /** @type {Map<string, Agent>} */
    this.agents = new Map();
    /** @type {Map<number, string>} names of services by id */
    this.services = new Map();
    this.hasStrangers = false;
  }

  /** Begin with the rows of a snapshot; what events told of an agent beyond a row is kept. */
  replace(rows) {
    const before = this.agents;
    this.agents = new Map();
    for (const row of rows) {
      let key = row.agentLoginId;
      while (this.agents.has(key)) key += "+"; // a child client's agent, of whom events do not tell
      this.agents.set(key, this.#fromRow(row, before.get(key)));
    }
    this.hasStrangers = false;
  }

  /** Those who are logged in. */
  present() {
    return [...this.agents.values()].filter((agent) => agent.state !== LOGOFF);
  }

  /** Learn names of services, which events do not tell; of a child client's, where there is no other. */
  name(services) {
    for (const { serviceId, serviceName } of services.toReversed()) {
      this.services.set(Number(serviceId), serviceName);
    }
    for (const agent of this.agents.values()) {
      if (agent.service === String(agent.serviceId))
        agent.service = this.#serviceName(agent.serviceId);
    }
  }

  /** Apply one event of the agent feed; one that is older than the agent's last changes nothing. */
  apply(event) {
    const login = event.agentLoginId ?? String(event.agentId);
    let agent = this.agents.get(login);
    if (!agent) {
      agent = {
        login,
        name: login,
        state: LOGOFF,
        reason: "",
        since: 0,
        heard: -Infinity,
        before: READY,
        serviceId: null,
        service: "",
      };
      this.agents.set(login, agent);
      this.hasStrangers = true; // a snapshot has the name
    }
    if (event.timestamp < agent.heard) return;
    const state = stateAfter(event.eventType) ?? agent.before;
    if (event.eventType === PREVIEW_OFFERED && state !== agent.state) agent.before = agent.state;
    if (state !== agent.state) agent.since = event.timestamp;
    agent.state = state;
    agent.reason = state === NOT_READY ? (event.notReadyReasonCode ?? "") : "";
    agent.heard = event.timestamp;
    agent.serviceId = event.agentServiceId ?? null;
    agent.service = this.#serviceName(agent.serviceId);
  }

  #fromRow(row, known) {
    return {
      login: row.agentLoginId,
      name: row.agentName,
      state: row.stateId,
      reason: row.reasonCode,
      since: row.stateChangedAfter,
      heard: Math.max(row.stateChangedAfter, known?.heard ?? -Infinity),
      before: known?.before ?? READY,
      serviceId: row.serviceId,
      service: row.serviceName ?? "",
    };
  }

  #serviceName(id) {
    return id === null ? "" : (this.services.get(id) ?? String(id));
  }
}

/** An agent's state in words. */
export function stateName(agent) {
  return NAMES[agent.state];
}

/** Why an agent is not ready, in words. */
export function reasonName(agent) {
  const words = agent.reason.toLowerCase().replaceAll("_", " ");
  return words && words[0].toUpperCase() + words.slice(1);
}
