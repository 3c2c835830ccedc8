/** A dialog with one agent. It shows long names in full. */

import * as clock from "./clock.js";
import { duration, timeOfDay } from "./figures.js";
import { reasonName, stateName } from "./roster.js";
import { mark, write } from "./table.js";

export class AgentDialog {
  #dialog = document.getElementById("agent");
  #title = document.getElementById("agent-title");
  #find = (name) => this.#dialog.querySelector(`[data-part=${name}]`);
  #key = null;

  /** @param {() => void} onClosed */
  constructor(onClosed) {
    this.#dialog.onclose = () => {
      this.close();
      onClosed();
    };
  }

  /** Whether an agent is shown. */
  get isOpen() {
    return this.#key !== null;
  }

  /** Show an agent. */
  open(agent) {
    this.#key = agent.key;
    this.#fill(agent);
    this.#dialog.showModal();
  }

  /** Close the dialog. */
  close() {
    this.#key = null;
    if (this.#dialog.open) this.#dialog.close();
  }

  /** Draw the agent again, if they are still logged in. */
  draw(present) {
    if (!this.isOpen) return;
    const agent = present.find(({ key }) => key === this.#key);
    if (agent) this.#fill(agent);
    else this.#leave();
  }

  #fill(agent) {
    const reason = reasonName(agent);
    const seconds = (clock.now() - agent.since) / 1000;
    write(this.#title, agent.name);
    write(this.#find("login"), agent.login);
    write(this.#find("state"), reason ? `${stateName(agent)} · ${reason}` : stateName(agent));
    mark(this.#find("state").dataset, "state", String(agent.state));
    write(this.#find("since"), `${duration(seconds)}, since ${timeOfDay(agent.since)}`);
    write(this.#find("service"), agent.service || "–");
  }

  #leave() {
    write(this.#find("state"), "Logged out");
    mark(this.#find("state").dataset, "state", "0");
    write(this.#find("since"), "–");
  }
}
