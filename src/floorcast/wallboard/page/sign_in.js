/** Signing in: the form, and its failures in words. */

import { Refusal, Unreachable } from "./requests.js";
import { Session } from "./session.js";

const section = document.getElementById("sign-in");
const form = section.querySelector("form");
const why = document.getElementById("sign-in-why");
const failure = document.getElementById("sign-in-failure");
const button = form.querySelector("button");

/**
 * @param {Session} session
 * @param {() => void} onSignedIn
 */
export function bind(session, onSignedIn) {
  form.onsubmit = async (event) => {
    event.preventDefault();
    failure.textContent = "";
    button.disabled = true;
    try {
      await session.signIn(Object.fromEntries(new FormData(form)));
      for (const name of ["password", "apiToken"]) form.elements[name].value = "";
      hide();
      onSignedIn();
    } catch (error) {
      failure.textContent = inWords(error);
    } finally {
      button.disabled = false;
    }
  };
}

/** Ask who it is; `reason` says why again. */
export function show(reason = "") {
  for (const [name, value] of Object.entries(Session.last())) {
    if (form.elements[name]) form.elements[name].value ||= value;
  }
  why.textContent = reason;
  why.hidden = !reason;
  failure.textContent = "";
  section.hidden = false;
  const empty = [...form.elements].find((field) => field.matches("input") && !field.value);
  empty?.focus();
}

/** Put the form away. */
export function hide() {
  section.hidden = true;
}

function inWords(error) {
  if (error instanceof Unreachable)
    return `There is no answer from ${location.host}. Is the server running?`;
  if (!(error instanceof Refusal)) throw error;
  if (error.status === 401) {
    return "Client, user, password or API token is not right. Which of them, the server does not tell.";
  }
  if (error.status === 429) return `Too many wrong tries. Try again in ${error.retryAfter} s.`;
  if (error.isForNow) return `The server cannot take you in yet: ${error.message}.`;
  return `The server says: ${error.message}.`;
}
