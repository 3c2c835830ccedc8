"""The screen of ``floorcast top``: requests the floor from the server and draws it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf

from msgspec import structs
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from floorcast.cli.floor_view import FloorResponses, draw
from floorcast.cli.login import report_recovery, report_wait
from floorcast.client import AsyncClient, Credentials, Filter, Timing

__all__ = ["FloorScreen", "fetch_floor"]

ONCE_TIMEOUT_SECONDS = 10.0  # the time limit for the server if the floor is printed once
REDRAW_SECONDS = 0.5  # seconds between two redraws; durations advance even without new data


async def fetch_floor(url: str, credentials: Credentials, filter: Filter) -> FloorResponses:
    """Return the current floor. Raises Unavailable if the server does not respond in 10 s."""
    timing = Timing(patience=ONCE_TIMEOUT_SECONDS, waiting=report_wait, back=report_recovery)
    async with AsyncClient(url, credentials, timing=timing) as reader:
        return await _fetch(reader, filter)


async def _fetch(reader: AsyncClient, filter: Filter) -> FloorResponses:
    # sequential, so that an unavailable server is reported only once
    return FloorResponses(
        services=await reader.service_statistics(filter),
        agents=await reader.agent_status(filter),
        calls=await reader.waiting_calls(filter),
    )


class FloorScreen:
    """Shows the floor on an alternate screen until it is stopped."""

    def __init__(self, url: str, credentials: Credentials, filter: Filter, interval: float) -> None:
        self._url = url
        self._credentials = credentials
        self._filter = filter
        self._interval = interval
        self._title = f"{credentials.client} at {url}   q quits"
        self._last: FloorResponses | None = None
        self._last_at = 0.0
        self._problem = ""
        self._stopped = asyncio.Event()

    async def run(self, console: Console) -> None:
        """Show the floor. If the server refuses a request, restore the screen and raise the error.

        Ends on q, Ctrl-C, SIGTERM or SIGHUP.
        """
        with (
            _quit_keys(self._stopped),
            Live(console=console, screen=True, auto_refresh=False) as live,
        ):
            following = asyncio.create_task(self._follow())
            following.add_done_callback(self._stop)
            while not self._stopped.is_set():
                live.update(self._render(console), refresh=True)
                await _wait(self._stopped, REDRAW_SECONDS)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        if not following.cancelled():
            following.result()

    async def _follow(self) -> None:
        timing = Timing(patience=inf, waiting=self._report_wait)
        async with AsyncClient(self._url, self._credentials, timing=timing) as reader:
            while True:
                self._last = await _fetch(reader, self._filter)
                self._last_at, self._problem = time.monotonic(), ""
                await asyncio.sleep(self._interval)

    def _report_wait(self, _seconds: float, why: str) -> None:
        self._problem = why

    def _stop(self, _following: asyncio.Task[None]) -> None:
        self._stopped.set()

    def _render(self, console: Console) -> RenderableType:
        if self._last is None:
            return Text(f"{self._title}   {self._problem or 'waiting for the server ...'}")
        age = time.monotonic() - self._last_at
        responses = structs.replace(self._last, age=age, problem=self._problem)
        return draw(responses, self._title, console.width, console.height)


async def _wait(stopped: asyncio.Event, seconds: float) -> None:
    """Wait until ``stopped`` is set, but at most this many seconds."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stopped.wait(), seconds)


@contextmanager
def _quit_keys(stopped: asyncio.Event) -> Iterator[None]:
    """Set ``stopped`` on q, Ctrl-C, SIGTERM or SIGHUP, and restore the terminal at the end."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    if not sys.stdin.isatty():
        yield
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)

    def pressed() -> None:
        # an empty read means that the terminal is closed
        if os.read(keyboard, 64) in {b"q", b"Q", b""}:
            stopped.set()

    tty.setcbreak(keyboard)
    loop.add_reader(keyboard, pressed)
    try:
        yield
    finally:
        loop.remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
