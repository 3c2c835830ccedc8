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
