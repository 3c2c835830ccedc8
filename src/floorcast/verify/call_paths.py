"""Derives a call's segments from its events in the order of their times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from floorcast.verify.record_types import CallRecord

__all__ = [
    "CallPath",
    "CallSegment",
    "call_path",
    "declared_service",
    "is_step",
    "segment_of_agent",
]

# a call that ends this soon after it left a queue was abandoned there
_ABANDONED_AFTER_EXIT_MS = 1000


class _Answer(NamedTuple):
    """An answer by an agent (None if unknown) at a time in ms."""

    agent: int | None
    at: int


@dataclass(slots=True)
class CallSegment:
    """A segment at a service (None if unknown).

    Times are in ms, or None for something that has not happened. ``answers`` has the first answer,
    and then one for each other agent that joined the call in this segment. ``exited`` is true if
    the call left by ``call.leave``, and ``reason`` is the reason given there. ``passed_on`` is true
    if an agent passed the call on. ``ended_unanswered`` is true if the call ended before an answer.
    """

    service: int | None
    joined: int | None = None
    answers: list[_Answer] = field(default_factory=list)
    left: int | None = None
    exited: bool = False
    ended_unanswered: bool = False
    reason: str | None = None
    passed_on: bool = False

    @property
    def answered(self) -> int | None:
        """The time of the segment's first answer."""
        return self.answers[0].at if self.answers else None

    @property
    def waits(self) -> bool:
        """Whether the call is still waiting unanswered."""
        return not self.answers and self.left is None

    @property
    def began(self) -> int:
        """The time at which the segment began."""
        begin = self.answered if self.joined is None else self.joined
        assert begin is not None
        return begin

    def wait(self, until: int) -> int:
        """Return how long the call had waited in this segment at a given time."""
        return 0 if self.joined is None else until - self.joined

    def answered_by(self, agent: int) -> int | None:
        """Return the time at which the agent answered, or None if it did not."""
        return next((one.at for one in self.answers if one.agent == agent), None)


@dataclass(slots=True)
class CallPath:
    """The path of a call: its segments in order, its first known service, its start and its end.

    ``agent_answers`` has the steps by which a named agent answered or confirmed that it had the
    call.
    """

    segments: list[CallSegment]
    service: int | None
    began: int | None
    ended: int | None = None
    agent_answers: list[tuple[CallRecord, int]] = field(default_factory=list)

    @property
    def present_service(self) -> int | None:
        """The service that has the call."""
        if self.segments and self.segments[-1].service is not None:
            return self.segments[-1].service
        return self.service

    def service_at(self, at: int) -> int | None:
        """Return the service that had the call at a time, or else the first one that had it."""
        begun = [one for one in self.segments if one.began <= at] or self.segments[:1]
        if begun and begun[-1].service is not None:
            return begun[-1].service
        return self.service


def is_step(event: CallRecord) -> bool:
    """Return whether the event is a step of the call."""
    if event.kind == "state":
        return bool(event.data["event"] == "IN_CALL")
    return event.kind in ("start", "queue", "answer", "end", "leave", "update")


def call_path(events: Sequence[CallRecord]) -> CallPath:
    """Return the known path of a call."""
    steps = _in_order(events)
    starts = [one.at for one in steps if one.kind == "start"]
    path = CallPath([], declared_service(events), starts[0] if starts else None)
    for step in steps:
        if step.kind == "queue":
            _queue(path, step)
        elif step.kind in ("answer", "state"):
            _answer(path, step)
        elif step.kind == "leave":
            if path.segments and path.segments[-1].left is None:
                path.segments[-1].left, path.segments[-1].exited = step.at, True
                path.segments[-1].reason = step.data["reason"]
        elif step.kind == "end":
            _end(path, step)
            break
    return path


def declared_service(events: Sequence[CallRecord]) -> int | None:
    """Return the service that the call's last correction names, or else its first start."""
    steps = _in_order(events)
    starts = [one.service for one in steps if one.kind == "start"]
    corrections = [one.service for one in steps if one.kind == "update"]
    named = [one for one in corrections if one is not None]
    return next(iter([*named[-1:], *starts]), None)


def _in_order(events: Sequence[CallRecord]) -> list[CallRecord]:
    """Return the steps in the order of their times."""
    steps = (one for one in events if is_step(one))
    return sorted(steps, key=lambda one: (one.at, one.position))


def segment_of_agent(segments: Sequence[CallSegment], agent: int, at: int) -> CallSegment | None:
    """Return the last segment that the agent had answered at or before ``at``.

    If there is none, return the first one that the agent answered later, or None.
    """
    own = [segment for segment in segments if segment.answered_by(agent) is not None]
    had = [segment for segment in own if (segment.answered_by(agent) or 0) <= at]
    return had[-1] if had else next(iter(own), None)


def _queue(path: CallPath, step: CallRecord) -> None:
    service = step.service if step.service is not None else path.present_service
    last = path.segments[-1] if path.segments else None
    if last is not None and last.waits and last.service == service:
        return  # the event is repeated: the call has been waiting there all along
    if last is not None and last.left is None:
        last.left, last.passed_on = step.at, bool(last.answers)
    if path.service is None:
        path.service = step.service
    path.segments.append(CallSegment(service, step.at))


def _answer(path: CallPath, step: CallRecord) -> None:
    last = path.segments[-1] if path.segments else None
    named = step.service
    if path.service is None:
        path.service = named
    if last is None or last.left is not None:
        last = CallSegment(path.present_service)
        path.segments.append(last)
    elif last.service is None:
        last.service = named
    if not last.answers:
        last.answers.append(_Answer(step.agent, step.at))
    elif step.agent is not None and last.answers[0].agent is None:
        # the agent was unknown until now
        last.answers[0] = _Answer(step.agent, last.answers[0].at)
    elif step.agent is not None and last.answered_by(step.agent) is None:
        last.answers.append(_Answer(step.agent, step.at))
    if step.agent is not None:
        path.agent_answers.append((step, len(path.segments) - 1))


def _end(path: CallPath, step: CallRecord) -> None:
    path.ended = step.at
    last = path.segments[-1] if path.segments else None
    if last is None:
        path.service = step.service if path.service is None else path.service
    elif last.left is None:
        last.left, last.ended_unanswered = step.at, not last.answers
    elif last.exited and not last.answers:
        last.ended_unanswered = step.at - last.left <= _ABANDONED_AFTER_EXIT_MS
