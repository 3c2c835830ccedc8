"""Blocks of a feed's sealed events, from which pages are built.

A block is a ``Segment`` that is opened for reading. A page without a filter is one slice of the
block's bytes, for any number of events.
"""

from __future__ import annotations

import operator
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import msgspec

from floorcast.feeds.filters import Matcher, names_others
from floorcast.store.segment import Facets, Segment, as_classes, as_offsets, as_positions

__all__ = [
    "MAX_PAGE_BYTES",
    "SEAL_BYTES",
    "SEAL_EVENTS",
    "Block",
    "Page",
    "PageBuilder",
    "Record",
    "Tail",
    "encode",
]

SEAL_EVENTS = 1000  # maximum number of events in a block
SEAL_BYTES = 1024 * 1024  # bytes of events and their kinds at which a block is full
MAX_PAGE_BYTES = 8 * 1024 * 1024  # maximum bytes in a page, unless one event has more

Record = tuple[int, Facets, bytes]
"""An event for a feed: its position, its facets, and its JSON without a line break."""


encode = msgspec.json.Encoder().encode
"""Encodes an event of a feed (see ``floorcast.model.outbound``) as JSON without line breaks."""


class Block:
    """A segment that is opened for reading. It never changes."""

    __slots__ = (
        "_classes",
        "_names_others",
        "_offsets",
        "_positions",
        "first",
        "last",
        "segment",
        "size",
    )

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.first = segment.first
        self.last = segment.last
        self._positions = as_positions(segment.positions)
        self._offsets = as_offsets(segment.offsets)
        self._classes: array[int] | None = None
        self._names_others: bool | None = None
        self.size = 2 * segment.size() - len(segment.body)

    def add_to(self, builder: PageBuilder) -> None:
        """Add the events that the builder's matcher selects, and move the builder's cursor."""
        start = bisect_right(self._positions, builder.cursor)
        end = self.segment.count
        wanted = builder.matcher.verdicts(self.segment.table)
        if all(wanted) and not self._hides_members(builder.matcher):
            end = min(end, start + builder.room)
            if start < end:
                end = self._fitting(start, end, builder)
                builder.add(self._slice(start, end), self._positions[start:end])
        elif builder.matcher.any_of(self.segment.table):
            self._add_matching(builder, wanted, start)
        if not builder.full:
            builder.cursor = max(builder.cursor, self.last)

    def _hides_members(self, matcher: Matcher) -> bool:
        """Return whether the reader may see some of the events without some of their members."""
        if not matcher.is_limited:
            return False
        if self._names_others is None:
            self._names_others = names_others(self.segment.body)
        return self._names_others or matcher.hides_any(self.segment.table)

    def _add_matching(self, builder: PageBuilder, wanted: Sequence[bool], start: int) -> None:
        if self._classes is None:
            self._classes = as_classes(self.segment.classes)
        classes = self._classes
        seen = [i for i in range(start, len(classes)) if wanted[classes[i]]][: builder.room]
        if seen:
            shown, table = builder.matcher.shown, self.segment.table
            lines = [shown(self._slice(i, i + 1), table[classes[i]]) for i in seen]
            builder.add_lines(lines, [self._positions[i] for i in seen])

    def _fitting(self, start: int, end: int, builder: PageBuilder) -> int:
        """Return the end of the slice that fits in the builder's space. One event always fits."""
        limit = self._offsets[start] + builder.space
        if self._end(end) <= limit:
            return end
        builder.full = True
        return max(start + 1, bisect_right(self._offsets, limit + 1, start, end) - 1)

    def _slice(self, start: int, end: int) -> bytes:
        return self.segment.body[self._offsets[start] : self._end(end)]

    def _end(self, end: int) -> int:
        """Return where the events before the one at index ``end`` end in the body."""
        offsets = self._offsets
        return offsets[end] - 1 if end < len(offsets) else len(self.segment.body)


