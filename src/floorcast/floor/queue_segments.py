"""A call's queue segments, built from the call's steps in order of time."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field

from floorcast.floor.directory import NO_SERVICE

__all__ = [
    "ANSWER",
    "END",
    "LEAVE",
    "MAX_OTHERS",
    "QUEUE",
    "START",
    "UPDATE",
    "QueueSegment",
    "SegmentBuilder",
    "Step",
    "as_of",
    "copy",
    "is_same",
]

START, QUEUE, ANSWER, END, LEAVE, UPDATE = range(6)

MAX_OTHERS = 50  # agents per segment that are recorded after the first one to answer
EXIT_IS_END_MS = 1000  # a call that ends within this time after leaving a queue was abandoned there


class Step(Struct, array_like=True, gc=False):
    """An event that moved the call: its time (ms), kind, service and agent.

    ``reason`` is the reason of a LEAVE, as numbered by ``floorcast.floor.intervals``.
    """

    at: int
    kind: int
    service: int | None
    agent: int | None
    reason: int | None = None


class QueueSegment(Struct, omit_defaults=True, gc=False):
    """A call's segment at one service. Times are in ms, or None if the event has not happened.

    ``agent`` is the first agent that answered. ``others`` holds the agents that answered later,
    with the times. ``exited`` means that the call left the queue for ``reason``, without having
    ended. ``passed_on`` means that the agent sent the call into another queue. ``lost`` means that
    the call ended before an answer. ``wrap_up`` is the ms of wrap-up that followed. ``within``,
    ``short``, ``abandoned`` and ``unqueued`` are the result of the last judgment
    (``floorcast.floor.tally``).
    """

    service: int
    joined: int | None = None
    answered: int | None = None
    agent: int | None = None
    left: int | None = None
    within: bool = False
    short: bool = False
    others: tuple[tuple[int, int], ...] = ()
    exited: bool = False
    lost: bool = False
    abandoned: bool = field(default=False, name="gave_up")  # as on disk
    wrap_up: int = 0
    unqueued: bool = False
    reason: int | None = None
    passed_on: bool = False

    @property
    def began(self) -> int:
        """When the segment began: when the call joined the queue, or was answered without one."""
        if self.joined is not None:
            return self.joined
        assert self.answered is not None
        return self.answered

    def wait(self, until: int) -> int:
        """Return how long the call waited, in ms. A wait in progress counts up to ``until``."""
        if self.joined is None:
            return 0
        end = self.answered if self.answered is not None else self.left
        return (end if end is not None else until) - self.joined

    def answers(self) -> Iterator[tuple[int, int]]:
        """Yield the known agents that answered, with the time of each answer."""
        if self.answered is not None and self.agent is not None:
            yield self.agent, self.answered
        yield from self.others

    def answered_by(self, agent: int) -> int | None:
        """Return the time at which the agent answered, or None."""
        if self.agent == agent:
            return self.answered
        return next((at for other, at in self.others if other == agent), None)


class SegmentBuilder:
    """Builds segments from steps in order of time. ``service`` is the call's own service so far."""

    __slots__ = ("built", "ended", "service")

    def __init__(self, built: list[QueueSegment], service: int | None) -> None:
        self.built = built
        self.service = service
        self.ended: int | None = None

    def apply(self, step: Step) -> None:
        """Apply the next step."""
        segment = self.built[-1] if self.built else None
        if step.kind == QUEUE:
            self._join(step, segment)
        elif step.kind == ANSWER:
            self._answer(step, segment)
        elif step.kind == END:
            self._end(step, segment)
        elif step.kind == LEAVE and segment is not None and segment.left is None:
            segment.left, segment.exited, segment.reason = step.at, True, step.reason

    def _join(self, step: Step, segment: QueueSegment | None) -> None:
        service = self._present(segment) if step.service is None else step.service
        if segment is not None and segment.left is None:
            if segment.answered is None and segment.service == service:
                return  # a repeated event: the call is already waiting there
            segment.left, segment.passed_on = step.at, segment.answered is not None
        if self.service is None:
            self.service = step.service
        self.built.append(QueueSegment(service, joined=step.at))

    def _answer(self, step: Step, segment: QueueSegment | None) -> None:
        if self.service is None:
            self.service = step.service
        if segment is None or segment.left is not None:
            service = self._present(segment)
            self.built.append(QueueSegment(service, answered=step.at, agent=step.agent))
            return
        if segment.service == NO_SERVICE and step.service is not None:
            segment.service = step.service
        if segment.answered is None:
            segment.answered, segment.agent = step.at, step.agent
        elif segment.agent is None:
            segment.agent = step.agent  # the agent was unknown until now
        elif (
            step.agent is not None
            and len(segment.others) < MAX_OTHERS
            and segment.answered_by(step.agent) is None
        ):
            segment.others = (*segment.others, (step.agent, step.at))

    def _end(self, step: Step, segment: QueueSegment | None) -> None:
        self.ended = step.at
        if segment is None:
            if self.service is None:
                self.service = step.service
            return
        if segment.left is None:
            segment.left = step.at
            segment.lost = segment.answered is None
        elif segment.exited and segment.answered is None:
            segment.lost = step.at - segment.left <= EXIT_IS_END_MS

    def _present(self, segment: QueueSegment | None) -> int:
        if segment is not None and segment.service != NO_SERVICE:
            return segment.service
        return NO_SERVICE if self.service is None else self.service


def as_of(segment: QueueSegment, at: int) -> QueueSegment:
    """Return a copy of the segment as it was just before ``at``."""
    known = copy(segment)
    known.lost = False
    if known.left is not None and known.left >= at:
        known.left, known.exited, known.reason, known.passed_on = None, False, None, False
    if known.answered is not None and known.answered >= at:
        known.answered = known.agent = None
    if known.others:
        known.others = tuple(one for one in known.others if one[1] < at)
    return known


def copy(segment: QueueSegment) -> QueueSegment:
    """Return a copy of the segment without its judgment and wrap-up."""
    return QueueSegment(
        segment.service, segment.joined, segment.answered, segment.agent, segment.left,
        others=segment.others, exited=segment.exited, lost=segment.lost, reason=segment.reason,
        passed_on=segment.passed_on,
    )  # fmt: skip


def is_same(one: QueueSegment, other: QueueSegment) -> bool:
    """Return whether two segments are equal except for their judgments and wrap-ups."""
    return (
        (one.service, one.joined, one.answered, one.agent, one.left)
        == (other.service, other.joined, other.answered, other.agent, other.left)
        and one.others == other.others
        and (one.exited, one.lost, one.reason) == (other.exited, other.lost, other.reason)
        and one.passed_on is other.passed_on
    )
