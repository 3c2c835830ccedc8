/**
 * The queue over the last half hour, first from past intervals, then as seen by this page. It
 * survives a reload of the tab.
 */

const KEPT = "floorcast.queue";
export const SPAN = 1_800; // seconds
const STEP = 5; // seconds per sample, which is the maximum in that time
const GAP = 20; // seconds without a sample that break the line

export class QueueHistory {
  /** @param {string} client whose history to use */
  constructor(client) {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    this.client = client;
    /** @type {[number, number][]} seconds and calls, oldest first */
    this.samples = kept?.client === client ? kept.samples : [];
    /** the newest number of waiting calls */
    this.waiting = 0;
  }

  /** Record the number of waiting calls at `at`, in seconds. */
  add(at, waiting) {
    const step = at - (at % STEP);
    this.waiting = waiting;
    const newest = this.samples.at(-1);
    if (newest && newest[0] >= step) newest[1] = Math.max(newest[1], waiting);
    else this.samples.push([step, waiting]);
    while (this.samples[0][0] < at - SPAN - STEP) this.samples.shift();
    sessionStorage.setItem(KEPT, JSON.stringify({ client: this.client, samples: this.samples }));
  }

  /**
   * Add the history from before this page was opened: the sum of the services' maxima in each
   * interval. It is an upper bound, because the maxima may be at different times.
   *
   * @param {Past} past
   */
  fill(past) {
    const first = this.samples[0]?.[0] ?? past.end;
    const before = [];
    for (let at = past.begin - (past.begin % STEP); at < first; at += STEP) {
      before.push([at, past.mostOfAll(at)]);
    }
    this.samples = [...before, ...this.samples];
  }

  /** Two columns, times and calls up to `now`. Calls are null after a gap. */
  columns(now) {
    const [times, calls] = [[], []];
    for (const [at, waiting] of this.samples) {
      if (times.length && at - times.at(-1) > GAP) {
        times.push(times.at(-1) + STEP);
        calls.push(null);
      }
      times.push(at);
      calls.push(waiting);
    }
    if (times.length) {
      times.push(now);
      calls.push(this.waiting);
    }
    return [times, calls];
  }
}

/** The intervals of the last half hour, from a response of service/stats/intervals. */
export class Past {
  /** @param {{intervals: object[], timeStamp: number}} answer */
  constructor({ intervals, timeStamp }) {
    this.end = Math.floor(timeStamp / 1000);
    this.begin = this.end - SPAN;
    /** @type {Map<number, {end: number, most: Map<string, number>, all: number}>} by start */
    this.intervals = new Map();
    for (const { serviceId, start, end, queueMax } of intervals) {
      const known = this.intervals.get(start / 1000) ?? { end: end / 1000, most: new Map(), all: 0 };
      known.most.set(serviceId, queueMax);
      known.all += queueMax;
      this.intervals.set(start / 1000, known);
    }
  }

  /** The most calls waiting at a service in the interval that contains `at` (seconds). */
  mostOf(serviceId, at) {
    return this.#at(at)?.most.get(serviceId) ?? 0;
  }

  /** The most calls waiting at all services together in that interval. */
  mostOfAll(at) {
    return this.#at(at)?.all ?? 0;
  }

  #at(at) {
    for (const [start, interval] of this.intervals) {
      if (start <= at && at < interval.end) return interval;
    }
    return null;
  }
}
