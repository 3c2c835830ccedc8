"""Fixtures for the wallboard tests: a browser, and a server with an active floor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import chromium
from tests.real.server import Caller, Server, running
from tests.real.sites import ndjson
from tests.wallboard.floors import Floors
from tests.wallboard.screen import Screen, screen, undo
from tests.wallboard.shifts import WALL_SITE, campaigns, shift

_open = ExitStack()


@cache
def _browser() -> Browser:
    return _open.enter_context(chromium())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Close the browser after the last test, because an open browser blocks other event loops."""
    yield
    if nextitem is None or nextitem.path.parent != item.path.parent:
        _browser.cache_clear()
        _open.close()


@pytest.fixture(scope="module")
def browser() -> Browser:
    """Return the browser, which all tests share. Each screen has its own cookies and storage."""
    return _browser()


@pytest.fixture(scope="session")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server whose client ACME has a shift in progress."""
    with (
        running(tmp_path_factory.mktemp("wallboard"), site=WALL_SITE) as server,
        Caller(server.url) as caller,
    ):
        caller.take(ndjson([*campaigns(), *shift(agents=60, calls=200, waiting=9)]))
        yield server


@pytest.fixture(scope="module")
def scripts(browser: Browser, floor: Server) -> Iterator[Page]:
    """Yield a page of the server without scripts, for tests of functions that it imports.

    The tests of a module share it, because loading the whole wallboard takes most of their time.
    """
    with screen(browser, floor.url) as one:
        one.page.goto(f"{floor.url}/")
        yield one.page


@pytest.fixture(scope="session")
def floors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floors]:
    """Yield floors for single tests."""
    found = Floors(lambda: tmp_path_factory.mktemp("floors"))
    yield found
    found.close()


@pytest.fixture
def wall(browser: Browser, floor: Server) -> Iterator[Screen]:
    """Yield a screen for the shared floor."""
    with screen(browser, floor.url) as one:
        yield one


@pytest.fixture(scope="module")
def signed_in(browser: Browser, floor: Server) -> Iterator[Screen]:
    """Yield a screen on which the system administrator is signed in to the shared floor."""
    with screen(browser, floor.url) as one:
        one.sign_in()
        yield one


@pytest.fixture
def board(signed_in: Screen) -> Iterator[Screen]:
    """Yield the board of the shared floor for tests that need no new page and store nothing.

    The tests of a module share the page. What a test has opened, selected or typed is undone.
    """
    yield signed_in
    undo(signed_in)


@pytest.fixture
def source(floor: Server) -> Iterator[Caller]:
    """Yield a caller that can send events and requests to the floor."""
    with Caller(floor.url) as caller:
        caller.login()
        yield caller
