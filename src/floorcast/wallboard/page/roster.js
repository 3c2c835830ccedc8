/**
 * The agents who are logged in, with their states and times: a snapshot (agents/status), updated by
 * the agent events after it. The server uses the same rules, so snapshot + events = the next snapshot.
 */

import { AgentPast } from "./agent_past.js";
import { LOGOFF, NAMES } from "./states.js";

/**
 * @typedef {object} Agent       with the members of Status
 * @property {string} key        unique, unlike the login, which a child client's agent may share
 * @property {string} login
 * @property {string} name
 * @property {AgentPast} past
 * @property {string} service    the service's name, or its number while the name is unknown
 */

export class Roster {
  constructor() {
    /** @type {Map<string, Agent>} */
    this.agents = new Map();
    /** @type {Map<number, object>} the rows of service/stats by the service's id */
    this.services = new Map();
  }

  /** Start from the rows of a snapshot. Keeps data from events that rows lack. */
  replace(rows) {
    const before = this.agents;
    this.agents = new Map();
    for (const row of rows) {
      let key = row.agentLoginId;
      while (this.agents.has(key)) key += "+"; // a child client's agent, who has no events in this feed
      const past = AgentPast.ofRow(row, before.get(key)?.past);
      const agent = { key, login: row.agentLoginId, name: row.agentName, past };
      this.agents.set(key, Object.assign(agent, past.status, { service: row.serviceName ?? "" }));
    }
  }

  /** The name of an agent, or the login of an agent who has not been seen. */
  nameOf(login) {
    return this.agents.get(login)?.name || login;
  }

  /** The agents who are logged in. */
  present() {
    return [...this.agents.values()].filter((agent) => agent.state !== LOGOFF);
  }

  /** Store the names of services, which events lack. A child client's name never replaces one. */
  name(services) {
    for (const service of services.toReversed()) {
      this.services.set(Number(service.serviceId), service);
    }
    for (const agent of this.agents.values()) {
      if (agent.service === String(agent.serviceId))
        agent.service = this.#serviceName(agent.serviceId);
    }
  }

  /** Apply an event of the agent feed that the server recorded at `taken` (ms). */
  apply(event, taken) {
    const login = event.agentLoginId ?? String(event.agentId);
    let agent = this.agents.get(login);
    if (!agent) {
      agent = { key: login, login, name: login, past: AgentPast.unknown() };
      this.agents.set(login, agent);
    }
    agent.past.take(event, taken);
    const { status } = agent.past;
    Object.assign(agent, status, { service: this.#serviceName(status.serviceId) });
  }

  #serviceName(id) {
    return id === null ? "" : (this.services.get(id)?.serviceName ?? String(id));
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
