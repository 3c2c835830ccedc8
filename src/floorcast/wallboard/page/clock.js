/**
 * The server's time, as far as it is known: this machine's clock may be wrong by hours, and what
 * is not heard of any more must not go on ageing as if it were.
 */

export const STALE = 12_000; // ms without an answer after which what is shown is old
const JITTER = 2_000; // ms

let at = 0; // the server's time at the newest answer, ms
let heard = -Infinity; // when that came, in ms of this page
let stopped = null; // the moment that is shown instead, ms

/** Show a past moment (ms), at which the time stands still; null: the present again. */
export function stop(atMs) {
  stopped = atMs;
  if (atMs === null) heard = -Infinity;
}

/** An answer came that speaks for the server's time `serverMs`. */
export function hear(serverMs) {
  if (stopped !== null) return;
  const believed = now();
  // answers overtake each other by milliseconds: that is no reason for a time to go back
  const isJitter = serverMs < believed && serverMs > believed - JITTER;
  at = isJitter ? believed : serverMs;
  heard = performance.now();
}

/** An answer came that says nothing of the time. */
export function touch() {
  hear(now());
}

/** The server's present, ms; it stands still once nothing has been heard for a while. */
export function now() {
  return stopped ?? at + Math.min(silence(), STALE);
}

/** How long ago the newest answer came, ms. */
export function silence() {
  return stopped === null ? performance.now() - heard : 0;
}

/** Whether what is shown is too old to be relied on. */
export function isStale() {
  return silence() > STALE;
}