class Tail:
    """The newest events of a feed, which are not sealed yet."""

    __slots__ = (
        "_bodies",
        "_classes",
        "_positions",
        "first_recorded_at",
        "last_recorded_at",
        "size",
    )

    def __init__(self) -> None:
        self._positions: list[int] = []
        self._classes: list[Facets] = []
        self._bodies: list[bytes] = []
        self.first_recorded_at = self.last_recorded_at = 0
        self.size = 0

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def is_full(self) -> bool:
        """Whether the tail is large enough to be sealed."""
        return len(self._positions) >= SEAL_EVENTS or self.size >= SEAL_BYTES

    def add(self, records: Sequence[Record], recorded_at: int) -> int:
        """Append as many of ``records`` as there is room for, and return their number.

        The tail must have room for at least one record, so ``is_full`` must be False.
        """
        if not self._positions:
            self.first_recorded_at = recorded_at
        self.last_recorded_at = max(self.last_recorded_at, recorded_at)
        positions, classes, bodies = zip(
            *records[: SEAL_EVENTS - len(self._positions)], strict=True
        )
        kinds = (facets[0] for facets in classes)  # as long as the places of the agent2 need
        weights = map(operator.add, map(len, bodies), map(len, kinds))
        sizes = list(accumulate(weights, initial=self.size))
        added = min(bisect_left(sizes, SEAL_BYTES, 1), len(bodies))
        self._positions += positions[:added]
        self._classes += classes[:added]
        self._bodies += bodies[:added]
        self.size = sizes[added]
        return added

    def seal(self) -> Segment:
        """Return the tail as a segment. The tail must not be empty."""
        table = {facets: index for index, facets in enumerate(dict.fromkeys(self._classes))}
        sizes = [len(body) + 1 for body in self._bodies[:-1]]
        return Segment(
            first=self._positions[0],
            last=self._positions[-1],
            first_recorded_at=self.first_recorded_at,
            last_recorded_at=self.last_recorded_at,
            count=len(self._positions),
            table=tuple(table),
            positions=array("Q", self._positions).tobytes(),
            classes=array("H", [table[facets] for facets in self._classes]).tobytes(),
            offsets=array("I", accumulate(sizes, initial=0)).tobytes(),
            body=b"\n".join(self._bodies),
        )

    def add_to(self, builder: PageBuilder) -> None:
        """Add the events after the builder's cursor that the builder's matcher selects."""
        positions = self._positions
        start = bisect_right(positions, builder.cursor)
        if builder.matcher.matches_all:
            seen: Sequence[int] = range(start, min(len(positions), start + builder.room))
            bodies = self._bodies[start : start + builder.room]
        else:
            matcher, classes = builder.matcher, self._classes
            seen = [i for i in range(start, len(positions)) if matcher(classes[i])][: builder.room]
            bodies = [matcher.shown(self._bodies[i], classes[i]) for i in seen]
        if seen:
            builder.add_lines(bodies, [positions[i] for i in seen])


@dataclass(frozen=True, slots=True)
class Page:
    """Some events of a feed, oldest first.

    ``lines`` is the events' JSON, separated by newlines. All events up to ``cursor`` were checked.
    If ``at_head`` is True, the feed has no events after it. ``positions`` holds the events'
    positions, one sequence for each part of the page. ``built`` caches the bodies that readers of
    the same page share.
    """

    lines: bytes
    count: int
    cursor: int
    at_head: bool
    positions: tuple[Sequence[int], ...] = ()
    built: dict[Hashable, object] = field(default_factory=dict)


class PageBuilder:
    """Builds a page from events, and keeps track of the cursor.

    It is ``full`` once it has ``room`` events, or when the next event would exceed ``space`` bytes.
    ``arguments`` holds the initial arguments.
    """

    __slots__ = (
        "arguments",
        "count",
        "cursor",
        "full",
        "matcher",
        "pieces",
        "positions",
        "room",
        "space",
    )

    def __init__(
        self, cursor: int, matcher: Matcher, room: int, space: int = MAX_PAGE_BYTES
    ) -> None:
        self.cursor = cursor
        self.matcher = matcher
        self.arguments = (cursor, matcher, room, space)
        self.room = room
        self.space = space
        self.pieces: list[bytes] = []
        self.positions: list[Sequence[int]] = []
        self.count = 0
        self.full = False

    def add(self, lines: bytes, positions: Sequence[int]) -> None:
        """Append events that fit, and move the cursor to the last one."""
        self.pieces.append(lines)
        self.positions.append(positions)
        self.count += len(positions)
        self.room -= len(positions)
        self.cursor = positions[-1]
        self.space -= len(lines) + 1
        self.full = self.full or self.room == 0 or self.space <= 0

    def add_lines(self, lines: Sequence[bytes], positions: Sequence[int]) -> None:
        """Append as many of these events as fit, and move the cursor to the last one."""
        sizes = list(accumulate((len(line) + 1 for line in lines), initial=0))
        fitting = max(1, bisect_right(sizes, self.space + 1) - 1)
        if fitting < len(lines):
            self.full = True
            lines, positions = lines[:fitting], positions[:fitting]
        self.add(b"\n".join(lines), positions)
