"""Tests that every view is accessible and fits the screen, and that settings are stored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser

from tests.real.server import Server
from tests.real.sites import event
from tests.wallboard.floors import Floors, open_wallboard, waiting_call
from tests.wallboard.screen import Screen, screen
from tests.wallboard.shifts import WALL_SITE, campaigns, shift, site_with_alert

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


def violations(wall: Screen, within: str = "html") -> list[Any]:
    """Return the rules that axe finds violated within an element, with the elements."""
    if not wall.page.evaluate("'axe' in window"):
        wall.page.evaluate(AXE)
    rules = "{'target-size': {enabled: true}}"  # from WCAG 2.2; off by default
    found = wall.page.evaluate(
        f"(within) => axe.run(within, {{resultTypes: ['violations'], rules: {rules}}})", within
    )
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]


def test_axe_finds_no_violations_in_any_view(wall: Screen) -> None:
    """axe checks the sign-in form, every view and the landing page, and no panel is cut off."""
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
        assert (name, violations(wall)) == (name, [])
        assert wall.page.evaluate("document.documentElement.scrollWidth") <= width
        assert (name, wall.page.evaluate(CUT_OFF)) == (name, [])
    wall.page.keyboard.press("Escape")
    wall.until("document.documentElement.dataset.view === 'desk'")
    wall.page.goto(f"{wall.url}/")
    assert violations(wall) == []


@pytest.mark.parametrize("view", ["", "#wall"])
def test_the_view_and_the_theme_are_remembered(wall: Screen, view: str) -> None:
    """The address selects the first view. The view and the theme stay the same after a reload."""
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


def test_leaving_the_wall_does_not_lose_the_focus(board: Screen) -> None:
    """If the tools are in a menu, the menu's button has the focus after the board."""
    board.page.set_viewport_size({"width": 1200, "height": 800})
    board.page.evaluate("() => { location.hash = 'wall'; }")
    board.until("document.documentElement.dataset.view === 'wall'")
    board.page.focus("#show-wall")
    board.page.keyboard.press("Enter")
    board.until("document.documentElement.dataset.view === 'desk'")
    board.until_focused("#show-menu")


TOOLS = {"#show-past": "#past", "#show-view": "#view", "#show-thresholds": "#thresholds"}


def test_a_dialog_closes_the_menu_that_it_was_opened_from(board: Screen) -> None:
    """After a dialog a phone shows the floor, and the menu's button has the focus."""
    board.page.set_viewport_size({"width": 390, "height": 844})
    board.page.wait_for_selector("#services tbody tr")
    for tool, dialog in TOOLS.items():
        board.page.click("#show-menu")
        board.page.click(tool)
        board.page.wait_for_selector(f"{dialog}[open]")
        board.page.keyboard.press("Escape")
        board.page.wait_for_selector(dialog, state="hidden")
        board.page.wait_for_selector(tool, state="hidden")
        assert board.page.get_attribute("#show-menu", "aria-expanded") == "false"
        board.until_focused("#show-menu")


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
    """Yield events that lead to long names and large figures."""
    yield from campaigns()
    yield from shift(agents=150, calls=400, waiting=110)
    yield from waiting_call(1, 38061, callerId=SIP)
    yield from waiting_call(2, 38050, consumer={"firstName": ARABIC, "lastName": ""})
    for number, login in enumerate(("x" * 60, ARABIC)):
        late = {"agent": login, "service": 38049, "eventType": "NOT_READY", "reason": "LUNCH"}
        yield event("agent.state", f"long {number}", **late)


def test_nothing_overflows_on_any_screen(floors: Floors, browser: Browser) -> None:
    """Figures and names fit on walls with 1280 to 3840 pixels, and on upright walls.

    Names are long, or are written from right to left.
    """
    with floors.open(browser, trying(), site=SITE) as (wall, _):
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
            wall.until(f"() => {CUT_OFF}.length === 0")  # charts are drawn a frame later
            assert wall.page.evaluate("document.documentElement.scrollWidth") <= width
            assert max(wall.page.evaluate(LINES)) < 2


