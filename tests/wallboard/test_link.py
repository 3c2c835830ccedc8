"""Tests of the page's Source, which a browser's tabs share or which runs in a single tab."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.real.server import Caller, Server
from tests.real.sites import event, ndjson
from tests.wallboard.screen import Screen, screen

TABS = 4
STREAMS = "floorcast_feed_open_streams"
STATE = "document.querySelector('#agents [data-login=SEBY] [data-state]')?.dataset.state"
FORM = "#sign-in:not([hidden])"


@pytest.fixture
def shared(browser: Browser, floor: Server) -> Iterator[Screen]:
    """Yield the first tab of a browser whose tabs share a worker."""
    with screen(browser, floor.url, shared=True) as one:
        yield one


def enter(source: Caller, number: str, kind: str) -> None:
    """Send an event with which SEBY enters a state."""
    one = event("agent.state", number, agent="SEBY", service=38049, eventType=kind)
    source.take(ndjson([one]))


def beside(tab: Screen, count: int) -> list[Screen]:
    """Open more tabs in the same browser, which use the first tab's session."""
    tabs = [Screen(tab.page.context, tab.url) for _ in range(count)]
    for one in tabs:
        one.open()
        one.page.wait_for_selector("#services tbody tr")
        one.page.fill("#agents input", "seby")
    return tabs


def until_streams(tab: Screen, source: Caller, count: int) -> None:
    """Wait until the server has this many open streams."""
    tab.until_true(lambda: source.metric_value(STREAMS) == count, f"{count} streams are open")


def test_four_tabs_share_one_connection(shared: Screen, source: Caller) -> None:
    """All tabs use one connection per feed. A browser has only six per host, enough for three tabs.

    If the first tab is closed, the others miss no event.
    """
    enter(source, "t1", "READY")
    shared.sign_in(user="manager")
    shared.page.wait_for_selector("#services tbody tr")
    tabs = beside(shared, TABS - 1)
    until_streams(shared, source, 2)
    for tab in tabs:
        tab.until(f"{STATE} === '2'")
    enter(source, "t2", "IN_CALL")
    for tab in tabs:
        tab.until(f"{STATE} === '4'")
    token = tabs[0].token("agents")
    shared.page.close()
    enter(source, "t3", "WRAP_UP")
    for tab in tabs:
        tab.until(f"{STATE} === '5'")
        tab.until_text("#freshness", "Live")
        assert tab.errors == []
    assert tabs[0].token("agents") >= token
    assert source.metric_value(STREAMS) == 2


def test_tabs_with_different_views_share_the_connection(shared: Screen, source: Caller) -> None:
    """Each tab counts the live connects of its own view."""
    shared.sign_in(user="manager", view="#service=38062")
    shared.page.wait_for_selector("#connects-chart canvas")
    other = Screen(shared.page.context, shared.url)
    other.open("#service=38049")
    other.page.wait_for_selector("#connects-chart canvas")
    until_streams(shared, source, 2)

    def told(tab: Screen) -> int:
        text = tab.page.inner_text("#connects-chart [data-more]")
        return int(text.split()[0])

    wanted = []
    for service in (38062, 38049):
        body = {"filter": {"service": [{"id": service}]}}
        answer = source.http.post("/realtime/service/liveConnects", json=body).json()
        wanted.append(sum(int(one["total"]) for one in answer["liveConnects"]))
    assert wanted[0] != wanted[1]
    shared.until_true(lambda: [told(shared), told(other)] == wanted, "each has its own")


def test_one_tab_renews_the_session_for_all_tabs(shared: Screen, source: Caller) -> None:
    """The first tab knows the password and logs in again. The second tab uses the new session."""
    kept = "JSON.parse(sessionStorage.getItem('floorcast.session') ?? '{}').id"
    shared.sign_in(user="manager")
    (other,) = beside(shared, 1)
    session = shared.page.evaluate(kept)
    assert other.page.evaluate(kept) == session
    source.http.delete(f"/session/logout/{session}")

    def renewed() -> bool:
        ids = {tab.page.evaluate(kept) for tab in (shared, other)}
        return len(ids) == 1 and not ids & {None, session}

    shared.until_true(renewed, "both tabs have the new session")
    assert other.page.is_hidden(FORM)


def test_signing_out_in_one_tab_signs_all_tabs_out(shared: Screen) -> None:
    """After a user signs out in one tab, no tab shows the floor."""
    shared.sign_in(user="manager")
    (other,) = beside(shared, 1)
    shared.page.click("#sign-out")
    for tab in (shared, other):
        tab.page.wait_for_selector(FORM)
    other.until_text("#sign-in-why", "signed out in another tab")
    assert other.page.locator("#services tbody tr:visible").count() == 0


def test_the_page_works_without_a_worker(browser: Browser, floor: Server) -> None:
    """If the worker cannot be started, the tab follows the floor itself."""
    with screen(browser, floor.url, shared=True) as wall:
        broken = "globalThis.SharedWorker = class { constructor() { throw new Error('no'); } }"
        wall.page.add_init_script(broken)
        wall.record()
        wall.sign_in(user="manager")
        wall.page.wait_for_selector("#services tbody tr")
        wall.page.wait_for_selector("#agents [data-login]")
        assert any("/agentEvent/feed/sse" in url for url in wall.requested_urls)


def test_a_reopened_tab_uses_the_current_session(
    shared: Screen,
) -> None:
    """A tab that still has an old session takes over the current session of the other tabs."""
    kept = "JSON.parse(sessionStorage.getItem('floorcast.session') ?? '{}').id"
    shared.sign_in(user="manager")
    (other,) = beside(shared, 1)
    session = shared.page.evaluate(kept)
    other.page.evaluate(
        "() => sessionStorage.setItem('floorcast.session', JSON.stringify("
        "{id: '00000000-0000-4000-8000-000000000000', client: 'ACME', user: 'manager'}))"
    )
    other.page.reload()
    other.page.wait_for_selector("#services tbody tr")
    other.until(f"{kept} === '{session}'")
    assert shared.page.evaluate(kept) == session
    assert shared.page.is_hidden(FORM)
