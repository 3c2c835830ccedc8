"""Admits, decodes, checks, logs, folds and acknowledges requests with events.

The number of concurrent requests and the memory that their bodies take are limited. A request
counts the bytes that it has received, not its declared size, so an unfinished upload reserves
nothing. The memory of the decoded events is limited, too. No client can use more than half of the
total.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from msgspec import UNSET, Struct, UnsetType

from floorcast.ingest.decode import (
    BodyForm,
    Decoded,
    decode,
    estimate_decoded_bytes,
    split_body,
)
from floorcast.ingest.quotas import Quotas
from floorcast.ingest.verdicts import Rejected
from floorcast.log.port import Batch, EventLog
from floorcast.model.errors import Unavailable
from floorcast.model.token import Now, monotonic_now, to_ms
from floorcast.projection.runner import Projection
from floorcast.site.configuration import Limits

__all__ = [
    "MAX_BODIES_BYTES",
    "Admission",
    "AdmittedRequest",
    "Backlog",
    "Busy",
    "ClientSemaphore",
    "DecodedMemory",
    "IngestResult",
    "Intake",
    "NothingAccepted",
]

MAX_DECODED_BYTES = 256 << 20  # estimated size of all events between decoding and folding, in bytes
MAX_BODIES_BYTES = 512 << 20  # total size of the bodies in memory, in bytes
_CLIENT_SHARE = 2  # a client may use one half


class Busy(Unavailable):
    """The maximum number of requests with events is in progress."""


@dataclass(slots=True)
class _Usage:
    requests: int = 0
    size: int = 0  # bytes


class AdmittedRequest:
    """An admitted request. ``hold`` counts the bytes of its body as they arrive."""

    __slots__ = ("_client", "_max_bytes", "_total", "size")

    def __init__(self, total: _Usage, client: _Usage, max_bytes: int) -> None:
        self._total = total
        self._client = client
        self._max_bytes = max_bytes
        self.size = 0

    def hold(self, size: int) -> None:
        """Count ``size`` more bytes. Raises Busy, without counting, if there is no room."""
        room = min(
            self._max_bytes - self._total.size, self._max_bytes // _CLIENT_SHARE - self._client.size
        )
        if size > room:
            raise _busy()
        self.size += size
        self._total.size += size
        self._client.size += size


class Backlog(Protocol):
    """Derived data in memory that waits to be written to disk.

    ``may_be_full`` is a quick check. If it is true, ``is_full`` gives the exact answer.
    """

    may_be_full: bool

    def is_full(self) -> bool:
        """Return whether the backlog is so large that no more events should be accepted."""
        ...


class Admission:
    """Admits up to ``max_requests``, whose bodies take up to ``max_bytes``.

    Each client can use half of either limit. No request is admitted while ``backlog`` is full.
    """

    def __init__(
        self,
        max_requests: int,
        backlog: Backlog | None = None,
        max_bytes: int = MAX_BODIES_BYTES,
    ) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._backlog = backlog
        self._total = _Usage()
        self._clients: dict[int, _Usage] = {}

    @property
    def requests(self) -> int:
        """The number of admitted requests."""
        return self._total.requests

    @property
    def size(self) -> int:
        """The size of the admitted requests' bodies in bytes."""
        return self._total.size

    @contextmanager
    def admit(self, client: int) -> Iterator[AdmittedRequest]:
        """Admit one request from the time before its body is read until its response.

        Raises Busy, without reading or storing anything, if there is no room.
        """
        used = self._clients.get(client, _Usage())
        share = max(1, self._max_requests // _CLIENT_SHARE)
        if self._total.requests >= self._max_requests or used.requests >= share:
            raise _busy()
        if self._backlog is not None and self._backlog.may_be_full and self._backlog.is_full():
            raise _busy()
        self._clients[client] = used
        self._total.requests += 1
        used.requests += 1
        request = AdmittedRequest(self._total, used, self._max_bytes)
        try:
            yield request
        finally:
            self._total.requests -= 1
            self._total.size -= request.size
            used.requests -= 1
            used.size -= request.size
            if not used.requests:
                del self._clients[client]


def _busy() -> Busy:
    return Busy("too many events are being processed: send this again in a second")


class ClientSemaphore:
    """Lets up to ``limit`` requests of each client work at a time, first come, first served.

    However many requests a client sends, each turn of the event loop has at most ``limit`` slices
    of its work. More slices would not speed up the client's requests, but would delay others.
    """

    def __init__(self, limit: int = 1) -> None:
        self._limit = limit
        self._waiting: dict[
            int, deque[asyncio.Future[None]]
        ] = {}  # only clients with requests in progress
        self._free: dict[int, int] = {}

    def waiting(self, client: int) -> int:
        """Return how many of the client's requests are waiting for a turn."""
        return len(self._waiting.get(client, ()))

    @asynccontextmanager
    async def turn(self, client: int) -> AsyncIterator[None]:
        """Wait for a turn of the client, and hold it while the block runs."""
        queue = self._waiting.setdefault(client, deque())
        free = self._free.setdefault(client, self._limit)
        if free:
            self._free[client] = free - 1
        else:
            await self._wait(client, queue)
        try:
            yield
        finally:
            self._pass_on(client, queue)

    async def _wait(self, client: int, queue: deque[asyncio.Future[None]]) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the cancelled caller already had the turn
                self._pass_on(client, queue)
            raise

    def _pass_on(self, client: int, queue: deque[asyncio.Future[None]]) -> None:
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free[client] += 1
        if self._free[client] == self._limit:
            del self._free[client], self._waiting[client]


class DecodedMemory:
    """Limits the memory that decoded events take from before their decoding until they are folded.

    A body's events can take several times its bytes, so limits on bodies do not suffice. A request
    reserves an estimate of its events. A client can use half of the total, and a larger estimate
    counts as that half. Clients take turns, and a client's requests keep their order. Nothing
    overtakes a request that waits for the others' memory, however large it is.
    """

    def __init__(self, max_bytes: int = MAX_DECODED_BYTES) -> None:
        self._free = max_bytes
        self._share = max_bytes // _CLIENT_SHARE
        self._used: dict[int, int] = {}  # by client; only clients with requests in progress
        self._waiting: dict[int, deque[tuple[int, asyncio.Future[None]]]] = {}

    @property
    def used(self) -> int:
        """The number of reserved bytes."""
        return sum(self._used.values())

    @asynccontextmanager
    async def reserve(self, client: int, size: int) -> AsyncIterator[None]:
        """Wait until there is room for ``size`` bytes, and hold them while the block runs."""
        size = min(size, self._share)
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append((size, granted))
        self._grant()
        try:
            await granted
            yield
        finally:
            if granted.done() and not granted.cancelled():
                self._release(client, size)
            else:
                granted.cancel()
                self._grant()  # the next one may be smaller

    def _release(self, client: int, size: int) -> None:
        self._free += size
        self._used[client] -= size
        if not self._used[client]:
            del self._used[client]
        self._grant()

    def _grant(self) -> None:
        at_limit: set[int] = set()
        while (client := next((c for c in self._waiting if c not in at_limit), None)) is not None:
            queue = self._waiting[client]
            size, granted = queue[0]
            if not granted.cancelled():
                if self._used.get(client, 0) + size > self._share:
                    at_limit.add(client)
                    continue
                if size > self._free:
                    return
                self._free -= size
                self._used[client] = self._used.get(client, 0) + size
                granted.set_result(None)
            queue.popleft()
            del self._waiting[client]
            if queue:
                self._waiting[client] = queue  # after the other clients


class IngestResult(Struct, rename="camel"):
    """The outcome of a request with events.

    ``rejected`` has the first 1,000 verdicts. ``moreRejected`` is the number of other verdicts.
    """

    accepted: int
    duplicates: int
    rejected: Sequence[Rejected]
    more_rejected: int | UnsetType = UNSET

    @property
    def refused(self) -> int:
        """The number of rejected events."""
        return len(self.rejected) + (self.more_rejected or 0)


class NothingAccepted(IngestResult, tag=False):
    """Every event of the request was rejected."""

    code: int = 202
    message: str = "none of the events was accepted: 'rejected' has the reason for each"


class Intake:
    """Accepts requests with events. ``log_failed`` is called if the log rejects a batch."""

    def __init__(
        self,
        log: EventLog,
        now: Now,
        log_failed: Callable[[], None],
        monotonic: Now = monotonic_now,
        memory: DecodedMemory | None = None,
    ) -> None:
        self._log = log
        self._now = now
        self._log_failed = log_failed
        self._quotas = Quotas(monotonic)
        # otherwise, each of a client's uploads would take a slice of every turn
        self._decoding = ClientSemaphore()
        self._memory = memory or DecodedMemory()

    async def accept(
        self, floor: Projection, body: bytes, form: BodyForm, limits: Limits
    ) -> IngestResult:
        """Accept the events in a body. When this returns, they are durable and readable.

        Events that exceed the client's ``limits`` are rejected. Waits while the events of other
        requests take too much memory.

        Raises NotAnObject or TooLarge if the body cannot be accepted at all. Raises Unavailable if
        the log cannot be written now, or if the floor fails before it has folded the events. In the
        latter case, the events are durable and count as duplicates if they are sent again.
        """
        size = await estimate_decoded_bytes(body, floor.client)
        async with self._memory.reserve(floor.client, size):
            async with self._decoding.turn(floor.client):
                decoded = await decode(split_body(body, form), to_ms(self._now()), floor.client)
            async with self._quotas.admit(floor, limits, decoded) as admitted:
                return await self._append(floor, admitted)

    async def _append(self, floor: Projection, decoded: Decoded) -> IngestResult:
        more = decoded.more_rejected or UNSET
        if not decoded.events:
            return IngestResult(0, 0, decoded.rejected, more)
        try:
            appended = await self._log.append(Batch(floor.client, decoded.lines, decoded.events))
        except Unavailable:
            self._log_failed()
            raise
        await floor.wait_until_folded(appended.number)
        duplicates = len(appended.duplicates)
        accepted = len(decoded.events) - duplicates
        return IngestResult(accepted, duplicates, decoded.rejected, more)
