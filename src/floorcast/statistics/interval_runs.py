"""Successive rows of intervals of one service and day, most of them compressed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import lz4.block

from floorcast.floor.view import Day

__all__ = ["Begun", "Run", "RunKey", "RunRows"]

_BLOCK = 16  # rows that are compressed together
_MOST_PLAIN = 24  # uncompressed rows of a run: those that change and are requested most
_ROW_BYTES = 41  # of a row's object, and of its place in a list
_RUN_BYTES = 1200  # of a run without rows, and of its service's data

RunKey = tuple[int, int]
"""The day's number, and the length of the intervals in ms."""

Begun = tuple[int, int, int]
"""The agents and the waiting calls before a run, and the calls that it counts from before."""


class Run:
    """The rows of successive intervals of one service and day; ``b""``: nothing was counted.

    ``begin`` is the day's first ms and ``length``
    that of an interval, in ms. ``first`` is the number of the first interval in the day, and
    ``end`` that of the one after the last. ``left`` are the agents and the waiting calls at the
    end, if somebody has asked.
    """

    __slots__ = ("begin", "begun", "blocks", "first", "key", "left", "length", "plain", "size")

    def __init__(self, day: Day, length: int, first: int) -> None:
        self.key: RunKey = (day.number, length)
        self.begin = day.begin
        self.length = length
        self.first = first
        self.begun: Begun | None = None
        self.left: tuple[int, int] | None = None
        self.blocks: list[bytes] = []
        self.plain: list[bytes] = []
        self.size = _RUN_BYTES

    @property
    def end(self) -> int:
        """The number of the interval after the last."""
        return self.first + len(self.blocks) * _BLOCK + len(self.plain)

    def read(self, end: int) -> RunRows:
        """The rows of the intervals before ``end``, as they are now."""
        return RunRows(self.first, min(end, self.end), self.blocks[:], self.plain[:])

    def add(self, rows: Iterable[bytes]) -> int:
        """Add the rows of the next intervals; returns by how many bytes it has grown."""
        self.plain += rows
        while len(self.plain) >= _MOST_PLAIN:
            self.blocks.append(lz4.block.compress(b"\n".join(self.plain[:_BLOCK])))
            del self.plain[:_BLOCK]
        return -self._shrunk()

    def cut(self, moment: int) -> int:
        """Drop the rows of the interval of a moment and later ones. Returns the bytes freed."""
        left = max(0, (moment - self.begin) // self.length - self.first)
        if left >= self.end - self.first:
            return 0
        whole = left // _BLOCK
        if whole < len(self.blocks):
            self.plain = _unpacked(self.blocks[whole])
            del self.blocks[whole:]
        del self.plain[left - len(self.blocks) * _BLOCK :]
        return self._shrunk()

    def _shrunk(self) -> int:
        self.left = None
        before = self.size
        rows = sum(map(len, self.plain)) + sum(map(len, self.blocks))
        self.size = _RUN_BYTES + rows + _ROW_BYTES * (len(self.plain) + len(self.blocks))
        return before - self.size


class RunRows(NamedTuple):
    """Rows of a run as they were when they were read: of the intervals ``first`` to ``end``."""

    first: int
    end: int
    blocks: Sequence[bytes] = ()
    plain: Sequence[bytes] = ()

    def since(self, interval: int) -> list[bytes]:
        """The rows from an interval on."""
        skipped = min((interval - self.first) // _BLOCK, len(self.blocks))
        rows: list[bytes] = []
        for block in self.blocks[skipped:]:
            rows += _unpacked(block)
        rows += self.plain
        before = self.first + skipped * _BLOCK
        return rows[interval - before : max(0, self.end - before)]


def _unpacked(block: bytes) -> list[bytes]:
    rows: list[bytes] = lz4.block.decompress(block).split(b"\n")
    return rows
