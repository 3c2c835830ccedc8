"""Reading many rows of a floor at one place, a slice at a time, while the fold goes on.

Ten thousand rows take longer than a turn of the event loop may. So a reading takes a slice and
lets others have their turn; what the fold is about to change meanwhile is read just before it
does (``Floor.watchers``). All rows are as the floor was when the reading began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, Protocol, Self, TypeVar

from floorcast.floor.floor import Floor

__all__ = ["SLICE", "AgentReading", "ReadRows", "Slices"]

SLICE = 100  # rows in one turn of the event loop: about half a millisecond

R = TypeVar("R")


class _Reading(Protocol[R]):
    def __iter__(self) -> Iterator[list[R]]: ...

    def close(self) -> None: ...


class AgentReading(Generic[R]):
    """What ``read`` makes of each of the agents ``ids``, which are distinct, by id.

    None is left out.
    Close it, or read it to its end: until then every change of an agent costs the fold a look.
    """

    def __init__(self, floor: Floor, ids: Iterable[int], read: Callable[[int], R | None]) -> None:
        self._ids = sorted(ids)
        self._read = read
        self._next = 0
        self._early: dict[int, R | None] = {}
        self._watchers = floor.watchers
        if len(self._ids) <= SLICE:
            self._read_all()
        else:
            self._unread = set(self._ids)
            self._watchers.append(self._before_change)

    def __iter__(self) -> Iterator[list[R]]:
        """The rows, a slice at a time; the floor may be folded on in between."""
        while self._next < len(self._ids):
            ids = self._ids[self._next : self._next + SLICE]
            self._next += SLICE
            if self._early:
                early, read = self._early, self._read
                rows = [early.pop(one) if one in early else read(one) for one in ids]
            else:
                rows = [self._read(one) for one in ids]
            if self._next >= len(self._ids):
                self.close()
            yield [row for row in rows if row is not None]

    def close(self) -> None:
        """No more rows are wanted."""
        if self._before_change in self._watchers:
            self._watchers.remove(self._before_change)

    def _before_change(self, agent: int | None) -> None:
        if agent is None:
            self._read_all()
            self.close()
        elif agent in self._unread and agent not in self._early and self._is_ahead(agent):
            self._early[agent] = self._read(agent)

    def _is_ahead(self, agent: int) -> bool:
        return agent >= self._ids[self._next]

    def _read_all(self) -> None:
        for one in self._ids[self._next :]:
            if one not in self._early:
                self._early[one] = self._read(one)


class ReadRows(Generic[R]):
    """Rows that are read already, given out a slice at a time."""

    def __init__(self, rows: Sequence[R]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[list[R]]:
        """The rows, a slice at a time."""
        for start in range(0, len(self._rows), SLICE):
            yield list(self._rows[start : start + SLICE])

    def close(self) -> None:
        """Nothing is held."""


class Slices(Generic[R]):
    """The rows of an answer, floor by floor; a context manager that lets the floors go."""

    def __init__(self, readings: Sequence[_Reading[R]]) -> None:
        self._readings = readings

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[list[R]]:
        """The rows, a slice at a time."""
        for reading in self._readings:
            yield from reading

    def all(self) -> list[R]:
        """All rows at once."""
        with self:
            return [row for rows in self for row in rows]

    def close(self) -> None:
        """Let the floors go; no more rows are wanted."""
        for reading in self._readings:
            reading.close()
