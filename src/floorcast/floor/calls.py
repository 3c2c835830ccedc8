"""One call: its known data, and its segments in services' queues.

A call's ``segments`` are ordered by the events' own times, not by their arrival
(``floorcast.floor.call_steps``).

A call keeps at most ``MAX_STEPS`` steps, or ``REDUCED_MAX_STEPS`` once its recomputed steps reach
``EXPENSIVE_WORK``. The oldest steps are then compacted into a summary (``CompactedSteps``). A new
step that is older than the steps that remain is ignored.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import zip_longest

from msgspec import Struct, field

from floorcast.floor.directory import NO_SERVICE
from floorcast.floor.queue_segments import (
    ANSWER,
    END,
    MAX_OTHERS,
    START,
    QueueSegment,
    Step,
)
from floorcast.site.configuration import Category

__all__ = [
    "EXPENSIVE_WORK",
    "MAX_STEPS",
    "REDUCED_MAX_STEPS",
    "Call",
    "CompactedCount",
    "CompactedSteps",
    "Disposition",
    "Key",
    "WrapUp",
]

Key = tuple[int, str]
"""A call's key: its transaction id and its session id."""

MAX_CAMPAIGNS = 16  # campaigns that a call counts for; any others only appear in the feed
MAX_STEPS = 1000  # steps that a call keeps
REDUCED_MAX_STEPS = 50  # steps that a call keeps once it has become expensive
EXPENSIVE_WORK = 50_000  # recomputed steps that make a call expensive
UNCOUNTED_WORK = 8  # recomputed steps that are not counted, because an ordinary call needs them


class Disposition(Struct, gc=False):
    """A call's latest term code. ``named`` is True if the event named the agent."""

    at: int
    code: str | None
    category: Category
    agent: int | None
    service: int
    named: bool = True


class WrapUp(Struct, array_like=True, gc=False):
    """A wrap-up after the call: the agent, and the wrap-up's start and duration in ms."""

    agent: int
    begin: int
    spent: int


CompactedCount = tuple[tuple[int, int], QueueSegment | None]
"""A day and a service, with the segment by which a call was counted there."""


class CompactedSteps(Struct, omit_defaults=True, gc=False):
    """The summary of the oldest steps of a very long call.

    ``until`` is the time of the oldest step that is kept. ``segment`` and ``service`` are the
    segment and the service that the call had before that step.

    The lists contain the days and services for which the call was counted; ``credited`` also
    has the agents. ``offered_at`` has the time of each offer in ``offered``. The lists whose names
    end in ``_segments`` have the segments by which the call was counted, or None where an earlier
    release compacted the steps.
    """

    until: int
    segment: QueueSegment | None = None
    service: int | None = None
    waited: int = 0
    first_answer: int | None = None
    offered: list[tuple[int, int]] = field(default_factory=list)
    offered_at: list[int] = field(default_factory=list)
    handled: list[tuple[int, int]] = field(default_factory=list)
    abandoned: list[tuple[int, int]] = field(default_factory=list, name="gave_up")
    moved_on: list[tuple[int, int]] = field(default_factory=list)
    credited: list[tuple[int, int, int]] = field(default_factory=list)
    handled_segments: list[QueueSegment | None] = field(default_factory=list)
    abandoned_segments: list[QueueSegment | None] = field(
        default_factory=list, name="gave_up_segments"
    )
    moved_on_segments: list[QueueSegment | None] = field(default_factory=list)

    def counted_handled(self) -> Iterator[CompactedCount]:
        """Return the days and services for which the call was counted as handled."""
        return zip_longest(self.handled, self.handled_segments)

    def counted_abandoned(self) -> Iterator[CompactedCount]:
        """Return the days and services for which the call was counted as abandoned."""
        return zip_longest(self.abandoned, self.abandoned_segments)

    def counted_moved_on(self) -> Iterator[CompactedCount]:
        """Return the days and services for which the call was counted as moved on."""
        return zip_longest(self.moved_on, self.moved_on_segments)


