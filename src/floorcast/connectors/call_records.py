"""Converts call records of any format to events.

A record has the times at which a call started, queued, was answered and ended. Agent states are
derived from these times. An agent logs on at the first answer of a date and logs off when the last
call of the date ends. In between, the agent is in a call from its answer to its end, and is ready
between calls. An agent may have two calls at once. In that case, the second call's answer names the
agent, but the second IN_CALL does not name a call. The agent's service is that of the current call.

Ids depend on the records and their target day, not on the clock. If a file is sent again in the
same way, the server recognizes the duplicates, no matter how the times were shifted. A different
day for ``shift_to_day`` produces different events and calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from floorcast.client.cloud_event import CloudEvent

__all__ = ["DateShift", "RecordedCall", "events", "shift_to_day", "shift_to_end_at"]

Step = Literal["start", "queue", "answer", "end"]
EventParts = tuple[str, str, dict[str, object]]  # the last part of the id, the type, the data


class RecordedCall(NamedTuple):
    """One inbound call. Its times are the clock times in the file until a ``DateShift`` moves them.

    ``record_date`` is the record's date, and ``day`` is the call's target day. ``row`` numbers the
    records of a date from 1 to 99,999. ``ivr_seconds`` is the time in the voice response unit.
    ``agent`` is None if the call was not answered or the agent is unknown.
    """

    record_date: date
    day: date
    row: int
    line: str
    call_id: str
    service: str
    priority: int
    outcome: str
    agent: str | None
    ivr_seconds: int
    started: datetime
    queued: datetime | None
    answered: datetime | None
    ended: datetime

    @property
    def session(self) -> str:
        """The ``sessionId``: the line and call id, the date, and the target day if it is different.

        The line and call id are unique within a date.
        """
        name = f"{self.line}-{self.call_id}-{self.record_date}"
        return name if self.day == self.record_date else f"{name}-{self.day}"

    @property
    def transaction(self) -> int:
        """The ``transactionId``: digits of the day, the date's day of the year, and the row."""
        return int(f"{self.day:%Y%m%d}{self.record_date:%j}{self.row:05}")


class DateShift(NamedTuple):
    """Moves the dates of a file ``days`` later and converts clock times to instants."""

    days: timedelta
    instant: Callable[[datetime], datetime]


def shift_to_end_at(calls: Sequence[RecordedCall], moment: datetime) -> DateShift:
    """Return the shift that moves the last event to ``moment``, which must have a time zone."""
    last = max((call.ended for call in calls), default=moment.replace(tzinfo=None))
    return DateShift(timedelta(), lambda clock: moment.astimezone(UTC) - (last - clock))


def shift_to_day(calls: Sequence[RecordedCall], day: date, zone: ZoneInfo) -> DateShift:
    """Return the shift that moves the file's first date to ``day``.

    The clock times stay the same, in ``zone``. A call keeps its durations even if the zone's clocks
    change during the call.
    """
    days = day - min((call.record_date for call in calls), default=day)
    return DateShift(days, lambda clock: (clock + days).replace(tzinfo=zone).astimezone(UTC))


def events(calls: Sequence[RecordedCall], shift: DateShift, source: str) -> list[CloudEvent]:
    """Return the calls as events, in order of time.

    Events at the same time are in order of cause: calls in progress end before other calls start,
    queue and are answered, so an agent is free before answering the next call. A call of zero
    length still starts before it ends. The ``source`` of each event is the argument ``source``, a
    slash, and the record's date.
    """
    shifted = [_shift(call, shift) for call in calls]
    steps = sorted(
        (moment, rank, number, step)
        for number, call in enumerate(shifted)
        for moment, rank, step in _steps(call)
    )
    agents = _Agents(shifted)
    return [
        CloudEvent(
            id=f"{shifted[number].session}/{name}",
            source=f"{source}/{shifted[number].record_date}",
            type=kind,
            time=moment,
            data=data,
        )
        for moment, _, number, step in steps
        for name, kind, data in _events_of(shifted[number], step, agents)
    ]


def _shift(call: RecordedCall, shift: DateShift) -> RecordedCall:
    # only the start is converted; the other times keep their distance from it, so that a clock
    # change does not lengthen the wait
    began = shift.instant(call.started)

    def at(clock: datetime) -> datetime:
        return began + (clock - call.started)

    return call._replace(
        day=call.record_date + shift.days,
        started=began,
        queued=call.queued and at(call.queued),
        answered=call.answered and at(call.answered),
        ended=at(call.ended),
    )


def _steps(call: RecordedCall) -> Iterator[tuple[datetime, int, Step]]:
    yield call.started, 1, "start"
    if call.queued:
        yield call.queued, 2, "queue"
    if call.answered:
        yield call.answered, 3, "answer"
    in_progress = (call.answered or call.queued or call.started) < call.ended
    yield call.ended, 0 if in_progress else 4, "end"


def _events_of(call: RecordedCall, step: Step, agents: _Agents) -> Iterator[EventParts]:
    call_ids: dict[str, object] = {"transactionId": call.transaction, "sessionId": call.session}
    match step:
        case "start":
            start_data = {
                "service": call.service,
                "direction": "INBOUND",
                "priority": call.priority,
            }
            yield step, "call.start", call_ids | start_data
        case "queue":
            yield step, "call.queue", call_ids
        case "answer":
            yield from agents.before_answer(call)
            yield step, "call.answer", call_ids | ({"agent": call.agent} if call.agent else {})
            yield from agents.after_answer(call, call_ids)
        case "end":
            end_data = {"lvResult": call.outcome, "roundedIvrDuration": call.ivr_seconds}
            yield step, "call.end", call_ids | end_data
            yield from agents.after_end(call)


class _Agents:
    """Counts each agent's current and remaining calls per date while calls are converted.

    The calls must be converted in order.
    """

    def __init__(self, calls: Sequence[RecordedCall]) -> None:
        self._remaining = Counter((call.record_date, call.agent) for call in calls if call.agent)
        self._current: dict[tuple[date, str], int] = {}

    def before_answer(self, call: RecordedCall) -> Iterator[EventParts]:
        if call.agent and (call.record_date, call.agent) not in self._current:
            self._current[call.record_date, call.agent] = 0
            yield self._state(call, "LOGON")

    def after_answer(self, call: RecordedCall, call_ids: dict[str, object]) -> Iterator[EventParts]:
        if call.agent:
            self._current[call.record_date, call.agent] += 1
            name, kind, data = self._state(call, "IN_CALL")
            if self._current[call.record_date, call.agent] == 1:
                call_data = {"service": call.service, "direction": "INBOUND"}
                data["call"] = call_ids | call_data
            # an IN_CALL with a second call would mean that the agent has left the first call
            yield name, kind, data

    def after_end(self, call: RecordedCall) -> Iterator[EventParts]:
        if not call.agent:
            return
        key = call.record_date, call.agent
        self._remaining[key] -= 1
        self._current[key] -= 1
        if not self._remaining[key]:
            yield self._state(call, "LOGOFF")
        elif not self._current[key]:
            yield self._state(call, "READY")

    def _state(self, call: RecordedCall, event_type: str) -> EventParts:
        data: dict[str, object] = {
            "agent": call.agent,
            "eventType": event_type,
            "service": call.service,
        }
        return event_type, "agent.state", data
