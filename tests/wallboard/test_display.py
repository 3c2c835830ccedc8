"""The page in each of its views: accessible, within its screen, remembered."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser

from tests.real.server import Server
from tests.real.sites import event
from tests.wallboard.floors import shown, waits
from tests.wallboard.screen import Screen
from tests.wallboard.shifts import WALL_SITE, campaigns, shift

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
    wall.page.wait_for_selector("#sign-in")
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
    for dialog in ("thresholds", "view"):
        wall.page.click(f"#show-{dialog}")
        assert violations(wall) == []
        wall.page.keyboard.press("Escape")
    wall.page.goto(f"{wall.url}/")
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


WALLS = ((1280, 720), (1366, 768), (1920, 1080), (2560, 1440), (3840, 2160), (1080, 1920))
SITE = (
    WALL_SITE.replace('"Sales"', '"Customer Support Level 1"')
    .replace('"Help"', '"Technical Help Desk"')
    .replace('"Claims"', '"Claims and damages, new policies"')
)
SIP = "sip:alice.wonderland+supervisor@very-long-domain.pbx.example.org;transport=tls"
ARABIC = "محمد عبد الرحمن الطويل"
OVERFLOWS = """(selector) => [...document.querySelectorAll(selector)]
    .filter((one) => one.offsetParent && one.scrollWidth > one.clientWidth)
    .map((one) => `${one.className} ${one.textContent}`)"""


LINES = """() => [...document.querySelectorAll(".panel h2")]
    .filter((one) => one.offsetParent)
    .map((one) => one.offsetHeight / parseFloat(getComputedStyle(one).fontSize))"""


def trying() -> Iterator[dict[str, Any]]:
    """A floor with wide values: more than a hundred of everything, long names, long waits."""
    yield from campaigns()
    yield from shift(agents=150, calls=400, waiting=110)
    yield from waits(1, 38061, callerId=SIP)
    yield from waits(2, 38050, consumer={"firstName": ARABIC, "lastName": ""})
    for number, login in enumerate(("x" * 60, ARABIC)):
        late = {"agent": login, "service": 38049, "eventType": "NOT_READY", "reason": "LUNCH"}
        yield event("agent.state", f"long {number}", **late)


def test_nothing_overflows_whatever_the_screen_and_the_names(
    tmp_path: Path, browser: Browser
) -> None:
    """Walls from 1280 to 3840 and upright; callers, ids and names of any length and direction."""
    with shown(tmp_path, browser, trying(), site=SITE) as (wall, _):
        wall.page.wait_for_selector("#agents [data-login]")
        wall.page.fill("#agents input", "x" * 60)
        wall.until_text("#agents h2", "1 of ")
        assert wall.page.evaluate(CUT_OFF) == []
        wall.page.fill("#agents input", "")
        caller = wall.page.locator("#waiting td.private", has_text="sip:").first
        assert caller.get_attribute("title") == SIP
        name = wall.page.locator("#waiting td.private", has_text=ARABIC).first
        assert name.get_attribute("dir") == "auto"
        assert name.evaluate("(one) => getComputedStyle(one).direction") == "rtl"
        wall.page.evaluate("() => { location.hash = 'wall'; }")
        wall.until("document.documentElement.dataset.view === 'wall'")
        for width, height in WALLS:
            wall.page.set_viewport_size({"width": width, "height": height})
            wall.page.evaluate("new Promise(requestAnimationFrame)")
            wall.pass_time(1)
            figures = ".glance .value, .services :is(td, th):not(.name)"
            assert (width, wall.page.evaluate(OVERFLOWS, figures)) == (width, [])
            wall.until(f"() => {CUT_OFF}.length === 0")  # the charts follow a frame later
            assert wall.page.evaluate("document.documentElement.scrollWidth") <= width
            assert max(wall.page.evaluate(LINES)) < 2


def test_fingers_have_room(browser: Browser, floor: Server) -> None:
    """What can be touched is 44 pixels high on a phone, and nothing for walls takes room there."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    context.add_init_script("delete globalThis.SharedWorker")
    wall = Screen(context, floor.url)
    wall.sign_in()
    wall.page.wait_for_selector("#services tbody tr")
    assert wall.page.is_hidden("#show-wall")
    small = wall.page.evaluate(
        "[...document.querySelectorAll('button:not(.opens), input')]"
        ".filter((one) => one.checkVisibility() && one.offsetHeight < 44)"
        ".map((one) => one.outerHTML)"
    )
    assert small == []
    context.close()
