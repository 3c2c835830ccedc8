/** Tables that are updated in place. Only nodes whose content differs are changed. */

import { canFocus, focusFirst } from "./focus.js";

/** Set a node's text if it differs. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Show a figure as formatted text, with the API's value and its level as data. */
export function figure(node, text, value, level = "") {
  write(node.querySelector("button") ?? node, text);
  mark(node.dataset, "value", String(value));
  mark(node.dataset, "level", level);
}

/** Turn a cell's content into a button that calls `open` or, without it, into plain text. */
export function opens(cell, title, open) {
  const button = cell.querySelector("button");
  if (!open) {
    button?.replaceWith(button.textContent);
    return;
  }
  if (!button) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "opens";
    made.ariaHasPopup = "dialog";
    made.textContent = cell.textContent;
    cell.replaceChildren(made);
  }
  const opener = cell.querySelector("button");
  if (opener.title !== title) opener.title = title;
  opener.onclick = open;
}

/** Set a `data-` attribute, or remove it if the value is empty. */
export function mark(dataset, name, value) {
  if (value) {
    if (dataset[name] !== value) dataset[name] = value;
  } else if (name in dataset) {
    delete dataset[name];
  }
}

const LIT = 2_000; // ms
let dim = () => {};

/** Highlight a row briefly, because a click shows no ring around what it focuses. */
export function light(row) {
  dim();
  mark(row.dataset, "lit", "true");
  const timer = setTimeout(() => dim(), LIT);
  dim = () => {
    clearTimeout(timer);
    mark(row.dataset, "lit", "");
  };
}

/** The number of whole rows that fit on a wall, where nothing scrolls. Elsewhere all fit. */
export function room(scroll) {
  const row = scroll.querySelector("tbody:not(.space) tr:not([data-away])");
  if (!row || getComputedStyle(scroll).overflowY !== "hidden") return Infinity;
  const free =
    scroll.getBoundingClientRect().bottom - row.parentElement.getBoundingClientRect().top;
  return Math.max(1, Math.floor(free / row.offsetHeight));
}

/**
 * The rows of a table body, identified by keys. Rows are kept, moved, created or removed. Items with
 * equal keys (possible for a client and its child client) each get a row.
 */
export class Rows {
  #rows = new Map();

  /**
   * @param {HTMLTableSectionElement} body
   * @param {string} template the id of the row's template
   */
  constructor(body, template) {
    this.body = body;
    this.template = document.getElementById(template).content.firstElementChild;
  }

  /** The row with a key, if it is shown. */
  of(key) {
    return this.#rows.get(key);
  }

  /** The key of the row that has the focus, or null. */
  focused() {
    const focused = document.activeElement;
    if (!this.body.contains(focused)) return null;
    return [...this.#rows].find(([, row]) => row.contains(focused))?.[0] ?? null;
  }

  /**
   * Show `items` in this order.
   *
   * If the row with the focus disappears, the row with the key `heir` gets the focus, by default
   * the next row that stays, or the last one.
   */
  show(items, keyOf, fill, heir = null) {
    const focused = this.focused();
    const kept = new Map();
    for (const item of items) {
      let key = keyOf(item);
      while (kept.has(key)) key += "+";
      kept.set(key, this.#rows.get(key) ?? this.template.cloneNode(true));
      fill(kept.get(key), item);
    }
    const before = this.#rows;
    this.#rows = kept;
    let fixed = kept.get(focused);
    if (focused !== null && !fixed) {
      fixed = kept.get(heir) ?? this.#heir([...before.keys()], focused);
      this.#bequeath(before.get(focused), fixed);
    }
    for (const [key, row] of before) if (kept.get(key) !== row) row.remove();
    this.#place([...kept.values()], fixed);
  }

  /** Put rows in this order. The one with the focus stays, because a moved row loses its focus. */
  #place(rows, fixed) {
    const at = Math.max(0, rows.indexOf(fixed));
    for (let index = at - 1; index >= 0; index -= 1) {
      const next = rows[index + 1];
      if (next.previousElementSibling !== rows[index]) next.before(rows[index]);
    }
    if (rows.length && !fixed && this.body.firstElementChild !== rows[0]) this.body.prepend(rows[0]);
    for (let index = at + 1; index < rows.length; index += 1) {
      const last = rows[index - 1];
      if (last.nextElementSibling !== rows[index]) last.after(rows[index]);
    }
  }

  #heir(keys, gone) {
    const place = keys.indexOf(gone);
    const isKept = (key) => this.#rows.has(key);
    return this.#rows.get(keys.slice(place + 1).find(isKept) ?? keys.slice(0, place).findLast(isKept));
  }

  /** Move the focus from a row to the same place in another row, or else to the whole list. */
  #bequeath(gone, heir) {
    if (heir && !heir.isConnected) this.body.append(heir);
    const focused = document.activeElement;
    const cell = [...gone.children].findIndex((one) => one.contains(focused));
    if (heir && cell < 0) heir.tabIndex = -1; // the row itself has the focus
    const buttons = heir ? [heir.children[cell], heir].map((one) => one?.querySelector("button")) : [];
    const same = buttons.find((button) => button && canFocus(button));
    focusFirst(cell < 0 ? heir : same, this.body.closest(".scroll"));
  }
}
