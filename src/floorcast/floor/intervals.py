"""Counters for each five-minute slot of a day: a service's calls, and its agents' time.

Slot ``number`` begins ``number * SLOT_MS`` of elapsed time after the client's local midnight. A day
of 23 or 25 hours therefore has 276 or 300 slots. Longer intervals are sums of slots. When a day can
no longer be requested, its slots are dropped with its other counters (``floorcast.floor.ledger``).

An hour in which anything was counted takes 1.7 KB per service, and each wait takes 4 bytes.
Durations are whole milliseconds.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, get_args

from msgspec import Struct, field

from floorcast.model.inbound_data import LeaveReason
from floorcast.model.states import IN_CALL, NOT_READY, READY, WRAP_UP, State

__all__ = [
    "COLUMNS",
    "MOVED_ON",
    "REQUEUED",
    "SLOTS_OF_HOUR",
    "SLOT_MS",
    "TIME_COLUMN",
    "Column",
    "ServiceIntervals",
    "leave_reason",
]

if TYPE_CHECKING:
    Numbers = array[int]
else:
    Numbers = array  # msgspec evaluates it, and it cannot be subscripted before Python 3.12

SLOT_MS = 300_000
SLOTS_OF_HOUR = 12
_SECONDS_BITS = 17
MAX_SECONDS = (1 << _SECONDS_BITS) - 1  # 36 hours; percentiles limit longer waits to this
MOVED_ON: tuple[str, ...] = (*get_args(LeaveReason), "REQUEUED")
"""The reasons for leaving a queue unanswered. ``REQUEUED`` means for another service's queue."""
REQUEUED = MOVED_ON.index("REQUEUED")

_REASONS = {reason: index for index, reason in enumerate(MOVED_ON)}


def leave_reason(reason: str) -> int:
    """Return the index of a ``call.leave`` reason in ``MOVED_ON``."""
    return _REASONS[reason]


class Column(IntEnum):
    """The counters of a slot. ``metrics.md`` ("Intervals") defines them.

    An agent's time in any state but Logoff counts in one of the ``_TIME`` columns.
    ``IN_CALL_TIME`` includes Transferring. ``AGENTS_MOST``, ``AGENTS_LAST``, ``QUEUE_MOST`` and
    ``QUEUE_LAST`` hold the number plus one, or 0 if nothing changed in the slot. The columns from
    ``MOVED_ON`` on stand for one reason each.
    """

    OFFERED = 0
    HANDLED = 1
    UNQUEUED = 2
    ANSWERED_WITHIN = 3
    WAIT = 4
    ABANDONED = 5
    ABANDONED_WAIT = 6
    ABANDONED_WITHIN = 7
    ABANDONED_SHORT = 8
    TALKS = 9
    TALK = 10
    WRAP_UP = 11
    TRANSFERRED = 12
    MISSED = 13
    READY_TIME = 14
    IN_CALL_TIME = 15
    HOLD_TIME = 16
    WRAP_UP_TIME = 17
    NOT_READY_TIME = 18
    OTHER_TIME = 19
    AGENTS_MOST = 20
    AGENTS_LAST = 21
    QUEUE_MOST = 22
    QUEUE_LAST = 23
    MOVED_ON = 24


COLUMNS = Column.MOVED_ON + len(MOVED_ON)

_SLOTS_OF_QUARTER = 3
_HOUR_BYTES = SLOTS_OF_HOUR * COLUMNS * array("I").itemsize
_NOTHING: Sequence[int] = (0,) * COLUMNS
_HOUR_MS = SLOTS_OF_HOUR * SLOT_MS
_TIME_OF = {
    READY: Column.READY_TIME,
    IN_CALL: Column.IN_CALL_TIME,
    State.TRANSFERRING: Column.IN_CALL_TIME,
    State.HOLD: Column.HOLD_TIME,
    WRAP_UP: Column.WRAP_UP_TIME,
    NOT_READY: Column.NOT_READY_TIME,
}


TIME_COLUMN: Sequence[int] = [int(_TIME_OF.get(state, Column.OTHER_TIME)) for state in State]
"""The column in which an agent's time counts, by state. Time in Logoff is not counted."""


def _empty() -> Numbers:
    return array("I")


