"""Applies an agent's event to its state, service and call, and updates the counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from floorcast.floor.agents import (
    ANSWERED,
    LATE_ANSWER,
    LATE_LOGON,
    AgentMoment,
    CountedPart,
    CurrentCall,
    EventDetails,
    FloorAgent,
)
from floorcast.floor.call_effects import CallEffects
from floorcast.floor.calls import Key, WrapUp
from floorcast.floor.counters import reason_index
from floorcast.floor.days import Calendar
from floorcast.floor.ledger import Ledger
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

__all__ = ["AgentCounts", "AgentStates", "AgentTimes"]

MAX_CURRENT_CALLS = 8  # answered calls that an agent has not left
MAX_PARTS = 50  # parts of the time in one state that can still be taken back

_HOLDS_CALL = CALL_STATES | {
    State.DIALING,
    State.MANUAL_DIAL,
    State.PREVIEW_DIAL,
    State.RESERVED,
}
_WITHOUT_STATE = (ANSWERED, LATE_ANSWER, LATE_LOGON)
_NO_REASON = reason_index(None)


class AgentTimes(Protocol):
    """Receives every count of agents' time and visits. Times are in ms."""

    def spent(self, agent: FloorAgent, begin: int, spent: int, sign: int) -> None:
        """Count ``spent`` ms in the agent's state from ``begin`` (+1), or take them back (-1)."""
        ...

    def visit(self, agent: FloorAgent, at: int, sign: int) -> None:
        """Count the agent's visit to its state and service at ``at`` (+1), or take it back (-1)."""
        ...


class _Day(NamedTuple):
    """A calendar day, with the ms at which it begins and ends."""

    number: int
    begin: int
    end: int


class AgentCounts:
    """Counts agents' time and visits in one floor's ledger. ``times`` also receives every count.

    Each method counts once (``sign`` 1), takes a count back (-1), or only notes what would have
    been counted (0).
    """

    def __init__(self, ledger: Ledger, calendar: Calendar, times: AgentTimes | None = None) -> None:
        self._ledger = ledger
        self._calendar = calendar
        self._times = times
        # The day of the last event; the next event is nearly always on the same day.
        self._day = _Day(0, 0, 0)

    def visit(self, agent: FloorAgent, at: int, sign: int) -> None:
        """Count the agent's visit to its state and service, unless counted already that day."""
        day = self._day
        if not day.begin <= at < day.end:
            number = self._calendar.day_of(at)
            day = self._day = _Day(number, *self._calendar.bounds(number))
        self._visit(agent, day.number, at, sign)
        if agent.services:
            self._login(agent, day.number, sign)

    def time(self, agent: FloorAgent, until: int, sign: int) -> None:
        """Count the agent's time in its state up to ``until``, where the state ends."""
        if not agent.parts:
            self._count(agent, agent.last_event, until, sign)
            return
        self._shorten(agent, until, sign)
        self._count(agent, agent.counted_until, until, sign)
        agent.parts = ()

    def split(
        self, agent: FloorAgent, service: int, services: tuple[int, ...], until: int, sign: int
    ) -> None:
        """Count the time up to ``until`` for services that have just been replaced by others."""
        begin = agent.counted_until
        if begin < until:
            part = CountedPart(service, begin, until, agent.visited, services, agent.counted_login)
            replacements = agent.service, agent.services
            agent.service, agent.services = service, services
            self._count(agent, begin, until, sign)
            agent.service, agent.services = replacements
            agent.parts = (*agent.parts, part)[-MAX_PARTS:]

    def _shorten(self, agent: FloorAgent, until: int, sign: int) -> None:
        """Take back the parts after ``until``, because the state ended then."""
        kept = agent.service, agent.services
        while agent.parts and agent.parts[-1].end > until:
            part = agent.parts[-1]
            agent.parts = agent.parts[:-1]
            agent.service, agent.services = part.service, part.services
            agent.visited, agent.counted_login = part.visited, part.counted_login
            self._count(agent, part.begin, part.end, -sign)
            agent.visited, agent.counted_login = part.visited, part.counted_login
            if part.begin < until:
                self._count(agent, part.begin, until, sign)
                agent.parts = (*agent.parts, part._replace(end=until))
        agent.service, agent.services = kept

    def _count(self, agent: FloorAgent, begin: int, until: int, sign: int) -> None:
        day = self._day
        if begin >= until:
            return
        if day.begin <= begin and until < day.end:
            self._slice(agent, day, begin, until - begin, sign)
            return
        # skip the days that were dropped, because a wrong clock can be decades behind
        begin = max(begin, self._calendar.bounds(self._ledger.first_day)[0])
        for part, spent in _slices(begin, until, self._calendar):
            self._slice(agent, part, begin, spent, sign)
            begin += spent

    def _visit(self, agent: FloorAgent, day: int, at: int, sign: int) -> None:
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

    def _login(self, agent: FloorAgent, day: int, sign: int) -> None:
        """Count that the agent is logged in to its services, unless that was the last count."""
        login = (day, agent.services)
        if agent.counted_login == login:
            return
        agent.counted_login = login
        if sign:
            for service in agent.services:
                counter = self._ledger.agent(day, service, agent.id)
                if counter is not None:
                    counter.logins += sign

    def _slice(self, agent: FloorAgent, on: _Day, begin: int, spent: int, sign: int) -> None:
        state, service, day = agent.state, agent.service, on.number
        if (day, service) not in agent.visited:
            self._visit(agent, day, begin, sign)
        if agent.services:
            self._login(agent, day, sign)
        if not sign:
            return
        counter = self._ledger.agent(day, service, agent.id)
        if counter is not None:
            counter.time[state] += sign * spent
            slots = self._ledger.intervals(day, service, begin)
            assert slots is not None  # because the counter is not None
            after = begin - on.begin
            slots.add_time(state, after, after + spent, sign)
            if state is NOT_READY:
                counter.reasons[agent.reason_slot] += sign * spent
            if self._times is not None:
                self._times.spent(agent, begin, spent, sign)


