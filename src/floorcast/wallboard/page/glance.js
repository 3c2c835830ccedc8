/**
 * The floor at a glance: the few figures that must be readable across a room. Each tile names the
 * service or agent behind its figure and links to it.
 */

import { count, duration, named, percent, plural, targetOf, together } from "./figures.js";
import { READY } from "./states.js";
import { figure, mark, write } from "./table.js";
import { LEVELS } from "./thresholds.js";

const list = document.getElementById("glance");
const tiles = new Map();
const UNKNOWN = "–"; // not 0, which would mean that there are no problems
const NAMES = 26; // characters of two names that fit into a tile
const REASON = 32; // characters of a name and a reason that fit into a tile
const LONG = 16; // characters of one name beside which a value fits
const SHORT = 5; // characters that always fit into a tile

/**
 * @param {object} shown
 * @param {import("./services_panel.js").ServicesPanel} shown.services
 * @param {import("./agents_panel.js").AgentsPanel} shown.agents
 * @param {import("./thresholds.js").Thresholds} shown.thresholds
 * @param {import("./needs.js").Need[]} shown.needs
 * @param {boolean} shown.isStale whether the data is too old to be relied on
 * @param {(target: object) => void} onLead a tile was clicked
 */
export function draw(shown, onLead) {
  const [level, ...calls] = ofCalls(shown);
  const drawn = [level, ofNeeds(shown), ...calls, ofReady(shown)];
  const longest = Math.max(SHORT, ...drawn.map(({ value }) => value.length));
  list.style.setProperty("--characters", longest);
  for (const one of drawn) tile(one, onLead);
}

function ofNeeds({ services, agents, needs, isStale }) {
  const base = { name: "needs", label: "Need a hand" };
  const isKnown = services.isKnown || agents.isKnown;
  if (needs.length && isKnown) {
    const names = needs.map(({ who }) => who);
    const why = needs.map(({ who, why }) => `${who}: ${why}`).join("\n");
    const some = named(names, names.slice(0, 2).join(", ").length > NAMES ? 1 : 2);
    const found = { ...base, value: count(needs.length), title: why, level: "act" };
    const isWhole = needs.length === 1 && why.length <= REASON;
    if (isWhole) return { ...found, note: why, leadsTo: needs[0].leadsTo };
    return { ...found, note: some, leadsTo: { needs }, opensDialog: true };
  }
  if (!isKnown) return { ...base, value: UNKNOWN, note: "unknown" };
  const isAll = services.isKnown && agents.isKnown && !isStale;
  return { ...base, value: "0", note: isAll ? "nothing urgent" : "some data is missing" };
}

function ofCalls({ services, thresholds }) {
  const rated = services.rated();
  const all = together(services.stats);
  const known = (value) => (services.isKnown ? value : UNKNOWN);
  const rate = (share) => (share === null ? UNKNOWN : percent(share));
  const abandonRate = all.calls ? (100 * all.abandoned) / all.calls : null;
  const target = targetOf(services.stats);
  const worst = (measure) => {
    const found = rated.map(({ levels }) => levels[measure]);
    return LEVELS.findLast((level) => found.includes(level)) ?? "";
  };
  const isSeveral = rated.length > 1; // one service is not compared
  const most = (by) => rated.filter(by).sort((one, other) => by(other) - by(one))[0]?.service;
  const waiting = isSeveral && most(({ service }) => service.totalCallsInQueue);
  const longest = most(({ wait }) => wait);
  const lost = isSeveral && most(({ service }) => service.abandonRate);
  const to = (service, order) => ({ order, service: service?.serviceId });
  const level = all.serviceLevel;
  const goal = target ?? thresholds.of("serviceLevel")[0];
  const missing = (measure, value, own) =>
    value === null ? "" : thresholds.level(measure, value, own);
  return [
    {
      name: "level",
      label: "Service level",
      value: rate(level),
      note: `target ${Number(goal.toFixed(1))}%`,
      level: missing("serviceLevel", level, target === null ? {} : { targetServiceLevel: target }),
      leadsTo: { order: "level" },
    },
    {
      name: "waiting",
      label: "In queue",
      value: known(count(all.waiting)),
      note: waiting ? leader("most", waiting, count(waiting.totalCallsInQueue)) : "calls",
      level: worst("inQueue"),
      leadsTo: to(waiting, "queue"),
    },
    {
      name: "longest",
      label: "Longest wait",
      value: longest ? duration(services.longestWait(longest)) : UNKNOWN,
      note: longest ? longest.serviceName : "now",
      level: worst("longestWait"),
      leadsTo: to(longest, "wait"),
    },
    {
      name: "speed",
      label: "Speed of answer",
      value: all.speedOfAnswer === null ? UNKNOWN : duration(all.speedOfAnswer),
      note: "average",
      title: "Average speed of answer today",
      leadsTo: { order: "speed" },
    },
    {
      name: "handled",
      label: "Handled",
      value: known(count(all.handled)),
      note: "today",
      leadsTo: { order: "handled" },
    },
    {
      name: "abandoned",
      label: "Abandoned",
      value: rate(abandonRate),
      note: lost ? leader("worst", lost, percent(lost.abandonRate)) : "today",
      level: missing("abandonRate", abandonRate),
      leadsTo: to(lost, "abandoned"),
    },
  ];
}

/** The service with the highest value, and the value if the name leaves room for it. */
function leader(word, { serviceName }, value) {
  return `${word}: ${serviceName}${serviceName.length > LONG ? "" : ` ${value}`}`;
}

/** The number of ready agents. The panel of agents has the other states. */
function ofReady({ services, agents }) {
  const ready = agents.present.filter(({ state }) => state === READY);
  return {
    name: "ready",
    label: "Ready",
    value: agents.isKnown ? count(ready.length) : UNKNOWN,
    note: agents.isKnown ? `of ${plural(agents.present.length, "agent")}` : "agents",
    level: ready.length || !agents.isKnown ? "" : levelOfNobody(services),
    leadsTo: { states: [READY] },
  };
}

/** The tile's state when no agent is ready. It needs attention once a call has waited. */
function levelOfNobody(services) {
  const rated = services.rated();
  if (rated.some(({ levels }) => levels.hands === "act")) return "act";
  return rated.some(({ service }) => service.totalCallsInQueue) ? "watch" : "";
}

function tile(shown, onLead) {
  const { name, label, value, note, title = "", level = "", leadsTo, opensDialog } = shown;
  const one = tiles.get(name) ?? make(name, label);
  figure(one.value, value, "", level);
  mark(one.button.dataset, "level", level);
  write(one.note, note);
  one.note.style.setProperty("--letters", note.length);
  if (one.note.title !== (title || note)) one.note.title = title || note;
  const popup = opensDialog ? "dialog" : null;
  if (one.button.ariaHasPopup !== popup) one.button.ariaHasPopup = popup;
  one.button.onclick = () => onLead(leadsTo ?? {});
}

function make(name, label) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const parts = ["label", "value", "note"].map((part) => {
    const one = document.createElement("span");
    one.className = part;
    return one;
  });
  const [term, value, note] = parts;
  button.type = "button";
  button.dataset.tile = name;
  term.textContent = label;
  note.classList.add("quiet");
  note.dir = "auto";
  button.append(...parts.flatMap((part) => [part, " "]));
  item.append(button);
  list.append(item);
  tiles.set(name, { button, value, note });
  return tiles.get(name);
}
