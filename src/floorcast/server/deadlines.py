"""Deadlines of connections: what each waits for, and since when.

All that wait for the same thing have the same time for it. So they are kept in the order in which
they began, and looking for those that are overdue costs nothing while there are none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

__all__ = ["ConnectionTuning", "Deadlines", "Waits"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTuning:
    """How long a connection may take for what, in seconds."""

    head: float = 10.0  # from its beginning, or the head's first byte, to the head's end
    body: float = 30.0  # for each 16 KiB of a body
    answer: float = 60.0  # without taking anything of an answer
    idle: float = 75.0  # between an answer and the next request; longer than pollers usually wait

    linger: float = 5.0  # for the caller to read a refusal and close

    @property
    def sweep(self) -> float:
        """Seconds between two looks for what is overdue."""
        return min(1.0, min(self.head, self.body, self.answer, self.idle) / 4)


class Waits(Generic[T]):
    """What waits for one thing, and has ``seconds`` for it; ``kind`` names it in the log."""

    __slots__ = ("_since", "kind", "seconds")

    def __init__(self, kind: str, seconds: float) -> None:
        self.kind = kind
        self.seconds = seconds
        self._since: dict[T, float] = {}  # the longest first

    def __len__(self) -> int:
        return len(self._since)

    def __contains__(self, one: T) -> bool:
        return one in self._since

    def begin(self, one: T, now: float) -> None:
        """It waits from now on, whether it has waited before or not."""
        self._since.pop(one, None)
        self._since[one] = now

    def end(self, one: T) -> None:
        """It waits no more."""
        self._since.pop(one, None)

    def pop_longest(self, may: Callable[[T], bool] = lambda _one: True) -> T | None:
        """End the wait that has lasted the longest; None if there is none.

        ``may`` says of which; it is asked of the first 256 only, so that looking stays cheap.
        """
        for one in islice(self._since, 256):
            if may(one):
                del self._since[one]
                return one
        return None

    def pop_overdue(self, now: float) -> T | None:
        """End the longest wait if it is overdue; None if it is not."""
        for one, since in self._since.items():
            if now - since < self.seconds:
                return None
            del self._since[one]
            return one
        return None


class Deadlines(Generic[T]):
    """The waits of all connections; ``clock`` in seconds."""

    def __init__(self, tuning: ConnectionTuning, clock: Callable[[], float]) -> None:
        self.tuning = tuning
        self.clock = clock
        self.head: Waits[T] = Waits("head_too_slow", tuning.head)
        self.body: Waits[T] = Waits("body_too_slow", tuning.body)
        self.answer: Waits[T] = Waits("answer_not_read", tuning.answer)
        self.idle: Waits[T] = Waits("idle", tuning.idle)
        self.linger: Waits[T] = Waits("linger", tuning.linger)

    def all(self) -> tuple[Waits[T], ...]:
        """Each kind of wait."""
        return (self.head, self.body, self.answer, self.idle, self.linger)

    def forget(self, one: T) -> None:
        """It has ended."""
        for waits in self.all():
            waits.end(one)

    def overdue(self, most: int, act: Callable[[T, Waits[T]], None]) -> bool:
        """Act on up to ``most`` that are overdue; whether there may be more."""
        now = self.clock()
        for waits in self.all():
            while (one := waits.pop_overdue(now)) is not None:
                act(one, waits)
                most -= 1
                if not most:
                    return True
        return False
