"""Makes the rows for an hour's events and calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from floorcast.archive.hour_fold import HourFold
from floorcast.archive.personal import Treatment, treat_members
from floorcast.floor.calls import Call
from floorcast.floor.directory import NO_SERVICE, Directory
from floorcast.floor.intervals import MOVED_ON
from floorcast.floor.queue_segments import QueueSegment
from floorcast.model.inbound import UnknownEvent, milliseconds
from floorcast.model.token import encode, to_ms

__all__ = ["Row", "call_rows", "event_rows", "row_end_ms", "service_columns"]

Row = dict[str, Any]
"""A row of a file, as a mapping of column names to values. Columns without a value are null."""

_encode_data = msgspec.json.Encoder().encode


def event_rows(fold: HourFold, treat: Treatment, token_secret: bytes) -> Iterator[Row]:
    """Yield the rows of the events that the log recorded in the hour, in the order of the log."""
    client = fold.hour.client
    for position, recorded_at, event in fold.events:
        row: Row = {
            "position": position,
            "token": encode(client, recorded_at, position, token_secret),
            "recordedAt": to_ms(recorded_at),
            "source": event.source,
            "id": event.id,
        }
        if not isinstance(event, UnknownEvent):
            data = treat_members(msgspec.to_builtins(event.data), treat)
            call = data.get("call", data)
            transaction = call.get("transactionId")
            time = event.time
            row |= {
                "time": to_ms(recorded_at) if time is None else milliseconds(time),
                "type": type(event).__struct_config__.tag,
                "transactionId": None if transaction is None else str(transaction),
                "sessionId": call.get("sessionId"),
                "data": _encode_data(data).decode(),
            }
        yield row


def call_rows(fold: HourFold, treat: Treatment) -> list[Row]:
    """Return the rows of the calls that ended or expired in the hour.

    A call has one row per queue segment, or a single row if it has no segments.
    """
    directory, hour = fold.floor.state.directory, fold.hour
    rows = [
        row
        for call in fold.calls()
        if hour.start <= (end_ms := fold.call_end_ms(call)) < hour.end
        for row in _segment_rows(call, end_ms, directory, treat)
    ]
    rows.sort(key=_sort_key)
    return rows


def row_end_ms(row: Row) -> int:
    """Return the time at which the row's call ended or expired, in ms."""
    end_ms: int = row["expired"] if row["ended"] is None else row["ended"]
    return end_ms


def _sort_key(row: Row) -> tuple[int, int, str, int]:
    return row_end_ms(row), int(row["transactionId"]), row["sessionId"], row["segment"]


def _segment_rows(call: Call, end_ms: int, directory: Directory, treat: Treatment) -> Iterator[Row]:
    disposition = call.disposition
    common = {
        "transactionId": str(call.transaction),
        "sessionId": call.session,
        "campaignId": call.campaign,
        "direction": call.direction,
        "phone": treat(call.customer_phone),
        "account": treat(call.account),
        "firstName": treat(call.first_name),
        "lastName": treat(call.last_name),
        "started": call.started,
        "ended": call.ended,
        "expired": end_ms if call.ended is None else None,
        "lvResult": call.lv_result,
        "termCode": None if disposition is None else disposition.code,
    }
    if not call.segments:
        service = NO_SERVICE if call.service is None else call.service
        yield common | {"segment": 0, "outcome": "none"} | service_columns(service, directory)
    for number, segment in enumerate(call.segments):
        yield common | {"segment": number} | _segment(segment, directory)


def _segment(segment: QueueSegment, directory: Directory) -> Row:
    answered, left = segment.answered, segment.left
    outcome = _outcome(segment)
    row = service_columns(segment.service, directory) | {
        "joined": segment.joined,
        "answered": answered,
        "left": left,
        "outcome": outcome.name,
        "reason": outcome.reason,
        "withinSLA": segment.within,
        "short": segment.short,
        "transferred": answered is not None and (segment.passed_on or segment.exited),
        "waitMs": None if segment.joined is None or outcome.name == "open" else segment.wait(0),
        "talkMs": None if answered is None or left is None else left - answered,
        "wrapupMs": segment.wrap_up,
    }
    if segment.agent is not None:
        row |= {"agentId": segment.agent, "agentLoginId": directory.agents[segment.agent].login}
    return row


class _Outcome(NamedTuple):
    name: str
    reason: str | None = None


def _outcome(segment: QueueSegment) -> _Outcome:
    if segment.answered is not None:
        return _Outcome("handled")
    if segment.abandoned:
        return _Outcome("abandoned")
    if segment.left is None:
        return _Outcome("open")
    reason = "REQUEUED" if segment.reason is None else MOVED_ON[segment.reason]
    return _Outcome("movedOn", reason)


def service_columns(number: int, directory: Directory) -> Row:
    """Return the columns with a service's id and name, or none for ``NO_SERVICE``."""
    if number == NO_SERVICE:
        return {}
    known = directory.services.get(number)
    return {"serviceId": number, "serviceName": None if known is None else known.name}
