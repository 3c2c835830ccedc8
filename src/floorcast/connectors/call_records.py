"""Converts call records of any format to events.

A record has the times at which its call started, queued, was answered and ended. Agent states are
derived from them. An agent logs on at their first answer of a date, is in call from each answer to
the end of that call, is ready while they have no call, and logs off when their last call of the
date ends. An agent may have two calls at once. The answer of the second call then names the agent,
and the IN_CALL names no call. The agent's service is that of the current call.

Ids depend on the records and on their target day, not on the clock. If a file is sent again in the
same way, the server recognizes duplicates, however the times were shifted. Another day for
``on_day`` makes other events and other calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from floorcast.client.cloud_event import CloudEvent

__all__ = ["Call", "Shift", "ending_at", "events", "on_day"]

Step = Literal["start", "queue", "answer", "end"]
Told = tuple[str, str, dict[str, object]]  # the last part of the id, the type, the data


class Call(NamedTuple):
    """One inbound call. Its times are the clock times of the file until a ``Shift`` moves them.

    ``dated`` is the file's date, ``day`` the target day of the call. ``row`` counts the date's
    records from 1 to 99,999. ``ivr_seconds`` is the time in the voice response unit. ``agent`` is
    None if the call was not answered or the agent is unknown.
    """

    dated: date
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
        """The ``sessionId``: line and call id, unique within a date, and the date and day."""
        name = f"{self.line}-{self.call_id}-{self.dated}"
        return name if self.day == self.dated else f"{name}-{self.day}"

    @property
    def transaction(self) -> int:
        """The ``transactionId``: digits of the day, the date's day of the year, and the row."""
        return int(f"{self.day:%Y%m%d}{self.dated:%j}{self.row:05}")


class Shift(NamedTuple):
    """Moves the days of a file ``days`` later, and converts clock times to instants."""

    days: timedelta
    instant: Callable[[datetime], datetime]


def ending_at(calls: Sequence[Call], moment: datetime) -> Shift:
    """The shift that moves the last event to ``moment`` (aware)."""
    last = max((call.ended for call in calls), default=moment.replace(tzinfo=None))
    return Shift(timedelta(), lambda clock: moment.astimezone(UTC) - (last - clock))


def on_day(calls: Sequence[Call], day: date, zone: ZoneInfo) -> Shift:
    """The shift that moves the file's first date to ``day``, at the same clock times in ``zone``.

    A call keeps its durations if the zone's clocks change during it.
    """
    days = day - min((call.dated for call in calls), default=day)
    return Shift(days, lambda clock: (clock + days).replace(tzinfo=zone).astimezone(UTC))


def events(calls: Sequence[Call], shift: Shift, source: str) -> list[CloudEvent]:
    """Return the calls as events, in order of time and, at the same time, of cause.

    At the same time, calls in progress end before others start, queue and are answered, so an agent
    is free before they answer the next call. A call of zero length still starts before it ends.
    Each event's ``source`` is ``source`` and the file's date.
    """
    placed = [_place(call, shift) for call in calls]
    steps = sorted(
        (moment, rank, number, step)
        for number, call in enumerate(placed)
        for moment, rank, step in _steps(call)
    )
    agents = _Agents(placed)
    return [
        CloudEvent(
            id=f"{placed[number].session}/{name}",
            source=f"{source}/{placed[number].dated}",
            type=kind,
            time=moment,
            data=data,
        )
        for moment, _, number, step in steps
        for name, kind, data in _tell(placed[number], step, agents)
    ]


def _place(call: Call, shift: Shift) -> Call:
    # only the start is converted by the zone; the other times keep their distance from it, so that
    # a change of the clocks does not stretch the wait
    began = shift.instant(call.started)

    def at(clock: datetime) -> datetime:
        return began + (clock - call.started)

    return call._replace(
        day=call.dated + shift.days,
        started=began,
        queued=call.queued and at(call.queued),
        answered=call.answered and at(call.answered),
        ended=at(call.ended),
    )


def _steps(call: Call) -> Iterator[tuple[datetime, int, Step]]:
    yield call.started, 1, "start"
    if call.queued:
        yield call.queued, 2, "queue"
    if call.answered:
        yield call.answered, 3, "answer"
    under_way = (call.answered or call.queued or call.started) < call.ended
    yield call.ended, 0 if under_way else 4, "end"


def _tell(call: Call, step: Step, agents: _Agents) -> Iterator[Told]:
    named: dict[str, object] = {"transactionId": call.transaction, "sessionId": call.session}
    match step:
        case "start":
            begun = {"service": call.service, "direction": "INBOUND", "priority": call.priority}
            yield step, "call.start", named | begun
        case "queue":
            yield step, "call.queue", named
        case "answer":
            yield from agents.before_answer(call)
            yield step, "call.answer", named | ({"agent": call.agent} if call.agent else {})
            yield from agents.after_answer(call, named)
        case "end":
            known = {"lvResult": call.outcome, "roundedIvrDuration": call.ivr_seconds}
            yield step, "call.end", named | known
            yield from agents.after_end(call)


class _Agents:
    """The current calls of each agent, date by date, as the calls are converted in order."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._left = Counter((call.dated, call.agent) for call in calls if call.agent)
        self._open: dict[tuple[date, str], int] = {}

    def before_answer(self, call: Call) -> Iterator[Told]:
        if call.agent and (call.dated, call.agent) not in self._open:
            self._open[call.dated, call.agent] = 0
            yield self._state(call, "LOGON")

    def after_answer(self, call: Call, named: dict[str, object]) -> Iterator[Told]:
        if call.agent:
            self._open[call.dated, call.agent] += 1
            name, kind, data = self._state(call, "IN_CALL")
            if self._open[call.dated, call.agent] == 1:
                about = {"service": call.service, "direction": "INBOUND"}
                data["call"] = named | about
            # an IN_CALL with a second call would mean that the agent has left the first
            yield name, kind, data

    def after_end(self, call: Call) -> Iterator[Told]:
        if not call.agent:
            return
        key = call.dated, call.agent
        self._left[key] -= 1
        self._open[key] -= 1
        if not self._left[key]:
            yield self._state(call, "LOGOFF")
        elif not self._open[key]:
            yield self._state(call, "READY")

    def _state(self, call: Call, event_type: str) -> Told:
        data: dict[str, object] = {
            "agent": call.agent,
            "eventType": event_type,
            "service": call.service,
        }
        return event_type, "agent.state", data
