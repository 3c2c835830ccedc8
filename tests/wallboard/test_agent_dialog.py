"""Tests of the dialog with an agent's complete data."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests.real.sites import event, ndjson
from tests.wallboard.floors import Floors, waiting_call
from tests.wallboard.screen import Screen

LOGIN = "x" * 60
STATE = {"agent": LOGIN, "service": 38049, "eventType": "NOT_READY", "reason": "LUNCH"}


def test_the_dialog_shows_and_follows_an_agent(browser: Browser, floors: Floors) -> None:
    """The dialog opens by keyboard and shows the agent's login, state, time and service."""
    events = [*waiting_call(1, 38049), event("agent.state", "a1", **STATE)]
    with floors.open(browser, events) as (wall, source):
        opener = f"#agents [data-login={LOGIN}] button"
        wall.page.wait_for_selector(opener)
        wall.page.focus("#agents .scroll")
        wall.page.keyboard.press("ArrowDown")
        wall.until_focused(opener)
        wall.page.keyboard.press("Enter")
        part = "#agent[open] [data-part={}]".format
        assert wall.page.inner_text(part("login")) == LOGIN
        assert wall.page.inner_text(part("state")) == "Not Ready · Lunch"
        assert wall.page.inner_text(part("service")) == "Sales"
        assert ", since " in wall.page.inner_text(part("since"))
        source.take(ndjson([event("agent.state", "a2", **{**STATE, "eventType": "READY"})]))
        wall.until_text(part("state"), "Ready")
        source.take(ndjson([event("agent.state", "a3", agent=LOGIN, eventType="LOGOFF")]))
        wall.until_text(part("state"), "Logged out")
        wall.page.keyboard.press("Escape")
        wall.page.wait_for_selector("#agent", state="hidden")
        assert wall.errors == []


def test_arrow_keys_move_between_agents(wall: Screen) -> None:
    """The arrow keys also reach agents whose rows are not visible."""
    wall.sign_in()
    wall.page.wait_for_selector("#agents [data-login]")
    wall.page.click("#agents [data-order=name]")
    wall.until(
        """(() => {
        const names = [...document.querySelectorAll("#agents tbody button")]
            .map((one) => one.textContent);
        return names.length > 1 && String(names) === String([...names].sort());
    })()"""
    )
    wall.page.focus("#agents .scroll")
    name = "document.activeElement.textContent"
    names = []
    for _ in range(40):
        wall.page.keyboard.press("ArrowDown")
        names.append(wall.page.evaluate(name))
        wall.page.evaluate("new Promise(requestAnimationFrame)")
    assert names == sorted(names)
    assert len(set(names)) == 40
    wall.page.keyboard.press("ArrowUp")
    assert wall.page.evaluate(name) == names[-2]


def test_agents_are_not_buttons_on_a_wall(browser: Browser, floors: Floors) -> None:
    """A wall has no input devices, so the agents on it are not buttons."""
    events = [*waiting_call(1, 38049), event("agent.state", "a1", **STATE)]
    with floors.open(browser, events, view="#wall") as (wall, _):
        wall.page.wait_for_selector("#agents [data-login]")
        assert wall.page.locator("#agents tbody button").count() == 0
