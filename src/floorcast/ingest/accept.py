"""Taking a request of events in: check, log, fold, and only then acknowledge."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from floorcast.ingest.decode import BodyForm, decode, split
from floorcast.ingest.verdicts import Rejected
from floorcast.log.port import Batch, EventLog
from floorcast.model.token import Now, to_ms
from floorcast.projection.runner import Projection

__all__ = ["IngestResult", "Intake", "NothingAccepted"]


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
    """Takes the events of requests in."""

    def __init__(self, log: EventLog, now: Now) -> None:
        self._log = log
        self._now = now

    async def take(self, floor: Projection, body: bytes, form: BodyForm) -> IngestResult:
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
