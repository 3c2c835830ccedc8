/** The current problems: figures past their thresholds, and a floor that cannot take calls. */

import { duration, percent, plural, spoken } from "./figures.js";
import { READY } from "./states.js";
import { stateName } from "./roster.js";

const RESERVED = 12; // the state of an agent to whom a call is being connected
const GRACE = 10; // seconds that a call may wait for an agent who is about to be free

/**
 * @typedef {object} Need
 * @property {string} who       the service or agent concerned
 * @property {string} why       the problem in words
 * @property {object} leadsTo   `{service: id}`, `{agent: key}`, or nothing
 */

/**
 * Returns all problems, first of the server, source and floor, then of services and agents.
 *
 * @param {import("./services_panel.js").ServicesPanel} services
 * @param {import("./agents_panel.js").AgentsPanel} agents
 * @param {{level: string, seconds: ?number}} silence of the source
 * @param {boolean} isUnanswered whether the server has been silent for too long
 * @returns {Need[]}
 */
export function needs(services, agents, silence, isUnanswered) {
  const found = [];
  if (isUnanswered) found.push({ who: "Server", why: "no response", leadsTo: {} });
  if (silence.level === "act") {
    found.push({ who: "Source", why: `no event for ${spoken(silence.seconds)}`, leadsTo: {} });
  }
  if (agents.isKnown && !agents.present.length) {
    found.push({ who: "Floor", why: "nobody is logged in", leadsTo: {} });
  }
  for (const { service, levels } of services.rated()) {
    const why = whyService(service, levels, services.longestWait(service));
    if (why) found.push({ who: service.serviceName, why, leadsTo: { service: service.serviceId } });
  }
  for (const agent of agents.present) {
    if (agents.level(agent) !== "act") continue;
    const why = `long in ${stateName(agent)}`;
    found.push({ who: agent.name, why, leadsTo: { agent: agent.key } });
  }
  return found;
}

/**
 * Why nobody can take the waiting calls of a service: "none" if nobody is logged in, "busy" if
 * nobody is ready, otherwise empty.
 *
 * @param {import("./roster.js").Agent[]} present
 */
export function handsOf(service, wait, present) {
  if (!service.totalCallsInQueue) return "";
  if (!service.totalAgents) return "none";
  const own = present.filter((agent) => String(agent.serviceId) === service.serviceId);
  // An agent of several queues is shown with one of them, so any agent may serve this one.
  const hands = own.length < service.totalAgents ? present : own;
  const isFree = hands.some(({ state }) => state === READY || state === RESERVED);
  return isFree || !hands.length || wait < GRACE ? "" : "busy";
}

function whyService(service, levels, wait) {
  const waiting = plural(service.totalCallsInQueue, "call");
  if (levels.hands === "act") {
    const who = service.totalAgents ? "nobody is ready" : "nobody is logged in";
    return `${waiting} waiting, ${who}`;
  }
  if (levels.longestWait === "act") return `${waiting} waiting, ${duration(wait)}`;
  if (levels.inQueue === "act") return `${waiting} waiting`;
  if (levels.serviceLevel === "act") return `service level ${percent(service.serviceLevel)}`;
  return levels.abandonRate === "act" ? `${percent(service.abandonRate)} abandoned` : "";
}
