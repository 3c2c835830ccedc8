/**
 * An estimate of the server's time. This machine's clock may be wrong by hours, and shown
 * ages must not continue to grow while the server is silent.
 */

export const STALE = 12_000; // ms without a response after which the data counts as old
const JITTER = 2_000; // ms

let at = 0; // the server's time of the newest response, ms
let heard = -Infinity; // when that response arrived, in ms on this page
let began = performance.now(); // when the page began to wait for responses
let stopped = null; // the past time shown instead, ms

/** Show a past time (ms), at which the clock stands still. null returns to the present. */
export function stop(atMs) {
  stopped = atMs;
  if (atMs !== null) return;
  heard = -Infinity;
  began = performance.now();
}

/** Note a response that has the server's time `serverMs`. */
export function hear(serverMs) {
  if (stopped !== null) return;
  const believed = now();
  // Responses can overtake each other by milliseconds. The time must not decrease.
  const isJitter = serverMs < believed && serverMs > believed - JITTER;
  at = isJitter ? believed : serverMs;
  heard = performance.now();
}

/** Note a response without a time. */
export function touch() {
  hear(now());
}

/** The server's current time in ms. It stops if no responses arrive for a while. */
export function now() {
  return stopped ?? at + Math.min(silence(), STALE);
}

/** The age of the newest response, in ms. */
export function silence() {
  return stopped === null ? performance.now() - heard : 0;
}

/** Whether the shown data is too old to be relied on. */
export function isStale() {
  return silence() > STALE;
}

/** Whether the server has given no response for too long, including the wait for the first one. */
export function isUnanswered() {
  return isStale() && performance.now() - began > STALE;
}
