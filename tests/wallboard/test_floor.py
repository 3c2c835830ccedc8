"""Tests of the agents on the page, which come from snapshots and from the stream."""

from __future__ import annotations

import re

from playwright.sync_api import Route

from tests.real.server import Caller
from tests.real.sites import event, ndjson
from tests.wallboard.screen import Screen

STATUS = "**/realtime/service/agents/status"
STREAM = "**/realtime/agentEvent/feed/sse*"


def enter(source: Caller, number: object, kind: str) -> None:
    """Send an event with which SEBY enters a state."""
    one = event("agent.state", f"f{number}", agent="SEBY", service=38049, eventType=kind)
    source.take(ndjson([one]))


def until_state(wall: Screen, state: int) -> None:
    """Wait until the page shows SEBY in a state."""
    wall.page.fill("#agents input", "seby")
    wall.page.wait_for_selector(f"#agents [data-login=SEBY] [data-state='{state}']")


def test_events_before_the_stream_opens_are_not_missed(wall: Screen, source: Caller) -> None:
    """The stream starts at the snapshot's position, so no event is missed."""
    enter(source, 1, "READY")
    states = iter(("DIALING",))

    def on_its_way(route: Route) -> None:
        for kind in states:
            enter(source, 2, kind)
        route.continue_()

    wall.page.route(STREAM, on_its_way)
    wall.sign_in()
    wall.page.wait_for_selector("#agents[data-feed-token]")
    token = wall.token("agents")
    until_state(wall, 9)
    assert wall.token("agents") == token


def test_an_outdated_snapshot_is_ignored(wall: Screen, source: Caller) -> None:
    """A lagging node may send an older snapshot. The page ignores it and follows the feed on."""
    enter(source, 3, "READY")
    wall.page.clock.install()
    with wall.page.expect_response(STATUS) as first:
        wall.sign_in()
    until_state(wall, 2)
    enter(source, 4, "DIALING")
    until_state(wall, 9)
    old = first.value
    old_body, old_headers = old.text(), {"feed-token": old.headers["feed-token"]}
    wall.page.route(
        STATUS, lambda route: route.fulfill(body=old_body, headers=old_headers, status=200)
    )
    wall.page.route(STREAM, lambda route: route.abort())
    with wall.page.expect_request(STREAM):
        wall.pass_time(25)
    wall.page.evaluate("new Promise(requestAnimationFrame)")
    until_state(wall, 9)
    wall.page.unroute(STREAM)
    wall.page.unroute(STATUS)
    enter(source, 5, "REGISTERING")
    until_state(wall, 10)


def test_a_refused_feed_is_followed_again_automatically(wall: Screen, source: Caller) -> None:
    """The page uses snapshots until the permission is restored, and then follows the feed."""
    enter(source, 6, "READY")
    wall.page.clock.install()
    refusal = {"status": 403, "json": {"code": 302, "message": "the role may not use the feeds"}}
    feeds = re.compile("/realtime/(agentEvent|event)/feed")
    wall.page.route(feeds, lambda route: route.fulfill(**refusal))
    with wall.page.expect_response("**/realtime/agentEvent/feed"):
        wall.sign_in()
    until_state(wall, 2)
    enter(source, 7, "DIALING")
    wall.pass_time(5)
    until_state(wall, 9)
    wall.page.unroute(feeds)
    with (
        wall.page.expect_request(STREAM),
        wall.page.expect_request("**/realtime/event/feed/sse*"),
    ):
        wall.pass_time(70)
    enter(source, 8, "REGISTERING")
    until_state(wall, 10)
