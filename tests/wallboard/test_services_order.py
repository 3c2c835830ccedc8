"""Tests of the services' order, by urgency or by a column, and of the search for services."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser

from tests.real.sites import event
from tests.wallboard.floors import Floors, waiting_call
from tests.wallboard.screen import Screen
from tests.wallboard.shifts import WALL_SITE

MANY = 24
NAMES = [f"Team {number:02}" for number in range(MANY)]
SITE = WALL_SITE.replace(
    "{id = 38061,",
    "".join(
        f'{{id = {50000 + number}, name = "{name}", call_center = 1623}},'
        for number, name in enumerate(NAMES)
    )
    + "{id = 38061,",
)
DRAWN = "#services tbody .name"


def floor() -> Iterator[dict[str, object]]:
    """Yield the events of a floor on which each team has an agent, and calls wait for four teams.

    The longest wait is at team 21.
    """
    now = datetime.now(UTC)
    for number in range(MANY):
        ready = {"agent": f"A{number}", "service": 50000 + number, "eventType": "READY"}
        yield event("agent.state", f"on {number}", **ready)
    for call, (number, seconds) in enumerate(((7, 150), (21, 400), (12, 70), (3, 20))):
        at = (now - timedelta(seconds=seconds)).isoformat()
        yield from waiting_call(call, 50000 + number, time=at)


@pytest.fixture(scope="module")
def desk(floors: Floors, browser: Browser) -> Iterator[Screen]:
    """Yield a screen in the desk view with many services."""
    with floors.open(browser, floor(), site=SITE) as (wall, _):
        yield wall


def drawn(wall: Screen, first: int = MANY) -> list[str]:
    return wall.texts(DRAWN)[:first]


URGENT = ["Team 21", "Team 07", "Team 12"]


def test_urgent_first_is_the_first_order(desk: Screen) -> None:
    """Services that need action come first, then services to watch.

    The others keep the order of the site. A click on the button shows all in that order.
    """
    button = "#services [data-order=need]"
    assert desk.page.get_attribute(button, "aria-pressed") == "true"
    assert drawn(desk) == URGENT + [name for name in NAMES if name not in URGENT]
    desk.page.click(button)
    assert drawn(desk) == NAMES
    assert desk.page.get_attribute(button, "aria-pressed") == "false"
    desk.page.click(button)
    assert drawn(desk, 3) == URGENT


def test_a_column_cycles_through_its_sort_orders(desk: Screen) -> None:
    """A column sorts down, then up, and then by urgency. Screen readers get the order."""
    head = "#services th.wait"
    desk.page.click(f"{head} button")
    assert drawn(desk, 4) == [*URGENT, "Team 03"]
    assert desk.page.get_attribute(head, "aria-sort") == "descending"
    desk.page.click(f"{head} button")
    assert drawn(desk)[-1] == "Team 21"
    desk.page.click(f"{head} button")
    assert drawn(desk, 4) == [*URGENT, "Team 00"]
    assert desk.page.get_attribute(head, "aria-sort") is None


def test_a_search_finds_services_or_reports_none(desk: Screen) -> None:
    """A search finds words in the names of the service and its call center."""
    search = "#services input"
    desk.page.fill(search, "north team 1")
    assert "Team 12" in drawn(desk)
    assert len(drawn(desk)) < MANY
    desk.page.fill(search, "nothing like it")
    desk.until_text("#services .explanation", "No service matches “nothing like it”.")
    desk.page.fill(search, "")
    assert sorted(drawn(desk)) == NAMES
    desk.page.fill("#agents input", "nobody like it")
    desk.until_text("#agents .nothing", "No agent matches “nobody like it”.")
    desk.page.fill("#agents input", "")
    desk.page.locator("#agents .nothing").wait_for(state="hidden")


def test_urgent_services_stay_and_others_rotate_on_a_wall(floors: Floors, browser: Browser) -> None:
    """Urgent services stay on the wall while all other services are shown in turn."""
    size = (1920, 1080)
    with floors.open(browser, floor(), site=SITE, view="#wall", size=size) as (
        wall,
        _,
    ):
        wall.until_text("#services h2", "urgent first · page")
        seen: list[str] = []
        for _turn in range(2 * MANY):
            now = drawn(wall)
            assert now[:2] == ["Team 21", "Team 07"]
            seen += [name for name in now if name not in seen]
            if len(seen) == MANY:
                break
            wall.pass_time(10)
            wall.until(
                "(was) => [...document.querySelectorAll('#services tbody .name')]"
                ".map((one) => one.textContent).join() !== was",
                ",".join(now),
            )
        assert sorted(seen) == NAMES
