/** The states of an agent, and the state after each event: the API's own table. */

/** Names by `stateId`. */
export const NAMES = [
  "Logoff",
  "Logon",
  "Ready",
  "Not Ready",
  "In Call",
  "Wrapup",
  "Transferring",
  "Manual Dial",
  "Preview Dial",
  "Dialing",
  "Registering",
  "Hold",
  "Reserved",
];

export const LOGOFF = 0;
export const READY = 2;
export const NOT_READY = 3;
export const IN_CALL = 4;
export const WRAP_UP = 5;
export const HOLD = 11;
const TRANSFERRING = 6;
const PREVIEW_DIAL = 8;

const NAMED = {
  AGENT_HOLD: HOLD,
  AGENT_RESUMED: IN_CALL,
  PREVIEW_DIAL_OFFERED: PREVIEW_DIAL,
  PREVIEW_DIAL_ACCEPTED: PREVIEW_DIAL,
  WRAP_UP,
};
const PLAIN = Object.fromEntries(
  NAMES.map((name, id) => [name.toUpperCase().replaceAll(" ", "_"), id]),
);

/** The states in the order of their importance to a supervisor. */
export const ORDER = [
  NOT_READY,
  WRAP_UP,
  HOLD,
  IN_CALL,
  TRANSFERRING,
  9,
  7,
  PREVIEW_DIAL,
  12,
  READY,
  1,
  10,
];

/** The `stateId` after an event; null: the state before a preview was offered. */
export function stateAfter(eventType) {
  if (eventType === "PREVIEW_DIAL_SKIPPED") return null;
  if (eventType.startsWith("AGENT_TRANSFER_")) {
    return /_(COMPLETE_|FAILED)/.test(eventType) ? IN_CALL : TRANSFERRING;
  }
  return NAMED[eventType] ?? PLAIN[eventType];
}
