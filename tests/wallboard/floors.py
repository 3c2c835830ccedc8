"""Floors for single tests, with their own events, and a screen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from tests.real.server import Caller, Server, running
from tests.real.sites import FLOORS, KEYS, TOKENS, event, ndjson
from tests.wallboard.screen import Screen, screen
from tests.wallboard.shifts import WALL_SITE

__all__ = ["Floors", "open_screen", "open_wallboard", "show_moment", "waiting_call"]

PHONE = 600  # pixels; a narrower screen is a phone


def waiting_call(
    number: int, service: int, time: str | None = None, **who: object
) -> list[dict[str, Any]]:
    """Return the events of a call that is waiting for a service."""
    call = {"transactionId": number, "sessionId": f"S{number}"}
    start = {"service": service, "direction": "INBOUND", **who}
    return [
        event("call.start", f"start {number}", time=time, **call, **start),
        event("call.queue", f"queue {number}", time=time, **call),
    ]


def with_floors(site: str) -> str:
    """Return a site with copies of another site's first client."""
    first = site.split("\n\n[[client]]", 1)[0]
    return "\n\n".join(
        first.replace('"ACME"', f'"{name}"')
        .replace("id = 47415", f"id = {number}")
        .replace("acme-token-for-tests", TOKENS[name])
        .replace("other-token-for-tests", f"other-{TOKENS[name]}")
        .replace("acme-key-for-testing", KEYS[name])
        for number, name in enumerate(FLOORS, 101)
    )


class Floors:
    """Floors that share a server if they have the same site.

    Each floor belongs to a client that no other test uses, so tests do not influence each other.
    ``folder`` makes a folder for a server.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder
        self._free: dict[str, list[tuple[Server, str]]] = {}
        self._servers = ExitStack()

    @contextmanager
    def open(
        self,
        browser: Browser,
        events: Iterable[dict[str, Any]],
        *,
        site: str = WALL_SITE,
        view: str = "",
        size: tuple[int, int] = (1440, 900),
    ) -> Iterator[tuple[Screen, Caller]]:
        """Yield a screen that shows a floor with these events, and a caller of its client."""
        server, client = self._unused(site)
        with Caller(server.url, client) as caller:
            caller.login()
            caller.take(ndjson(events))
            with open_screen(server, browser, client=client, view=view, size=size) as wall:
                yield wall, caller

    def close(self) -> None:
        """Stop the servers."""
        self._servers.close()

    def _unused(self, site: str) -> tuple[Server, str]:
        free = self._free.setdefault(site, [])
        if not free:
            server = self._servers.enter_context(running(self._folder(), site=with_floors(site)))
            free.extend((server, name) for name in FLOORS)
        return free.pop()


@contextmanager
def open_wallboard(
    folder: Path,
    browser: Browser,
    events: Iterable[dict[str, Any]],
    *,
    site: str = WALL_SITE,
    view: str = "",
    size: tuple[int, int] = (1440, 900),
    options: Iterable[object] = (),
) -> Iterator[tuple[Screen, Caller]]:
    """Run a server with these events. Yields a screen that shows its floor, and a caller."""
    with running(folder, *options, site=site) as server, Caller(server.url) as caller:
        caller.login()
        caller.take(ndjson(events))
        with open_screen(server, browser, view=view, size=size) as wall:
            yield wall, caller


@contextmanager
def open_screen(
    server: Server,
    browser: Browser,
    *,
    client: str = "ACME",
    view: str = "",
    size: tuple[int, int] = (1440, 900),
) -> Iterator[Screen]:
    """Yield a screen that shows a server's floor. A phone's screen has touch input."""
    with screen(browser, server.url, *size, touch=size[0] < PHONE) as wall:
        wall.page.clock.install()
        wall.sign_in(client, view=view)
        wall.page.wait_for_selector("#services tbody tr")
        yield wall


def show_moment(wall: Screen, ms: int) -> None:
    """Select a time in ms, although the dialog normally allows only whole minutes."""
    wall.page.click("#show-past")
    wall.page.evaluate(
        """(ms) => {
            const input = document.querySelector("#past input");
            input.step = "0.001";
            input.max = "";
            const offset = new Date(ms).getTimezoneOffset() * 60_000;
            input.value = new Date(ms - offset).toISOString().slice(0, 23);
        }""",
        ms,
    )
    wall.page.click("#past [value=show]")
