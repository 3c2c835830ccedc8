"""Tests that one press of Escape has one effect."""

from __future__ import annotations

from tests.wallboard.floors import show_moment
from tests.wallboard.screen import Screen


def view_the_past(board: Screen) -> None:
    """Show the floor as it was a moment ago."""
    board.page.wait_for_selector("#agents [data-login]")
    show_moment(board, board.page.evaluate("Date.now()"))
    board.page.wait_for_selector("#past-bar b")


def is_past(board: Screen) -> bool:
    """Return whether the board shows a past time."""
    return board.page.is_visible("#past-bar")


def test_escape_in_a_search_only_clears_it(board: Screen) -> None:
    """The board stays in the past. A second press has nothing to clear, and leaves the past."""
    view_the_past(board)
    for field in ("#services input", "#agents input"):
        board.page.fill(field, "sales")
        board.page.keyboard.press("Escape")
        assert board.page.input_value(field) == ""
        assert is_past(board), field
    board.page.keyboard.press("Escape")
    assert not is_past(board)


def test_escape_in_the_search_of_a_dialog_keeps_the_dialog(board: Screen) -> None:
    """The first press clears the search and shows all boxes again. The second closes the dialog."""
    board.page.wait_for_selector("#services tbody tr")
    board.page.click("#show-view")
    board.page.evaluate("() => { document.querySelector('#view .search').hidden = false; }")
    board.page.fill("#view [type=search]", "sales")
    assert board.page.locator("#view .boxes label:visible").count() == 1
    board.page.keyboard.press("Escape")
    assert board.page.is_visible("#view")
    assert board.page.locator("#view .boxes label:visible").count() > 1
    board.page.keyboard.press("Escape")
    assert board.page.is_hidden("#view")


def test_escape_leaves_one_thing_at_a_time(board: Screen) -> None:
    """A dialog closes first, then the past, then the wall view. A key held down counts once."""
    view_the_past(board)
    board.page.click("#show-thresholds")
    for _ in range(3):
        board.page.keyboard.down("Escape")
    board.page.keyboard.up("Escape")
    assert board.page.is_hidden("#thresholds")
    assert is_past(board)
    board.page.click("#show-wall")
    board.page.keyboard.press("Escape")
    assert not is_past(board)
    assert board.page.get_attribute("html", "data-view") == "wall", "Escape left both"
    board.page.keyboard.press("Escape")
    assert board.page.get_attribute("html", "data-view") == "desk"


def test_escape_closes_the_menu_from_its_button(board: Screen) -> None:
    """The button that has just opened the menu keeps the focus, and the board stays in the past."""
    view_the_past(board)
    board.page.set_viewport_size({"width": 1200, "height": 800})
    board.page.focus("#show-menu")
    board.page.keyboard.press("Enter")
    assert board.page.is_visible("#theme")
    board.page.keyboard.press("Escape")
    assert board.page.is_hidden("#theme")
    assert is_past(board)
    board.until_focused("#show-menu")