def _slices(begin: int, end: int, calendar: Calendar) -> Iterator[tuple[_Day, int]]:
    """Yield each day between ``begin`` and ``end``, with the ms of that time in it."""
    number = calendar.day_of(begin)
    while begin < end:
        day = _Day(number, *calendar.bounds(number))
        stop = min(day.end, end)
        yield day, stop - begin
        begin, number = stop, number + 1


class AgentStates:
    """Applies events to agents. After ``quiet`` ms without an event, an agent counts as gone."""

    def __init__(self, counts: AgentCounts, calls: CallEffects, quiet: int) -> None:
        self._counts = counts
        self._calls = calls
        self._quiet = quiet
        self.departures: dict[tuple[Key, int], int] = {}

    def enter(
        self, agent: FloorAgent, moment: AgentMoment, sign: int, *, calls: bool = True
    ) -> None:
        """Apply a moment to an agent. Count it (1), take its counts back (-1), or do neither (0).

        If ``calls`` is False, the counts of the agent's time change, but not its calls.

        Members are compared before they are set, because setting one takes ten times as long.
        """
        at, kind, details = moment.at, moment.kind, moment.details
        call_sign = sign if calls else 0
        agent.applied_until = at
        if kind in _WITHOUT_STATE:
            self._apply_stateless(agent, moment, sign, call_sign)
            return
        was, state = agent.state, EVENT_STATE[kind]
        if state is None:
            state = agent.state_before_offer
        until, begins = at, state is not was
        if kind == "LOGON" and was is not LOGOFF and at - agent.last_event > self._quiet:
            until, begins = agent.last_event, True  # no event has named the agent since then
        if was is not LOGOFF:
            self._counts.time(agent, until, sign)
        if begins and was is WRAP_UP:
            self._end_wrap_up(agent, until, call_sign)
        if details is not None or moment.service is not None:
            _set_members(agent, moment.service, details, at)
        if begins:
            _begin_visit(agent, kind, state, at)
        if state is NOT_READY or was is NOT_READY:
            _set_reason(agent, details)
        agent.last_event = at
        self._set_call(agent, kind, None if details is None else details.call, call_sign)
        if state is not LOGOFF:
            self._counts.visit(agent, at, sign)

    def _set_call(self, agent: FloorAgent, kind: str, call: CurrentCall | None, sign: int) -> None:
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
                    agent.wrap_up_call = key
        if agent.services:
            _choose_service(agent)

    def _answer(self, agent: FloorAgent, key: Key, sign: int) -> None:
        """Record that the agent is in the call and has left all other calls."""
        agent.answered, agent.in_call_at = key, agent.last_event
        if agent.current_calls != (key,):
            if sign:
                for other in agent.current_calls:
                    if other != key:
                        self._leave(other, agent.id, agent.last_event, sign)
                if key not in agent.current_calls:
                    self._calls.come_back(key, agent.id, agent.last_event, sign)
            agent.current_calls = (key,)

    def _apply_stateless(
        self, agent: FloorAgent, moment: AgentMoment, sign: int, call_sign: int
    ) -> None:
        """Apply a moment that does not change the agent's state, but perhaps its service.

        Other services count for the time after the moment, and for a quiet agent for all the time
        that no figure shows.
        """
        details, since = moment.details, moment.at
        service, services = agent.service, agent.services
        if moment.kind == ANSWERED:
            call = None if details is None else details.call
            self._note_answer(agent, moment.at, call, call_sign)
        elif moment.kind == LATE_ANSWER:
            self._note_late_answer(agent, details, call_sign)
        elif details is not None and agent.service_at <= details.logon_at:
            team = agent.team
            _set_members(agent, moment.service, details, details.logon_at)
            since = details.since
            if team is not None:
                agent.team = team  # the team is already known
        elif details is not None and agent.team is None:
            agent.team = details.team
        if agent.services:
            _choose_service(agent)
        moved = agent.service != service or agent.services != services
        if moved and agent.state is not LOGOFF:
            until = min(since, agent.last_event + self._quiet)
            self._counts.split(agent, service, services, until, sign)

    def _note_answer(self, agent: FloorAgent, at: int, call: CurrentCall | None, sign: int) -> None:
        """Fold a ``call.answer`` that named the agent.

        If the agent is In Call but has not named a call, this becomes its call.
        """
        if call is None or call.key is None:
            return
        agent.answered = call.key
        if sign and call.key not in agent.current_calls:
            self._calls.come_back(call.key, agent.id, at, sign)
        agent.current_calls = (*(key for key in agent.current_calls if key != call.key), call.key)[
            -MAX_CURRENT_CALLS:
        ]
        if agent.state in CALL_STATES:
            if agent.call is None:
                agent.call = call
        else:
            agent.offered = call

    def _note_late_answer(self, agent: FloorAgent, details: EventDetails | None, sign: int) -> None:
        """Fold a ``call.answer`` that is too late for any figure of the agent's.

        The agent has left the call for another one, or will leave it for the next one.
        """
        key = None if details is None or details.call is None else details.call.key
        if key is None or details is None or key in agent.current_calls:
            return
        if agent.in_call_at <= details.logon_at:
            agent.current_calls = (*agent.current_calls, key)[-MAX_CURRENT_CALLS:]
        elif sign:
            self._leave(key, agent.id, agent.in_call_at, sign)

    def _leave(self, key: Key, agent: int, at: int, sign: int) -> None:
        """Record that the agent left the call for another one (+1), or undo this (-1)."""
        self._calls.leave(key, agent, at, sign)
        departure = key, at
        times = self.departures.pop(departure, 0) + sign
        if times:
            self.departures[departure] = times

    def _end_wrap_up(self, agent: FloorAgent, until: int, sign: int) -> None:
        if sign and agent.wrap_up_call is not None and until > agent.since:
            spent = WrapUp(agent.id, agent.since, until - agent.since)
            self._calls.wrap_up(agent.wrap_up_call, spent, sign)
        agent.wrap_up_call = None


