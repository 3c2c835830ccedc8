"""Tests that the keyboard focus stays with an agent while the list of agents changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.real.server import Caller, running
from tests.real.sites import event, ndjson
from tests.wallboard.floors import Floors
from tests.wallboard.screen import Screen, screen
from tests.wallboard.shifts import WALL_SITE

MANY = 120
SERVICE = 38049
STATES = "document.querySelector('#agents .states').textContent"
FOCUSED = """[document.activeElement.closest("#agents tr")?.dataset.login,
    document.activeElement.closest("#agents tr")?.ariaRowIndex]"""
NUMBERS = """[...document.querySelectorAll("#agents [data-login]")]
    .map((row) => Number(row.ariaRowIndex))"""
IS_IN_VIEW = """(() => {
    const row = document.activeElement.getBoundingClientRect();
    const list = document.querySelector("#agents .scroll").getBoundingClientRect();
    const head = document.querySelector("#agents thead").getBoundingClientRect();
    return row.top >= head.bottom - 1 && row.bottom <= list.bottom + 1;
})()"""


IS_RING_CUT_OFF = """(() => {
    const button = document.activeElement, cell = button.closest("th");
    const [ring, clip] = [button, cell].map((one) => getComputedStyle(one));
    const wide = parseFloat(ring.outlineWidth) + parseFloat(ring.outlineOffset);
    const room = parseFloat(clip.overflowClipMargin);
    const [inner, outer] = [button, cell].map((one) => one.getBoundingClientRect());
    return inner.left - wide < outer.left - room || inner.right + wide > outer.right + room
        || inner.top - wide < outer.top - room || inner.bottom + wide > outer.bottom + room;
})()"""


class Desk:
    """A screen whose list has its agents by time, so that a new state moves an agent to the end."""

    def __init__(self, wall: Screen, source: Caller) -> None:
        self.wall, self.page, self._source = wall, wall.page, source
        self._numbers = count()

    def tell(self, login: str, kind: str) -> None:
        """Send a new state of an agent, and wait until the page shows it."""
        before = self.page.evaluate(STATES)
        number = next(self._numbers)
        told = event("agent.state", f"t{number}", agent=login, eventType=kind, service=SERVICE)
        self._source.take(ndjson([told]))
        self.wall.until(f"(before) => {STATES} !== before", before)

    def focus(self, login: str) -> None:
        """Scroll to an agent, and focus the agent with the arrow keys."""
        self.page.fill("#agents input", "")
        self.page.wait_for_selector("#agents [data-login]")
        place = int(login[1:])
        self.page.eval_on_selector(
            "#agents .scroll",
            "(one, place) => {"
            " one.scrollTop = place * one.querySelector('[data-login]').offsetHeight; }",
            max(0, place - 12),  # others have left since
        )
        self.page.wait_for_selector(f"#agents [data-login={login}]")
        self.page.focus("#agents .scroll")
        for _ in range(MANY):
            self.page.keyboard.press("ArrowDown")
            if self.focused()[0] == login:
                return
        raise AssertionError(f"the arrow keys do not reach {login}")

    def focused(self) -> list[Any]:
        """Return the login and the place of the agent with the focus."""
        found: list[Any] = self.page.evaluate(FOCUSED)
        return found

    def scroll(self, top: int) -> None:
        """Scroll the list, and wait until its rows are drawn."""
        self.page.eval_on_selector("#agents .scroll", "(one, top) => { one.scrollTop = top; }", top)
        last = self.page.get_attribute("#agents table", "aria-rowcount") if top else "2"
        self.page.wait_for_selector(f"#agents [aria-rowindex='{last}']")


@pytest.fixture(scope="module")
def desk(floors: Floors, browser: Browser) -> Iterator[Desk]:
    began = datetime.now(UTC) - timedelta(hours=1)
    events = [
        event(
            "agent.state", f"on {number}", agent=f"A{number:03}", service=SERVICE,
            eventType="READY", time=(began + timedelta(seconds=number)).isoformat(),
        )
        for number in range(MANY)
    ]  # fmt: skip
    with floors.open(browser, events) as (wall, source):
        wall.page.click("#agents [data-order=time]")
        wall.until_text("#agents h2", f"{MANY} agents")
        yield Desk(wall, source)
        assert wall.errors == []


def test_the_focus_follows_an_agent_who_moves(desk: Desk) -> None:
    """Enter opens the agent who has the focus, and not the one who took the agent's place."""
    desk.focus("A004")
    assert not desk.page.evaluate(IS_RING_CUT_OFF)
    desk.tell("A004", "NOT_READY")
    assert desk.focused() == ["A004", str(MANY + 1)]
    assert desk.page.evaluate(IS_IN_VIEW), "a keyboard user cannot see the focus"
    desk.page.keyboard.press("Enter")
    assert desk.page.inner_text("#agent[open] [data-part=login]") == "A004"
    desk.page.keyboard.press("Escape")
    assert desk.focused()[0] == "A004"


def test_scrolling_does_not_lose_the_focus(desk: Desk) -> None:
    """The row with the focus is drawn wherever the list is scrolled, with its number."""
    desk.focus("A010")
    _, place = desk.focused()
    desk.scroll(100_000)
    assert desk.focused() == ["A010", place]
    numbers = desk.page.evaluate(NUMBERS)
    assert numbers == sorted(numbers)
    assert len(numbers) < MANY / 2
    assert numbers[0] == int(place) < numbers[1] - 1
    height = "document.querySelector('#agents .scroll').scrollHeight"
    tall = desk.page.evaluate(height)
    desk.page.keyboard.press("ArrowDown")
    assert desk.focused() == ["A011", str(int(place) + 1)]
    assert desk.page.evaluate(IS_IN_VIEW)
    assert desk.page.evaluate(height) == tall
    desk.scroll(100_000)
    desk.page.keyboard.press("Enter")
    assert desk.page.inner_text("#agent[open] [data-part=login]") == "A011"
    desk.page.keyboard.press("Escape")
    assert desk.focused()[0] == "A011"


