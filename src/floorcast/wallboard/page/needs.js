/** What needs a hand now: figures past their thresholds, and a floor that cannot do its work. */

import { duration, plural, spoken } from "./figures.js";
import { READY } from "./states.js";
import { stateName } from "./roster.js";

const RESERVED = 12; // a call is on its way to the agent
const GRACE = 10; // seconds that a call may wait for a hand that is just getting free

/**
 * @typedef {object} Need
 * @property {string} who       whom it is about
 * @property {string} why       in words
 * @property {object} leadsTo   `{service: id}`, `{agent: login}`, or nothing
 */

/**
 * All needs, the server's, the source's and the floor's first, then the services', then the agents'.
 *
 * @param {import("./services_panel.js").ServicesPanel} services
 * @param {import("./agents_panel.js").AgentsPanel} agents
 * @param {{level: string, seconds: ?number}} silence of the source
 * @param {boolean} isStale whether the server has not answered for too long
 * @returns {Need[]}
 */
export function needs(services, agents, silence, isStale) {
  const found = [];
  if (isStale) found.push({ who: "Server", why: "no response", leadsTo: {} });
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
    found.push({ who: agent.name, why, leadsTo: { agent: agent.login } });
  }
  return found;
}

/**
 * Whether calls of a service wait and nobody is there to take them: "none" if nobody is logged in,
 * "busy" if nobody is ready, else empty.
 *
 * @param {import("./roster.js").Agent[]} present
 */
export function handsOf(service, wait, present) {
  if (!service.totalCallsInQueue) return "";
  if (!service.totalAgents) return "none";
  const own = present.filter((agent) => String(agent.serviceId) === service.serviceId);
  // those who serve several queues are shown with one of them: then anybody may be theirs
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
  if (levels.serviceLevel === "act") return "service level";
  return levels.abandonRate === "act" ? "abandoned" : "";
}