def test_long_names_are_shown_in_full_on_a_wall(floors: Floors, browser: Browser) -> None:
    """Long names of services are not cut off on a wall."""
    with floors.open(browser, trying(), site=SITE, view="#wall", size=(1920, 1080)) as (
        wall,
        _,
    ):
        wall.page.wait_for_selector("#agents [data-login]")
        cut = wall.page.evaluate(
            """[...document.querySelectorAll("#services .name, [data-tile=waiting] .note")]
                .filter((one) => one.scrollHeight > one.clientHeight + 1
                    || one.scrollWidth > one.clientWidth)
                .map((one) => one.textContent)"""
        )
        assert cut == []
        assert wall.page.locator("#queue-chart .u-axis").count() == 2
        assert wall.page.locator("#connects-chart .u-axis").count() == 1  # the bars have numbers


LONG_NAME = "Customer retention and win-back department, northern region, team"
CUT_TIMES = """[...document.querySelectorAll("#agents td.number")]
    .filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)"""
OVERLAP = """() => {
    const [list, buttons] = ["#view .scroll", "#view .choices"]
        .map((one) => document.querySelector(one).getBoundingClientRect());
    return list.bottom - buttons.top;
}"""


def test_long_names_and_times_leave_room_for_the_rest(tmp_path: Path, browser: Browser) -> None:
    """Half a day in a state fits in its column, and a service with a long name in a few lines.

    On a wall, all services of a page are visible. On a short phone, the list of services in the
    dialog does not cover the buttons.
    """
    more = "".join(
        f'{{id = {50000 + number}, name = "{LONG_NAME} {number}", call_center = 1623}},'
        for number in range(30)
    )
    site = WALL_SITE.replace("{id = 38061,", f"{more}{{id = 38061,")
    long_ago = (datetime.now(UTC) - timedelta(hours=12, minutes=34)).isoformat()
    late = {"agent": "LATE", "service": 38049, "eventType": "NOT_READY"}
    events = [event("agent.state", "late", time=long_ago, **late)]
    for number in range(30):
        ready = {"agent": f"A{number}", "service": 50000 + number, "eventType": "READY"}
        events.append(event("agent.state", number, **ready))
    with open_wallboard(tmp_path, browser, events, site=site) as (wall, _):
        for width, height, view in ((360, 640, ""), (1366, 768, ""), (1920, 1080, "wall")):
            wall.page.set_viewport_size({"width": width, "height": height})
            wall.page.evaluate("(view) => { location.hash = view; }", view)
            wall.pass_time(1)
            wall.until_text("#agents td.number", "12:3")
            assert (width, wall.page.evaluate(CUT_TIMES)) == (width, [])
            if width == 360:
                wall.tool("#show-view")
                assert wall.page.evaluate(OVERLAP) <= 0
                wall.page.keyboard.press("Escape")
            row = wall.page.locator("#services tr[data-id='50007']")
            if view:
                note = wall.page.inner_text("#services [data-more]")
                assert wall.page.evaluate(VISIBLE, "services") == int(note.split()[0])
            else:
                name = row.locator(".name").bounding_box()
                assert name is not None
                assert name["height"] < 80
                assert row.locator(".name").get_attribute("title") == f"{LONG_NAME} 7"


VISIBLE = """(section) => {
    const scroll = document.querySelector(`#${section} .scroll`).getBoundingClientRect();
    return [...document.querySelectorAll(`#${section} tbody tr`)]
        .filter((row) => row.getBoundingClientRect().bottom <= scroll.bottom).length;
}"""


def test_an_alert_leaves_room_for_the_rows_below_it(tmp_path: Path, browser: Browser) -> None:
    """At 1440 by 900 pixels, nine services and three waiting calls are visible below an alert.

    A panel with more rows has a shadow at its lower edge.
    """
    more = "".join(
        f'{{id = {39000 + number}, name = "Team {number}", call_center = 1623}},'
        for number in range(5)
    )
    site = site_with_alert().replace("{id = 38061,", f"{more}{{id = 38061,")
    events = [*shift(agents=10, calls=40, waiting=9)]
    events += [one for number in range(5) for one in waiting_call(9_000 + number, 39000 + number)]
    with open_wallboard(tmp_path, browser, events, site=site) as (wall, _):
        wall.page.wait_for_selector("#alerts:not([hidden])")
        wall.until("document.querySelectorAll('#services tbody tr').length >= 9")
        wall.until("document.querySelectorAll('#waiting tbody tr').length > 9")
        assert wall.page.evaluate(VISIBLE, "services") >= 9
        assert wall.page.evaluate(VISIBLE, "waiting") >= 3
        shadow = "(one) => getComputedStyle(one).backgroundAttachment"
        assert wall.page.locator("#services .scroll").evaluate(shadow) == "local, scroll"


