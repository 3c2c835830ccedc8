/** A panel, which shows its content or explains why it has none. */

import { focusFirst } from "./focus.js";
import { mark, write } from "./table.js";

export class Panel {
  #explanation;
  #content;
  #more;
  #left = null; // the element in the content from which the explanation took the focus

  /** @param {string} id */
  constructor(id) {
    /** whether an explanation is shown in place of figures, as it is at first */
    this.isExplained = true;
    this.section = document.getElementById(id);
    this.#explanation = this.section.querySelector(".explanation");
    this.#explanation.tabIndex = -1;
    this.#content = [...this.section.children].filter(
      (child) => !child.matches("h2, .heading, .explanation"),
    );
    this.#more = this.section.querySelector("[data-more]");
  }

  /** Replace the content with an explanation. */
  explain(why) {
    this.isExplained = true;
    write(this.#explanation, sentence(why));
    this.#turn(false);
    this.section.querySelector("tbody:not(.space)")?.replaceChildren();
    this.note("");
    mark(this.section.dataset, "feedToken", "");
  }

  /** Note that the content is known as of `token`, or null if an event has been applied since. */
  known(token) {
    this.isExplained = false;
    if (token) mark(this.section.dataset, "feedToken", token);
  }

  /** Show the content or, if it is empty, the text `nothing`. */
  shown(nothing = "") {
    write(this.#explanation, nothing);
    this.#turn(!nothing);
  }

  /** Set the note beside the title. */
  note(text) {
    write(this.#more, text);
  }

  /** Show either the content or the explanation. The focus moves to the one, and back. */
  #turn(hasContent) {
    const focused = document.activeElement;
    const shown = hasContent ? this.#content : [this.#explanation];
    const hidden = hasContent ? [this.#explanation] : this.#content;
    for (const one of shown) one.hidden = false;
    if (hidden.some((one) => one.contains(focused))) {
      if (hasContent) focusFirst(this.#left, this.section.querySelector(".scroll"));
      else focusFirst(this.#explanation);
      this.#left = hasContent ? null : focused;
    }
    for (const one of hidden) one.hidden = true;
  }
}

function sentence(why) {
  return `${why[0].toUpperCase()}${why.slice(1)}.`;
}
