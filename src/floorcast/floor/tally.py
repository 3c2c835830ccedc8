"""What a call counts for its services and agents, by day; and how it is taken back.

Before anything of a call changes, what it counts is taken back (``sign`` -1); afterwards it is
counted as it now is (``sign`` +1). So a late event corrects every figure that it touches. A
wait is judged by the threshold in force when the call is counted.

Once per call and service (``metrics.md``): a call that comes back to a service is not offered
there again that day, and counts as handled there if it was answered in any of its turns.
"""

from __future__ import annotations

from collections.abc import Callable

from floorcast.floor.calls import ANSWER, END, Call, QueueSegment, Step
from floorcast.floor.counters import CATEGORIES, AgentDay
from floorcast.floor.days import Calendar
from floorcast.floor.ledger import Ledger
from floorcast.site.configuration import Service

__all__ = ["Tally"]

_UNKNOWN_SERVICE = Service(id=0, name="-")
_Seen = list[tuple[int, int]]


class Tally:
    """Counts calls into one floor's counters; ``hooks`` are called before an agent changes."""

    def __init__(
        self,
        ledger: Ledger,
        calendar: Calendar,
        services: dict[int, Service],
        hooks: list[Callable[[int | None], None]],
    ) -> None:
        self._hooks = hooks
        self._ledger = ledger
        self._day_of = calendar.day_of
        self._services = services

    def count_legs(self, call: Call, sign: int) -> None:
        """Count what the call's legs count (+1), or take it back as it was counted (-1)."""
        if not call.legs:
            return
        offered: _Seen = []
        handled: _Seen = []
        answered_by: list[tuple[int, int, int]] = []
        for leg in call.legs:
            self._offer(leg, sign, offered)
            if leg.answered is not None:
                self._handle(call, leg, sign, handled, answered_by)
        leg = call.legs[-1]
        if leg.answered is None and leg.left is not None:
            self._abandon(leg, leg.left, sign, handled)

    def take(self, call: Call, step: Step) -> None:
        """Have the call take a step, and count what it then counts in place of what it did."""
        if self._only_adds(call, step):
            call.take(step)
            self._add(call.legs[0], call, step)
            return
        self.count_legs(call, -1)
        call.take(step)
        self.count_legs(call, 1)

    def _only_adds(self, call: Call, step: Step) -> bool:
        """The usual step: the answer or the end of the only turn, in order and the same day."""
        if len(call.legs) != 1 or step.at < call.last_step:
            return False
        leg = call.legs[0]
        begin = leg.joined if leg.joined is not None else leg.answered
        if leg.left is not None or begin is None or self._day_of(begin) != self._day_of(step.at):
            return False
        return step.kind == END or (step.kind == ANSWER and leg.answered is None)

    def _add(self, leg: QueueSegment, call: Call, step: Step) -> None:
        if step.kind == ANSWER:
            self._handle(call, leg, 1, [], [])
        elif leg.answered is not None:
            self._judge_again(leg, leg.answered)
            self._talk(leg, 1)
        else:
            self._abandon(leg, step.at, 1, [])

    def count_disposition(self, call: Call, sign: int) -> None:
        """Count the call's latest disposition for its agent, or take it back."""
        said = call.disposition
        if said is not None and said.agent is not None:
            day = self._agent(self._day_of(said.at), said.service, said.agent)
            if day is not None:
                day.dispositions[CATEGORIES.index(said.category)] += sign

    def _offer(self, leg: QueueSegment, sign: int, offered: _Seen) -> None:
        begin = leg.joined if leg.joined is not None else leg.answered
        end = leg.answered if leg.answered is not None else leg.left
        assert begin is not None
        first = self._day_of(begin)
        last = first if end is None else self._day_of(end)
        # waiting at midnight is being offered anew; days that are dropped are not walked through
        for day in range(max(first, self._ledger.first_day), last + 1):
            if (day, leg.service) not in offered:
                offered.append((day, leg.service))
                counter = self._ledger.service(day, leg.service)
                if counter is not None:
                    counter.offered += sign

    def _handle(
        self,
        call: Call,
        leg: QueueSegment,
        sign: int,
        handled: _Seen,
        answered_by: list[tuple[int, int, int]],
    ) -> None:
        assert leg.answered is not None
        day = self._day_of(leg.answered)
        if leg.agent is not None and (day, leg.service, leg.agent) not in answered_by:
            answered_by.append((day, leg.service, leg.agent))
            self._credit(call, day, leg.service, leg.agent, sign)
        if (day, leg.service) in handled:
            return
        handled.append((day, leg.service))
        counter = self._ledger.service(day, leg.service)
        if counter is not None:
            wait = leg.wait(leg.answered)
            if sign > 0:
                leg.within = self._within(leg.service, wait)
            counter.handled += sign
            counter.handled_wait += sign * wait
            counter.handled_within += sign * leg.within
        if leg.left is not None:
            self._talk(leg, sign)

    def _credit(self, call: Call, day: int, service: int, agent: int, sign: int) -> None:
        counter = self._agent(day, service, agent)
        if counter is not None:
            if call.direction == "INBOUND":
                counter.inbound += sign
            elif call.direction is not None:
                counter.outbound += sign

    def _judge_again(self, leg: QueueSegment, answered: int) -> None:
        """The threshold may have changed since the answer was counted."""
        within = self._within(leg.service, leg.wait(answered))
        if within is not leg.within:
            counter = self._ledger.service(self._day_of(answered), leg.service)
            if counter is not None:
                counter.handled_within += within - leg.within
            leg.within = within

    def _within(self, service: int, wait: int) -> bool:
        return wait <= self._services.get(service, _UNKNOWN_SERVICE).sla_seconds * 1000

    def _agent(self, day: int, service: int, agent: int) -> AgentDay | None:
        for hook in self._hooks:
            hook(agent)
        return self._ledger.agent(day, service, agent)

    def _talk(self, leg: QueueSegment, sign: int) -> None:
        assert leg.answered is not None
        assert leg.left is not None
        counter = self._ledger.service(self._day_of(leg.left), leg.service)
        if counter is not None:
            counter.talks += sign
            counter.talk += sign * (leg.left - leg.answered)

    def _abandon(self, leg: QueueSegment, left: int, sign: int, handled: _Seen) -> None:
        day = self._day_of(left)
        if (day, leg.service) in handled:
            return
        counter = self._ledger.service(day, leg.service)
        if counter is None:
            return
        wait = leg.wait(left)
        if sign > 0:
            settings = self._services.get(leg.service, _UNKNOWN_SERVICE)
            short = settings.short_abandon_seconds
            leg.within = wait <= settings.sla_seconds * 1000
            leg.short = leg.within if short is None else wait <= short * 1000
        counter.abandoned += sign
        counter.abandoned_wait += sign * wait
        counter.abandoned_within += sign * leg.within
        counter.abandoned_short += sign * leg.short
