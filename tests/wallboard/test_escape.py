"""Tests that one press of Escape has one effect."""

from __future__ import annotations

from tests.wallboard.floors import show_moment
from tests.wallboard.screen import Screen


def view_the_past(wall: Screen) -> None:
    """Sign in, and show the floor as it was a moment ago."""
    wall.sign_in()
    wall.page.wait_for_selector("#agents [data-login]")
    show_moment(wall, wall.page.evaluate("Date.now()"))
    wall.page.wait_for_selector("#past-bar b")


def is_past(wall: Screen) -> bool:
    """Return whether the board shows a past time."""
    return wall.page.is_visible("#past-bar")


def test_escape_in_a_search_only_clears_it(wall: Screen) -> None:
    """The board stays in the past. A second press has nothing to clear, and leaves the past."""
    view_the_past(wall)
    for field in ("#services input", "#agents input"):
        wall.page.fill(field, "sales")
        wall.page.keyboard.press("Escape")
        assert wall.page.input_value(field) == ""
        assert is_past(wall), field
    wall.page.keyboard.press("Escape")
    assert not is_past(wall)


def test_escape_in_the_search_of_a_dialog_keeps_the_dialog(wall: Screen) -> None:
    """The first press clears the search and shows all boxes again. The second closes the dialog."""
    wall.sign_in()
    wall.page.wait_for_selector("#services tbody tr")
    wall.page.click("#show-view")
    wall.page.evaluate("() => { document.querySelector('#view .search').hidden = false; }")
    wall.page.fill("#view [type=search]", "sales")
    assert wall.page.locator("#view .boxes label:visible").count() == 1
    wall.page.keyboard.press("Escape")
    assert wall.page.is_visible("#view")
    assert wall.page.locator("#view .boxes label:visible").count() > 1
    wall.page.keyboard.press("Escape")
    assert wall.page.is_hidden("#view")


def test_escape_leaves_one_thing_at_a_time(wall: Screen) -> None:
    """A dialog closes first, then the past, then the wall view. A key held down counts once."""
    view_the_past(wall)
    wall.page.click("#show-thresholds")
    for _ in range(3):
        wall.page.keyboard.down("Escape")
    wall.page.keyboard.up("Escape")
    assert wall.page.is_hidden("#thresholds")
    assert is_past(wall)
    wall.page.click("#show-wall")
    wall.page.keyboard.press("Escape")
    assert not is_past(wall)
    assert wall.page.get_attribute("html", "data-view") == "wall", "Escape left both"
    wall.page.keyboard.press("Escape")
    assert wall.page.get_attribute("html", "data-view") == "desk"


def test_escape_closes_the_menu_from_its_button(wall: Screen) -> None:
    """The button that has just opened the menu keeps the focus, and the board stays in the past."""
    view_the_past(wall)
    wall.page.set_viewport_size({"width": 1200, "height": 800})
    wall.page.focus("#show-menu")
    wall.page.keyboard.press("Enter")
    assert wall.page.is_visible("#theme")
    wall.page.keyboard.press("Escape")
    assert wall.page.is_hidden("#theme")
    assert is_past(wall)
    assert wall.page.evaluate("document.activeElement.id") == "show-menu"
