/** The wallboard: sign in, then the board. */

import { Board } from "./board.js";
import * as display from "./display.js";
import { Session } from "./session.js";
import * as signIn from "./sign_in.js";
import { Thresholds } from "./thresholds.js";
import * as thresholdsDialog from "./thresholds_dialog.js";

const place = document.getElementById("board");
const client = document.getElementById("board-client");

const session = new Session(() => leave("You have signed in with another session in another tab."));
const thresholds = new Thresholds();
const board = new Board(session, thresholds, (why) => {
  session.forget();
  leave(why);
});

function enter() {
  client.textContent = session.client;
  document.title = `${session.client} · Wallboard`;
  place.hidden = false;
  place.querySelector("h1").focus();
  board.start();
}

function leave(why = "") {
  board.stop();
  place.hidden = true;
  signIn.show(why);
}

thresholdsDialog.bind(thresholds);
display.bind((onWall) => board.look(onWall));
signIn.bind(session, enter);
document.getElementById("sign-out").onclick = async () => {
  await session.signOut();
  location.reload(); // nothing that was shown stays behind in the page
};

if (session.restore()) enter();
else signIn.show();
