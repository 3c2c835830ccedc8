/** The number of agents in each state, as a bar and as buttons that filter the list. */

import { count } from "./figures.js";
import { NAMES, ORDER } from "./states.js";
import { write } from "./table.js";

export class StatesBar {
  #parts = new Map();

  /**
   * @param {HTMLElement} bar
   * @param {HTMLElement} buttons
   * @param {(states: Set<number>) => void} onChosen
   */
  constructor(bar, buttons, onChosen) {
    this.bar = bar;
    this.buttons = buttons;
    this.onChosen = onChosen;
    /** @type {Set<number>} the states to list; empty: all */
    this.chosen = new Set();
  }

  /** Show how many of the agents are in each state. */
  show(agents) {
    const counts = new Map();
    for (const { state } of agents) counts.set(state, (counts.get(state) ?? 0) + 1);
    for (const state of ORDER) this.#draw(state, counts.get(state) ?? 0);
  }

  #draw(state, number) {
    const { button, part } = this.#parts.get(state) ?? this.#make(state);
    const isChosen = this.chosen.has(state);
    // The button with the focus stays until the focus has moved on.
    button.hidden = !number && !isChosen && button !== document.activeElement;
    button.ariaPressed = String(isChosen);
    write(button.lastElementChild, count(number));
    part.style.flexGrow = number;
    part.hidden = !number;
  }

  #make(state) {
    const [button, name, number, part] = ["button", "span", "b", "i"].map((tag) =>
      document.createElement(tag),
    );
    button.type = "button";
    button.dataset.state = part.dataset.state = String(state);
    name.textContent = `${NAMES[state]} `;
    button.append(name, number);
    button.onclick = () => {
      if (!this.chosen.delete(state)) this.chosen.add(state);
      this.onChosen(this.chosen);
    };
    this.buttons.append(button);
    this.bar.append(part);
    this.#parts.set(state, { button, part });
    return this.#parts.get(state);
  }
}