def _set_members(
    agent: FloorAgent, service: int | None, details: EventDetails | None, at: int
) -> None:
    """Set the agent's members from an event, except the state.

    A service that the event names becomes the agent's current service.
    """
    services = None
    if details is not None:
        services = details.services
        if services is not None:
            agent.services = services if len(services) > 1 else ()
            service = services[0] if service is None else service
        if details.team is not None:
            agent.team, agent.team_at = details.team, at
        if details.monitored is not None:
            agent.monitored = details.monitored
        if details.skill is not None:
            agent.skill = details.skill
    if service is not None:
        if agent.services and services is None and service not in agent.services:
            agent.services = ()
        if agent.named_service != service or agent.service != service:
            agent.named_service = agent.service = service
        agent.service_at = at


def _choose_service(agent: FloorAgent) -> None:
    """Set the service for which the time of an agent with several services counts.

    This is the current call's service if the agent is logged in to it, or otherwise
    ``named_service``.
    """
    call = agent.call if agent.state in _HOLDS_CALL else None
    service = (
        None
        if call is None
        else call.answered_service
        if call.named_service is None
        else call.named_service
    )
    if service is not None and service in agent.services:
        agent.service = service
    elif agent.named_service is not None:
        agent.service = agent.named_service


def _set_reason(agent: FloorAgent, details: EventDetails | None) -> None:
    if agent.state is not NOT_READY:
        agent.reason, agent.reason_slot = None, -1
    elif details is None:
        agent.reason, agent.reason_slot = None, _NO_REASON
    else:
        agent.reason, agent.reason_slot = details.reason, details.reason_slot


def _begin_visit(agent: FloorAgent, kind: str, state: State, at: int) -> None:
    if kind == "PREVIEW_DIAL_OFFERED":
        # an agent that is offered a preview is logged in: the source was connected late
        agent.state_before_offer = agent.state or READY
    visited: tuple[tuple[int, int], ...] = ()
    if state not in CALL_STATES:
        if agent.call_visited is not None:
            agent.call_visited = None
    elif agent.state is IN_CALL:
        agent.call_visited = agent.visited
    elif state is IN_CALL and agent.call_visited is not None:
        visited = agent.call_visited  # back from hold or transfer: the visit continues
    if agent.call is not None and agent.state not in _HOLDS_CALL:
        agent.call = None  # an event in a state without a call named it, usually its WRAP_UP
    agent.visited = visited
    agent.state, agent.since = state, at
    if state is WRAP_UP:
        agent.wrap_up_call = agent.answered
