"""An agent's states by their own times, and what they count.

An event that is not older than the agent's last one is appended. A late event within the window is
inserted at its time: from there on, the previous counts are taken back and new ones are made, until
both are equal again. Times, visits, wrap-ups, services and call counts are therefore the same as if
all events had arrived in order.

An agent's moments are kept for the window, in stretches of ``STRETCH`` with the agent as it was
before each, so that the cost of a late event depends only on the events since.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from copy import copy
from typing import Protocol

from msgspec.structs import replace

from floorcast.floor.agents import (
    ANSWERED,
    LATE_LOGON,
    AgentMoment,
    CallInHand,
    OnFloor,
    Stretch,
    Told,
)
from floorcast.floor.calls import Key, WrapUp
from floorcast.floor.counters import reason_index
from floorcast.floor.days import Calendar
from floorcast.floor.ledger import Ledger
from floorcast.floor.queue_segments import ANSWER as ANSWER_STEP
from floorcast.floor.queue_segments import Step
from floorcast.model.states import (
    CALL_STATES,
    EVENT_STATE,
    IN_CALL,
    LOGOFF,
    NOT_READY,
    READY,
    WRAP_UP,
    State,
)

__all__ = ["AgentTimes", "CallEffects", "Timeline", "forget_moments", "slices"]

STRETCH = 8  # moments
MOST_STRETCHES = 32
MOST_CALLS = 8  # that an agent has answered and not left

_HOLDS_CALL = CALL_STATES | {
    State.DIALING,
    State.MANUAL_DIAL,
    State.PREVIEW_DIAL,
    State.RESERVED,
}
_WITHOUT_STATE = (ANSWERED, LATE_LOGON)
_NO_REASON = reason_index(None)


class CallEffects(Protocol):
    """The effects of an agent's states on calls."""

    def wrap_up(self, key: Key, wrap_up: WrapUp, sign: int) -> None:
        """Count that a wrap-up followed the call (+1), or take it back (-1)."""
        ...

    def leave(self, key: Key, agent: int, at: int, sign: int) -> None:
        """Count that the agent left the call for another (+1), or take it back (-1)."""
        ...

    def come_back(self, key: Key, agent: int, at: int, sign: int) -> None:
        """Count that the agent has returned to the call (+1), or take it back (-1)."""
        ...

    def amend(self, key: Key, step: Step) -> None:
        """Change the service of the agent's answer."""
        ...


