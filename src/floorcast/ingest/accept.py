"""Taking a request of events in: check, log, fold, and only then acknowledge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from msgspec import Struct

from floorcast.ingest.decode import BodyForm, decode, split
from floorcast.ingest.verdicts import Rejected
from floorcast.log.port import Batch, EventLog
from floorcast.model.errors import Unavailable
from floorcast.model.token import Now, to_ms

__all__ = ["MAX_BYTES", "Busy", "Folding", "IngestResult", "Intake", "NothingAccepted"]

MAX_BYTES = 512 << 20
"""What the bodies of all requests that are taken in at once may come to: 32 of the largest."""


class Busy(Unavailable):
    """As many requests as may be are being taken in."""


class Folding(Protocol):
    """The client's floor, as far as the intake needs it."""

    @property
    def client(self) -> int:
        """Whose floor it is."""

    async def until_folded(self, number: int) -> None:
        """Wait until entry ``number`` is readable; raises Unavailable."""


class IngestResult(Struct):
    """What became of a request, in the contract's words."""

    accepted: int
    duplicates: int
    rejected: Sequence[Rejected]


class NothingAccepted(IngestResult, tag=False):
    """Every event of the request was refused."""

    code: int = 202
    message: str = "none of the events could be taken: 'rejected' says why, one by one"


class Intake:
    """Takes requests in, at most ``limit`` of them and ``MAX_BYTES`` of their bodies at once.

    ``pressed`` says whether what is derived from the log lags so far behind that nothing more
    should come.
    """

    def __init__(
        self, log: EventLog, now: Now, limit: int, pressed: Callable[[], bool] = lambda: False
    ) -> None:
        self._log = log
        self._now = now
        self._limit = limit
        self._pressed = pressed
        self.under_way = 0
        self._bytes = 0

    @contextmanager
    def admit(self, size: int) -> Iterator[None]:
        """Hold a place for one request, from before its body is read until it is answered.

        ``size`` is what its body may come to, in bytes. Raises Busy, with nothing read or
        stored, when there is no room.
        """
        full = self.under_way >= self._limit or self._bytes + size > MAX_BYTES
        if full or self._pressed():
            raise Busy("too many events are being taken in: send this again in a second")
        self.under_way += 1
        self._bytes += size
        try:
            yield
        finally:
            self.under_way -= 1
            self._bytes -= size

    async def take(self, floor: Folding, body: bytes, form: BodyForm) -> IngestResult:
        """Take the events of a body in; when it returns they are durable and readable.

        Raises NotAnObject or TooLarge when the body cannot be taken at all, Unavailable when
        the log cannot take it now.
        """
        decoded = await decode(split(body, form), to_ms(self._now()))
        if not decoded.events:
            return IngestResult(0, 0, decoded.rejected)
        appended = await self._log.append(Batch(floor.client, decoded.lines, decoded.events))
        await floor.until_folded(appended.number)
        duplicates = len(appended.duplicates)
        return IngestResult(len(decoded.events) - duplicates, duplicates, decoded.rejected)
