"""Stores one service's rows for successive intervals of a day. Most rows are compressed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import lz4.block

from floorcast.floor.view import Day

__all__ = ["RUN_BYTES", "IntervalRun", "RunKey", "RunRows", "RunStart"]

_ROWS_PER_BLOCK = 16  # rows that are compressed together
# a run has fewer uncompressed rows: the newest, which change and are read most
_MAX_PLAIN_ROWS = 24
_ROW_BYTES = 41  # a row's object and its place in a list
RUN_BYTES = 1200  # a run without rows, and its service's data

RunKey = tuple[int, int]
"""A day's number and the length of the intervals in ms."""

RunStart = tuple[int, int, int]
"""The numbers at the start of a run: its agents, its waiting calls, and its carried-over calls."""


class IntervalRun:
    """One service's rows for successive intervals of a day.

    A row is ``b""`` if nothing was counted in its interval. ``begin`` is the day's first ms, and
    ``length`` is the length of an interval in ms. The intervals of the day are numbered: ``first``
    is the first one in the run, and ``end`` is the one after the last. ``end_counts`` holds the
    numbers of agents and waiting calls at the end of the run, once an answer has needed them.
    """

    __slots__ = (
        "begin",
        "blocks",
        "end_counts",
        "first",
        "key",
        "length",
        "plain",
        "size",
        "start",
    )

    def __init__(self, day: Day, length: int, first: int) -> None:
        self.key: RunKey = (day.number, length)
        self.begin = day.begin
        self.length = length
        self.first = first
        self.start: RunStart | None = None
        self.end_counts: tuple[int, int] | None = None
        self.blocks: list[bytes] = []
        self.plain: list[bytes] = []
        self.size = RUN_BYTES

    @property
    def end(self) -> int:
        """The number of the interval after the last one."""
        return self.first + len(self.blocks) * _ROWS_PER_BLOCK + len(self.plain)

    def read(self, end: int) -> RunRows:
        """Return the present rows of the intervals before ``end``."""
        return RunRows(self.first, min(end, self.end), self.blocks[:], self.plain[:])

    def add(self, rows: Iterable[bytes]) -> int:
        """Add the rows of the next intervals. Returns the number of bytes added."""
        self.plain += rows
        while len(self.plain) >= _MAX_PLAIN_ROWS:
            self.blocks.append(lz4.block.compress(b"\n".join(self.plain[:_ROWS_PER_BLOCK])))
            del self.plain[:_ROWS_PER_BLOCK]
        return -self._update_size()

    def cut(self, moment: int) -> int:
        """Drop the row of the interval that contains a moment, and all later rows.

        Returns the number of bytes freed.
        """
        left = max(0, (moment - self.begin) // self.length - self.first)
        if left >= self.end - self.first:
            return 0
        whole = left // _ROWS_PER_BLOCK
        if whole < len(self.blocks):
            self.plain = _decompress(self.blocks[whole])
            del self.blocks[whole:]
        del self.plain[left - len(self.blocks) * _ROWS_PER_BLOCK :]
        return self._update_size()

    def _update_size(self) -> int:
        self.end_counts = None
        before = self.size
        rows = sum(map(len, self.plain)) + sum(map(len, self.blocks))
        self.size = RUN_BYTES + rows + _ROW_BYTES * (len(self.plain) + len(self.blocks))
        return before - self.size


class RunRows(NamedTuple):
    """A copy of a run's rows from interval ``first`` up to, but not including, ``end``."""

    first: int
    end: int
    blocks: Sequence[bytes] = ()
    plain: Sequence[bytes] = ()

    def since(self, interval: int) -> list[bytes]:
        """Return the rows from the given interval onward."""
        skipped = min((interval - self.first) // _ROWS_PER_BLOCK, len(self.blocks))
        rows: list[bytes] = []
        for block in self.blocks[skipped:]:
            rows += _decompress(block)
        rows += self.plain
        before = self.first + skipped * _ROWS_PER_BLOCK
        return rows[interval - before : max(0, self.end - before)]


def _decompress(block: bytes) -> list[bytes]:
    rows: list[bytes] = lz4.block.decompress(block).split(b"\n")
    return rows
