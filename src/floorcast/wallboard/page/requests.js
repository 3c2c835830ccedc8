/** Requests to the API, and their results and errors. */

const PATIENCE = 10_000; // ms that a response may take; a feed's first request returns at once

/** The server refused the request. `code` and `message` are the API's. */
export class Refusal extends Error {
  constructor(status, { code, message }, retryAfter) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter; // seconds; 0 if the server sent none
  }

  /** The session is missing, unknown or has expired. */
  get isOfSession() {
    return this.code === 301;
  }

  /** A parameter, such as the filter in the address, names an unknown id. */
  get isOfParameters() {
    return this.status === 400;
  }

  /** The role or client may not use the method, so an early retry is useless. */
  get isOfRights() {
    return this.status === 403;
  }

  /** The server is too busy, is starting, or asks for fewer requests. */
  get isForNow() {
    return this.status === 429 || this.status >= 500;
  }
}

/** Neither the network nor the server responded. */
export class Unreachable extends Error {}

/**
 * Send a request. Returns its response as JSON, the response's position in the feeds, the seconds to
 * wait between further requests (0: no limit), the user's role (of a login), and the time at which
 * the server recorded the newest event, and the earliest past time that it has (ms; null: unknown).
 * Throws Refusal and Unreachable.
 */
export async function send(method, path, { headers = {}, body } = {}) {
  let answer, said;
  try {
    answer = await fetch(path, {
      method,
      headers: { Accept: "application/json", ...headers },
      body: body && JSON.stringify(body),
      credentials: "same-origin",
      signal: AbortSignal.timeout(PATIENCE),
    });
    said = await answer.text();
  } catch (error) {
    throw new Unreachable(error.message);
  }
  if (!answer.ok) throw new Refusal(answer.status, failure(answer, said), retryAfter(answer));
  return {
    body: said && read(said),
    token: answer.headers.get("Feed-Token"),
    pace: pace(answer),
    role: answer.headers.get("Session-Role"),
    newest: Number(answer.headers.get("Newest-Event")) || null,
    earliest: Number(answer.headers.get("Earliest-At")) || null,
  };
}

/** An error in a form that can be sent between tabs. */
export function plain(error) {
  const { name, message } = error;
  if (error instanceof Unreachable) return { of: "network", message };
  if (!(error instanceof Refusal)) return { of: "page", message: `${name}: ${message}` };
  const { status, code, retryAfter } = error;
  return { of: "server", status, code, message, retryAfter };
}

/** The error that a message between tabs contains. */
export function revived({ of, status, code, message, retryAfter }) {
  if (of === "network") return new Unreachable(message);
  if (of === "server") return new Refusal(status, { code, message }, retryAfter);
  return new Error(message);
}

/** Parse a response. Instead of JSON, it may be a proxy's page or a network's login page. */
function read(said) {
  try {
    return JSON.parse(said);
  } catch {
    throw new Unreachable("the response is not from the API");
  }
}

/** The code and message of a failure. A proxy may send something other than the API's JSON. */
function failure(answer, said) {
  try {
    const { code, message } = JSON.parse(said);
    if (message) return { code, message };
  } catch {
    // not the API's JSON either
  }
  return { code: answer.status, message: `${answer.status} ${answer.statusText}`.trim() };
}

/** The seconds between requests, which spread the remaining requests over the minute. */
function pace(answer) {
  const limit = /r=(\d+);t=(\d+)/.exec(answer.headers.get("RateLimit") ?? "");
  return limit ? Number(limit[2]) / Math.max(1, Number(limit[1])) : 0;
}

function retryAfter(answer) {
  return Number(answer.headers.get("Retry-After")) || 0;
}
