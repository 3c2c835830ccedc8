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

from floorcast.cli.floor_view import LastResponse, draw
from floorcast.cli.login import tell_back, tell_wait
from floorcast.client import AsyncClient, Credentials, Filter, Timing

__all__ = ["FloorScreen", "look"]

ONCE_TIMEOUT_SECONDS = 10.0  # the time limit for the server if the floor is printed once
REDRAWN = 0.5  # seconds between two redraws; durations advance even without new data


async def look(url: str, who: Credentials, what: Filter) -> LastResponse:
    """Return the current floor. Raises Unavailable if the server does not respond in 10 s."""
    timing = Timing(patience=ONCE_TIMEOUT_SECONDS, waiting=tell_wait, back=tell_back)
    async with AsyncClient(url, who, timing=timing) as reader:
        return await _ask(reader, what)


async def _ask(reader: AsyncClient, what: Filter) -> LastResponse:
    # sequential, so that an unavailable server is reported only once
    return LastResponse(
        services=await reader.service_statistics(what),
        agents=await reader.agent_status(what),
        calls=await reader.waiting_calls(what),
    )


class FloorScreen:
    """Shows the floor on an alternate screen until it is stopped."""

    def __init__(self, url: str, who: Credentials, what: Filter, interval: float) -> None:
        self._url = url
        self._who = who
        self._what = what
        self._interval = interval
        self._title = f"{who.client} at {url}   q quits"
        self._seen: LastResponse | None = None
        self._at = 0.0
        self._trouble = ""
        self._over = asyncio.Event()

    async def run(self, console: Console) -> None:
        """Show the floor. If the server refuses a request, restore the screen and raise the error.

        Ends on q, Ctrl-C or SIGTERM.
        """
        with _keys(self._over), Live(console=console, screen=True, auto_refresh=False) as live:
            following = asyncio.create_task(self._follow())
            following.add_done_callback(self._end)
            while not self._over.is_set():
                live.update(self._drawn(console), refresh=True)
                await _either(self._over, REDRAWN)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        if not following.cancelled():
            following.result()

    async def _follow(self) -> None:
        timing = Timing(patience=inf, waiting=self._waits)
        async with AsyncClient(self._url, self._who, timing=timing) as reader:
            while True:
                self._seen = await _ask(reader, self._what)
                self._at, self._trouble = time.monotonic(), ""
                await asyncio.sleep(self._interval)

    def _waits(self, _seconds: float, why: str) -> None:
        self._trouble = why

    def _end(self, _following: asyncio.Task[None]) -> None:
        self._over.set()

    def _drawn(self, console: Console) -> RenderableType:
        if self._seen is None:
            return Text(f"{self._title}   {self._trouble or 'waiting for the server ...'}")
        age = time.monotonic() - self._at
        seen = structs.replace(self._seen, age=age, trouble=self._trouble)
        return draw(seen, self._title, console.height)


async def _either(over: asyncio.Event, seconds: float) -> None:
    """Wait until ``over`` is set, but at most this many seconds."""
    with suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), seconds)


@contextmanager
def _keys(over: asyncio.Event) -> Iterator[None]:
    """Set ``over`` on q, Ctrl-C or SIGTERM, and restore the terminal at the end."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    if not sys.stdin.isatty():
        yield
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)

    def pressed() -> None:
        # an empty read means that the terminal is closed
        if os.read(keyboard, 64) in {b"q", b"Q", b""}:
            over.set()

    tty.setcbreak(keyboard)
    loop.add_reader(keyboard, pressed)
    try:
        yield
    finally:
        loop.remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
