"""Counts a call's queue segments in the service's day, slots and totals.

Each method counts once (``sign`` 1) or takes a count back (-1). Nothing is counted on days that
were dropped. ``metrics.md`` ("Calls of a service" and "Intervals") defines when a figure counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from floorcast.floor.calls import Call
from floorcast.floor.counters import CATEGORIES, AgentDay
from floorcast.floor.days import Calendar
from floorcast.floor.intervals import REQUEUED, Column, ServiceIntervals
from floorcast.floor.ledger import Ledger
from floorcast.floor.queue_segments import QueueSegment
from floorcast.floor.service_totals import Total

__all__ = ["CallCounts"]

# for speed: Python 3.11 takes ten times as long to read a member from its class
_OFFERED, _HANDLED, _UNQUEUED = int(Column.OFFERED), int(Column.HANDLED), int(Column.UNQUEUED)
_WITHIN, _TALKS, _TALK = int(Column.ANSWERED_WITHIN), int(Column.TALKS), int(Column.TALK)
_WRAP_UP = int(Column.WRAP_UP)
_OFFERED_EVER, _HANDLED_EVER = int(Total.OFFERED), int(Total.HANDLED)
_WITHIN_EVER = int(Total.ANSWERED_WITHIN)


class CallCounts:
    """Counts in one floor's ledger. ``hooks`` are called before an agent's counters change."""

    def __init__(
        self,
        ledger: Ledger,
        calendar: Calendar,
        hooks: Sequence[Callable[[int | None], None]],
    ) -> None:
        self._ledger = ledger
        self._day_of = calendar.day_of
        self._bounds = calendar.bounds
        self._hooks = hooks

    def offered(self, day: int, service: int, at: int, sign: int) -> None:
        """Count a call that joined the service at ``at`` (ms) for the first time that day."""
        counter = self._ledger.service(day, service)
        if counter is not None:
            counter.offered += sign
            slots, after = self._slots(day, service, at)
            slots.add(after, _OFFERED, sign)
            self._ledger.totals_of(service).add(_OFFERED_EVER, sign)

    def handled(self, segment: QueueSegment, day: int, service: int, sign: int) -> None:
        """Count an answer. The segment must already have been judged."""
        counter, answered = self._ledger.service(day, service), segment.answered
        if counter is None:
            return
        assert answered is not None
        slots, after = self._slots(day, service, answered)
        totals = self._ledger.totals_of(service)
        counter.handled += sign
        slots.add(after, _HANDLED, sign)
        totals.add(_HANDLED_EVER, sign)
        if segment.unqueued:
            counter.unqueued += sign
            slots.add(after, _UNQUEUED, sign)
            return
        wait = 0 if segment.joined is None else answered - segment.joined
        counter.handled_wait += sign * wait
        slots.add_wait(after, wait, sign)
        totals.add_wait(wait, sign)
        if segment.within:
            counter.handled_within += sign
            slots.add(after, _WITHIN, sign)
            totals.add(_WITHIN_EVER, sign)

    def talk(self, segment: QueueSegment, sign: int) -> None:
        """Count a finished talk and its wrap-up at the service and time at which the talk ended."""
        assert segment.answered is not None
        assert segment.left is not None
        day, service = self._day_of(segment.left), segment.service
        counter = self._ledger.service(day, service)
        if counter is not None:
            slots, after = self._slots(day, service, segment.left)
            talk = sign * (segment.left - segment.answered)
            counter.talks += sign
            counter.talk += talk
            slots.add(after, _TALKS, sign)
            slots.add(after, _TALK, talk)
            if segment.passed_on or segment.exited:
                slots.add(after, Column.TRANSFERRED, sign)
            if segment.wrap_up:
                self.wrap_up(segment, sign * segment.wrap_up)

    def wrap_up(self, segment: QueueSegment, spent: int) -> None:
        """Add ``spent`` ms of wrap-up to the segment if the conversation has ended."""
        left, service = segment.left, segment.service
        if left is None:
            return
        day = self._day_of(left)
        counter = self._ledger.service(day, service)
        if counter is not None:
            counter.wrap_up += spent
            slots, after = self._slots(day, service, left)
            slots.add(after, _WRAP_UP, spent)

    def abandoned(self, segment: QueueSegment, day: int, service: int, sign: int) -> None:
        """Count a call that ended, or left the service for good, before an answer."""
        counter = self._ledger.service(day, service)
        if counter is not None:
            assert segment.left is not None
            slots, after = self._slots(day, service, segment.left)
            waited = sign * segment.wait(0)
            counter.abandoned += sign
            counter.abandoned_wait += waited
            counter.abandoned_within += sign * segment.within
            counter.abandoned_short += sign * segment.short
            self._ledger.totals_of(service).add(Total.ABANDONED, sign)
            slots.add(after, Column.ABANDONED, sign)
            slots.add(after, Column.ABANDONED_WAIT, waited)
            if segment.within:
                slots.add(after, Column.ABANDONED_WITHIN, sign)
            if segment.short:
                slots.add(after, Column.ABANDONED_SHORT, sign)

    def moved_on(self, segment: QueueSegment, day: int, service: int, sign: int) -> None:
        """Count a call that left the service unanswered to continue elsewhere."""
        if self._ledger.service(day, service) is not None:
            assert segment.left is not None
            reason = REQUEUED if segment.reason is None else segment.reason
            slots, after = self._slots(day, service, segment.left)
            slots.add(after, Column.MOVED_ON + reason, sign)
            self._ledger.totals_of(service).add(Total.MOVED_ON + reason, sign)

    def missed(self, service: int, at: int, sign: int) -> None:
        """Count an offer that an agent missed at ``at`` (ms)."""
        day = self._day_of(at)
        if self._ledger.service(day, service) is not None:
            slots, after = self._slots(day, service, at)
            slots.add(after, Column.MISSED, sign)

    def credit(self, call: Call, day: int, service: int, agent: int, sign: int) -> None:
        """Count the call as inbound or outbound for an agent on the service."""
        counter = self._agent(day, service, agent)
        if counter is not None:
            if call.direction == "INBOUND":
                counter.inbound += sign
            elif call.direction is not None:
                counter.outbound += sign

    def disposition(self, call: Call, sign: int) -> None:
        """Count the call's latest disposition for its agent."""
        disposition = call.disposition
        if disposition is not None and disposition.agent is not None:
            counter = self._agent(
                self._day_of(disposition.at), disposition.service, disposition.agent
            )
            if counter is not None:
                counter.dispositions[CATEGORIES.index(disposition.category)] += sign

    def _agent(self, day: int, service: int, agent: int) -> AgentDay | None:
        for hook in self._hooks:
            hook(agent)
        return self._ledger.agent(day, service, agent)

    def _slots(self, day: int, service: int, at: int) -> tuple[ServiceIntervals, int]:
        """Return the service's slots on a day that is kept, and the ms from midnight to ``at``."""
        intervals = self._ledger.intervals(day, service, at)
        assert intervals is not None
        return intervals, at - self._bounds(day)[0]
