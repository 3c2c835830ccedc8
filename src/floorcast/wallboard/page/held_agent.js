/**
 * The agent in the list who has the keyboard focus or whose dialog is open.
 *
 * The focus belongs to the agent and not to the position, because Enter at a position would open
 * whoever has moved there. If the agent leaves the list, a neighbor takes the focus.
 */

import { announce } from "./freshness.js";

export class HeldAgent {
  /** @type {?string} the agent's key */
  key = null;
  #gone = ""; // the name of the agent who left and has not been announced

  /**
   * @param {import("./table.js").Rows} rows the drawn rows
   * @param {() => boolean} isOpen whether an agent's dialog is open
   */
  constructor(rows, isOpen) {
    this.rows = rows;
    this.isOpen = isOpen;
  }

  /** Note which agent has the focus. Call this before the rows change. */
  look() {
    const focused = this.rows.focused();
    if (focused !== null || !this.isOpen()) this.key = focused;
  }

  /** Replace an agent who is in the list `before` but not in `after`: by the next, or the last. */
  relist(before, after) {
    if (this.key === null) return;
    const listed = new Set(after.map(({ agent }) => agent.key));
    if (listed.has(this.key)) return;
    const place = before.findIndex(({ agent }) => agent.key === this.key);
    const isListed = ({ agent }) => listed.has(agent.key);
    const heir =
      before.slice(place + 1).find(isListed) ?? before.slice(0, Math.max(0, place)).findLast(isListed);
    this.#gone ||= before[place]?.agent.name ?? "";
    this.key = heir?.agent.key ?? null;
  }

  /** Announce an agent who has left, once the focus is on the neighbor. */
  tell() {
    if (this.#gone && !this.isOpen()) {
      announce(`${this.#gone} is no longer listed.`);
      this.#gone = "";
    }
  }
}
