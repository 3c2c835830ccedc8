"""Tests of problems, such as figures past their thresholds, or calls that no agent can take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page

from tests.real.sites import event, ndjson
from tests.wallboard.floors import Floors, waiting_call
from tests.wallboard.screen import Screen
from tests.wallboard.test_display import INSIDE, SMALL, violations

TILE = "[data-tile=needs]"


def note(wall: Screen) -> str:
    """Return the services or agents with problems, and the reasons, from the tile."""
    return wall.page.get_attribute(f"{TILE} .note", "title") or ""


def until_needs(wall: Screen, count: int) -> None:
    """Wait until the tile shows this number of problems."""
    wall.until(f"document.querySelector('{TILE} .value').textContent === '{count}'")


def test_waiting_calls_without_agents_are_a_problem(floors: Floors, browser: Browser) -> None:
    """The problem changes after an agent logs in, and disappears after the agent is ready."""
    with floors.open(browser, waiting_call(1, 38049)) as (wall, source):
        until_needs(wall, 2)
        assert wall.page.get_attribute("[data-tile=ready]", "data-level") == "act"
        assert note(wall) == (
            "Floor: nobody is logged in\nSales: 1 call waiting, nobody is logged in"
        )
        assert wall.page.get_attribute("#services .agents-in[data-level]", "data-level") == "act"
        busy = {"agent": "SEBY", "service": 38049, "eventType": "NOT_READY"}
        source.take(ndjson([event("agent.state", "n1", **busy)]))
        wall.page.wait_for_selector("#agents [data-login=SEBY]")
        until_needs(wall, 0)
        wall.pass_time(11)
        unready = "document.querySelector('#services .agents-in[data-level=act]')?.textContent"
        wall.until(  # the server's own clock has not passed, so its next response ends the wait
            f"document.querySelector('{TILE} .note').title.includes('nobody is ready')"
            f" && {unready} === '0/1 ready'"
        )
        source.take(ndjson([event("agent.state", "n2", **{**busy, "eventType": "READY"})]))
        until_needs(wall, 0)
        wall.until_text(f"{TILE} .note", "nothing urgent")
        wall.until("!document.querySelector('[data-tile=ready]').dataset.level")


def test_an_unresponsive_server_is_a_problem(floors: Floors, browser: Browser) -> None:
    """The tile says that the server does not respond, and does not claim that nothing is urgent."""
    with floors.open(browser, waiting_call(1, 38049)) as (wall, _):
        until_needs(wall, 2)
        wall.page.route("**/realtime/**", lambda route: route.abort())
        wall.pass_time(20)
        wall.until(f"document.querySelector('{TILE} .note').title.includes('Server: no response')")


def test_the_tile_says_why_if_there_is_one_problem(floors: Floors, browser: Browser) -> None:
    """The reason is in the tile, because touch and keyboard users see no tooltip."""
    on = {"agent": "SEBY", "service": 38049}
    ready = event("agent.state", "n1", **on, eventType="READY")
    with floors.open(browser, [ready]) as (wall, source):
        until_needs(wall, 0)
        source.take(ndjson([event("agent.state", "n2", **on, eventType="LOGOFF")]))
        until_needs(wall, 1)
        assert wall.page.inner_text(f"{TILE} .note") == "Floor: nobody is logged in"


LIT = """(tile) => {
    document.querySelector(tile).click();
    document.querySelector("#needs button").click();
    return document.querySelector("#agents [data-lit]")?.dataset.login;  // for two seconds
}"""


def test_several_problems_are_listed_with_their_reasons(floors: Floors, browser: Browser) -> None:
    """A tap or Enter shows the reasons, which a tooltip shows only to a mouse.

    The list changes with the floor, without losing the focus. A problem that is on the board is a
    button that leads to it. The dialog returns the focus to the tile.
    """
    with floors.open(browser, waiting_call(1, 38049), size=(320, 640)) as (wall, source):
        until_needs(wall, 2)
        assert wall.page.get_attribute(TILE, "aria-haspopup") == "dialog"
        wall.page.tap(TILE)
        listed = ["Floor nobody is logged in", "Sales 1 call waiting, nobody is logged in"]
        problems = wall.page.locator("#needs li")
        assert [" ".join(text.split()) for text in problems.all_inner_texts()] == listed
        assert wall.page.inner_text("#needs-note") == "2 problems"
        assert violations(wall, "#needs") == []
        assert wall.page.evaluate(INSIDE, "needs")
        assert wall.page.evaluate(SMALL) == []
        focused = "document.activeElement.textContent"
        assert wall.page.evaluate(focused) == "Sales"
        busy = {"agent": "SEBY", "service": 38049, "eventType": "READY"}
        source.take(ndjson([event("agent.state", "n1", **busy)]))
        wall.until_text("#needs-note", "Nothing is urgent any more.")
        wall.until_focused("#needs .scroll")
        source.take(ndjson([event("agent.state", "n2", **{**busy, "eventType": "LOGOFF"})]))
        wall.until_text("#needs-note", "2 problems")
        wall.page.keyboard.press("Escape")
        wall.until_focused("[data-tile=needs]")
        wall.page.keyboard.press("Enter")
        wall.page.get_by_role("button", name="Sales", exact=True).last.tap()
        assert wall.page.is_hidden("#needs")
        wall.until_focused("[data-id='38049']")
        assert wall.errors == []


def test_the_tile_leads_to_the_agent(floors: Floors, browser: Browser) -> None:
    """The agent has the focus and is in view, even if the list showed only other agents.

    Problems that are nowhere on the board, such as a silent server, are passed over.
    """
    now = datetime.now(UTC)
    on = {"service": 38049, "eventType": "NOT_READY"}
    events = [
        event(
            "agent.state", number, agent=f"A{number:02}", **on,
            time=(now - timedelta(minutes=31 + number)).isoformat(),
        )
        for number in range(40)
    ]  # fmt: skip
    ready = {"agent": "READY", "service": 38049, "eventType": "READY"}
    events.append(event("agent.state", "r", **ready))
    with floors.open(browser, events) as (wall, _):
        wall.page.wait_for_selector("#agents [data-login]")
        wall.until_text(f"{TILE} .note", "A00")
        wall.page.click(".states [data-state='2']")
        wall.until_text("#agents h2", "1 of ")
        wall.page.focus(TILE)
        wall.page.keyboard.press("Enter")
        wall.page.keyboard.press("Enter")
        assert wall.page.is_hidden("#needs")
        focused = "document.activeElement.closest('#agents tr')?.dataset.login"
        assert wall.page.evaluate(focused) == "A00"
        row = wall.page.locator("#agents [data-login=A00]").bounding_box()
        panel = wall.page.locator("#agents .scroll").bounding_box()
        assert row is not None
        assert panel is not None
        assert panel["y"] <= row["y"] <= panel["y"] + panel["height"] - row["height"] + 1
        assert wall.page.evaluate(LIT, TILE) == "A00"
        wall.page.keyboard.press("Enter")
        assert wall.page.inner_text("#agent[open] [data-part=login]") == "A00"
        wall.page.keyboard.press("Escape")
        wall.page.route("**/realtime/**", lambda route: route.abort())
        wall.pass_time(20)
        wall.until_text(f"{TILE} .note", "Server")
        wall.page.focus(TILE)
        wall.page.keyboard.press("Enter")
        wall.page.keyboard.press("Enter")
        assert wall.page.evaluate(focused) == "A00"


SILENT = """async (minutes) => {
    const [clock, freshness, { needs }, { Thresholds }] = await Promise.all(
        ["clock", "freshness", "needs", "thresholds"].map((one) => import(`/wallboard/${one}.js`)));
    const now = 1_795_000_000_000;
    clock.hear(now);
    freshness.heard(now - minutes * 60_000);
    const silence = freshness.silence(new Thresholds());
    freshness.draw(silence);
    const found = needs({ rated: () => [] }, { isKnown: false, present: [] }, silence);
    const box = document.getElementById("freshness");
    return [box.dataset.state, box.textContent.replace(/\\s+/g, " ").trim(), found];
}"""


@pytest.mark.parametrize(
    ("minutes", "state", "said", "needy"),
    [
        (0.05, "live", "Live · newest event 3 s ago", []),
        (3, "silent", "No events · newest event 3 min ago", []),
        (16, "silent", "No events · newest event 16 min ago", ["no event for 16 min"]),
    ],
)
def test_a_silent_source_does_not_look_live(
    wall: Screen, minutes: float, state: str, said: str, needy: list[str]
) -> None:
    """The page shows the newest event's age. More than five minutes are a problem."""
    wall.open()
    found = wall.page.evaluate(SILENT, minutes)
    assert found[:2] == [state, said]
    assert [(one["who"], one["why"]) for one in found[2]] == [("Source", why) for why in needy]


