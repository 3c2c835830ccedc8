/**
 * Feed tokens: version 1 UUIDs whose time never runs backwards along the log. Of two responses, the
 * one with the later token shows the later floor.
 */

const GREGORIAN = 12_219_292_800_000; // ms from 1582-10-15, where UUIDs begin, to 1970-01-01

/** The 60 time bits as text that compares in the same order. */
function ticks(token) {
  const [low, mid, high] = token.split("-");
  return high.slice(1) + mid + low;
}

/** Whether the time of `token` is before that of `other`. */
export function isOlder(token, other) {
  return ticks(token) < ticks(other);
}

/** The time of a token, in ms since 1970. */
export function timeOf(token) {
  return Number(BigInt(`0x${ticks(token)}`) / 10_000n) - GREGORIAN;
}
