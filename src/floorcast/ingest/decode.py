"""Decodes a request's body to checked events: structured CloudEvents, single or in batches.

Every event gets its own verdict. A rejected event does not affect the others.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Literal, NamedTuple

import msgspec

from floorcast.ingest.content_modes import BASE64, check_event_size, decode_base64_data
from floorcast.ingest.verdicts import Rejected, refusal_of, verdict_on
from floorcast.model.errors import InvalidParameter, NotAnObject, Refusal, TooLarge
from floorcast.model.inbound import ALERT_SOURCE, AgentState, InboundEvent
from floorcast.model.leap_seconds import LEAP_SECOND, replace_leap_second
from floorcast.model.loop_turns import SLICE_SECONDS, take_turn
from floorcast.model.name_lists import packed
from floorcast.model.nesting import SHALLOW_BYTES, check_nesting
from floorcast.model.undecodable import UNDECODABLE

__all__ = [
    "MAX_EVENTS",
    "BodyForm",
    "Decoded",
    "decode",
    "estimate_decoded_bytes",
    "split_body",
]

BodyForm = Literal["one", "batch", "lines", "json"]
"""``json`` means ``batch`` if the body is an array, else ``one``."""
MAX_EVENTS = 10_000  # per request, from the contract
MAX_LINES = 100_000  # per request, including blank ones
MAX_VERDICTS = 1_000  # listed in one response; the others are counted
MAX_CLOCK_AHEAD_MS = 5 * 60_000  # how far a source's clock may be ahead
FEW_EVENTS = 32  # decoded without waiting for a turn of the event loop
VALUE_BYTES = 96  # of a short string in a list, or of a value with its part of an event
EVENT_VALUES = 48  # at most, that take ``VALUE_BYTES``: an event's members and its ``FEW_NAMES``
TEXT_COPIES = 2  # of a body's text: the events' lines, and the entry that the log writes
WIDE_BYTES = 4  # of a character in a string that has a character beyond U+FFFF
SEARCH_BYTES = 1 << 19  # searched in one turn of the event loop: about 1 ms of work

_LEAP_SECOND_MEMBER = re.compile(rb'("(?:time|start|end)"\s*:\s*")(%b)(?=")' % LEAP_SECOND.encode())
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_decoder = msgspec.json.Decoder(InboundEvent)
# decoding to members stops after MAX_EVENTS elements; decoding to a list would read them all
_Batch = msgspec.defstruct(
    "_Batch",
    [(f"event_{number}", msgspec.Raw, b"") for number in range(MAX_EVENTS)],
    array_like=True,
    forbid_unknown_fields=True,
)
_batch_decoder = msgspec.json.Decoder(_Batch)


class Decoded(NamedTuple):
    """A request's accepted events with their lines and indices, and its rejected events.

    ``rejected`` has the verdicts on the first ``MAX_VERDICTS`` rejected events. ``more_rejected``
    is the number of the other rejected events.
    """

    lines: Sequence[bytes]
    events: Sequence[InboundEvent]
    indices: Sequence[int]
    rejected: Sequence[Rejected]
    more_rejected: int = 0


def split_body(body: bytes, form: BodyForm) -> list[bytes]:
    """Return the events in a body as JSON without line breaks.

    Raises NotAnObject if the body should be an array but is not, and TooLarge if it has more than
    ``MAX_EVENTS`` events. An error takes no more time or memory than ``MAX_EVENTS`` events.
    """
    if form == "lines":
        if body.count(b"\n") > MAX_LINES:
            raise TooLarge(f"more than {MAX_LINES:,} lines in one request, including blank lines")
        lines = [line for line in body.split(b"\n") if line and not line.isspace()]
        if len(lines) > MAX_EVENTS:
            raise _too_many()
        return lines
    if form == "batch" or (form == "json" and body.lstrip().startswith(b"[")):
        return [_on_one_line(bytes(raw)) for raw in _array_elements(body)]
    return [_on_one_line(body)] if body.strip() else []


def _on_one_line(text: bytes) -> bytes:
    """Replace line breaks in JSON, which are white space outside strings and invalid inside."""
    return text.replace(b"\r", b" ").replace(b"\n", b" ").strip()


def _array_elements(body: bytes) -> list[msgspec.Raw]:
    try:
        body.decode()
        found = _batch_decoder.decode(body) if body.strip() else None
    except UNDECODABLE as error:
        if "at most length" in str(error):
            raise _too_many() from error
        raise NotAnObject("the body is not a JSON array of events") from error
    return [] if found is None else list(takewhile(bool, msgspec.structs.astuple(found)))


def _too_many() -> TooLarge:
    return TooLarge(
        f"more than {MAX_EVENTS:,} events in one request: send them in several requests"
    )


async def estimate_decoded_bytes(body: bytes, client: int) -> int:
    """Return about the maximum number of bytes that a body's events take when they are decoded.

    A long body is searched in turns of the client.
    """
    values, is_narrow = 1, True
    for start in range(0, len(body), SEARCH_BYTES):
        if start:
            await take_turn(client)
        end = start + SEARCH_BYTES
        # every value but the first follows a comma, a brace or a bracket
        values += sum(body.count(mark, start, end) for mark in (b",", b"{", b"["))
        is_narrow = is_narrow and body[start:end].isascii() and body.find(b"\\u", start, end) < 0
    values = min(values, MAX_EVENTS * EVENT_VALUES)
    return values * VALUE_BYTES + len(body) * (TEXT_COPIES + (1 if is_narrow else WIDE_BYTES))


async def decode(lines: list[bytes], now_ms: int, client: int) -> Decoded:
    """Check a client's events in turns of the event loop. ``now_ms`` is the current time.

    Every event in ``lines`` that has ``data_base64`` is replaced by the same event with ``data``,
    and a time within a leap second is replaced by the last microsecond before it.
    """
    events: list[InboundEvent] = []
    verdicts: list[Rejected] = []
    rejected_indices: set[int] = set()
    latest = _EPOCH + timedelta(milliseconds=now_ms + MAX_CLOCK_AHEAD_MS)
    if len(lines) > FEW_EVENTS:
        await take_turn(client)
    until = time.perf_counter() + SLICE_SECONDS
    for index, line in enumerate(lines):
        try:
            try:
                events.append(_decode_event(line, latest))
            except Refusal as why:
                lines[index] = _normalize(line, why)
                events.append(_decode_event(lines[index], latest))
        except Refusal as why:
            rejected_indices.add(index)
            if len(verdicts) < MAX_VERDICTS:
                verdicts.append(verdict_on(index, line, why))
        if time.perf_counter() > until:
            await take_turn(client)
            until = time.perf_counter() + SLICE_SECONDS
    if not rejected_indices:
        return Decoded(lines, events, range(len(lines)), verdicts)
    indices = [index for index in range(len(lines)) if index not in rejected_indices]
    kept = [lines[index] for index in indices]
    return Decoded(kept, events, indices, verdicts, len(rejected_indices) - len(verdicts))


def _normalize(line: bytes, why: Refusal) -> bytes:
    """Return a refused event in a form that may be accepted. Raises ``why`` if there is none."""
    if isinstance(why, TooLarge):
        raise why
    normalized = _on_one_line(decode_base64_data(line, why)) if BASE64 in line else line
    normalized = _LEAP_SECOND_MEMBER.sub(_without_leap_second, normalized)
    if normalized == line:
        raise why
    return normalized


def _without_leap_second(member: re.Match[bytes]) -> bytes:
    return member[1] + replace_leap_second(member[2].decode()).encode()


def _decode_event(line: bytes, latest: datetime) -> InboundEvent:
    try:
        if len(line) > SHALLOW_BYTES:  # true for few events, so the others save two calls
            check_event_size(line)
            check_nesting(line)
        if not line.isascii():
            line.decode()  # because the decoder does not check unknown members
        event: InboundEvent = _decoder.decode(line)
    except UNDECODABLE as error:
        raise refusal_of(line, error) from error
    if type(event) is AgentState and event.data.services is not None:
        event.data.services = packed(event.data.services)
    if event.source == ALERT_SOURCE:
        raise InvalidParameter(f"source {ALERT_SOURCE!r} is reserved for floorcast's own events")
    if event.time is not None:
        if event.time > latest:
            now = latest - timedelta(milliseconds=MAX_CLOCK_AHEAD_MS)
            raise InvalidParameter(
                f"time is more than 5 minutes in the future: it is {now:%Y-%m-%dT%H:%M:%SZ}"
            )
        if event.time < _EPOCH:
            raise InvalidParameter("time is before 1970")
    return event
