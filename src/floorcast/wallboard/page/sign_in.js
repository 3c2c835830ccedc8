/** The sign-in form and its error messages. */

import { busy } from "./focus.js";
import { Refusal, send, Unreachable } from "./requests.js";
import { Session } from "./session.js";

const EXAMPLE = "/wallboard/sign-in.json"; // the demo's credentials; a real server has none

const section = document.getElementById("sign-in");
const form = section.querySelector("form");
const why = document.getElementById("sign-in-why");
const waiting = document.getElementById("sign-in-waiting");
const failure = document.getElementById("sign-in-failure");
const button = form.querySelector("button");

/**
 * @param {Session} session
 * @param {() => void} onSignedIn
 */
export function bind(session, onSignedIn) {
  const enter = async () => {
    failure.textContent = "";
    try {
      await session.signIn(Object.fromEntries(new FormData(form)));
      for (const name of ["password", "apiToken"]) form.elements[name].value = "";
      hide();
      onSignedIn();
    } catch (error) {
      failure.textContent = inWords(error);
    }
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    busy(button, enter);
  };
}

/** Show the form. `reason` explains why the user has to sign in again. */
export async function show(reason = "") {
  form.hidden = false;
  waiting.hidden = true;
  fill(Session.last());
  why.textContent = reason;
  why.hidden = !reason;
  failure.textContent = "";
  section.hidden = false;
  focus();
  const first = document.activeElement;
  const { body } = await send("GET", EXAMPLE).catch(() => ({ body: {} }));
  if (!Object.keys(body).length || section.hidden) return;
  const isUntouched = document.activeElement === first && !first.value;
  fill(body);
  if (isUntouched) focus(); // what is being typed must not continue in another field
}

function fill(values) {
  for (const [name, value] of Object.entries(values)) {
    if (form.elements[name]) form.elements[name].value ||= value;
  }
}

/** The first empty field, or the button if none is empty. */
function focus() {
  const fields = [...form.elements].filter((field) => field.matches("input"));
  (fields.find((field) => !field.value) ?? button).focus();
}

/** Show why a screen has not started yet. It has nobody to fill in a form. */
export function wait(error) {
  form.hidden = true;
  waiting.hidden = section.hidden = false;
  waiting.textContent = `${inWords(error)} This screen retries automatically.`;
}

/** Hide the form. */
export function hide() {
  section.hidden = true;
}

function inWords(error) {
  if (error instanceof Unreachable)
    return `No response from ${location.host}. Is the server running?`;
  if (!(error instanceof Refusal)) throw error;
  if (error.status === 401) {
    const isToken = error.message.includes("API token");
    return `The ${isToken ? "client or the API token" : "user or the password"} is wrong.`;
  }
  if (error.status === 429) return `Too many failed attempts. Try again in ${error.retryAfter} s.`;
  if (error.isForNow) return `The server cannot sign you in yet: ${error.message}.`;
  return `The server responded: ${error.message}.`;
}