EDGES = """(selector) => [...document.querySelectorAll(selector)]
    .filter((one) => one.scrollWidth <= one.clientWidth)
    .map((one) => {
        const range = document.createRange();
        range.selectNodeContents(one);
        return range.getBoundingClientRect().left;
    })"""


def ragged(wall: Screen, selector: str) -> float:
    """Return by how many pixels the left edges of texts differ. Cut texts do not count."""
    edges = wall.page.evaluate(EDGES, selector)
    assert len(edges) > 1
    return float(max(edges) - min(edges))


def test_names_of_any_direction_are_aligned(tmp_path: Path, browser: Browser) -> None:
    """In panels and dialogs, right-to-left names are aligned with other names."""
    site = site_with_alert().replace('"Help"', f'"{ARABIC}"').replace('"Queue"', f'"{ARABIC}"')
    events = [*shift(agents=20, calls=90, waiting=9)]
    events += waiting_call(2, 38050, callerId=ARABIC)
    letter = 4  # pixels by which letters' own margins can differ
    with open_wallboard(tmp_path, browser, events, site=site) as (wall, _):
        wall.page.wait_for_selector("#agents [data-login]")
        wall.page.wait_for_selector("#waiting tbody tr")
        wall.page.wait_for_selector("#alerts:not([hidden])")
        for names in ("#services tbody th", "#waiting tbody th", "#agents tbody td.wide"):
            assert ARABIC in wall.texts(names)
            assert ragged(wall, names) <= letter, names
        wall.page.locator("#services tr", has_text=ARABIC).locator(".queue .opens").click()
        wall.until_text("#calls tbody td:nth-child(2)", ARABIC)
        assert ragged(wall, "#calls h2, #calls tbody th") <= letter
        assert ragged(wall, "#calls tbody td:nth-child(2)") <= letter
        wall.page.keyboard.press("Escape")
        wall.page.click("#alerts button")
        wall.until_text("#alerts-dialog tbody th", ARABIC)
        assert ragged(wall, "#alerts-dialog h2, #alerts-dialog tbody th") <= letter


LINE_WIDTHS = """() => {
    const unit = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const trend = getComputedStyle(document.querySelector(".services .trend path"));
    const level = getComputedStyle(document.querySelector(".services td.level"), "::after");
    return [trend.strokeWidth, level.backgroundSize.split(" ")[1]]
        .map((width) => (parseFloat(width) / unit).toFixed(2));
}"""


def test_lines_scale_with_the_screen(floors: Floors, browser: Browser) -> None:
    """The widths of the trend's line and the service level's bar scale with the screen."""
    events = shift(agents=10, calls=60, waiting=3)
    with floors.open(browser, events, view="#wall", size=(1280, 720)) as (wall, _):
        wall.page.wait_for_selector(".services .trend path")
        narrow = wall.page.evaluate(LINE_WIDTHS)
        wall.page.set_viewport_size({"width": 3840, "height": 2160})
        assert wall.page.evaluate(LINE_WIDTHS) == narrow


SMALL = """[...document.querySelectorAll(
        "button, input:not([type=checkbox]), select, summary, .boxes label")]
    .filter((one) => one.checkVisibility() && !one.closest(".visually-hidden"))
    .filter((one) => matchMedia("(pointer: coarse)").matches)
    .filter((one) => one.offsetHeight < 44 || one.offsetWidth < 44)
    .map((one) => one.outerHTML)"""


