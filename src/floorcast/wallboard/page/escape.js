/**
 * Escape. One press has one effect: it clears the search with the focus, closes the dialog, or leaves
 * the innermost of what else can be left. A key that is held down counts as one press.
 */

/** @param {...(() => boolean)} ways leave something; return whether there was anything to leave */
export function bind(...ways) {
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || event.isComposing) return;
    const isDone =
      event.repeat || clear(event.target) || (!isInDialog() && ways.some((leave) => leave()));
    if (isDone) event.preventDefault(); // or the browser would also close the dialog
  });
}

/** Clear a search field, which not every browser does. Returns whether it had text. */
function clear(field) {
  if (!field.matches?.("[type=search]") || !field.value) return false;
  field.value = "";
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  return true;
}

function isInDialog() {
  return Boolean(document.querySelector("dialog[open]"));
}
