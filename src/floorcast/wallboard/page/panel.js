/** A panel: what it shows, or why it shows nothing. */

import { mark, write } from "./table.js";

export class Panel {
  #explanation;
  #content;
  #more;

  /** @param {string} id */
  constructor(id) {
    /** whether there is an explanation in place of figures, as there is to begin with */
    this.isExplained = true;
    this.section = document.getElementById(id);
    this.#explanation = this.section.querySelector(".explanation");
    this.#content = [...this.section.children].filter(
      (child) => !child.matches("h2, .heading, .explanation"),
    );
    this.#more = this.section.querySelector("[data-more]");
  }

  /** Say calmly why there is nothing to see, and keep nothing of what there was. */
  explain(why) {
    this.isExplained = true;
    this.#turn(false);
    this.section.querySelector("tbody:not(.space)")?.replaceChildren();
    write(this.#explanation, sentence(why));
    this.note("");
    mark(this.section.dataset, "feedToken", "");
  }

  /**
   * What is shown is true at `token`; null: an event has been applied since. `nothing` says that
   * there is nothing to show, if so.
   */
  shown(token, nothing = "") {
    this.isExplained = false;
    this.#turn(!nothing);
    write(this.#explanation, nothing);
    if (token) mark(this.section.dataset, "feedToken", token);
  }

  /** What stands small beside the title. */
  note(text) {
    write(this.#more, text);
  }

  #turn(hasContent) {
    this.#explanation.hidden = hasContent;
    for (const child of this.#content) child.hidden = !hasContent;
  }
}

function sentence(why) {
  return `${why[0].toUpperCase()}${why.slice(1)}.`;
}
