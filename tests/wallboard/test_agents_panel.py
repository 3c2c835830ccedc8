"""Tests of the page with two thousand agents."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.real.server import Caller, running
from tests.real.sites import event, ndjson
from tests.wallboard.floors import Floors, waiting_call
from tests.wallboard.screen import Screen, screen
from tests.wallboard.shifts import shift

MANY = 2000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """Run a separate server with many active agents. Yields a caller of this server."""
    with running(tmp_path_factory.mktemp("crowd")) as server, Caller(server.url) as caller:
        caller.take(ndjson(shift(agents=MANY, calls=0, waiting=0)))
        yield caller


@pytest.fixture(scope="module")
def crowded(source: Caller, browser: Browser) -> Iterator[Screen]:
    """Yield a screen that shows this floor."""
    with screen(browser, str(source.http.base_url)) as wall:
        wall.sign_in()
        wall.until_text("#agents h2", "2,000 agents")
        yield wall


def drawn(wall: Screen) -> list[str]:
    """Return the names in the drawn rows, in order."""
    return wall.page.locator("#agents [data-login] th").all_inner_texts()


def test_only_visible_rows_are_drawn(crowded: Screen) -> None:
    """Scrolling reaches all rows, and screen readers learn how many rows exist."""
    assert 10 < len(drawn(crowded)) < 60
    assert crowded.page.get_attribute("#agents table", "aria-rowcount") == str(MANY + 1)
    crowded.page.eval_on_selector("#agents .scroll", "(one) => { one.scrollTop = 1e9; }")
    crowded.page.wait_for_selector(f"#agents [aria-rowindex='{MANY + 1}']")
    assert len(drawn(crowded)) < 60
    crowded.page.eval_on_selector("#agents .scroll", "(one) => { one.scrollTop = 0; }")
    crowded.page.wait_for_selector("#agents [aria-rowindex='2']")


def test_a_change_appears_at_once(crowded: Screen, source: Caller) -> None:
    """A new state in the stream appears in the agent's row and in the counts."""
    crowded.page.fill("#agents input", "0007")
    crowded.until_text("#agents h2", "1 of 2,000 agents")
    (login,) = drawn(crowded)
    for number, (kind, state) in enumerate((("PREVIEW_DIAL_OFFERED", 8), ("DIALING", 9))):
        one = event("agent.state", f"n{number}", agent=login, eventType=kind, service=38049)
        source.take(ndjson([one]))
        crowded.page.wait_for_selector(f"#agents [data-login] [data-state='{state}']")
        chip = crowded.page.locator(f".states [data-state='{state}']")
        assert chip.inner_text().endswith(" 1")
    crowded.page.fill("#agents input", "")


def test_the_list_is_searched_and_sorted_by_keyboard(crowded: Screen) -> None:
    """Words match in any order. A column sorts up, then down, and then by urgency again."""
    keys, page = crowded.page.keyboard, crowded.page
    page.focus("#agents input")
    keys.type("berg ready dana")
    crowded.until_text("#agents h2", "of 2,000 agents")
    crowded.until_true(  # the list is drawn shortly after the last key
        lambda: {name[:9] for name in drawn(crowded)} == {"Dana Berg"}, "only hers are drawn"
    )
    keys.press("ControlOrMeta+A")
    keys.press("Delete")
    crowded.until_text("#agents h2", "2,000 agents")
    keys.press("Tab")  # to the list, which scrolls with the arrow keys
    keys.press("Tab")
    for order in ("ascending", "descending"):
        keys.press("Enter")
        page.wait_for_selector(f"#agents [aria-sort={order}] [data-order=name]")
        crowded.until(
            "(first) => document.querySelector('#agents [data-login] th').textContent"
            ".startsWith(first)",
            {"ascending": "Ana", "descending": "Lea"}[order],
        )
    keys.press("Enter")
    assert page.locator("#agents [aria-sort]").count() == 0
    page.focus(".states [data-state='3']")
    keys.press("Space")
    crowded.until(
        "[...document.querySelectorAll('#agents td[data-state]')].every("
        "(cell) => cell.dataset.state === '3')"
    )
    assert page.get_attribute(".states [data-state='3']", "aria-pressed") == "true"
    keys.press("Space")
    crowded.until_text("#agents h2", "2,000 agents")


def test_the_reason_is_shown_in_full(browser: Browser, floors: Floors) -> None:
    """The reason replaces the visible name of the state, and fits in the cell."""
    late = {"agent": "ANN", "service": 38049, "eventType": "NOT_READY", "reason": "TEAM MEETING"}
    with floors.open(browser, [*waiting_call(1, 38049), event("agent.state", "a1", **late)]) as (
        wall,
        _,
    ):
        state = wall.page.locator("#agents [data-login=ANN] td").first
        assert state.text_content() == "Not Ready · Team meeting"
        assert state.evaluate("(one) => one.scrollWidth <= one.clientWidth")
        seen = state.locator("span").last.bounding_box()
        cell = state.bounding_box()
        assert seen is not None
        assert cell is not None
        assert cell["x"] <= seen["x"]
        assert seen["x"] + seen["width"] <= cell["x"] + cell["width"]
