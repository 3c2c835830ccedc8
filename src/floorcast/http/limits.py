"""Limits on requests: per minute, in progress, and per turn of the event loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple, TypeVar

from floorcast.feeds.filters import Matcher
from floorcast.ingest.intake import ClientSemaphore
from floorcast.model.errors import RateLimited
from floorcast.model.loop_turns import ClientQueue
from floorcast.model.token import TICKS_PER_SECOND, Now

__all__ = ["REQUESTS_PER_TURN", "AnswerLimits", "RateLimit", "ReaderLimits", "TurnLimiter"]


WINDOW = 60  # seconds


class _Window(NamedTuple):
    end: int  # ticks
    left: int


class RateLimit:
    """Counts each session's requests per minute. A ``limit`` of 0 means no limit.

    ``monotonic`` is a clock that does not jump, as the wall clock may.
    """

    def __init__(self, limit: int, monotonic: Now) -> None:
        self._limit = limit
        self._now = monotonic
        self._windows: dict[str, _Window] = {}  # in the order in which they end

    def __len__(self) -> int:
        return len(self._windows)

    def count(self, session: str) -> tuple[tuple[str, str], ...]:
        """Count a request, and return the ``RateLimit`` header fields for its response.

        Raises RateLimited if no requests are left in the window. ``header_fields`` returns the
        header fields for that response.
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
        return self.header_fields(session)

    def header_fields(self, session: str) -> tuple[tuple[str, str], ...]:
        """Return a session's current ``RateLimit`` header fields."""
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


MAX_FILTER_BYTES = 16 << 20  # bytes in the filters of one client's readers
MAX_SENDING_BYTES = 64 << 20  # bytes of responses that are being sent to one client
SMALL_ANSWER_BYTES = 16 << 10  # a connection may hold this many bytes in any case

T = TypeVar("T")


class ReaderLimits:
    """Counts the waiting and streaming readers. A session is identified by its digest.

    The total size of the filters of a client's readers is limited. Equal filters count once.
    Readers that have left take no memory.
    """

    def __init__(
        self,
        per_session: int = 100,
        per_client: int = 20_000,
        filter_bytes: int = MAX_FILTER_BYTES,
    ) -> None:
        self._per_session = per_session
        self._per_client = per_client
        self._filter_bytes = filter_bytes
        self._sessions: Counter[str] = Counter()
        self._clients: Counter[int] = Counter()
        self._filters: Counter[tuple[int, Matcher]] = Counter()
        self._bytes: Counter[int] = Counter()  # of the filters, by client

    def check(self, client: int, session: str, matcher: Matcher) -> None:
        """Raise RateLimited unless there is room for one more reader with this filter."""
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
        added_bytes = 0 if (client, matcher) in self._filters else matcher.size
        if added_bytes and self._bytes[client] + added_bytes > self._filter_bytes:
            raise RateLimited(
                f"the filters of the client's readers take {self._filter_bytes >> 20} MiB: give"
                " readers the same filter, or name fewer ids",
                RETRY_SECONDS,
            )

    def enter(self, client: int, session: str, matcher: Matcher) -> None:
        """Count one more reader."""
        self._sessions[session] += 1
        self._clients[client] += 1
        self._filters[client, matcher] += 1
        if self._filters[client, matcher] == 1:
            self._bytes[client] += matcher.size

    def leave(self, client: int, session: str, matcher: Matcher) -> None:
        """Stop counting one reader."""
        _decrement(self._sessions, session)
        _decrement(self._clients, client)
        _decrement(self._filters, (client, matcher))
        if (client, matcher) not in self._filters:
            _decrement(self._bytes, client, matcher.size)

    def filter_bytes(self, client: int) -> int:
        """Return the number of bytes in the filters of a client's readers."""
        return self._bytes[client]

    @contextmanager
    def hold(self, client: int, session: str, matcher: Matcher) -> Iterator[None]:
        """Count one reader while the block runs. Raises RateLimited."""
        self.check(client, session, matcher)
        self.enter(client, session, matcher)
        try:
            yield
        finally:
            self.leave(client, session, matcher)


def _decrement(counts: Counter[T], key: T, by: int = 1) -> None:
    counts[key] -= by
    if not counts[key]:
        del counts[key]


class AnswerLimits:
    """Limits the loop time that one client's statistics take, and the memory of its responses.

    Up to ``max_building`` responses of a client are built at the same time, while up to
    ``max_waiting`` requests wait. The responses being sent to a client take at most ``max_bytes``.
    Responses that share their bytes count once, and small responses do not count. A client at a
    limit gets 429.
    """

    def __init__(
        self,
        max_building: int = 4,
        max_waiting: int = 256,
        max_bytes: int = MAX_SENDING_BYTES,
    ) -> None:
        self._max_waiting = max_waiting
        self._max_bytes = max_bytes
        self._building = ClientSemaphore(max_building)
        self._sent: Counter[tuple[int, int]] = Counter()  # by client and the content's identity
        self._bytes: Counter[int] = Counter()

    @asynccontextmanager
    async def building(self, client: int) -> AsyncIterator[None]:
        """Wait for a turn to build a response. Raises RateLimited if too many requests wait."""
        if self._building.waiting(client) >= self._max_waiting:
            raise RateLimited(
                f"{self._max_waiting:,} requests for the client's statistics wait: ask less often",
                1,
            )
        async with self._building.turn(client):
            yield

    @contextmanager
    def sending(self, client: int, body: object, size: int) -> Iterator[None]:
        """Count a response while it is sent. Raises RateLimited if the client has too many."""
        if size <= SMALL_ANSWER_BYTES:
            yield
            return
        key = client, id(body)
        if key not in self._sent:
            if self._bytes[client] and self._bytes[client] + size > self._max_bytes:
                raise RateLimited(
                    f"{self._max_bytes >> 20} MiB of responses are being sent to the client: read"
                    " them, or ask for less at once",
                    1,
                )
            self._bytes[client] += size
        self._sent[key] += 1
        try:
            yield
        finally:
            _decrement(self._sent, key)
            if key not in self._sent:
                _decrement(self._bytes, client, size)


REQUESTS_PER_TURN = 8  # requests that begin in one turn of the loop: 1 to 2 ms of work


class TurnLimiter:
    """Admits a few requests per turn of the event loop that it belongs to.

    Clients take turns, and the requests of a client keep their order.
    """

    def __init__(self) -> None:
        self._queue = ClientQueue()
        self._left = REQUESTS_PER_TURN

    async def enter(self, client: int) -> None:
        """Return immediately if this turn has room. Otherwise, wait for a turn that has room."""
        if self._left == REQUESTS_PER_TURN:
            asyncio.get_running_loop().call_soon(self._next_turn)
        if self._left:
            self._left -= 1
            return
        await self._queue.wait(client)

    def _next_turn(self) -> None:
        self._left = REQUESTS_PER_TURN
        while self._left and self._queue.waiting and self._queue.grant():
            self._left -= 1
        if self._left < REQUESTS_PER_TURN:
            asyncio.get_running_loop().call_soon(self._next_turn)
