"""The page in each of its views: accessible, within its screen, remembered."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.wallboard.screen import Screen

AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
VIEWS: dict[str, tuple[int, int, Literal["light", "dark"], str]] = {
    "light": (1440, 900, "light", ""),
    "dark": (1440, 900, "dark", ""),
    "small": (1200, 800, "light", ""),
    "phone": (360, 800, "light", ""),
    "wall": (1920, 1080, "dark", "#wall"),
}
CUT_OFF = """[...document.querySelectorAll(".panel :is(.scroll, .plot)")]
    .filter((one) => one.scrollWidth > one.clientWidth || one.getBoundingClientRect().bottom >
        one.closest("section").getBoundingClientRect().bottom)
    .map((one) => one.closest("section").id)"""


def violations(wall: Screen) -> list[Any]:
    """What axe finds, rule by rule, with the elements."""
    if not wall.page.evaluate("'axe' in window"):
        wall.page.evaluate(AXE)
    found = wall.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]


def test_axe_finds_nothing_in_any_view(wall: Screen, tmp_path: Path) -> None:
    """Signing in, each view, the thresholds; each leaves a picture to look at, none cut off."""
    wall.open()
    assert violations(wall) == []
    wall.fill()
    wall.page.wait_for_selector("#campaigns tbody tr")
    wall.page.wait_for_selector("#agents [data-login]")
    for name, (width, height, scheme, view) in VIEWS.items():
        wall.page.set_viewport_size({"width": width, "height": height})
        wall.page.emulate_media(color_scheme=scheme)
        wall.page.evaluate("(view) => { location.hash = view; }", view)
        wall.until(f"document.documentElement.dataset.view === '{'wall' if view else 'desk'}'")
        wall.page.screenshot(path=tmp_path / f"{name}.png")
        assert (name, violations(wall)) == (name, [])
        assert wall.page.evaluate("document.documentElement.scrollWidth") <= width
        assert (name, wall.page.evaluate(CUT_OFF)) == (name, [])
    wall.page.keyboard.press("Escape")
    wall.until("document.documentElement.dataset.view === 'desk'")
    wall.page.click("#show-thresholds")
    assert violations(wall) == []


@pytest.mark.parametrize("view", ["", "#wall"])
def test_the_view_and_the_theme_are_remembered(wall: Screen, view: str) -> None:
    """The view by its address, for a screen that starts by itself; the theme by the browser."""
    wall.sign_in(view=view)
    assert wall.page.get_attribute("html", "data-view") == ("wall" if view else "desk")
    if view:
        assert wall.page.is_hidden("#waiting .private")
        wall.page.click("#show-wall")
    wall.page.click("#theme")
    wall.page.click("#theme")
    assert wall.page.inner_text("#theme") == "Theme: dark"
    wall.page.reload()
    assert wall.page.get_attribute("html", "data-theme") == "dark"
    assert wall.page.get_attribute("html", "data-view") == "desk"
