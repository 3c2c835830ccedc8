"""Tests that use the whole page by keyboard."""

from __future__ import annotations

from tests.real.sites import PASSWORD, TOKENS
from tests.wallboard.screen import Screen

FOCUS = "document.activeElement.id || document.activeElement.tagName"
TILES = ["level", "needs", "waiting", "longest", "speed", "handled", "abandoned", "ready"]


def test_signing_in_and_out_by_keyboard(wall: Screen) -> None:
    """The focus is in the first field, then on the heading, and later on the password."""
    keys = wall.page.keyboard
    wall.open()
    wall.until("document.activeElement.name === 'clientName'")
    for text in ("ACME", "manager", PASSWORD, TOKENS["ACME"]):
        keys.type(text)
        keys.press("Tab")
    keys.press("Tab")  # skip the help on API tokens
    keys.press("Enter")
    wall.until(f"{FOCUS} === 'H1'")
    wall.page.focus("#sign-out")
    keys.press("Enter")
    wall.page.wait_for_selector("#sign-in:not([hidden])")
    wall.until("document.activeElement.name === 'password'")


def test_tools_by_keyboard(wall: Screen) -> None:
    """The tools are adjacent in the tab order, and closing a dialog returns the focus."""
    keys = wall.page.keyboard
    wall.sign_in()
    wall.until(f"{FOCUS} === 'H1'")
    keys.press("Tab")
    assert wall.page.evaluate(FOCUS) == "show-wall"
    keys.press("Enter")
    wall.until("document.documentElement.dataset.view === 'wall'")
    keys.press("Escape")
    wall.until("document.documentElement.dataset.view === 'desk'")
    keys.press("Tab")
    assert wall.page.evaluate(FOCUS) == "full-screen"
    for tool, dialog in (
        ("show-past", "past"),
        ("show-view", "view"),
        ("show-thresholds", "thresholds"),
    ):
        keys.press("Tab")
        keys.press("Space")
        wall.until(f"document.getElementById('{dialog}').open")
        keys.press("Escape")
        wall.until(f"{FOCUS} === '{tool}'")
    keys.press("Tab")
    keys.press("Space")
    assert wall.page.get_attribute("html", "data-theme") == "light"


def test_tiles_and_panels_are_reachable_by_keyboard(wall: Screen) -> None:
    """The tab order of tiles and panels is the same as their visual order."""
    keys = wall.page.keyboard
    wall.sign_in()
    wall.page.wait_for_selector("#campaigns tbody tr")
    wall.page.wait_for_selector("#agents [data-login]")
    wall.page.focus("#sign-out")
    keys.press("Tab")
    tiles = []
    while tile := wall.page.evaluate("document.activeElement.dataset.tile ?? ''"):
        tiles.append(tile)
        keys.press("Tab")
    assert tiles == TILES
    in_panel = "document.activeElement.closest('.panel')?.id"
    reached = []
    while (panel := wall.page.evaluate(in_panel)) is not None:
        reached += [panel] if panel not in reached else []
        keys.press("Tab")
    assert reached == ["services", "agents", "waiting", "campaigns"]
