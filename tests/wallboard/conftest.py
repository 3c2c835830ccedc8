"""A browser, and one server with a floor at work, for all tests of the wallboard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache

import pytest
from playwright.sync_api import Browser

from tests.browser import chromium
from tests.real.server import Caller, Server, running
from tests.real.sites import ndjson
from tests.wallboard.screen import Screen, screen
from tests.wallboard.shifts import WALL_SITE, campaigns, shift

_open = ExitStack()


@cache
def _browser() -> Browser:
    return _open.enter_context(chromium())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Close the browser behind the last test here: with it, no other can run an event loop."""
    yield
    if nextitem is None or nextitem.path.parent != item.path.parent:
        _browser.cache_clear()
        _open.close()


@pytest.fixture(scope="module")
def browser() -> Browser:
    """The browser; each test has cookies and storage of its own."""
    return _browser()


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
