"""A call's turns: from what was told of it, in the order of its own times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from floorcast.verify.records import Told

__all__ = ["Course", "Turn", "course", "is_step"]


@dataclass(slots=True)
class Turn:
    """A turn at a service (None: at no known one); ms, None for what did not happen (yet)."""

    service: int | None
    joined: int | None
    answered: int | None = None
    agent: int | None = None
    left: int | None = None

    @property
    def is_open(self) -> bool:
        """Still there."""
        return self.left is None

    @property
    def waits(self) -> bool:
        """Not answered, and still there."""
        return self.answered is None and self.left is None

    def wait(self, until: int) -> int:
        """How long it waited until then."""
        return 0 if self.joined is None else until - self.joined


@dataclass(slots=True)
class Course:
    """A call's way: its turns in order, the service it began or was first seen at, its ends."""

    turns: list[Turn]
    service: int | None
    began: int | None
    ended: int | None

    @property
    def present_service(self) -> int | None:
        """The service that has it."""
        if self.turns and self.turns[-1].service is not None:
            return self.turns[-1].service
        return self.service

    @property
    def answered_last(self) -> Turn | None:
        """The turn that was answered last."""
        answered = [turn for turn in self.turns if turn.answered is not None]
        return answered[-1] if answered else None


def is_step(told: Told) -> bool:
    """Whether what was told moves the call."""
    if told.kind == "state":
        return bool(told.data["event"] == "IN_CALL")
    return told.kind in ("start", "queue", "answer", "end")


def course(story: Sequence[Told]) -> Course:
    """The way of a call as far as it was told."""
    steps = sorted((one for one in story if is_step(one)), key=lambda one: (one.at, one.position))
    starts = [one for one in steps if one.kind == "start"]
    way = Course([], None, None, None)
    if starts:
        way.began, way.service = starts[0].at, starts[0].service
    for step in steps:
        if step.kind == "start":
            continue
        if step.kind == "queue":
            _queue(way, step)
        elif step.kind == "end":
            way.ended = step.at
            if way.turns:
                way.turns[-1].left = step.at
            elif way.service is None:
                way.service = step.service
            break
        else:
            _answer(way, step)
    return way


def _queue(way: Course, step: Told) -> None:
    service = step.service if step.service is not None else way.present_service
    last = way.turns[-1] if way.turns else None
    if last is not None and last.waits and last.service == service:
        return
    if last is not None and last.is_open:
        last.left = step.at
    if way.service is None:
        way.service = step.service
    way.turns.append(Turn(service, step.at))


def _answer(way: Course, step: Told) -> None:
    last = way.turns[-1] if way.turns else None
    if last is None or not last.is_open:
        if way.service is None and step.kind == "state":
            named = step.data["named"]
            way.service = step.data["own"] if named is None else named
        way.turns.append(Turn(way.service, None, step.at, step.agent))
    elif last.waits:
        last.answered, last.agent = step.at, step.agent
    elif last.agent is None:
        last.agent = step.agent
