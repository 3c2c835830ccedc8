"""Taking a request of events in: check, log, fold, and only then acknowledge."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from msgspec import UNSET, Struct, UnsetType

from floorcast.ingest.decode import BodyForm, Decoded, decode, split
from floorcast.ingest.quotas import Quotas
from floorcast.ingest.verdicts import Rejected
from floorcast.log.port import Batch, EventLog
from floorcast.model.errors import Unavailable
from floorcast.model.token import Now, to_ms
from floorcast.projection.runner import Projection
from floorcast.site.configuration import Limits

__all__ = ["IngestResult", "Intake", "NothingAccepted"]


class IngestResult(Struct, rename="camel"):
    """The outcome of a request with events.

    ``rejected`` has the first 1,000 verdicts; ``moreRejected`` is the number of further ones.
    """

    accepted: int
    duplicates: int
    rejected: Sequence[Rejected]
    more_rejected: int | UnsetType = UNSET

    @property
    def refused(self) -> int:
        """How many events were rejected."""
        return len(self.rejected) + (self.more_rejected or 0)


class NothingAccepted(IngestResult, tag=False):
    """Every event of the request was rejected."""

    code: int = 202
    message: str = "none of the events was accepted: 'rejected' has the reason for each"


class Intake:
    """Takes in requests of events; ``log_failed`` is called when the log refuses a batch."""

    def __init__(self, log: EventLog, now: Now, log_failed: Callable[[], None]) -> None:
        self._log = log
        self._now = now
        self._log_failed = log_failed
        self._quotas = Quotas(now)
        self._decoding = _ClientTurns()

    async def take(
        self, floor: Projection, body: bytes, form: BodyForm, limits: Limits
    ) -> IngestResult:
        """Take the events of a body in; when it returns they are durable and readable.

        Those that go beyond the client's ``limits`` are rejected.

        Raises NotAnObject or TooLarge when the body cannot be taken at all, and Unavailable when
        the log cannot take it now, or the floor fails before it has folded the events: they are
        durable then, and duplicates when they are sent again.
        """
        async with self._decoding.of(floor.client):
            decoded = await decode(split(body, form), to_ms(self._now()))
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
        await floor.until_folded(appended.number)
        duplicates = len(appended.duplicates)
        accepted = len(decoded.events) - duplicates
        return IngestResult(accepted, duplicates, decoded.rejected, more)


class _ClientTurns:
    """Lets one request of each client decode at a time, first come, first served.

    A turn of the event loop then has one slice of decoding per client, however many requests a
    client sends at once: they would only take turns with each other, and hold up everybody else.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, deque[asyncio.Future[None]]] = {}  # of the clients that decode

    @asynccontextmanager
    async def of(self, client: int) -> AsyncIterator[None]:
        """The client's turn."""
        queue = self._waiting.get(client)
        if queue is None:
            queue = self._waiting[client] = deque()
        else:
            await self._turn(client, queue)
        try:
            yield
        finally:
            self._pass_on(client, queue)

    async def _turn(self, client: int, queue: deque[asyncio.Future[None]]) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given to a caller that was cancelled
                self._pass_on(client, queue)
            raise

    def _pass_on(self, client: int, queue: deque[asyncio.Future[None]]) -> None:
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[client]
