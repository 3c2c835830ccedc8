/** Starts the wallboard with the sign-in form or the board. */

import { takeKey } from "./address.js";
import { Board } from "./board.js";
import * as display from "./display.js";
import * as escape from "./escape.js";
import { focusFirst } from "./focus.js";
import { Refusal } from "./requests.js";
import { KEY_IS_OVER, Session } from "./session.js";
import * as signIn from "./sign_in.js";
import { Thresholds } from "./thresholds.js";
import * as thresholdsDialog from "./thresholds_dialog.js";

const AGAIN = 5_000; // ms until a screen tries its key again
const place = document.getElementById("board");
const client = document.getElementById("board-client");

const session = new Session((why) => leave(why));
const thresholds = new Thresholds();
const board = new Board(session, thresholds, (why) => {
  session.forget();
  leave(why);
});

function enter() {
  client.textContent = session.client;
  document.title = `${session.client} · Wallboard`;
  signIn.hide();
  place.hidden = false;
  place.querySelector("h1").focus();
  board.start();
}

function leave(why = "") {
  board.stop();
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  place.hidden = true;
  signIn.show(why);
}

/** Nobody types at a screen, so it retries until the server responds or refuses its key. */
async function begin(key) {
  try {
    if (await session.restore(key)) enter();
    else signIn.show();
  } catch (error) {
    const isOver = error instanceof Refusal && error.status === 401;
    if (isOver) signIn.show(KEY_IS_OVER);
    else {
      signIn.wait(error);
      setTimeout(() => begin(""), (error.retryAfter ?? 0) * 1000 || AGAIN);
    }
  }
}

thresholdsDialog.bind(thresholds);
display.bind(() => board.look());
escape.bind(display.closeMenu, () => board.time.leave(), display.leaveWall);
signIn.bind(session, enter);
document.getElementById("sign-out").onclick = async () => {
  await session.signOut();
  location.reload(); // a reload removes all data of the session from the page
};
// Each service has several buttons, so the way past them by keyboard is long.
document.getElementById("skip-services").onclick = () => {
  focusFirst(...document.querySelectorAll("#agents [type=search], #agents .explanation"));
};
begin(takeKey());
