"""An agent's states by their own times, and what they count.

An event that is not older than the agent's last one is taken as it comes. One that is up to the
window late is put where it belongs: from there on, what the events had counted is taken back and
what they count now is counted, until both are the same again. So times, visits, wrap-ups, the
service and what the agent's calls count are as if everything had come in order.

An agent's moments are kept for the window, in two halves with the agent as it was before each,
and never more than ``MOST_MOMENTS`` in a half.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from copy import copy
from typing import Protocol

from floorcast.floor.agents import ANSWERED, AgentMoment, OnFloor, Told, state_after
from floorcast.floor.calls import ANSWER as ANSWER_STEP
from floorcast.floor.calls import Key, Step, WrapUp
from floorcast.floor.counters import reason_index
from floorcast.floor.days import Calendar
from floorcast.floor.ledger import Ledger
from floorcast.model.states import CALL_STATES, State

__all__ = ["CallEffects", "Timeline", "forget_moments", "slices"]

MOST_MOMENTS = 128  # in each half
MOST_CALLS = 8  # that an agent has answered and not left

_HOLDS_CALL = CALL_STATES | {
    State.DIALING,
    State.MANUAL_DIAL,
    State.PREVIEW_DIAL,
    State.RESERVED,
}
_NOTHING = Told(slot=reason_index(None))


class CallEffects(Protocol):
    """What an agent's states do to calls."""

    def wrap_up(self, key: Key, wrap_up: WrapUp, sign: int) -> None:
        """A wrap-up followed the call (+1), or turns out not to have (-1)."""
        ...

    def leave(self, key: Key, agent: int, at: int, sign: int) -> None:
        """The agent left the call for another (+1), or turns out not to have (-1)."""
        ...

    def come_back(self, key: Key, agent: int, at: int, sign: int) -> None:
        """The agent is in the call again that it had left (+1), or turns out not to be (-1)."""
        ...

    def amend(self, key: Key, step: Step) -> None:
        """The agent's answer was on another service than was known."""
        ...


def slices(begin: int, end: int, calendar: Calendar) -> Iterator[tuple[int, int]]:
    """The days that the time from ``begin`` to ``end`` touches, and the ms in each."""
    day = calendar.day_of(begin)
    while begin < end:
        stop = min(calendar.bounds(day)[1], end)
        yield day, stop - begin
        begin, day = stop, day + 1


