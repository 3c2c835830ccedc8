/**
 * The queue of each service over the last half hour: the most calls waiting in each minute, first
 * from past intervals, then as seen by this page. It survives a reload of the tab.
 */

const KEPT = "floorcast.trends";
export const STEPS = 30; // minutes; the line has one point per minute
const STEP = 60; // seconds
const WRITTEN = 15; // seconds between two saves

export class Trends {
  #written = -Infinity;

  /** @param {string} who the user and client; the history of others is not used */
  constructor(who) {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    this.who = who;
    /** @type {Object<string, [number, number][]>} minutes and calls by service, oldest first */
    this.seen = kept?.who === who ? kept.seen : {};
  }

  /** Note how many calls of each service are waiting at `at`, in seconds. */
  add(at, services) {
    const minute = Math.floor(at / STEP);
    const seen = {};
    for (const { serviceId, totalCallsInQueue: waiting } of services) {
      const points = this.seen[serviceId] ?? [];
      const newest = points.at(-1);
      if (newest && newest[0] >= minute) newest[1] = Math.max(newest[1], waiting);
      else points.push([minute, waiting]);
      while (points[0][0] <= minute - STEPS) points.shift();
      seen[serviceId] = points;
    }
    this.seen = seen;
    if (at - this.#written < WRITTEN) return;
    this.#written = at;
    sessionStorage.setItem(KEPT, JSON.stringify({ who: this.who, seen }));
  }

  /**
   * Add the history from before this page was opened.
   *
   * @param {import("./history.js").Past} past
   */
  fill(past) {
    for (const [serviceId, points] of Object.entries(this.seen)) {
      const first = points[0]?.[0] ?? Math.floor(past.end / STEP);
      const before = [];
      for (let minute = Math.floor(past.end / STEP) - STEPS + 1; minute < first; minute++) {
        before.push([minute, past.mostOf(serviceId, minute * STEP)]);
      }
      this.seen[serviceId] = [...before, ...points];
    }
  }

  /** The combined history of some services: the sum of their maxima in each minute. */
  pastOf(services) {
    const sums = new Map();
    for (const { serviceId } of services) {
      for (const [minute, waiting] of this.seen[serviceId] ?? []) {
        sums.set(minute, (sums.get(minute) ?? 0) + waiting);
      }
    }
    const minutes = [...sums].sort(([one], [other]) => one - other);
    return new Past(
      services.reduce((sum, one) => sum + one.totalCallsInQueue, 0),
      minutes,
    );
  }

  /** The maximum of each minute up to the newest; null if unknown. */
  of(serviceId) {
    const points = this.seen[serviceId] ?? [];
    const last = points.at(-1)?.[0] ?? 0;
    const by = new Map(points);
    return Array.from({ length: STEPS }, (_, index) => by.get(last - STEPS + 1 + index) ?? null);
  }
}

/** The combined queue history of some services, in the form of a QueueHistory. */
class Past {
  constructor(waiting, minutes) {
    this.waiting = waiting;
    this.minutes = minutes;
  }

  columns(now) {
    const times = this.minutes.map(([minute]) => minute * STEP);
    return [[...times, now], [...this.minutes.map(([, calls]) => calls), this.waiting]];
  }
}

const SVG = "http://www.w3.org/2000/svg";

/** Draw a service's trend into a cell. */
export function drawTrend(cell, values) {
  const key = values.join();
  if (cell.dataset.drawn === key) return;
  cell.dataset.drawn = key;
  const most = Math.max(3, ...values);
  let path = "";
  values.forEach((value, index) => {
    if (value === null) return;
    const isFirst = !index || values[index - 1] === null;
    path += `${isFirst ? "M" : "L"}${index} ${(most - value) * (10 / most) + 1}`;
    if (isFirst) path += "h0.01"; // draw a single minute as a dot
  });
  const [drawing, line] = cell.firstElementChild
    ? [cell.firstElementChild, cell.firstElementChild.firstElementChild]
    : make(cell);
  line.setAttribute("d", path);
  const seen = values.filter((value) => value !== null);
  const told = seen.length ? `now ${seen.at(-1)}, peak ${Math.max(...seen)}` : "no data yet";
  drawing.setAttribute("aria-label", `In queue, last 30 minutes: ${told}`);
}

function make(cell) {
  const drawing = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "path");
  drawing.setAttribute("viewBox", `-0.5 0 ${STEPS} 12`);
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("role", "img");
  line.setAttribute("vector-effect", "non-scaling-stroke");
  drawing.append(line);
  cell.append(drawing);
  return [drawing, line];
}