class AgentTimes(Protocol):
    """Is told of every count of an agent's time and visits, with its moment in ms."""

    def spent(self, agent: OnFloor, begin: int, spent: int, sign: int) -> None:
        """The agent was in its state from ``begin`` for ``spent`` (+1), or was not (-1)."""
        ...

    def visit(self, agent: OnFloor, at: int, sign: int) -> None:
        """The agent's visit to its state and service counts at ``at`` (+1), or does not (-1)."""
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

    ``times`` are told of what is counted, too.

    Before an agent is changed that an agent's hooks want to know of, its caller calls them.
    """

    def __init__(
        self,
        ledger: Ledger,
        calls: CallEffects,
        calendar: Calendar,
        window: int,
        quiet: int,
        times: AgentTimes | None = None,
    ) -> None:
        self._times = times
        self.calendar = calendar
        self._ledger = ledger
        self._calls = calls
        self._window = window
        self._quiet = quiet

    def places(self, agent: OnFloor, at: int, now: int) -> bool:
        """Whether a moment of ``at``, recorded at ``now``, can be inserted at its time."""
        if at >= agent.reached:
            return True
        past = agent.past
        return bool(past) and at >= past[0].before.reached and now - at <= self._window

    def take(self, agent: OnFloor, moment: AgentMoment, now: int) -> OnFloor:
        """Take a moment that is not too late; the agent as it was by then."""
        at = moment.at
        if at < agent.reached:
            return self._insert(agent, moment)
        if now - at > self._window:
            if agent.past:
                forget_moments(agent)  # events from before this are too late
            self._apply(agent, moment, 1)
            return agent
        if not agent.past or len(agent.past[-1].moments) >= STRETCH:
            self._begin_stretch(agent, at)
        self._apply(agent, moment, 1)
        agent.past[-1].moments.append(moment)
        return agent

    def calls_of(self, agent: OnFloor) -> Iterator[Key]:
        """The calls that a late moment may change."""
        for checkpoint in (agent, *(stretch.before for stretch in agent.past)):
            yield from checkpoint.on
            for key in (checkpoint.answered, checkpoint.wraps_up):
                if key is not None:
                    yield key
        for stretch in agent.past:
            for moment in stretch.moments:
                call = None if moment.told is None else moment.told.call
                if call is not None and call.key is not None:
                    yield call.key

    def _begin_stretch(self, agent: OnFloor, at: int) -> None:
        """Start a new checkpoint for later moments, and drop those before the window."""
        past = agent.past
        past.append(Stretch(_checkpoint(agent), []))
        while len(past) > 1 and (
            past[1].before.reached <= at - self._window or len(past) > MOST_STRETCHES
        ):
            del past[0]

    # -- late moments ----------------------------------------------------------------------

    def _insert(self, agent: OnFloor, moment: AgentMoment) -> OnFloor:
        past = agent.past
        number = bisect_right(past, moment.at, key=_begun) - 1
        stretch = past[number]
        index = bisect_right(stretch.moments, moment.at, key=_at)
        run = _checkpoint(stretch.before)
        for known in stretch.moments[:index]:
            self._apply(run, known, 0)
        before, after = run, _checkpoint(run)
        self._apply(after, moment, 1)
        then = _checkpoint(after)
        rest = stretch.moments[index:]
        stretch.moments.insert(index, moment)
        if self._replay(agent.id, rest, before, after):
            for later in past[number + 1 :]:
                later.before = _checkpoint(after)
                if not self._replay(agent.id, later.moments, before, after):
                    break
            else:
                _become(agent, after)
        if len(stretch.moments) > 2 * STRETCH:
            self._split(past, number)
        return then

    def _replay(
        self, number: int, moments: list[AgentMoment], before: OnFloor, after: OnFloor
    ) -> bool:
        """Take back the moments' counts and count them again; False once nothing changes."""
        for known in moments:
            self._apply(before, known, -1)
            self._apply(after, known, 1)
            self._amend(known, number, before, after)
            if before == after:
                return False
        return True

    # -- the service of a call -------------------------------------------------------------

    def reassign(
        self, agent: OnFloor, key: Key, serving: Callable[[int], int | None], now: int
    ) -> None:
        """Count the agent's time in a call for the service that has the call by what is known now.

        ``serving`` is the service of the agent's segment of the call at a moment. What the agent's
        own event named stays, and so does what was told longer ago than the window.
        """
        anew: dict[tuple[int, int], AgentMoment] = {}
        for number, stretch in enumerate(agent.past):
            for index, moment in enumerate(stretch.moments):
                told = moment.told
                call = None if told is None else told.call
                if call is None or call.key != key or call.named is not None:
                    continue
                served = serving(moment.at)
                if served != call.served and now - moment.at <= self._window:
                    assert told is not None
                    call = replace(call, served=served)
                    anew[number, index] = replace(moment, told=replace(told, call=call))
        if anew:
            self._replace(agent, anew)

    def _replace(self, agent: OnFloor, anew: dict[tuple[int, int], AgentMoment]) -> None:
        """Put other moments in the place of some; see ``_replay``."""
        past = agent.past
        (first, start), last = min(anew), max(anew)
        before = _checkpoint(past[first].before)
        for known in past[first].moments[:start]:
            self._apply(before, known, 0)
        after = _checkpoint(before)
        for number in range(first, len(past)):
            stretch = past[number]
            if number > first:
                stretch.before, start = _checkpoint(after), 0
            for index in range(start, len(stretch.moments)):
                known = stretch.moments[index]
                moment = stretch.moments[index] = anew.get((number, index), known)
                self._apply(before, known, -1)
                self._apply(after, moment, 1)
                if (number, index) >= last and before == after:
                    return
        _become(agent, after)

    def _split(self, past: list[Stretch], number: int) -> None:
        """Split a stretch that late moments have made too long."""
        stretch = past[number]
        run = _checkpoint(stretch.before)
        for known in stretch.moments[:STRETCH]:
            self._apply(run, known, 0)
        past.insert(number + 1, Stretch(run, stretch.moments[STRETCH:]))
        del stretch.moments[STRETCH:]
        if len(past) > MOST_STRETCHES:
            del past[0]

    def _amend(self, moment: AgentMoment, agent: int, before: OnFloor, after: OnFloor) -> None:
        """An answer that named no service was on the one at hand, which is another now."""
        if moment.kind != "IN_CALL" or before.at_hand == after.at_hand:
            return
        call = None if moment.told is None else moment.told.call
        if call is not None and call.key is not None and call.named is None:
            self._calls.amend(call.key, Step(moment.at, ANSWER_STEP, after.at_hand, agent))

    # -- one moment ------------------------------------------------------------------------

    def _apply(self, agent: OnFloor, moment: AgentMoment, sign: int) -> None:
        """Have the agent enter what a moment says; count it (1), take it back (-1) or not (0).

        Members are compared before they are set: to set one costs ten times as much.
        """
        at, kind, told = moment.at, moment.kind, moment.told
        agent.reached = at
        if kind in _WITHOUT_STATE:
            self._note(agent, moment, sign)
            return
        was, state = agent.state, EVENT_STATE[kind]
        if state is None:
            state = agent.state_before_offer
        until, begins = at, state is not was
        if kind == "LOGON" and was is not LOGOFF and at - agent.last_event > self._quiet:
            until, begins = agent.last_event, True  # nothing was heard of it since
        if was is not LOGOFF:
            self._count_time(agent, until, sign)
        if begins and was is WRAP_UP:
            self._end_wrap_up(agent, until, sign)
        if told is not None or moment.service is not None:
            _learn(agent, moment.service, told, at)
        if begins:
            _begin_visit(agent, kind, state, at)
        if state is NOT_READY or was is NOT_READY:
            _give_reason(agent, told)
        agent.last_event = at
        self._take_call(agent, kind, None if told is None else told.call, sign)
        if state is not LOGOFF:
            self._count_visit(agent, self.calendar.day_of(at), at, sign)

    def _take_call(self, agent: OnFloor, kind: str, call: CallInHand | None, sign: int) -> None:
        state = agent.state
        if state not in _HOLDS_CALL:
            if agent.call is not None:
                agent.call = None
            if agent.offered is not None:
                agent.offered = None
        elif call is None and agent.call is None and state in CALL_STATES:
            agent.call = agent.offered
        if call is not None and state is not LOGOFF:
            agent.call = call
            key = call.key
            if key is not None:
                if kind == "IN_CALL":
                    self._answer(agent, key, sign)
                elif state is WRAP_UP:
                    agent.wraps_up = key
        if agent.services:
            _at_the_call(agent)

    def _answer(self, agent: OnFloor, key: Key, sign: int) -> None:
        """The agent is in the call and has left all others."""
        agent.answered = key
        if agent.on != (key,):
            if sign:
                for other in agent.on:
                    if other != key:
                        self._calls.leave(other, agent.id, agent.last_event, sign)
                if key not in agent.on:
                    self._calls.come_back(key, agent.id, agent.last_event, sign)
            agent.on = (key,)

    def _note(self, agent: OnFloor, moment: AgentMoment, sign: int) -> None:
        """Take a moment that leaves the agent in its state."""
        told = moment.told
        if moment.kind == ANSWERED:
            self._answer_unasked(agent, moment.at, None if told is None else told.call, sign)
        elif told is not None and agent.service_at <= told.told_at:
            team = agent.team
            _learn(agent, moment.service, told, told.told_at)
            if team is not None:
                agent.team = team  # it is known already
        elif told is not None and agent.team is None:
            agent.team = told.team
        if agent.services:
            _at_the_call(agent)

    def _answer_unasked(self, agent: OnFloor, at: int, call: CallInHand | None, sign: int) -> None:
        """A ``call.answer`` named the agent; its next In Call that names no call is this one."""
        if call is None or call.key is None:
            return
        agent.answered = call.key
        if sign and call.key not in agent.on:
            self._calls.come_back(call.key, agent.id, at, sign)
        agent.on = (*(key for key in agent.on if key != call.key), call.key)[-MOST_CALLS:]
        if agent.state in CALL_STATES:
            if agent.call is None:
                agent.call = call
        else:
            agent.offered = call

    def _end_wrap_up(self, agent: OnFloor, until: int, sign: int) -> None:
        if sign and agent.wraps_up is not None and until > agent.since:
            spent = WrapUp(agent.id, agent.since, until - agent.since)
            self._calls.wrap_up(agent.wraps_up, spent, sign)
        agent.wraps_up = None

    # -- counting --------------------------------------------------------------------------

    def _count_visit(self, agent: OnFloor, day: int, at: int, sign: int) -> None:
        place = (day, agent.service)
        visited = agent.visited
        if place in visited:
            return
        agent.visited = (*visited, place)
        if sign:
            counter = self._ledger.agent(day, agent.service, agent.id)
            if counter is not None:
                counter.visits[agent.state] += sign
                if self._times is not None:
                    self._times.visit(agent, at, sign)

    def _count_time(self, agent: OnFloor, until: int, sign: int) -> None:
        begin = agent.last_event
        if begin >= until:
            return
        today = self.calendar.same_day(begin, until)
        if today is not None:
            self._count_slice(agent, today, begin, until - begin, sign)
            return
        # a wrong clock can be decades behind: dropped days are not iterated
        begin = max(begin, self.calendar.bounds(self._ledger.first_day)[0])
        for day, spent in slices(begin, until, self.calendar):
            self._count_slice(agent, day, begin, spent, sign)
            begin += spent

    def _count_slice(self, agent: OnFloor, day: int, begin: int, spent: int, sign: int) -> None:
        state, service = agent.state, agent.service
        if (day, service) not in agent.visited:
            self._count_visit(agent, day, begin, sign)
        if not sign:
            return
        counter = self._ledger.agent(day, service, agent.id)
        if counter is not None:
            counter.time[state] += sign * spent
            slots = self._ledger.intervals(day, service)
            assert slots is not None  # as the counter is not
            after = begin - self.calendar.bounds(day)[0]
            slots.add_time(state, after, after + spent, sign)
            if state is NOT_READY:
                counter.reasons[agent.slot] += sign * spent
            if self._times is not None:
                self._times.spent(agent, begin, spent, sign)