class Timeline:
    """Counts agents' moments into a floor's ledger. ``window`` and ``quiet`` are in ms.

    Before an agent is changed that an agent's hooks want to know of, its caller calls them.
    """

    def __init__(
        self, ledger: Ledger, calls: CallEffects, calendar: Calendar, window: int, quiet: int
    ) -> None:
        self.calendar = calendar
        self._ledger = ledger
        self._calls = calls
        self._window = window
        self._quiet = quiet

    def places(self, agent: OnFloor, at: int, now: int) -> bool:
        """Whether a moment of ``at`` that is taken at ``now`` can be put where it belongs."""
        if at >= agent.reached:
            return True
        first = agent.before_older if agent.before_older is not None else agent.before_newer
        return first is not None and at >= first.reached and now - at <= self._window

    def take(self, agent: OnFloor, moment: AgentMoment, now: int) -> int:
        """Take a moment that is not too late; the service that the agent was at by then."""
        if moment.at < agent.reached:
            return self._insert(agent, moment)
        if now - moment.at > self._window:
            if agent.before_newer is not None:
                forget_moments(agent)  # whatever is from before this comes too late by now
            self._apply(agent, moment, 1)
            return agent.service
        newer = agent.newer
        if agent.before_newer is None:
            agent.before_newer = _checkpoint(agent)
        elif newer and (moment.at - newer[0].at > self._window or len(newer) >= MOST_MOMENTS):
            agent.older, agent.before_older = newer, agent.before_newer
            agent.newer, agent.before_newer = [], _checkpoint(agent)
        self._apply(agent, moment, 1)
        agent.newer.append(moment)
        return agent.service

    def calls_of(self, agent: OnFloor) -> Iterator[Key]:
        """The calls that a late moment may change."""
        for checkpoint in (agent, agent.before_newer, agent.before_older):
            if checkpoint is not None:
                yield from checkpoint.on
                for key in (checkpoint.answered, checkpoint.wraps_up):
                    if key is not None:
                        yield key
        for moments in (agent.older, agent.newer):
            for moment in moments:
                call = None if moment.told is None else moment.told.call
                if call is not None and call.key is not None:
                    yield call.key

    # -- late moments ----------------------------------------------------------------------

    def _insert(self, agent: OnFloor, moment: AgentMoment) -> int:
        in_newer = agent.before_newer is not None and moment.at >= agent.before_newer.reached
        start = agent.before_newer if in_newer else agent.before_older
        assert start is not None
        moments = agent.newer if in_newer else [*agent.older, *agent.newer]
        border = 0 if in_newer else len(agent.older)
        index = bisect_right(moments, moment.at, key=_at)
        run = _checkpoint(start)
        for known in moments[:index]:
            self._apply(run, known, 0)
        before, after = run, copy(run)
        self._apply(after, moment, 1)
        service = after.service
        for number in range(index, len(moments)):
            if number == border and not in_newer:
                agent.before_newer = _checkpoint(after)
            known = moments[number]
            self._apply(before, known, -1)
            self._apply(after, known, 1)
            self._amend(known, agent.id, before, after)
            if before == after:
                break
        else:
            _become(agent, after)
        (agent.newer if in_newer else agent.older).insert(index, moment)
        return service

    def _amend(self, moment: AgentMoment, agent: int, before: OnFloor, after: OnFloor) -> None:
        """An answer that named no service was on the agent's own, which is another now."""
        if moment.kind != "IN_CALL" or before.service == after.service:
            return
        call = None if moment.told is None else moment.told.call
        if call is not None and call.key is not None and call.named is None:
            self._calls.amend(call.key, Step(moment.at, ANSWER_STEP, after.service, agent))

    # -- one moment ------------------------------------------------------------------------

    def _apply(self, agent: OnFloor, moment: AgentMoment, sign: int) -> None:
        """Have the agent enter what a moment says; count it (1), take it back (-1) or not (0)."""
        at, kind = moment.at, moment.kind
        told = _NOTHING if moment.told is None else moment.told
        agent.reached = at
        if kind == ANSWERED:
            _answer_unasked(agent, told)
            return
        state = state_after(agent, kind)
        until, begins = at, state is not agent.state
        if kind == "LOGON" and at - agent.last_event > self._quiet and agent.state:
            until, begins = agent.last_event, True  # nothing was heard of it since
        if sign:
            self._count_time(agent, until, sign)
        else:
            self._pass_time(agent, until)
        if agent.state is State.WRAP_UP and begins:
            self._end_wrap_up(agent, until, sign)
        if kind == "PREVIEW_DIAL_OFFERED" and agent.state is not State.PREVIEW_DIAL:
            # an agent that is offered a preview is there: its source was connected late
            agent.state_before_offer = agent.state or State.READY
        _move(agent, moment.service, told.services, at)
        if told is not _NOTHING:
            _learn(agent, told, at)
        if begins:
            _begin_visit(agent, state)
            agent.state, agent.since = state, at
            if state is State.WRAP_UP:
                agent.wraps_up = agent.answered
        agent.reason = told.reason if state is State.NOT_READY else None
        agent.slot = told.slot if state is State.NOT_READY else -1
        agent.last_event = agent.counted_to = at
        self._take_call(agent, kind, state, told, sign)
        if state is not State.LOGOFF:
            self._count_visit(agent, self.calendar.day_of(at), sign)

    def _take_call(self, agent: OnFloor, kind: str, state: State, told: Told, sign: int) -> None:
        call = told.call
        if state not in _HOLDS_CALL:
            agent.call = agent.offered = None
        elif call is None and agent.call is None and state in CALL_STATES:
            agent.call = agent.offered
        if call is not None and state is not State.LOGOFF:
            agent.call = call
            key = call.key
            if key is not None:
                if kind == "IN_CALL":
                    self._answer(agent, key, sign)
                elif state is State.WRAP_UP:
                    agent.wraps_up = key
        if agent.services:
            _at_the_call(agent)

    def _answer(self, agent: OnFloor, key: Key, sign: int) -> None:
        """The agent is in the call, and in no other any more."""
        agent.answered = key
        if agent.on != (key,):
            if sign:
                for other in agent.on:
                    if other != key:
                        self._calls.leave(other, agent.id, agent.last_event, sign)
                if key not in agent.on:
                    self._calls.come_back(key, agent.id, agent.last_event, sign)
            agent.on = (key,)

    def _end_wrap_up(self, agent: OnFloor, until: int, sign: int) -> None:
        if sign and agent.wraps_up is not None and until > agent.since:
            spent = WrapUp(agent.id, agent.since, until - agent.since)
            self._calls.wrap_up(agent.wraps_up, spent, sign)
        agent.wraps_up = None

    # -- counting --------------------------------------------------------------------------

    def _count_visit(self, agent: OnFloor, day: int, sign: int) -> None:
        place = (day, agent.service)
        if place in agent.visited:
            return
        agent.visited = (*agent.visited, place)
        if sign:
            counter = self._ledger.agent(day, agent.service, agent.id)
            if counter is not None:
                counter.visits[agent.state] += sign

    def _count_time(self, agent: OnFloor, until: int, sign: int) -> None:
        begin = agent.counted_to
        if agent.state is State.LOGOFF or begin >= until:
            return
        today = self.calendar.same_day(begin, until)
        if today is not None:
            self._count_slice(agent, today, until - begin, sign)
            return
        # a clock gone wrong may be decades behind: days that are dropped are not walked through
        begin = max(begin, self.calendar.bounds(self._ledger.first_day)[0])
        for day, spent in slices(begin, until, self.calendar):
            self._count_slice(agent, day, spent, sign)

    def _pass_time(self, agent: OnFloor, until: int) -> None:
        if agent.state is not State.LOGOFF:
            begin = max(agent.counted_to, self.calendar.bounds(self._ledger.first_day)[0])
            for day, _ in slices(begin, until, self.calendar):
                self._count_visit(agent, day, 0)

    def _count_slice(self, agent: OnFloor, day: int, spent: int, sign: int) -> None:
        if (day, agent.service) not in agent.visited:
            self._count_visit(agent, day, sign)
        counter = self._ledger.agent(day, agent.service, agent.id)
        if counter is not None:
            counter.time[agent.state] += sign * spent
            if agent.state is State.NOT_READY:
                counter.reasons[agent.slot] += sign * spent


