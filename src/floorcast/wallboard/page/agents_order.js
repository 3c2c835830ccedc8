/** The selection and order of the listed agents. */

import { reasonName, stateName } from "./roster.js";
import { LOGOFF, ORDER } from "./states.js";
import { LEVELS } from "./thresholds.js";

const byName = new Intl.Collator("en", { numeric: true }).compare;
const place = (state) => ORDER.indexOf(state);

/** An order compares two listed agents of the same level. */
const ORDERS = {
  need: (a, b) => LEVELS.indexOf(b.level) - LEVELS.indexOf(a.level) || ORDERS.state(a, b),
  name: (a, b) => byName(a.agent.name, b.agent.name),
  state: (a, b) => place(a.agent.state) - place(b.agent.state) || ORDERS.time(a, b),
  time: (a, b) => a.agent.since - b.agent.since || ORDERS.name(a, b),
  service: (a, b) => byName(a.agent.service, b.agent.service) || ORDERS.state(a, b),
};

/**
 * The agents to list, each with its level.
 *
 * @param {Iterable<import("./roster.js").Agent>} agents
 * @param {{states: Set<number>, search: string, order: string, descending: boolean}} choice
 * @param {(agent: import("./roster.js").Agent) => string} levelOf
 */
export function listed(agents, { states, search, order, descending }, levelOf) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [];
  for (const agent of agents) {
    if (agent.state === LOGOFF || (states.size && !states.has(agent.state))) continue;
    if (words.length && !words.every((word) => text(agent).includes(word))) continue;
    found.push({ agent, level: levelOf(agent) });
  }
  found.sort(ORDERS[order]);
  return descending ? found.reverse() : found;
}

function text(agent) {
  return [agent.name, agent.login, stateName(agent), reasonName(agent), agent.service]
    .join(" ")
    .toLowerCase();
}
