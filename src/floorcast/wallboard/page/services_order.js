/** The order of the services: by urgency, or by a column. */

import { LEVELS } from "./thresholds.js";

const byName = new Intl.Collator("en", { numeric: true }).compare;
const name = ({ service }) => service.serviceName;
const levelsOf = ({ levels }) => Object.values(levels).map((level) => LEVELS.indexOf(level));
const sum = (numbers) => numbers.reduce((total, one) => total + one, 0);

/**
 * Order by urgency: by the worst level, then the longest wait, then all levels together. Services
 * without a level keep the order of the API, so that their rows stay in place.
 */
export function inNeed(one, other) {
  const [mine, theirs] = [levelsOf(one), levelsOf(other)];
  const [worst, worstOther] = [Math.max(...mine), Math.max(...theirs)];
  if (!worst && !worstOther) return 0;
  return (
    worstOther - worst ||
    other.wait - one.wait ||
    sum(theirs) - sum(mine) ||
    byName(name(one), name(other))
  );
}

const member = (of) => (one) => one.service[of];

/** The columns, with their sort values and whether high values are worse. */
export const ORDERS = {
  level: { by: member("serviceLevel"), worstIsMost: false },
  queue: { by: member("totalCallsInQueue"), worstIsMost: true },
  wait: { by: ({ wait }) => wait, worstIsMost: true },
  speed: { by: member("averageSpeedOfAnswer"), worstIsMost: true },
  abandoned: { by: member("abandonRate"), worstIsMost: true },
  handled: { by: member("totalHandled"), worstIsMost: false },
  offered: { by: member("totalOffered"), worstIsMost: true },
  agents: { by: member("totalAgents"), worstIsMost: false },
};

const NEED = "need";
const NAME = "name";

/** The column headers, which sort in order, in reverse order, or by urgency, as at first. */
export class Sorting {
  #order = NEED; // empty: the order of the API
  #isDescending = false;

  /**
   * @param {HTMLElement} section
   * @param {() => void} onSorted
   */
  constructor(section, onSorted) {
    this.buttons = [...section.querySelectorAll("[data-order]")];
    this.onSorted = onSorted;
    for (const button of this.buttons) button.onclick = () => this.#turn(button.dataset.order);
  }

  /** The services in the selected order. `all` has the services in the order of the API. */
  sorted(rated, all) {
    if (this.#order === NEED) return rated;
    const way = this.#isDescending ? -1 : 1;
    const place = new Map(all.map((service, index) => [service, index]));
    const { by = ({ service }) => place.get(service) } = ORDERS[this.#order] ?? {};
    const compare =
      this.#order === NAME
        ? (one, other) => byName(name(one), name(other))
        : (one, other) => by(one) - by(other);
    return rated.toSorted(
      (one, other) => way * compare(one, other) || byName(name(one), name(other)),
    );
  }

  /** Sort by a column. */
  by(order, isDescending = false) {
    this.#order = order;
    this.#isDescending = isDescending;
    for (const button of this.buttons) {
      const isIt = button.dataset.order === order;
      const head = button.closest("th");
      if (head) head.ariaSort = isIt ? (isDescending ? "descending" : "ascending") : null;
      else button.ariaPressed = String(isIt);
    }
    this.onSorted();
  }

  #turn(order) {
    const worstIsMost = Boolean(ORDERS[order]?.worstIsMost);
    if (this.#order !== order) this.by(order, worstIsMost);
    else if (order === NEED) this.by("");
    else if (this.#isDescending === worstIsMost) this.by(order, !worstIsMost);
    else this.by(NEED);
  }
}
