"""Tests of tables that are updated in place."""

from __future__ import annotations

from tests.wallboard.screen import Screen

MOVED = """async () => {
    const { Rows } = await import("/wallboard/table.js");
    const body = document.createElement("tbody");
    document.body.append(body);
    const rows = new Rows(body, "service-row");
    const fill = (row, key) => { row.firstElementChild.tabIndex = -1; row.dataset.id = key; };
    rows.show(["a", "b", "c"], String, fill);
    body.children[1].firstElementChild.focus();
    rows.show(["c", "b", "a", "d"], String, fill);
    const ids = [...body.children].map((row) => row.dataset.id).join("");
    return [ids, document.activeElement.closest("tr")?.dataset.id];
}"""


def test_a_moved_row_keeps_the_focus(wall: Screen) -> None:
    """A row that has the focus keeps it when the rows are sorted again."""
    wall.open()
    wall.page.wait_for_selector("#sign-in")
    assert wall.page.evaluate(MOVED) == ["cbad", "b"]
