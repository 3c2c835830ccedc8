"""Tests of a past time on the board, which a user selects and leaves with one key."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from playwright.sync_api import Browser, Request

from tests.real.server import Caller, Server
from tests.real.sites import event, ndjson
from tests.wallboard.floors import show_moment
from tests.wallboard.screen import Screen, screen

SERVICES = "#services tbody tr"
QUEUE = "#services [data-id='38063'] td:nth-child(3)"
BAR = "#past-bar:not([hidden])"


def show(wall: Screen, ago: timedelta) -> None:
    """Select the time that was ``ago`` in the dialog."""
    wall.tool("#show-past")
    now = datetime.fromisoformat(wall.page.evaluate("new Date().toISOString()"))
    offset = wall.page.evaluate("new Date().getTimezoneOffset()")
    moment = now - timedelta(minutes=offset) - ago
    wall.page.fill("#past input", moment.strftime("%Y-%m-%dT%H:%M"))
    wall.page.click("#past [value=show]")


def test_a_time_before_the_log_is_explained_once(wall: Screen) -> None:
    """One message replaces the panels, with a button that leads to the earliest time.

    The dialog refuses such a time. It is reached only if retention removes data meanwhile.
    """
    wall.sign_in()
    wall.page.wait_for_selector(SERVICES)
    show(wall, timedelta(hours=20))
    assert wall.page.is_visible("#past"), "the dialog accepts a time before the first"
    wall.page.evaluate("() => { document.querySelector('#past input').min = ''; }")
    wall.page.click("#past [value=show]")
    wall.until_text(f"{BAR} p", "There is no data before ")
    wall.until("document.getElementById('freshness').innerText === 'Past'")
    assert wall.page.is_hidden("main.panels")
    assert wall.page.is_disabled("#past-bar [data-step='-1']")
    first = wall.page.inner_text(f"{BAR} p").removeprefix("There is no data before ")
    assert wall.page.inner_text("#past-bar [value=earliest]") == f"Go to {first.rstrip('.')}"
    wall.page.focus("#past-bar [value=earliest]")
    wall.page.keyboard.press("Enter")
    wall.until_text(f"{BAR} p", f"You are viewing the past: {first}")
    wall.until_text("#services .explanation", "No service has had an agent or a call today.")
    assert wall.page.is_disabled("#past-bar [data-step='-1']")
    wall.until("document.activeElement.textContent === '15 min later'")
    wall.page.keyboard.press("Escape")
    wall.page.wait_for_selector(SERVICES)
    wall.until_current()
    assert wall.page.is_hidden("#past-bar")
    failed = "the server responded with a status of 400"
    assert [one for one in wall.errors if failed not in one] == []


def test_the_board_shows_the_floor_as_it_was(browser: Browser, floor: Server) -> None:
    """All panels show the same past position, and new events do not appear."""
    with Caller(floor.url) as source, screen(browser, floor.url) as wall:
        source.login()
        wall.record()
        wall.sign_in()
        wall.page.wait_for_selector("#agents [data-login]")
        waiting = wall.page.get_attribute(QUEUE, "data-value")
        moment = wall.page.evaluate("Date.now()")
        asked: list[dict[str, object]] = []
        wall.page.on("request", lambda request: asked.append(body_of(request)))
        show_moment(wall, moment)
        wall.page.wait_for_selector(BAR)
        wall.page.wait_for_selector("#agents [data-login]")
        wall.page.wait_for_selector("#connects-chart canvas")
        call = {"transactionId": 4712, "sessionId": "S4712"}
        source.take(ndjson([event("call.queue", "past 1", **call, service=38063)]))
        assert wall.page.get_attribute(QUEUE, "data-value") == waiting
        wall.until_true(lambda: answered(wall, "liveConnects"), "the last panel has its response")
        wall.until_true(lambda: len(places_of(wall)) == 1, "every panel is at one position")
        places = places_of(wall)
        since = moment_in(wall.page.get_attribute("#queue-chart .plot", "aria-label") or "")
        half_an_hour_before = range(25, 41)  # minutes; intervals have five
        assert since in {minute_of(wall, moment - ago * 60_000) for ago in half_an_hour_before}
        past = [body for body in asked if "at" in body]
        assert past[0]["at"] == moment
        assert {body["at"] for body in past[1:]} <= {moment, *places}
        wall.page.click("#past-bar [value=live]")
        wall.page.wait_for_selector(f"{QUEUE}[data-value='{int(waiting or 0) + 1}']")
        assert wall.page.is_hidden("#past-bar")
        source.take(ndjson([event("call.end", "p2", **call)]))
        assert wall.errors == []


def test_stepping_through_the_past_on_a_phone(browser: Browser, floor: Server) -> None:
    """The bar with all its buttons fits on the screen. A step past now returns to the present.

    Escape first closes the menu. The buttons pass on the focus when they disappear.
    """
    with screen(browser, floor.url, width=390, height=844, touch=True) as wall:
        wall.sign_in()
        wall.page.wait_for_selector(SERVICES)
        show(wall, timedelta(minutes=10))
        wall.page.evaluate("() => { document.querySelector('#past input').min = ''; }")
        wall.page.click("#past [value=show]")
        wall.page.wait_for_selector(f"{BAR} [value=earliest]")
        box = wall.page.locator("#past-bar").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        wall.page.click("#show-menu")  # the dialog has closed it
        cut_off = "(all) => all.filter((one) => one.scrollWidth > one.clientWidth).length"
        assert wall.page.eval_on_selector_all(".tools button", cut_off) == 0
        wall.page.click("#past-bar [value=earliest]")
        wall.page.wait_for_selector("#past-bar b")
        wall.page.focus("#theme")
        wall.page.keyboard.press("Escape")
        assert wall.page.is_hidden("#theme"), "Escape does not close the menu"
        assert wall.page.is_visible("#past-bar"), "Escape closes the menu and leaves the past"
        wall.page.focus("#past-bar [data-step='1']")
        wall.page.keyboard.press("Enter")
        wall.page.wait_for_selector("#past-bar", state="hidden")
        wall.until_focused("#show-menu")
        wall.until_current()


def places_of(wall: Screen) -> set[str]:
    """Return the tokens of the positions that the panels show."""
    return {wall.token(panel) for panel in ("services", "agents", "waiting", "campaigns")}


def answered(wall: Screen, method: str) -> bool:
    """Return whether a method has responded for a past time.

    The page requests the methods one after another.
    """
    return any(
        one.url.endswith(method) and "at" in body_of(one.request) for one in list(wall.responses)
    )


def moment_in(description: str) -> str:
    """Return the time of day at which the queue's line begins."""
    return description.rpartition("since ")[2].partition(": ")[0]


def minute_of(wall: Screen, ms: int) -> str:
    """Return a time of day in the page's format."""
    text = "(ms) => new Intl.DateTimeFormat('en-GB', {timeStyle: 'short'}).format(ms)"
    found: str = wall.page.evaluate(text, ms)
    return found


def body_of(request: Request) -> dict[str, object]:
    """Return the decoded JSON of a request's body."""
    found: dict[str, object] = json.loads(request.post_data or "{}")
    return found
