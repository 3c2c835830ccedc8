/**
 * The queue over the last half hour, as this page has seen it: the API tells only how it is now.
 * It outlives a reload of the tab.
 */

const KEPT = "floorcast.queue";
export const SPAN = 1_800; // seconds
const STEP = 5; // seconds that one sample stands for: the most that waited in it
const GAP = 20; // seconds without a sample after which the line is broken

export class QueueHistory {
  /** @param {string} client whose queue; another client's past is not this one's */
  constructor(client) {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    this.client = client;
    /** @type {[number, number][]} seconds and calls, oldest first */
    this.samples = kept?.client === client ? kept.samples : [];
    /** how many waited when last seen */
    this.waiting = 0;
  }

  /** So many calls wait at `at`, in seconds. */
  add(at, waiting) {
    const step = at - (at % STEP);
    this.waiting = waiting;
    const newest = this.samples.at(-1);
    if (newest && newest[0] >= step) newest[1] = Math.max(newest[1], waiting);
    else this.samples.push([step, waiting]);
    while (this.samples[0][0] < at - SPAN - STEP) this.samples.shift();
    sessionStorage.setItem(KEPT, JSON.stringify({ client: this.client, samples: this.samples }));
  }

  /** As two columns, times and calls up to `now`; null where nothing was seen for a while. */
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
