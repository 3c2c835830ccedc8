/** Tables that are updated in place. Only nodes whose content differs are changed. */

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

/** The number of whole rows that fit on a wall, where nothing scrolls. Elsewhere all fit. */
export function room(scroll) {
  const row = scroll.querySelector("tbody:not(.space) tr");
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

  /** Show `items` in this order. */
  show(items, keyOf, fill) {
    const focused = document.activeElement;
    const kept = new Map();
    for (const item of items) {
      let key = keyOf(item);
      while (kept.has(key)) key += "+";
      kept.set(key, this.#rows.get(key) ?? this.template.cloneNode(true));
      fill(kept.get(key), item);
    }
    for (const [key, row] of this.#rows) if (kept.get(key) !== row) row.remove();
    this.#rows = kept;
    let next = this.body.firstElementChild;
    for (const row of kept.values()) {
      if (row === next) next = row.nextElementSibling;
      else this.body.insertBefore(row, next);
    }
    // Moving a row in the document removes its focus.
    if (focused !== document.activeElement && this.body.contains(focused)) {
      focused.focus({ preventScroll: true });
    }
  }
}
