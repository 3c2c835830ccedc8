/** The dialog that lists all problems with their reasons, because touch and keys show no tooltip. */

import { plural } from "./figures.js";
import { returns } from "./focus.js";
import { Rows, write } from "./table.js";

const MOST = 100; // problems listed; nobody reads more

export class NeedsDialog {
  #dialog = document.getElementById("needs");
  #rows = new Rows(this.#dialog.querySelector("ul"), "need-row");
  #note = document.getElementById("needs-note");

  /** @param {(target: object) => void} onLead a problem was clicked */
  constructor(onLead) {
    this.onLead = onLead;
    returns(this.#dialog, ...document.querySelectorAll("#board h1"));
  }

  /** Show the problems. */
  open(needs) {
    this.#dialog.showModal();
    this.draw(needs);
    this.#rows.body.querySelector("button:not([hidden])")?.focus();
  }

  /** Close the dialog. */
  close() {
    if (this.#dialog.open) this.#dialog.close();
  }

  /** Draw the current problems if the dialog is open. @param {import("./needs.js").Need[]} needs */
  draw(needs) {
    if (!this.#dialog.open) return;
    const more = needs.length - MOST;
    const words = needs.length ? plural(needs.length, "problem") : "Nothing is urgent any more.";
    write(this.#note, more > 0 ? `${words}, of which the first ${MOST} are listed` : words);
    this.#rows.show(needs.slice(0, MOST), keyOf, (row, need) => this.#fill(row, need));
  }

  #fill(row, { who, why, leadsTo }) {
    const [name, reason] = row.children;
    const [button, text] = name.children;
    const isPlace = Object.keys(leadsTo).length > 0;
    button.hidden = !isPlace;
    text.hidden = isPlace;
    write(button, who);
    write(text, who);
    write(reason, why);
    button.onclick = () => {
      this.close();
      this.onLead(leadsTo);
    };
  }
}

function keyOf({ who, leadsTo: { service, agent } }) {
  if (service !== undefined) return `service ${service}`;
  return agent === undefined ? who : `agent ${agent}`;
}