def test_the_arrow_keys_follow_the_list_after_it_is_sorted_out_of_view(desk: Desk) -> None:
    """An agent scrolled out of view moves to the other end: the keys go on from the new place."""
    desk.focus("A015")
    desk.scroll(100_000)
    desk.scroll(0)
    desk.tell("A015", "NOT_READY")
    assert desk.focused() == ["A015", str(MANY + 1)]
    desk.page.keyboard.press("ArrowUp")
    assert desk.focused()[1] == str(MANY)
    desk.scroll(0)
    desk.page.keyboard.press("ArrowDown")
    assert desk.focused() == ["A015", str(MANY + 1)]
    assert desk.page.evaluate(IS_IN_VIEW)


def test_a_neighbor_takes_the_focus_of_an_agent_who_leaves(desk: Desk) -> None:
    """The next agent gets the focus, or the last one, and a screen reader says who has left."""
    desk.focus("A020")
    desk.tell("A020", "LOGOFF")
    assert desk.focused()[0] == "A021"
    desk.wall.until_text("#announcement", "A020 is no longer listed.")
    desk.scroll(100_000)
    desk.tell("A021", "LOGOFF")
    assert desk.focused()[0] == "A022"
    desk.wall.until_text("#announcement", "A021 is no longer listed.")
    for login in ("A020", "A021"):
        desk.tell(login, "READY")


def test_a_neighbor_takes_the_focus_of_an_agent_who_is_filtered_out(desk: Desk) -> None:
    """The last agent's neighbor is the previous one. An empty list has the focus itself."""
    for login in ("A030", "A031"):
        desk.tell(login, "WRAP_UP")
    chip = ".states [data-state='5']"
    desk.page.click(chip)
    desk.wall.until_text("#agents h2", "2 of ")
    desk.page.focus("#agents .scroll")
    desk.page.keyboard.press("ArrowDown")
    desk.page.keyboard.press("ArrowDown")
    assert desk.focused() == ["A031", "3"]
    desk.tell("A031", "READY")
    assert desk.focused() == ["A030", "2"]
    desk.tell("A030", "READY")
    desk.wall.until_focused("#agents .scroll")
    desk.wall.until_text("#announcement", "A030 is no longer listed.")
    desk.page.click(chip)


@pytest.mark.parametrize("way", ["key", "click"])
def test_a_dialog_returns_the_focus_to_its_agent(desk: Desk, way: str) -> None:
    """The agent gets the focus even if the list was sorted while the dialog was open."""
    login = {"key": "A040", "click": "A043"}[way]
    desk.focus(login)
    if way == "key":
        desk.page.keyboard.press("Enter")
    else:
        desk.page.click(f"#agents [data-login={login}] button")
    desk.page.wait_for_selector("#agent[open]")
    desk.tell(login, "IN_CALL")
    desk.scroll(0)
    if way == "key":
        desk.page.keyboard.press("Enter")
    else:
        desk.page.click("#agent .primary")
    desk.page.wait_for_selector("#agent", state="hidden")
    assert desk.focused() == [login, str(MANY + 1)]


def test_a_dialog_returns_the_focus_to_the_neighbor_of_an_agent_who_left(desk: Desk) -> None:
    """A screen reader says that the agent has left once the dialog is closed."""
    desk.focus("A050")
    desk.page.keyboard.press("Enter")
    desk.tell("A050", "LOGOFF")
    desk.wall.until_text("#agent [data-part=state]", "Logged out")
    desk.tell("A051", "LOGOFF")
    assert "A050" not in desk.page.inner_text("#announcement")
    desk.page.keyboard.press("Escape")
    desk.wall.until_text("#announcement", "A050 is no longer listed.")
    assert desk.focused()[0] == "A052"


def test_agents_with_the_same_login_are_told_apart(tmp_path: Path, browser: Browser) -> None:
    """A child client's agent may have the login of another. Focus and dialog stay with one."""
    on = {"agent": "SAME", "eventType": "READY"}
    ago = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    with (
        running(tmp_path, site=WALL_SITE) as server,
        Caller(server.url) as source,
        Caller(server.url, "CHILD") as child,
        screen(browser, server.url) as wall,
    ):
        source.take(ndjson([event("agent.state", "p", service=SERVICE, time=ago, **on)]))
        child.take(ndjson([event("agent.state", "c", service=4199, **on)]))
        wall.page.clock.install()
        wall.sign_in()
        wall.until_text("#agents h2", "2 agents")
        wall.page.click("#agents [data-order=time]")
        wall.page.focus("#agents .scroll")
        wall.page.keyboard.press("ArrowDown")
        service = "document.activeElement.closest('tr').lastElementChild.textContent"
        assert wall.page.evaluate(service) == "Sales"
        late = {**on, "eventType": "DIALING"}
        source.take(ndjson([event("agent.state", "p2", service=SERVICE, **late)]))
        wall.page.wait_for_selector(".states [data-state='9']:not([hidden])")
        assert wall.page.evaluate(service) == "Sales"
        wall.page.keyboard.press("ArrowUp")
        assert wall.page.evaluate(service) == "Child's service"
        wall.page.keyboard.press("Enter")
        wall.pass_time(2)
        wall.until_text("#agent [data-part=state]", "Ready")
        assert wall.page.inner_text("#agent [data-part=service]") == "Child's service"