class Call(Struct, omit_defaults=True, gc=False):
    """A call that is in progress or has recently ended.

    ``declared`` is the service that a start event or a correction named at ``declared_at``.
    ``service`` is the one at which the call began or was first seen. ``member_updates`` holds the
    times of the events that set the call's other members, with one bit for each member that the
    event set. ``departures`` holds the agents that left this call for another one or came back to
    it, and when. ``missed`` holds, for each missed offer whose event named no service, its time and
    the service for which it counts.

    ``campaigns`` holds all campaigns that events have named, and ``campaign`` the latest one.
    ``last_active`` is the latest time of a step, even of one that changes no segment.
    ``first_named`` is the earliest time before ``started`` at which an event named a service, with
    that service.
    """

    transaction: int
    session: str
    steps: list[Step] = field(default_factory=list)
    segments: list[QueueSegment] = field(default_factory=list, name="legs")  # as on disk
    service: int | None = None
    started: int | None = None
    ended: int | None = None
    last_step: int = 0
    last_event: int = 0
    last_recorded: int = field(default=0, name="last_taken")
    direction: str | None = None
    campaign: int | None = None
    campaign_type: str | None = None
    phone_dialed: str | None = None
    caller_id: str | None = None
    account: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    total_due: float | None = None
    zip_code: str | None = None
    area_code_state: str | None = None
    phone_position: str | int | None = None
    priority: int | None = None
    operator_phone: str | None = None
    skill: str | int | None = None
    lv_result: str | None = None
    disposition: Disposition | None = None
    declared: int | None = None
    declared_at: int | None = None
    corrected: bool = False
    work: int = 0
    judged: int = 0
    compacted: CompactedSteps | None = field(default=None, name="folded")
    wrap_ups: tuple[WrapUp, ...] = ()
    member_updates: tuple[tuple[int, int], ...] = field(default=(), name="told")
    departures: tuple[tuple[int, int, bool], ...] = field(default=(), name="gone")
    missed: tuple[tuple[int, int], ...] = ()
    campaigns: tuple[int, ...] = ()
    last_active: int = 0
    first_named: tuple[int, int] | None = None

    @property
    def key(self) -> Key:
        """The call's key."""
        return (self.transaction, self.session)

    @property
    def begun(self) -> bool:
        """Whether an event told more of the call than a term code, an offer or a wrap-up."""
        known = self.steps or self.started is not None or self.declared_at is not None
        return bool(known) or self.compacted is not None

    @property
    def first_service(self) -> tuple[int, int] | None:
        """When an event first named a service (ms), and the call's service for its campaigns.

        Unlike ``service``, it depends on no agent and no segment, so it never goes back to None.
        """
        known = self.first_named
        if self.declared is None:
            return known
        begins = (self.started, None if known is None else known[0])
        return min(at for at in begins if at is not None), self.declared

    def note_step(self, step: Step) -> None:
        """Record the time and the service of a step, whether or not it changes a segment."""
        at = step.at
        self.last_active = max(self.last_active, at)
        # an answer has its agent's service, which can still change
        if step.service is None or step.kind in (START, ANSWER):
            return
        if self.started is None or at < self.started:
            named = (at, step.service)
            self.first_named = named if self.first_named is None else min(self.first_named, named)

    def note_campaign(self, campaign: int) -> None:
        """Record that an event has named a campaign."""
        if campaign not in self.campaigns and len(self.campaigns) < MAX_CAMPAIGNS:
            self.campaigns = (*self.campaigns, campaign)

    @property
    def segment(self) -> QueueSegment | None:
        """The call's current segment, which is the last one; None if there is none."""
        return self.segments[-1] if self.segments else None

    @property
    def waiting(self) -> bool:
        """Whether the call is waiting for an agent."""
        segment = self.segment
        return segment is not None and segment.answered is None and segment.left is None

    @property
    def waiting_since(self) -> int | None:
        """When the current wait for an agent began, in ms; None if the call is not waiting."""
        segment = self.segment
        if segment is None or segment.answered is not None or segment.left is not None:
            return None
        return segment.joined

    @property
    def progress(self) -> str:
        """The call's phase: DIALING, QUEUED or CONNECTED."""
        segment = self.segment
        if segment is None:
            return "DIALING"
        return "QUEUED" if segment.answered is None and segment.left is None else "CONNECTED"

    @property
    def customer_phone(self) -> str | None:
        """The customer's number: the caller's for an inbound call, otherwise the one dialed.

        If the direction is unknown, it is the number dialed, or else the caller's. Source: section
        7 of the contract.
        """
        if self.direction == "INBOUND" or (self.direction is None and self.phone_dialed is None):
            return self.caller_id
        return self.phone_dialed

    @property
    def connected(self) -> bool:
        """Whether the call was answered, has not ended, and still has an agent on it."""
        segment = self.segment
        if segment is None or segment.answered is None or segment.left is not None:
            return False
        if not self.departures or segment.agent is None:
            return True
        return any(not self.has_left(agent, since, None) for agent, since in segment.answers())

    def has_left(self, agent: int, since: int, at: int | None) -> bool:
        """Return whether an agent that answered at ``since`` had left by ``at`` (None: now)."""
        last = None
        for who, when, back in self.departures:
            if who == agent and when >= since and (at is None or when <= at):
                last = (when, back) if last is None else max(last, (when, back))
        return last is not None and not last[1]

    def agent_at(self, segment: QueueSegment, at: int) -> int | None:
        """Return the last agent in this segment that had not left the call at ``at``."""
        if segment.left is not None:
            at = min(at, segment.left)
        found = segment.agent
        for agent, since in segment.others:
            if since <= at:
                found = agent
        if not self.departures:
            return found
        for agent, since in reversed(list(segment.answers())):
            if since <= at and not self.has_left(agent, since, at):
                return agent
        return found

    def service_at(self, at: int) -> int:
        """Return the service that had the call at ``at``, or else the first one that had it."""
        self.add_work(len(self.segments))
        index = bisect_right(self.segments, at, key=_began) - 1
        service = self.segments[max(index, 0)].service if self.segments else NO_SERVICE
        if service != NO_SERVICE:
            return service
        return NO_SERVICE if self.service is None else self.service

    def can_be_left(self, at: int) -> bool:
        """Return whether the call changes if an agent left it, or did not leave it, at ``at``."""
        return self.ended is None or at <= self.ended or bool(self.departures)

    def leave(self, agent: int, at: int, sign: int) -> None:
        """Record that the agent left for another call (+1), or undo this (-1)."""
        if sign < 0:
            self.departures = _without(self.departures, (agent, at, False))
        elif len(self.departures) < MAX_OTHERS and (self.ended is None or at <= self.ended):
            self.departures = (*self.departures, (agent, at, False))

    def come_back(self, agent: int, at: int, sign: int) -> None:
        """Record that the agent returned to the call (+1), or undo this (-1)."""
        if sign < 0:
            self.departures = _without(self.departures, (agent, at, True))
        elif len(self.departures) < MAX_OTHERS and any(one[0] == agent for one in self.departures):
            self.departures = (*self.departures, (agent, at, True))

    def last_segment_of(self, agent: int) -> QueueSegment | None:
        """Return the last segment that the agent answered."""
        self.add_work(len(self.segments))
        for segment in reversed(self.segments):
            if segment.answered_by(agent) is not None:
                return segment
        return None

    def segment_answered_by(self, agent: int, at: int) -> QueueSegment | None:
        """Return the last segment that the agent had answered by ``at``, or else the first one."""
        self.add_work(len(self.segments))
        found = None
        for segment in self.segments:
            answered = segment.answered_by(agent)
            if answered is not None and (found is None or answered <= at):
                found = segment
        return found

    @property
    def agent(self) -> int | None:
        """The agent that last answered the call; None if nobody did or the agent is unknown."""
        for segment in reversed(self.segments):
            if segment.answered is not None:
                return segment.agent
        return None

    @property
    def first_answer(self) -> int | None:
        """When the call was first answered, in ms."""
        if self.compacted is not None and self.compacted.first_answer is not None:
            return self.compacted.first_answer
        for segment in self.segments:
            if segment.answered is not None:
                return segment.answered
        return None

    @property
    def current_service(self) -> int:
        """The service that has the call now."""
        if self.segments:
            service = self.segments[-1].service
            if service != NO_SERVICE:
                return service
        return NO_SERVICE if self.service is None else self.service

    def waited(self, until: int) -> int:
        """Return the ms that the call had waited in queues by ``until``."""
        if len(self.segments) == 1 and self.compacted is None:
            return self.segments[0].wait(until)
        self.add_work(len(self.segments))
        earlier = 0 if self.compacted is None else self.compacted.waited
        return earlier + sum(segment.wait(until) for segment in self.segments)

    def waited_at_midnight(self, midnight: int, quiet_ms: int) -> bool:
        """Return whether the call has waited since before ``midnight`` and was not quiet then."""
        segment = self.segment
        if segment is None or segment.joined is None or not self.waiting:
            return False
        return segment.joined < midnight < self.last_event + quiet_ms

    def add_work(self, work: int) -> None:
        """Count recomputed steps. A call with many of them keeps fewer steps."""
        if work > UNCOUNTED_WORK:
            self.work += work

    @property
    def max_steps(self) -> int:
        """The number of steps that the call can keep."""
        return MAX_STEPS if self.work < EXPENSIVE_WORK else REDUCED_MAX_STEPS

    def upgrade(self) -> None:
        """Convert a call that an earlier release stored with its steps in order of arrival."""
        if self.declared_at is None and self.started is not None:
            starts = [step for step in self.steps if step.kind == START]
            if starts:
                first = min(starts, key=_at)
                self.declared, self.declared_at = first.service, first.at
            self.steps = [step for step in self.steps if step.kind != START]
        self.steps.sort(key=_at)
        if not self.last_active:
            self._upgrade_campaign()
        if self.ended is None:
            return
        kinds = [step.kind for step in self.steps]
        if END in kinds:
            del self.steps[kinds.index(END) + 1 :]
        last = self.segment
        if last is not None and last.answered is None and not last.exited:
            last.lost = last.abandoned = True

    def _upgrade_campaign(self) -> None:
        self.last_active = max(self.last_step, self.started or 0)
        if self.campaign is not None:
            self.campaigns = (self.campaign,)
        if self.started is None and self.service is not None:
            self.first_named = (self.steps[0].at if self.steps else self.last_step, self.service)


def _without(
    departures: tuple[tuple[int, int, bool], ...], one: tuple[int, int, bool]
) -> tuple[tuple[int, int, bool], ...]:
    """Return ``departures`` without its first element that equals ``one``."""
    if one not in departures:
        return departures
    index = departures.index(one)
    return departures[:index] + departures[index + 1 :]


def _began(segment: QueueSegment) -> int:
    return segment.began


def _at(step: Step) -> int:
    return step.at
