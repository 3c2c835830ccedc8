/** The values at which a figure needs watching or action, set in the page and stored in the browser.
*/

const KEPT = "floorcast.thresholds";
const ABOVE = (value, limit) => value >= limit;
const BELOW = (value, limit) => value < limit;

/** The measures: unit, direction that is worse, and default values. */
export const MEASURES = {
  serviceLevel: { label: "Service level below", unit: "%", isPast: BELOW, shipped: [80, 70] },
  inQueue: { label: "In queue", unit: "calls", isPast: ABOVE, shipped: [5, 10] },
  longestWait: { label: "Longest wait", unit: "s", isPast: ABOVE, shipped: [60, 120] },
  abandonRate: { label: "Abandoned", unit: "%", isPast: ABOVE, shipped: [5, 10] },
  notReady: { label: "Not Ready for", unit: "min", isPast: ABOVE, shipped: [15, 30] },
  wrapUp: { label: "Wrapup for", unit: "min", isPast: ABOVE, shipped: [3, 6] },
  inCall: { label: "In Call for", unit: "min", isPast: ABOVE, shipped: [15, 30] },
  hold: { label: "Hold for", unit: "min", isPast: ABOVE, shipped: [3, 6] },
  silence: { label: "No event for", unit: "s", isPast: ABOVE, shipped: [120, 300] },
};

const MISSED_BY = 10; // percentage points below the target at which a service level needs action

/** The limits from a service's target, which override the browser's, or undefined without a target. */
const TARGETS = {
  serviceLevel: ({ targetServiceLevel: target }) => target && [target, target - MISSED_BY],
  longestWait: ({ targetSeconds: target }) =>
    target === undefined ? undefined : [target, Math.max(1, 2 * target)],
};

/** The levels by severity. */
export const LEVELS = ["", "watch", "act"];

export class Thresholds extends EventTarget {
  #limits = read();

  /** The limits of a measure: `[watch, act]`. */
  of(measure) {
    return this.#limits[measure] ?? MEASURES[measure].shipped;
  }

  /** The level of a value: one of LEVELS. A target in the site takes precedence on every screen. */
  level(measure, value, service = {}) {
    const { isPast } = MEASURES[measure];
    const [watch, act] = TARGETS[measure]?.(service) ?? this.of(measure);
    if (isPast(value, act)) return "act";
    return isPast(value, watch) ? "watch" : "";
  }

  /** Set the limits of a measure. Returns whether they are valid: `act` must not come before
  `watch`. */ set(measure, limits) { if (!isUsable(measure, limits)) return false;
  this.#limits[measure] = limits; this.#keep(); return true; }

  /** Reset everything to the defaults. */
  reset() {
    this.#limits = {};
    this.#keep();
  }

  #keep() {
    localStorage.setItem(KEPT, JSON.stringify(this.#limits));
    this.dispatchEvent(new Event("change"));
  }
}

/** The stored limits that are valid. Another release may have stored invalid ones. */
function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT)) ?? {};
    return Object.fromEntries(Object.entries(kept).filter((one) => isUsable(...one)));
  } catch {
    return {};
  }
}

function isUsable(measure, limits) {
  if (!(measure in MEASURES) || limits.length !== 2 || !limits.every(Number.isFinite)) return false;
  const [watch, act] = limits;
  return MEASURES[measure].isPast === ABOVE ? watch <= act : watch >= act;
}
