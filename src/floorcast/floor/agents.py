"""One agent: the present state and since when, and the time that each state has taken.

Only an ``agent.state`` that is not older than the agent's last one changes anything here.
Time is counted up to the last event; what has passed of the present state since then is added
by whoever asks, up to the moment of the answer.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field

from floorcast.floor.calls import Key
from floorcast.floor.counters import reason_index
from floorcast.floor.days import Calendar
from floorcast.floor.directory import NO_SERVICE
from floorcast.floor.ledger import Ledger
from floorcast.model.states import CALL_STATES, EVENT_STATE, State

__all__ = ["CallInHand", "OnFloor", "change_state", "slices", "state_after"]

_HOLDS_CALL = CALL_STATES | {
    State.DIALING,
    State.MANUAL_DIAL,
    State.PREVIEW_DIAL,
    State.RESERVED,
}
_LONG_AGO = -(2**60)


class CallInHand(Struct, gc=False):
    """The call that an agent has in hand, as far as the agent's events name it."""

    transaction: int | None = None
    session: str | None = None
    service: int | None = None
    phone: str | None = None
    account: str | None = None
    campaign_type: str | None = None
    direction: str | None = None

    @property
    def key(self) -> Key | None:
        """The call's name; None when the events do not tell it whole."""
        if self.transaction is None or self.session is None:
            return None
        return (self.transaction, self.session)


class OnFloor(Struct, gc=False):
    """What the floor knows of an agent now; moments in ms.

    ``since`` is when the present state began, ``counted_to`` up to when its time is counted.
    ``visited`` are the (day, service) pairs that the present visit was counted in, and
    ``call_visited`` those of the visit to In Call that hold or transfer interrupts.
    """

    id: int
    state: State = State.LOGOFF
    since: int = 0
    counted_to: int = 0
    last_event: int = _LONG_AGO
    service: int = NO_SERVICE
    reason: str | None = None
    monitored: bool = False
    skill: str | None = None
    call: CallInHand | None = None
    state_before_offer: State = State.READY
    handled_service: int | None = None
    handled_at: int = _LONG_AGO
    visited: list[tuple[int, int]] = field(default_factory=list)
    call_visited: list[tuple[int, int]] | None = None
    seq: int = 0

    @property
    def logged_in(self) -> bool:
        """Logged in now."""
        return self.state is not State.LOGOFF


def state_after(agent: OnFloor, event_type: str) -> State:
    """The state that an event leaves the agent in."""
    state = EVENT_STATE[event_type]
    return agent.state_before_offer if state is None else state


def slices(begin: int, end: int, calendar: Calendar) -> Iterator[tuple[int, int]]:
    """The days that the time from ``begin`` to ``end`` touches, and the ms in each."""
    day = calendar.day_of(begin)
    while begin < end:
        stop = min(calendar.bounds(day)[1], end)
        yield day, stop - begin
        begin, day = stop, day + 1


def change_state(
    agent: OnFloor,
    event_type: str,
    at: int,
    service: int | None,
    reason: str | None,
    ledger: Ledger,
    calendar: Calendar,
) -> None:
    """Count the time up to ``at``, then enter the state that the event leaves the agent in."""
    state = state_after(agent, event_type)
    _count_time(agent, at, ledger, calendar)
    if agent.state is State.WRAP_UP and state is not State.WRAP_UP:
        _count_wrap_up(agent, at, ledger, calendar)
    if event_type == "PREVIEW_DIAL_OFFERED" and agent.state is not State.PREVIEW_DIAL:
        # who is offered a preview is there: its source was connected after the agent had logged on
        unheard = agent.state is State.LOGOFF
        agent.state_before_offer = State.READY if unheard else agent.state
    if service is not None:
        agent.service = service
    if state is not agent.state:
        _begin_visit(agent, state)
        agent.state, agent.since = state, at
    agent.reason = reason if state is State.NOT_READY else None
    agent.last_event = agent.counted_to = at
    if state is State.LOGOFF or state is State.LOGON:
        agent.handled_service = None
    if state is not State.LOGOFF:
        _count_visit(agent, calendar.day_of(at), ledger)
    if state not in _HOLDS_CALL:
        agent.call = None


def _begin_visit(agent: OnFloor, state: State) -> None:
    if agent.state is State.IN_CALL:
        agent.call_visited = agent.visited
    if state is State.IN_CALL and agent.call_visited is not None:
        agent.visited = agent.call_visited  # back from hold or transfer: the visit goes on
    else:
        agent.visited = []
    if state not in CALL_STATES:
        agent.call_visited = None


def _count_visit(agent: OnFloor, day: int, ledger: Ledger) -> None:
    if (day, agent.service) in agent.visited:
        return
    agent.visited.append((day, agent.service))
    counter = ledger.agent(day, agent.service, agent.id)
    if counter is not None:
        counter.visits[agent.state] += 1


def _count_time(agent: OnFloor, until: int, ledger: Ledger, calendar: Calendar) -> None:
    if agent.state is State.LOGOFF:
        return
    # a clock gone wrong may be decades behind: days that are dropped are not walked through
    begin = max(agent.counted_to, calendar.bounds(ledger.first_day)[0])
    day = calendar.day_of(begin)
    if begin < until <= calendar.bounds(day)[1]:
        _count_slice(agent, day, until - begin, ledger)
        return
    for day, spent in slices(begin, until, calendar):
        _count_slice(agent, day, spent, ledger)


def _count_slice(agent: OnFloor, day: int, spent: int, ledger: Ledger) -> None:
    _count_visit(agent, day, ledger)
    counter = ledger.agent(day, agent.service, agent.id)
    if counter is not None:
        counter.time[agent.state] += spent
        if agent.state is State.NOT_READY:
            counter.reasons[reason_index(agent.reason)] += spent


def _count_wrap_up(agent: OnFloor, at: int, ledger: Ledger, calendar: Calendar) -> None:
    """A wrap-up counts once, for the service whose call it followed, on the day it ends."""
    if agent.handled_service is None:
        return
    counter = ledger.service(calendar.day_of(at), agent.handled_service)
    if counter is not None:
        counter.wrap_up += at - agent.since
    agent.handled_service = None
