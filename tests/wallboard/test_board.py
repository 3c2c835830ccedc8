"""Tests of the whole board: its requests, and its contents for each role."""

from __future__ import annotations

import re

from tests.real.server import Caller
from tests.real.sites import event, ndjson
from tests.wallboard.screen import Screen

SERVICES = "#services tbody tr"
QUEUE = "#services [data-id='38063'] td:nth-child(3)"
ASKED = re.compile(r"/(wallboard|session|realtime)(/|\?|$)")


def test_the_board_uses_only_this_server_without_errors(wall: Screen, source: Caller) -> None:
    """The board requests only this server's paths, and causes no errors or warnings."""
    wall.record()
    wall.sign_in()
    wall.page.wait_for_selector(SERVICES)
    wall.page.wait_for_selector("#agents [data-login]")
    wall.page.wait_for_selector("#connects-chart canvas")
    token = wall.token("services")
    source.take(
        ndjson([event("agent.state", "b1", agent="SEBY", service=38049, eventType="READY")])
    )
    wall.page.fill("#agents input", "seby")
    wall.page.wait_for_selector("#agents [data-login=SEBY]")
    wall.until(f"document.getElementById('services').dataset.feedToken !== '{token}'")
    assert wall.errors == []
    paths = [url.removeprefix(wall.url) for url in wall.requested_urls]
    assert [path for path in paths if not ASKED.match(path)] == []


def test_a_waiting_call_is_listed_until_answered(wall: Screen, source: Caller) -> None:
    """While a call is waiting, it is listed and counts at its service."""
    call = {"transactionId": 4711, "sessionId": "S4711"}
    wall.sign_in()
    wall.page.wait_for_selector("#waiting tbody tr")
    who = {"direction": "INBOUND", "callerId": "5550004711"}
    source.take(
        ndjson(
            [
                event("call.start", "w1", **call, service=38063, **who),
                event("call.queue", "w2", **call),
            ]
        )
    )
    wall.until_text("#waiting tbody tr", "5550004711")
    wall.page.wait_for_selector(f"{QUEUE}[data-value='1']")
    source.take(ndjson([event("call.end", "w3", **call)]))
    wall.page.locator("#waiting tbody tr", has_text="5550004711").wait_for(state="detached")
    wall.page.wait_for_selector(f"{QUEUE}[data-value='0']")


def test_panels_without_permission_show_a_reason(wall: Screen) -> None:
    """An auditor sees the campaigns. The other panels explain why they show nothing."""
    wall.sign_in(user="auditor")
    wall.page.wait_for_selector("#campaigns tbody tr")
    for panel in ("services", "agents", "waiting", "queue-chart", "connects-chart"):
        wall.until_text(
            f"#{panel} .explanation", "The role Auditor may not use the service methods"
        )
        assert wall.page.locator(f"#{panel} table:visible, #{panel} canvas:visible").count() == 0
    assert wall.page.is_hidden("#campaigns .explanation")
    assert set(wall.texts("#glance .value")) == {"\N{EN DASH}"}  # hidden figures are not shown as 0
    wall.until_current()


def test_agents_are_shown_without_permission_for_feeds(wall: Screen, source: Caller) -> None:
    """A superuser may not read the feeds, so the page polls the statistics."""
    wall.sign_in(user="superuser")
    wall.page.wait_for_selector("#agents [data-login]")
    source.take(
        ndjson([event("agent.state", "p1", agent="VKUMARK", service=38049, eventType="DIALING")])
    )
    wall.page.fill("#agents input", "vinay")
    wall.page.wait_for_selector("#agents [data-login=VKUMARK] [data-state='9']")
    wall.until_current()


def test_a_limited_user_sees_only_their_services(wall: Screen) -> None:
    """A limited user's board does not show services outside the limits."""
    wall.sign_in(user="limited")
    wall.page.wait_for_selector(SERVICES)
    assert {row[0] for row in wall.rows("services").values()} == {"Sales", "Claims"}
    wall.page.wait_for_selector("#agents [data-login]")
    assert {row[3] for row in wall.rows("agents").values()} <= {"Sales", "Claims"}


def test_hidden_tabs_do_not_follow_feeds(wall: Screen, source: Caller) -> None:
    """A hidden tab closes its streams.

    A browser opens only six connections per host, which three hidden tabs would use up.
    """
    turn = """(hidden) => {
        Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""

    def until_streams(count: int) -> None:
        metric = "floorcast_feed_open_streams"
        wall.until_true(lambda: source.metric_value(metric) == count, f"{count} streams are open")

    until_streams(0)
    wall.sign_in()
    until_streams(2)
    wall.page.evaluate(turn, True)
    until_streams(0)
    source.take(ndjson([event("agent.state", "h1", agent="SEBY", eventType="REGISTERING")]))
    wall.page.evaluate(turn, False)
    until_streams(2)
    wall.page.fill("#agents input", "seby registering")
    wall.page.wait_for_selector("#agents [data-login=SEBY]")
