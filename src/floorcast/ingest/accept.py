"""Accepts a request with events: check, log, fold, then acknowledge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import UNSET, Struct, UnsetType

from floorcast.ingest.admission import ClientTurns
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
        """The number of rejected events."""
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
        # otherwise each upload of a client takes a slice of every turn
        self._decoding = ClientTurns()

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