def _learn(agent: OnFloor, service: int | None, told: Told | None, at: int) -> None:
    """Take what an event tells beside the state; a service that it names is at hand from now on."""
    services = None
    if told is not None:
        services = told.services
        if services is not None:
            agent.services = services if len(services) > 1 else ()
            service = services[0] if service is None else service
        if told.team is not None:
            agent.team, agent.team_at = told.team, at
        if told.monitored is not None:
            agent.monitored = told.monitored
        if told.skill is not None:
            agent.skill = told.skill
    if service is not None:
        if agent.services and services is None and service not in agent.services:
            agent.services = ()
        if agent.at_hand != service or agent.service != service:
            agent.at_hand = agent.service = service
        agent.service_at = at


def _at_the_call(agent: OnFloor) -> None:
    """If there are several services, time accrues at that of the current call."""
    call = agent.call if agent.state in _HOLDS_CALL else None
    service = None if call is None else call.served if call.named is None else call.named
    if service is not None and service in agent.services:
        agent.service = service
    elif agent.at_hand is not None:
        agent.service = agent.at_hand


def _give_reason(agent: OnFloor, told: Told | None) -> None:
    if agent.state is not NOT_READY:
        agent.reason, agent.slot = None, -1
    elif told is None:
        agent.reason, agent.slot = None, _NO_REASON
    else:
        agent.reason, agent.slot = told.reason, told.slot