class ServiceIntervals(Struct):
    """One service's slots of one day. ``after`` is the time after local midnight, in ms.

    For each hour in which anything was counted, ``hours`` has ``COLUMNS`` numbers per slot.
    ``waits`` has one number for each answered call that waited. It combines the call's slot with
    its wait in whole seconds. The numbers are sorted.
    """

    hours: dict[int, Numbers] = field(default_factory=dict)
    waits: Numbers = field(default_factory=_empty)

    def add(self, after: int, column: int, amount: int) -> None:
        """Add to a counter of the slot that contains ``after``."""
        hour = after // _HOUR_MS
        index = (after % _HOUR_MS) // SLOT_MS * COLUMNS + column
        try:
            self.hours[hour][index] += amount
        except KeyError:
            self.hours[hour] = array("I", bytes(_HOUR_BYTES))
            self.add(after, column, amount)
        except OverflowError:
            cells = self.hours[hour]
            if cells[index] + amount < 0:
                cells[index] = 0  # it was counted in another time zone
            else:
                self.hours[hour] = array("q", cells)
                self.add(after, column, amount)

    def add_wait(self, after: int, wait: int, sign: int) -> None:
        """Count the wait of a call that was answered at ``after`` (+1), or take it back (-1)."""
        self.add(after, Column.WAIT, sign * wait)
        packed = after // SLOT_MS << _SECONDS_BITS | min(max(wait, 0) // 1000, MAX_SECONDS)
        waits = self.waits
        if sign < 0:
            index = bisect_left(waits, packed)
            if index < len(waits) and waits[index] == packed:
                del waits[index]
        elif not waits or packed >= waits[-1]:
            waits.append(packed)
        else:
            insort(waits, packed)

    def add_time(self, state: State, begin: int, end: int, sign: int) -> None:
        """Count an agent's time in a state, slot by slot. The state must not be Logoff."""
        column = TIME_COLUMN[state]
        while begin < end:
            stop = min(end, (begin // SLOT_MS + 1) * SLOT_MS)
            self.add(begin, column, sign * (stop - begin))
            begin = stop

    def note(self, after: int, most: int, before: int, now: int) -> None:
        """Record a change from ``before`` to ``now`` agents or waiting calls.

        ``most`` is ``AGENTS_MOST`` or ``QUEUE_MOST``.
        """
        hour = after // _HOUR_MS
        cells = self.hours.get(hour)
        if cells is None:
            cells = self.hours[hour] = array("I", bytes(_HOUR_BYTES))
        index = (after % _HOUR_MS) // SLOT_MS * COLUMNS + most
        known = cells[index] if cells[index + 1] else before + 1
        if known <= now:
            known = now + 1
        cells[index], cells[index + 1] = known, now + 1

    def put(self, slot: int, cells: Numbers, waits: Sequence[int]) -> None:
        """Set the counters of a slot, and add the waits (s) of its calls."""
        hour, row = divmod(slot, SLOTS_OF_HOUR)
        known = self.hours.get(hour)
        if known is None:
            known = array(cells.typecode, bytes(SLOTS_OF_HOUR * COLUMNS * cells.itemsize))
        elif known.itemsize < cells.itemsize:
            known = array(cells.typecode, known)
        known[row * COLUMNS : (row + 1) * COLUMNS] = array(known.typecode, cells)
        self.hours[hour] = known
        for wait in waits:
            insort(self.waits, slot << _SECONDS_BITS | wait)

    def row(self, slot: int) -> Sequence[int]:
        """Return the counters of a slot."""
        hour, row = divmod(slot, SLOTS_OF_HOUR)
        cells = self.hours.get(hour)
        return _NOTHING if cells is None else cells[row * COLUMNS : (row + 1) * COLUMNS]

    def sums(self, first: int, width: int) -> list[int] | None:
        """Return the sums of several slots of one hour; None if the hour has no counts."""
        cells = self.hours.get(first // SLOTS_OF_HOUR)
        if cells is None:
            return None
        begin = first % SLOTS_OF_HOUR * COLUMNS
        slots = [
            cells[slot : slot + COLUMNS] for slot in range(begin, begin + width * COLUMNS, COLUMNS)
        ]
        if width == 1:
            return slots[0].tolist()
        if width == _SLOTS_OF_QUARTER:  # nearly every request; twice as fast as the general case
            return [one + two + three for one, two, three in zip(*slots, strict=True)]
        return list(map(sum, zip(*slots, strict=True)))

    def waits_from(self, begin: int) -> Numbers:
        """Return a copy of ``waits`` from slot ``begin`` on."""
        return self.waits[bisect_left(self.waits, begin << _SECONDS_BITS) :]

    def waits_of(self, begin: int, end: int) -> Sequence[int]:
        """Return the waits (s) of calls answered in the slots from ``begin`` to before ``end``."""
        first = bisect_left(self.waits, begin << _SECONDS_BITS)
        last = bisect_left(self.waits, end << _SECONDS_BITS)
        return [packed & MAX_SECONDS for packed in self.waits[first:last]]