def test_touch_targets_are_large_enough(browser: Browser, floor: Server) -> None:
    """Touch targets are at least 44 by 44 pixels, and the tools do not take up room."""
    with screen(browser, floor.url, 360, 800, touch=True) as wall:
        wall.open()
        wall.page.wait_for_selector("#sign-in")
        assert wall.page.evaluate(SMALL) == []
        wall.fill()
        wall.page.wait_for_selector("#services tbody tr")
        wall.page.wait_for_selector("#agents [data-login]")
        assert wall.page.is_hidden("#show-wall")
        tiles = wall.page.locator("#glance").bounding_box()
        assert tiles is not None
        assert tiles["y"] < 100, "the header takes the room of the figures"
        wall.tool("#show-view")
        wall.page.keyboard.press("Escape")
        assert wall.page.is_hidden("#show-wall")
        assert wall.page.evaluate(SMALL) == []
        marks = "(one) => getComputedStyle(one, '::before').content"
        marked = wall.page.locator("#services td[data-level] .opens").first
        assert marked.evaluate(marks)[1:2] in {"▲", "■"}, "the mark is away from its number"
        wall.page.focus("#show-past")
        wall.page.keyboard.press("Escape")
        assert wall.page.is_hidden("#show-past")
        wall.until_focused("#show-menu")


BROKEN_WORDS = """[...document.querySelectorAll("#services thead button")]
    .filter((one) => one.checkVisibility())
    .filter((one) => {
        const text = document.createRange();
        text.selectNodeContents(one);
        return text.getClientRects().length > one.textContent.split(" ").length;
    })
    .map((one) => one.textContent)"""


def test_column_titles_break_only_between_words(board: Screen) -> None:
    """A phone with 320 pixels, or a page zoomed to 400%, shows whole words."""
    board.page.set_viewport_size({"width": 320, "height": 640})
    board.page.wait_for_selector("#services tbody tr")
    assert board.page.evaluate(BROKEN_WORDS) == []
    assert board.page.evaluate("document.documentElement.scrollWidth") <= 320


DIALOGS = {
    "past": "#show-past",
    "view": "#show-view",
    "thresholds": "#show-thresholds",
    "alerts-dialog": "#show-alerts",
    "intervals": "#show-intervals",
    "calls": "#services .queue .opens",
    "agent": "#agents .opens",
}
INSIDE = """(id) => {
    const dialog = document.getElementById(id);
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    const wide = [dialog, ...dialog.querySelectorAll(".scroll, .boxes, input")]
        .filter((one) => one.scrollWidth > one.clientWidth);
    return left >= 0 && right <= innerWidth && top >= 0 && bottom <= innerHeight && !wide.length;
}"""


@pytest.mark.parametrize(
    ("size", "scheme"), [((360, 800), "dark"), ((320, 640), "light"), ((1440, 900), "light")]
)
def test_every_dialog_works_with_every_input_method(
    floors: Floors, browser: Browser, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    """Every dialog is accessible and fits the screen. Escape closes it and returns the focus.

    The menu closes with the dialog, so that its button has the focus on a phone.
    """
    site = site_with_alert().replace('"Sales"', '"Claims and damages, new policies"')
    late = {"agent": "x" * 60, "service": 38049, "eventType": "NOT_READY", "reason": "LUNCH"}
    events = [
        *waiting_call(1, 38049, callerId=SIP),
        *waiting_call(2, 38049),
        event("agent.state", "a", **late),
    ]
    with floors.open(browser, events, site=site, size=size) as (wall, _):
        wall.page.emulate_media(color_scheme=scheme)
        wall.page.wait_for_selector("#agents [data-login]")
        wall.until("!document.getElementById('alerts').hidden")
        assert violations(wall) == []
        for dialog, opener in DIALOGS.items():
            back = opener if wall.page.locator(opener).first.is_visible() else "#show-menu"
            wall.tool(f"{opener} >> nth=0")
            wall.page.wait_for_selector(f"#{dialog}[open]")
            if dialog in {"intervals", "calls"}:
                wall.page.wait_for_selector(f"#{dialog} tbody tr")
            assert (dialog, violations(wall, f"#{dialog}")) == (dialog, [])
            assert (dialog, wall.page.evaluate(INSIDE, dialog)) == (dialog, True)
            assert (dialog, wall.page.evaluate(SMALL)) == (dialog, [])
            wall.page.keyboard.press("Escape")
            wall.page.wait_for_selector(f"#{dialog}", state="hidden")
            wall.until_focused(back)
        assert wall.page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert wall.errors == []