def _begin_visit(agent: OnFloor, kind: str, state: State, at: int) -> None:
    if kind == "PREVIEW_DIAL_OFFERED":
        # an agent that is offered a preview is there: its source was connected late
        agent.state_before_offer = agent.state or READY
    visited: tuple[tuple[int, int], ...] = ()
    if state not in CALL_STATES:
        if agent.call_visited is not None:
            agent.call_visited = None
    elif agent.state is IN_CALL:
        agent.call_visited = agent.visited
    elif state is IN_CALL and agent.call_visited is not None:
        visited = agent.call_visited  # back from hold or transfer: the visit continues
    agent.visited = visited
    agent.state, agent.since = state, at
    if state is WRAP_UP:
        agent.wraps_up = agent.answered


_HISTORY = ("past", "seq", "changed_at", "several")
_STATUS = tuple(name for name in OnFloor.__struct_fields__ if name not in _HISTORY)


def _checkpoint(agent: OnFloor) -> OnFloor:
    """The agent's current state, without its history."""
    kept = copy(agent)
    kept.past = []
    kept.seq = kept.changed_at = 0
    kept.several = False
    return kept


def forget_moments(agent: OnFloor) -> None:
    """Drop the kept moments: no event can be inserted before now."""
    agent.past = []


def _become(agent: OnFloor, other: OnFloor) -> None:
    for name in _STATUS:
        setattr(agent, name, getattr(other, name))


def _at(moment: AgentMoment) -> int:
    return moment.at


def _begun(stretch: Stretch) -> int:
    return stretch.before.reached
