/** The floor at a glance: the few figures that are read from the far end of the room. */

import { callsInRates, count, duration, percent, plural } from "./figures.js";
import { HOLD, IN_CALL, NOT_READY, READY } from "./states.js";
import { figure, mark, write } from "./table.js";
import { LEVELS } from "./thresholds.js";

const list = document.getElementById("glance");
const tiles = new Map();
const UNKNOWN = "–"; // not 0: what is not known, or not to be seen, is not said to be well

/**
 * @param {import("./services_panel.js").ServicesPanel} services
 * @param {import("./agents_panel.js").AgentsPanel} agents
 * @param {import("./thresholds.js").Thresholds} thresholds
 */
export function draw(services, agents, thresholds) {
  const needy = need(services, agents);
  const isKnown = services.isKnown || agents.isKnown;
  const total = isKnown ? count(needy.total) : UNKNOWN;
  tile("needs", "Need a hand", total, isKnown ? needy.words : "unknown", needy.total ? "act" : "");
  drawCalls(services, thresholds);
  drawAgents(agents);
}

function drawCalls(services, thresholds) {
  const sum = (member) => services.stats.reduce((total, one) => total + one[member], 0);
  const longest = Math.max(0, ...services.stats.map((one) => services.longestWait(one)));
  const abandoned = sum("totalAbandoned");
  const decided = services.stats.reduce((total, one) => total + callsInRates(one), 0);
  const rate = decided ? (100 * abandoned) / decided : null;
  const waiting = services.isKnown ? count(sum("totalCallsInQueue")) : UNKNOWN;
  const wait = longest ? duration(longest) : UNKNOWN;
  const isBad = rate === null ? "" : thresholds.level("abandonRate", rate);
  const today = services.isKnown ? `${count(abandoned)} today` : "today";
  tile("waiting", "In queue", waiting, "calls", worst(services, "inQueue"));
  tile("longest", "Longest wait", wait, "now", worst(services, "longestWait"));
  tile("abandoned", "Abandoned", rate === null ? UNKNOWN : percent(rate), today, isBad);
}

function drawAgents(agents) {
  const number = (...states) => {
    const found = agents.present.filter((one) => states.includes(one.state));
    return agents.isKnown ? count(found.length) : UNKNOWN;
  };
  tile("ready", "Ready", number(READY), "agents");
  tile("in-call", "In call", number(IN_CALL, HOLD), "agents");
  tile("not-ready", "Not ready", number(NOT_READY), "agents");
}

/** What needs a hand now, in words. */
export function need(services, agents) {
  const these = services.stats.filter((one) => Object.values(services.levels(one)).includes("act"));
  const those = agents.present.filter((one) => agents.level(one) === "act");
  const words = [];
  if (these.length) words.push(plural(these.length, "service"));
  if (those.length) words.push(plural(those.length, "agent"));
  return {
    total: these.length + those.length,
    words: words.join(", ") || "all is well",
    services: these.map((one) => one.serviceName),
  };
}

/** The level of the service that is worst off: sums have no thresholds. */
function worst(services, measure) {
  const levels = services.stats.map((one) => services.levels(one)[measure]);
  return LEVELS.findLast((level) => levels.includes(level)) ?? "";
}

function tile(name, label, value, note, level = "") {
  const one = tiles.get(name) ?? make(name, label);
  figure(one.value, value, "", level);
  mark(one.value.dataset, "long", value.length > 5 ? "true" : "");
  mark(one.group.dataset, "level", level);
  write(one.note, note);
}

function make(name, label) {
  const group = document.createElement("div");
  const [term, value, note] = ["dt", "dd", "dd"].map((tag) => document.createElement(tag));
  group.dataset.tile = name;
  term.textContent = label;
  value.className = "value";
  note.className = "quiet";
  group.append(term, value, note);
  list.append(group);
  tiles.set(name, { group, value, note });
  return tiles.get(name);
}
