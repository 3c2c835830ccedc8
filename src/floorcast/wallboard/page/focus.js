/**
 * Keeps the keyboard focus when the page changes. If the focused element is hidden, disabled or
 * removed, browsers silently drop the focus, and a keyboard user starts again at the top of the page.
 */

/** Whether an element can have the focus. */
export function canFocus(element) {
  return element.isConnected && element.checkVisibility() && !element.matches(":disabled");
}

/** Whether the focus was on an element that can no longer have it, or is on none. */
export function isLost() {
  return document.activeElement === document.body || !canFocus(document.activeElement);
}

/** Focus the first of these elements that can have the focus, without scrolling. */
export function focusFirst(...elements) {
  elements.find((element) => element && canFocus(element))?.focus({ preventScroll: true });
}

/** If the focus is lost, focus the first of these elements that can have it. */
export function keep(...elements) {
  if (isLost()) focusFirst(...elements);
}

/**
 * Make a change that may hide or disable the element with the focus. If it was in `place` and is
 * lost, focus the first of the other elements that can have it.
 */
export function keeping(place, change, ...elements) {
  const had = place.contains(document.activeElement); // browsers drop the focus at once or later
  change();
  if (had) keep(...elements);
}

/** When a dialog closes and its opener is gone, focus the first of these elements that can be. */
export function returns(dialog, ...elements) {
  dialog.addEventListener("close", () => keep(...elements));
}

/**
 * Run a button's work, once at a time. A disabled button would lose the focus, so this only marks it.
 *
 * @param {HTMLButtonElement} button
 * @param {() => Promise<void>} work
 */
export async function busy(button, work) {
  if (button.ariaDisabled === "true") return;
  button.ariaDisabled = "true";
  try {
    await work();
  } finally {
    button.ariaDisabled = null;
  }
}