def _answer_unasked(agent: OnFloor, told: Told) -> None:
    """A ``call.answer`` named the agent; its next In Call that names no call is this one."""
    call = told.call
    if call is None or call.key is None:
        return
    agent.answered = call.key
    agent.on = (*(key for key in agent.on if key != call.key), call.key)[-MOST_CALLS:]
    if agent.state in CALL_STATES:
        if agent.call is None:
            agent.call = call
    else:
        agent.offered = call


def _move(agent: OnFloor, service: int | None, services: tuple[int, ...] | None, at: int) -> None:
    """The services that the agent is logged in to, and the one at hand."""
    if services is not None:
        agent.services = services if len(services) > 1 else ()
        service = services[0] if service is None else service
    elif service is not None and agent.services and service not in agent.services:
        agent.services = ()
    if service is not None:
        agent.at_hand = agent.service = service
        agent.service_at = at


def _at_the_call(agent: OnFloor) -> None:
    """Of several services, time accrues at that of the call in hand."""
    call = agent.call if agent.state in _HOLDS_CALL else None
    if call is not None and call.service in agent.services:
        assert call.service is not None
        agent.service = call.service
    elif agent.at_hand is not None:
        agent.service = agent.at_hand


def _learn(agent: OnFloor, told: Told, at: int) -> None:
    if told.team is not None:
        agent.team, agent.team_at = told.team, at
    if told.monitored is not None:
        agent.monitored = told.monitored
    if told.skill is not None:
        agent.skill = told.skill


def _begin_visit(agent: OnFloor, state: State) -> None:
    if agent.state is State.IN_CALL:
        agent.call_visited = agent.visited
    if state is State.IN_CALL and agent.call_visited is not None:
        agent.visited = agent.call_visited  # back from hold or transfer: the visit goes on
    else:
        agent.visited = ()
    if state not in CALL_STATES:
        agent.call_visited = None


_HISTORY = ("newer", "older", "before_newer", "before_older", "seq", "changed_at")
_STATUS = tuple(name for name in OnFloor.__struct_fields__ if name not in _HISTORY)


def _checkpoint(agent: OnFloor) -> OnFloor:
    """The agent as it is, without what it was."""
    kept = copy(agent)
    kept.newer, kept.older = [], []
    kept.before_newer = kept.before_older = None
    kept.seq = kept.changed_at = 0
    return kept


def forget_moments(agent: OnFloor) -> None:
    """Nothing is put before this any more."""
    agent.newer, agent.older = [], []
    agent.before_newer = agent.before_older = None


def _become(agent: OnFloor, other: OnFloor) -> None:
    for name in _STATUS:
        setattr(agent, name, getattr(other, name))


def _at(moment: AgentMoment) -> int:
    return moment.at
