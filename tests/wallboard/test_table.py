"""Tests of tables that are updated in place."""

from __future__ import annotations

from tests.wallboard.screen import Screen

ROWS = """async (steps) => {
    const { opens, Rows } = await import("/wallboard/table.js");
    const [scroll, body] = ["div", "tbody"].map((tag) => document.createElement(tag));
    scroll.className = "scroll";
    scroll.tabIndex = 0;
    scroll.append(body);
    document.body.append(scroll);
    const rows = new Rows(body, "service-row");
    let blurs = 0;
    body.addEventListener("focusout", () => blurs++);
    const fill = (row, key) => {
        for (const index of [1, 2]) opens(row.children[index], key, () => {});
        row.dataset.id = key;
    };
    const [first, ...others] = steps;
    rows.show([...first], String, fill);
    body.children[1].children[2].querySelector("button").focus();
    return others.map((keys) => {
        rows.show([...keys], String, fill);
        const focused = document.activeElement;
        const ids = [...body.children].map((row) => row.dataset.id).join("");
        const cell = focused.closest("td");
        const row = focused.closest("tr")?.dataset.id ?? focused.className;
        const found = [ids, row, cell?.cellIndex, blurs];
        blurs = 0;
        return found;
    });
}"""


def steps(wall: Screen, *keys: str) -> object:
    """Show rows with these keys one after another, the second with the focus in its third cell.

    Returns the keys of the rows, the row and the cell with the focus, and how often one lost it.
    """
    wall.open()
    wall.page.wait_for_selector("#sign-in")
    return wall.page.evaluate(ROWS, keys)


def test_a_moved_row_keeps_the_focus(wall: Screen) -> None:
    """Rows are sorted around the row with the focus, which never loses it in between.

    If it did, a screen reader would read the row at each change.
    """
    assert steps(wall, "abc", "cbad", "dcab", "bxd", "b") == [
        ["cbad", "b", 2, 0],
        ["dcab", "b", 2, 0],
        ["bxd", "b", 2, 0],
        ["b", "b", 2, 0],
    ]


def test_a_row_that_disappears_passes_on_the_focus(wall: Screen) -> None:
    """The next row gets the focus in the same cell, or else the last row, or the whole list."""
    assert steps(wall, "abcd", "dca", "da", "ax", "", "y") == [
        ["dca", "c", 2, 1],
        ["da", "a", 2, 1],
        ["ax", "a", 2, 0],
        ["", "scroll", None, 1],
        ["y", "scroll", None, 0],
    ]
