"""Tests of the dialog in which a user selects services, with many services and the keyboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.real.server import Caller, Server, running
from tests.real.sites import event, ndjson
from tests.wallboard.floors import open_screen
from tests.wallboard.screen import Screen
from tests.wallboard.shifts import WALL_SITE

NAMES = ("Billing", "Technical Help Desk", "Warranty registration", "Élan", "خدمة العملاء")
SERVICES = {38100 + number: f"{NAMES[number % 5]} {number // 5 + 1}" for number in range(60)}
SITE = WALL_SITE.replace(
    "{id = 38064,",
    ", ".join(
        f'{{id = {number}, name = "{name}", call_center = 1700}}'
        for number, name in SERVICES.items()
    )
    + ", {id = 38064,",
)
BOXES = "#view-services label:not([hidden])"


def logged_on() -> list[dict[str, object]]:
    """Return events that log an agent on at each service, so that the service is shown."""
    return [
        event("agent.state", f"on {number}", agent=f"a{number}", service=number, eventType="LOGON")
        for number in SERVICES
    ]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server with many services."""
    with (
        running(tmp_path_factory.mktemp("many"), site=SITE) as server,
        Caller(server.url) as source,
    ):
        source.take(ndjson(logged_on()))
        yield server


def search(wall: Screen, text: str) -> list[str]:
    """Search for a text in the dialog. Returns the services that are found."""
    wall.page.fill("#view [type=search]", text)
    return wall.texts(BOXES)


@pytest.mark.parametrize("size", [(1440, 900), (360, 740)])
def test_a_service_is_found_and_selected_by_keyboard(
    many: Server, browser: Browser, size: tuple[int, int]
) -> None:
    """The search has the focus at first. Enter moves the focus to the results."""
    with open_screen(many, browser, size=size) as wall:
        wall.tool("#show-view")
        assert wall.page.evaluate("document.activeElement.type") == "search"
        assert len(wall.texts(BOXES)) == 60
        assert wall.page.evaluate("document.querySelector('#view').scrollHeight") <= size[1]
        done = wall.page.locator("#view .primary").bounding_box()
        assert done is not None
        assert done["y"] + done["height"] <= size[1]
        wall.page.keyboard.type("registration 12")
        assert wall.texts(BOXES) == ["Warranty registration 12"]
        assert wall.page.is_hidden("#view-call-centers")
        assert wall.page.inner_text("#view .nothing") == "1 of 61"
        wall.page.keyboard.press("Enter")
        assert wall.page.is_visible("#view")
        wall.page.keyboard.press("Space")
        assert wall.page.evaluate("location.hash") == "#service=38157"
        wall.page.keyboard.press("Escape")
        wall.until_text("#board-view", "Warranty registration 12")
        assert wall.texts("#services tbody .name") == ["Warranty registration 12"]


def test_the_search_starts_empty_and_reports_no_matches(many: Server, browser: Browser) -> None:
    """A reopened dialog has an empty search. A search also finds call centers."""
    with open_screen(many, browser) as wall:
        wall.page.click("#show-view")
        assert search(wall, "billing ")[-3:] == ["Billing 10", "Billing 11", "Billing 12"]
        assert search(wall, "خدمة العملاء 3") == ["خدمة العملاء 3"]
        assert search(wall, "élan 7") == ["Élan 7"]
        assert search(wall, "south") == []
        assert wall.page.is_visible("#view-call-centers [value='1700']")
        assert search(wall, "nothing like it") == []
        assert wall.page.inner_text("#view .nothing") == "Nothing matches “nothing like it”."
        wall.page.keyboard.press("Escape")  # in the search, Escape clears the text
        assert len(wall.texts(BOXES)) == 60
        search(wall, "billing")
        wall.page.keyboard.press("Tab")
        wall.page.keyboard.press("Escape")
        wall.page.click("#show-view")
        assert wall.page.input_value("#view [type=search]") == ""
        assert len(wall.texts(BOXES)) == 60


def test_a_small_site_has_no_search(wall: Screen) -> None:
    """A small site's dialog has a box for each service, but no search."""
    wall.sign_in()
    wall.page.wait_for_selector("#services tbody tr")
    wall.page.click("#show-view")
    assert wall.page.is_hidden("#view [type=search]")
    assert len(wall.texts(BOXES)) == 5
