"""From the body of a request to checked events: the three forms of CloudEvents.

Every event gets its own verdict; one that is refused keeps none of the others out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

import msgspec

from floorcast.ingest.verdicts import Rejected, rejected, why_not
from floorcast.model.errors import InvalidParameter, NotAnObject, Refusal, TooLarge
from floorcast.model.inbound import InboundEvent

__all__ = ["MAX_EVENTS", "BodyForm", "Decoded", "decode", "split"]

BodyForm = Literal["one", "batch", "lines"]
MAX_EVENTS = 10_000  # in one request, as the contract has it
AHEAD_MS = 5 * 60_000  # how far a source's clock may be ahead
_SLICE = 500  # events decoded in one turn of the event loop: about a millisecond

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_decoder = msgspec.json.Decoder(InboundEvent)
_batch_decoder = msgspec.json.Decoder(list[msgspec.Raw])


class Decoded(NamedTuple):
    """The events of a request that can be taken, each with its line and index, and the rest."""

    lines: Sequence[bytes]
    events: Sequence[InboundEvent]
    indices: Sequence[int]
    rejected: Sequence[Rejected]


def split(body: bytes, form: BodyForm) -> list[bytes]:
    """The events of a body, still as JSON, one without line breaks each.

    Raises NotAnObject when an array was said and the body is none, TooLarge when there are
    more than ``MAX_EVENTS``.
    """
    if form == "lines":
        lines = [line for line in body.split(b"\n") if line and not line.isspace()]
    elif form == "batch":
        try:
            body.decode()
            found = _batch_decoder.decode(body) if body.strip() else []
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise NotAnObject("the body is not a JSON array of events") from error
        lines = [_on_one_line(bytes(raw)) for raw in found]
    else:
        lines = [_on_one_line(body)] if body.strip() else []
    if len(lines) > MAX_EVENTS:
        raise TooLarge(f"{len(lines)} events in one request; at most {MAX_EVENTS} are taken")
    return lines


def _on_one_line(text: bytes) -> bytes:
    # in JSON a line break outside a string is white space, and inside one it is an error
    return text.replace(b"\r", b" ").replace(b"\n", b" ").strip()


async def decode(lines: list[bytes], now_ms: int) -> Decoded:
    """Check the events, a slice a turn of the event loop; ``now_ms`` is the present."""
    events: list[InboundEvent] = []
    refused: list[Rejected] = []
    latest = _EPOCH + timedelta(milliseconds=now_ms + AHEAD_MS)
    for start in range(0, len(lines), _SLICE):
        if start:
            await asyncio.sleep(0)
        for index, line in enumerate(lines[start : start + _SLICE], start):
            try:
                events.append(_checked(line, latest))
            except Refusal as why:
                refused.append(rejected(index, line, why))
    if not refused:
        return Decoded(lines, events, range(len(lines)), refused)
    out = {verdict.index for verdict in refused}
    indices = [index for index in range(len(lines)) if index not in out]
    return Decoded([lines[index] for index in indices], events, indices, refused)


def _checked(line: bytes, latest: datetime) -> InboundEvent:
    try:
        if not line.isascii():
            line.decode()  # members that we do not know are not looked into by the decoder
        event: InboundEvent = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise why_not(line, error) from error
    if event.time is not None:
        if event.time > latest:
            raise InvalidParameter("time is more than 5 minutes in the future")
        if event.time < _EPOCH:
            raise InvalidParameter("time is before 1970")
    return event
