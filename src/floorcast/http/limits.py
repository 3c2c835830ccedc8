"""What limits requests: per minute, at the same time, and per turn of the event loop."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from floorcast.model.errors import RateLimited
from floorcast.model.token import TICKS_PER_SECOND, Now

__all__ = ["ROOM", "RateLimit", "ReaderLimits", "TurnLimiter"]


WINDOW = 60  # seconds


class _Window(NamedTuple):
    end: int  # ticks
    left: int


class RateLimit:
    """Counts each session's requests per minute; a ``limit`` of 0 is none."""

    def __init__(self, limit: int, now: Now) -> None:
        self._limit = limit
        self._now = now
        self._windows: dict[str, _Window] = {}  # in the order in which they end

    def __len__(self) -> int:
        return len(self._windows)

    def count(self, session: str) -> tuple[tuple[str, str], ...]:
        """Count a request; returns the ``RateLimit`` header fields of its response.

        Raises RateLimited when the window's requests are used up; ``standing`` returns the
        fields for that response.
        """
        if not self._limit:
            return ()
        now = self._now()
        self._forget(now)
        window = self._windows.get(session)
        if window is None:
            window = _Window(now + WINDOW * TICKS_PER_SECOND, self._limit)
        if window.left == 0:
            raise RateLimited(
                f"more than {self._limit} requests in a minute", _seconds(window.end - now)
            )
        self._windows[session] = window = window._replace(left=window.left - 1)
        return self.standing(session)

    def standing(self, session: str) -> tuple[tuple[str, str], ...]:
        """The current ``RateLimit`` header fields of a session."""
        window = self._windows.get(session)
        if window is None:
            return ()
        reset = _seconds(window.end - self._now())
        return (
            ("ratelimit-policy", f'"session";q={self._limit};w={WINDOW}'),
            ("ratelimit", f'"session";r={window.left};t={reset}'),
        )

    def _forget(self, now: int) -> None:
        while self._windows:
            session, window = next(iter(self._windows.items()))
            if window.end > now:
                return
            del self._windows[session]


def _seconds(ticks: int) -> int:
    return max(1, -(-ticks // TICKS_PER_SECOND))


RETRY_SECONDS = 10  # as long as a poll waits


class ReaderLimits:
    """Counts the readers that wait or stream; a session is known by its digest.

    Memory is per reader that is there: what has left leaves nothing behind.
    """

    def __init__(self, per_session: int = 100, per_client: int = 20_000) -> None:
        self._per_session = per_session
        self._per_client = per_client
        self._sessions: Counter[str] = Counter()
        self._clients: Counter[int] = Counter()

    def check(self, client: int, session: str) -> None:
        """Raise RateLimited unless there is room for one more reader."""
        if self._sessions[session] >= self._per_session:
            raise RateLimited(
                f"the session has {self._per_session:,} streams and waiting polls: close some, "
                "or log in with another API token",
                RETRY_SECONDS,
            )
        if self._clients[client] >= self._per_client:
            raise RateLimited(
                f"the client has {self._per_client:,} streams and waiting polls: close some",
                RETRY_SECONDS,
            )

    def enter(self, client: int, session: str) -> None:
        """Count one more reader."""
        self._sessions[session] += 1
        self._clients[client] += 1

    def leave(self, client: int, session: str) -> None:
        """Count one reader less."""
        self._sessions[session] -= 1
        self._clients[client] -= 1
        if not self._sessions[session]:
            del self._sessions[session]
        if not self._clients[client]:
            del self._clients[client]

    @contextmanager
    def held(self, client: int, session: str) -> Iterator[None]:
        """One reader, for as long as the block runs; raises RateLimited."""
        self.check(client, session)
        self.enter(client, session)
        try:
            yield
        finally:
            self.leave(client, session)


ROOM = 8  # requests that begin in one turn of the loop: 1 to 2 ms of work


class TurnLimiter:
    """Admits requests in the order in which they came. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._left = ROOM

    async def enter(self) -> None:
        """Return at once while this turn has room; otherwise wait for a turn that has."""
        loop = asyncio.get_running_loop()
        if self._left == ROOM:
            loop.call_soon(self._turn)
        if self._left:
            self._left -= 1
            return
        mine = loop.create_future()
        self._waiting.append(mine)
        await mine

    def _turn(self) -> None:
        self._left = ROOM
        while self._waiting and self._left:
            first = self._waiting.popleft()
            if not first.done():
                first.set_result(None)
                self._left -= 1
        if self._left < ROOM:
            asyncio.get_running_loop().call_soon(self._turn)
