"""One agent: its current state, when this state began, and the states of the last few minutes.

The states are ordered by the events' own times, like the steps of a call
(``floorcast.floor.timeline``). Time is counted up to the agent's last event. The reader adds the
time that the agent has since spent in the current state.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct, field

from floorcast.floor.calls import Call, Key
from floorcast.floor.directory import NO_SERVICE
from floorcast.model.states import LOGOFF, READY, State

__all__ = [
    "ANSWERED",
    "LATE_ANSWER",
    "LATE_LOGON",
    "LONG_AGO",
    "LONG_TEXT",
    "AgentMoment",
    "CountedLogin",
    "CountedPart",
    "CurrentCall",
    "EventDetails",
    "FloorAgent",
    "MomentRun",
    "short_text",
]

LONG_AGO = -(2**60)
LONG_TEXT = 128  # characters; agents' longer texts are counted (``floor/agent_sizes.py``)
ANSWERED = "ANSWERED"  # the kind of a moment at which a ``call.answer`` named the agent
LATE_LOGON = "LATE_LOGON"  # the kind of a moment for a LOGON that arrived too late to count
LATE_ANSWER = "LATE_ANSWER"  # the kind of a moment for a ``call.answer`` that arrived too late


SENT_PHONE, SENT_ACCOUNT, SENT_DIRECTION = 1, 2, 4


class CallMembers(NamedTuple):
    """The customer's number, the account and the direction of an agent's call."""

    phone: str | None
    account: str | None
    direction: str | None


def short_text(text: str | None) -> str | None:
    """Return a text that an agent takes over from its call; None if it is too long for that."""
    return None if text is None or len(text) > LONG_TEXT else text


class CurrentCall(Struct, gc=False):
    """An agent's current call, according to the agent's events.

    ``service`` is the service that has the call. ``named_service`` is the one that the agent's
    event named. ``answered_service`` is the service of the segment that the agent answered.
    ``sent`` has one bit for each member that the agent's event sent. The call's own data, which may
    arrive later, replaces the others (``members_now``), except for long texts: without limit, all
    agents could name a single call that has them.
    """

    transaction: int | None = None
    session: str | None = None
    service: int | None = None
    phone: str | None = None
    account: str | None = None
    campaign_type: str | None = None
    direction: str | None = None
    named_service: int | None = field(default=None, name="named")
    answered_service: int | None = field(default=None, name="served")
    sent: int = 0

    @property
    def key(self) -> Key | None:
        """The call's key; None if the events do not identify it."""
        if self.transaction is None or self.session is None:
            return None
        return (self.transaction, self.session)

    def members_now(self, call: Call | None) -> CallMembers:
        """Return what is known of the call now. ``call`` is None if it is not in memory."""
        phone, account, direction = self.phone, self.account, self.direction
        if call is not None:
            if not self.sent & SENT_PHONE:
                phone = short_text(call.customer_phone)
            if not self.sent & SENT_ACCOUNT:
                account = short_text(call.account)
            if not self.sent & SENT_DIRECTION:
                direction = call.direction
        return CallMembers(phone, account, direction)


class EventDetails(Struct, array_like=True, gc=False):
    """The optional members of an agent's event.

    ``reason_slot`` is the index of the Not Ready figure in which ``reason`` counts. ``logon_at`` is
    the time of a LOGON or answer that arrived too late, and ``since`` is when the LOGON's service
    begins to count for the agent's time, in ms.
    """

    reason: str | None = None
    reason_slot: int = 0
    services: tuple[int, ...] | None = None
    team: int | None = None
    monitored: bool | None = None
    skill: str | None = None
    call: CurrentCall | None = None
    logon_at: int = 0
    since: int = 0


class AgentMoment(Struct, array_like=True, gc=False):
    """An agent's event: its time (ms), its kind, and the service that it names."""

    at: int
    kind: str
    service: int | None = None
    details: EventDetails | None = None


CountedLogin = tuple[int, tuple[int, ...]]
"""A day, and the services to which an agent was logged in at once on that day."""


class CountedPart(NamedTuple):
    """The first part of the time in a state, which counts for another service than the rest.

    Times are in ms. ``visited`` and ``counted_login`` are those of the agent before this part was
    counted, and ``services`` those of the agent during it.
    """

    service: int
    begin: int
    end: int
    visited: tuple[tuple[int, int], ...]
    services: tuple[int, ...] = ()
    counted_login: CountedLogin | None = None


class FloorAgent(Struct, omit_defaults=True, gc=False):
    """An agent as the floor knows it now. Times are in ms.

    ``since`` is when the current state began. The agent's time is counted up to ``counted_until``:
    ``last_event``, the time of the last event, or the end of the last of ``parts``. ``parts`` are
    the parts of the time since then that count for other services. ``changed_at`` is when the last
    change of state, reason or service was recorded. ``service`` is the one for which time counts:
    the current call's service if it is in ``services``, or otherwise ``named_service``. ``visited``
    holds the (day, service) pairs in which the current visit was counted. ``call_visited`` holds
    the pairs of the visit to In Call that a hold or transfer has interrupted. ``counted_login`` is
    the last login to several services that was counted.

    ``answered`` is the last call that the agent answered. ``current_calls`` holds the calls that
    the agent has not left for another one. ``in_call_at`` is the time of the last In Call event,
    with which the agent left all other calls. ``wrap_up_call`` is the call of the current wrap-up.
    ``offered`` is a call that was answered before the agent was In Call.

    ``applied_until`` is the time of the last moment. ``past`` holds the moments of the last few
    minutes; a late one is inserted there.
    """

    id: int
    state: State = LOGOFF
    since: int = 0
    last_event: int = LONG_AGO
    service: int = NO_SERVICE
    reason: str | None = None
    monitored: bool = False
    skill: str | None = None
    call: CurrentCall | None = None
    state_before_offer: State = READY
    visited: tuple[tuple[int, int], ...] = ()
    call_visited: tuple[tuple[int, int], ...] | None = None
    seq: int = 0
    reason_slot: int = field(default=-1, name="slot")
    services: tuple[int, ...] = ()
    named_service: int | None = field(default=None, name="at_hand")
    team: int | None = None
    team_at: int = LONG_AGO
    service_at: int = LONG_AGO
    answered: Key | None = None
    current_calls: tuple[Key, ...] = field(default=(), name="on")
    in_call_at: int = LONG_AGO
    wrap_up_call: Key | None = field(default=None, name="wraps_up")
    offered: CurrentCall | None = None
    applied_until: int = field(default=LONG_AGO, name="reached")
    changed_at: int = 0
    parts: tuple[CountedPart, ...] = ()
    counted_login: CountedLogin | None = None
    past: list[MomentRun] = field(default_factory=list)

    @property
    def counted_until(self) -> int:
        """The time up to which the agent's time in its state is counted, in ms."""
        return self.parts[-1].end if self.parts else self.last_event

    @property
    def logged_in(self) -> bool:
        """Whether the agent is logged in now."""
        return self.state is not LOGOFF

    @property
    def logged_in_to(self) -> tuple[int, ...]:
        """The services that the agent is logged in to, or was logged in to last."""
        return self.services or (self.service,)


class MomentRun(Struct, array_like=True, gc=False):
    """Some of an agent's moments in order of time, and the agent as it was before them."""

    before: FloorAgent
    moments: list[AgentMoment]
