"""A browser, and one server with a floor at work, for all tests of the wallboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.real.server import Caller, Server, running
from tests.real.sites import ndjson
from tests.wallboard.screen import CHROMIUM, Screen, chromium, screen
from tests.wallboard.shifts import WALL_SITE, campaigns, shift


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; each test has cookies and storage of its own.

    While it is there, nothing else on this thread can run an event loop: so not for longer.
    """
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with chromium() as one:
        yield one


@pytest.fixture(scope="session")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose client ACME has a shift at work."""
    with (
        running(tmp_path_factory.mktemp("wallboard"), site=WALL_SITE) as server,
        Caller(server.url) as caller,
    ):
        caller.take(ndjson([*campaigns(), *shift(agents=60, calls=200, waiting=9)]))
        yield server


@pytest.fixture
def wall(browser: Browser, floor: Server) -> Iterator[Screen]:
    """A screen in front of it."""
    with screen(browser, floor.url) as one:
        yield one


@pytest.fixture
def source(floor: Server) -> Iterator[Caller]:
    """Somebody who sends events to it, and asks it."""
    with Caller(floor.url) as caller:
        caller.login()
        yield caller