REASONS = """async (service) => {
    const { needs } = await import("/wallboard/needs.js");
    const rated = () => [{ service, levels: { [service.act]: "act" } }];
    const services = { rated, longestWait: () => 65 };
    const agents = { isKnown: false, present: [] };
    return needs(services, agents, { level: "" }, false).map(({ why }) => why);
}"""


@pytest.mark.parametrize(
    ("act", "why"),
    [
        ("longestWait", "2 calls waiting, 1:05"),
        ("inQueue", "2 calls waiting"),
        ("serviceLevel", "service level 62.5%"),
        ("abandonRate", "11.1% abandoned"),
    ],
)
def test_a_reason_has_the_figure(scripts: Page, act: str, why: str) -> None:
    """A phone shows the reasons in a dialog, away from the figures of the services."""
    service = {"totalCallsInQueue": 2, "serviceLevel": 62.5, "abandonRate": 11.11, "act": act}
    assert scripts.evaluate(REASONS, service) == [why]


HANDS = """async ([waiting, agents, wait, present]) => {
    const { handsOf } = await import("/wallboard/needs.js");
    const service = { serviceId: "1", totalCallsInQueue: waiting, totalAgents: agents };
    return handsOf(service, wait, present.map(([serviceId, state]) => ({ serviceId, state })));
}"""
READY, NOT_READY, IN_CALL, RESERVED = 2, 3, 4, 12


@pytest.mark.parametrize(
    ("waiting", "agents", "wait", "present", "hands"),
    [
        (0, 0, 0, [], ""),
        (1, 0, 0, [], "none"),
        (1, 1, 30, [(1, NOT_READY)], "busy"),
        (1, 1, 5, [(1, IN_CALL)], ""),  # an agent may soon be free
        (1, 1, 30, [(1, RESERVED)], ""),  # the call is ringing at an agent
        (1, 1, 30, [(1, IN_CALL), (2, READY)], "busy"),  # ready for another service
        # The second agent is shown with another service, but also belongs to this service.
        (1, 2, 30, [(1, IN_CALL), (2, READY)], ""),
    ],
)
def test_agents_with_several_services_can_take_calls(
    scripts: Page, waiting: int, agents: int, wait: int, present: list[object], hands: str
) -> None:
    """An agent with several services is shown with one service, but can take calls of each."""
    assert scripts.evaluate(HANDS, [waiting, agents, wait, present]) == hands
