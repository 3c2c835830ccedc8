/** A panel, which shows its content or explains why it has none. */

import { mark, write } from "./table.js";

export class Panel {
  #explanation;
  #content;
  #more;

  /** @param {string} id */
  constructor(id) {
    /** whether an explanation is shown in place of figures, as it is at first */
    this.isExplained = true;
    this.section = document.getElementById(id);
    this.#explanation = this.section.querySelector(".explanation");
    this.#content = [...this.section.children].filter(
      (child) => !child.matches("h2, .heading, .explanation"),
    );
    this.#more = this.section.querySelector("[data-more]");
  }

  /** Replace the content with an explanation. */
  explain(why) {
    this.isExplained = true;
    this.#turn(false);
    this.section.querySelector("tbody:not(.space)")?.replaceChildren();
    write(this.#explanation, sentence(why));
    this.note("");
    mark(this.section.dataset, "feedToken", "");
  }

  /**
   * Show the content as of `token`, or null if an event has been applied since. `nothing` is the
   * text shown for empty content.
   */
  shown(token, nothing = "") {
    this.isExplained = false;
    this.#turn(!nothing);
    write(this.#explanation, nothing);
    if (token) mark(this.section.dataset, "feedToken", token);
  }

  /** Set the note beside the title. */
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
