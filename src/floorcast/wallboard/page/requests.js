/** Requests to the API, and what can become of them. */

const PATIENCE = 10_000; // ms that an answer may take; a feed's first request answers at once

/** The server answered, and said no: `code` and `message` are the API's. */
export class Refusal extends Error {
  constructor(status, { code, message }, retryAfter) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter; // seconds, 0 if nothing was said
  }

  /** The session is missing, unknown or has expired. */
  get isOfSession() {
    return this.code === 301;
  }

  /** A parameter, such as a filter of the address, names what is not there. */
  get isOfParameters() {
    return this.status === 400;
  }

  /** The role, or the client, may not use the method: asking again soon is of no use. */
  get isOfRights() {
    return this.status === 403;
  }

  /** The server is too busy, is starting, or asks for fewer requests. */
  get isForNow() {
    return this.status === 429 || this.status >= 500;
  }
}

/** No answer: the network, or the server, is away. */
export class Unreachable extends Error {}

/**
 * Send a request; its answer as JSON, the place in the feeds at which that is true, how many
 * seconds should pass for each further request (0: as few as you like), the user's role (of a login),
 * and when the server took the newest event (ms; null: not told).
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
  };
}

/** An error as a message between tabs can carry it. */
export function plain(error) {
  const { name, message } = error;
  if (error instanceof Unreachable) return { of: "network", message };
  if (!(error instanceof Refusal)) return { of: "page", message: `${name}: ${message}` };
  const { status, code, retryAfter } = error;
  return { of: "server", status, code, message, retryAfter };
}

/** The error that such a message carries. */
export function revived({ of, status, code, message, retryAfter }) {
  if (of === "network") return new Unreachable(message);
  if (of === "server") return new Refusal(status, { code, message }, retryAfter);
  return new Error(message);
}

/** What a page of a proxy, or of a network that wants a login of its own, is not. */
function read(said) {
  try {
    return JSON.parse(said);
  } catch {
    throw new Unreachable("the answer is not the API's");
  }
}

/** What a failure says; a proxy in front may answer in other words than the API's. */
function failure(answer, said) {
  try {
    const { code, message } = JSON.parse(said);
    if (message) return { code, message };
  } catch {
    // not the API's words either
  }
  return { code: answer.status, message: `${answer.status} ${answer.statusText}`.trim() };
}

/** What is left of the session's requests, spread over what is left of the minute. */
function pace(answer) {
  const limit = /r=(\d+);t=(\d+)/.exec(answer.headers.get("RateLimit") ?? "");
  return limit ? Number(limit[2]) / Math.max(1, Number(limit[1])) : 0;
}

function retryAfter(answer) {
  return Number(answer.headers.get("Retry-After")) || 0;
}
