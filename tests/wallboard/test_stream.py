"""Tests of the page while its server is killed and restarted."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

from tests.real.server import Caller, running
from tests.real.sites import event, ndjson
from tests.wallboard.screen import screen

STATE = "(login) => document.querySelector(`[data-login=${login}] [data-state]`)?.dataset.state"


def state_of(login: str, state: int) -> str:
    return f"({STATE})('{login}') === '{state}'"


def test_the_page_recovers_after_a_kill(tmp_path: Path, browser: Browser) -> None:
    """While the server is down, the page shows the age of its data. No event is missed."""
    with (
        running(tmp_path) as server,
        Caller(server.url, up=server.up) as caller,
        screen(browser, server.url) as wall,
    ):
        caller.login()

        def enter(number: int, agent: str, kind: str) -> None:
            one = event("agent.state", number, agent=agent, service=38049, eventType=kind)
            caller.take(ndjson([one]))

        enter(1, "SEBY", "READY")
        wall.page.clock.install()
        wall.sign_in()
        wall.until(state_of("SEBY", 2))
        enter(2, "SEBY", "IN_CALL")
        wall.until(state_of("SEBY", 4))
        server.kill()
        wall.pass_time(5)
        wall.until_text("#freshness", "Connection lost")
        wall.pass_time(15)
        wall.until("document.documentElement.dataset.fresh === 'false'")
        wall.until_text("#freshness-what", "as of")
        assert wall.page.is_visible("#services tbody tr")
        server.start()
        enter(3, "VKUMARK", "NOT_READY")
        wall.pass_time(10)
        wall.until_text("#freshness", "Live")
        wall.until(state_of("VKUMARK", 3))
        enter(4, "SEBY", "WRAP_UP")
        wall.until(state_of("SEBY", 5))
        wall.until("document.documentElement.dataset.fresh === 'true'")
        wall.until_text("#announcement", "live again")
