"""The page as a whole, for who has a keyboard alone."""

from __future__ import annotations

from tests.real.sites import PASSWORD, TOKENS
from tests.wallboard.screen import Screen

FOCUS = "document.activeElement.id || document.activeElement.tagName"


def test_everything_can_be_done_by_keyboard(wall: Screen) -> None:
    """From signing in to signing out: what is in focus is where one expects it."""
    keys = wall.page.keyboard
    wall.open()
    wall.until("document.activeElement.name === 'clientName'")
    for text in ("ACME", "manager", PASSWORD, TOKENS["ACME"]):
        keys.type(text)
        keys.press("Tab")
    keys.press("Tab")  # past what an API token is
    keys.press("Enter")
    wall.until(f"{FOCUS} === 'H1'")
    keys.press("Tab")
    assert wall.page.evaluate(FOCUS) == "show-wall"
    keys.press("Enter")
    wall.until("document.documentElement.dataset.view === 'wall'")
    keys.press("Escape")
    wall.until("document.documentElement.dataset.view === 'desk'")
    keys.press("Tab")
    keys.press("Tab")
    assert wall.page.evaluate(FOCUS) == "show-view"
    keys.press("Space")
    wall.until("document.getElementById('view').open")
    keys.press("Escape")
    wall.until(f"{FOCUS} === 'show-view'")
    keys.press("Tab")
    keys.press("Space")
    wall.until("document.getElementById('thresholds').open")
    keys.press("Escape")
    wall.until(f"{FOCUS} === 'show-thresholds'")
    keys.press("Tab")
    keys.press("Space")
    assert wall.page.get_attribute("html", "data-theme") == "light"
    keys.press("Tab")
    keys.press("Tab")
    tiles = []
    while tile := wall.page.evaluate("document.activeElement.dataset.tile ?? ''"):
        tiles.append(tile)
        keys.press("Tab")
    assert tiles == [
        "level", "needs", "waiting", "longest", "speed", "handled", "abandoned", "ready",
    ]  # fmt: skip
    in_panel = "document.activeElement.closest('.panel')?.id"
    reached = []
    while (panel := wall.page.evaluate(in_panel)) is not None:
        reached += [panel] if panel not in reached else []
        keys.press("Tab")
    assert reached == ["services", "agents", "waiting", "campaigns"]
    wall.page.focus("#sign-out")
    keys.press("Enter")
    wall.page.wait_for_selector("#sign-in:not([hidden])")
    assert wall.page.evaluate("document.activeElement.name") == "password"
