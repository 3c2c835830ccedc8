"""Reads many rows of a floor as of one position, a few per turn, while the fold continues.

Reading ten thousand rows takes too long for one turn of the event loop, so a scan reads some rows
per turn. Before the fold changes a row, the floor's hooks make the scan read it. All rows therefore
show the floor as it was at the start of the scan.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, Protocol, Self, TypeVar

from floorcast.floor.view import Call, CallHooks, IdHooks, Key
from floorcast.statistics.visibility import Scope

__all__ = ["CallScan", "Scan", "Slices"]

R = TypeVar("R")


class Scan(Generic[R]):
    """The results of ``read`` for the distinct ``ids``, in the order of the ids.

    Before the fold changes the data of an id, it calls ``hooks``. The scan then calls ``copy`` for
    that id, which is ``read`` by default and may postpone slow work. None results are skipped.

    If a result shows calls, ``calls`` has the calls' hooks and a function that returns the ids
    whose results show a call.

    The scan must be read to its end or closed, because until then it is called for every change.
    """

    def __init__(
        self,
        ids: Iterable[int],
        read: Callable[[int], R | None],
        hooks: IdHooks,
        rows: int,
        *,
        copy: Callable[[int], R | None] | None = None,
        calls: tuple[CallHooks, Callable[[Call], Iterable[int]]] | None = None,
    ) -> None:
        self._ids = sorted(ids)
        self._read = read
        self._copy = read if copy is None else copy
        self._hooks = hooks
        self._call_hooks, self._ids_of = ([], _no_ids) if calls is None else calls
        self._rows = rows
        self._next = self._ahead = 0
        self._early: dict[int, R | None] = {}
        if len(self._ids) <= rows:
            self._early = {one: read(one) for one in self._ids}
        else:
            hooks.append(self._before_change)
            self._call_hooks.append(self._before_call_change)

    def __iter__(self) -> Iterator[list[R]]:
        """Yield a few rows per turn. The floor may fold more entries in between."""
        while self._next < len(self._ids):
            ids = self._ids[self._next : self._next + self._rows]
            self._next += self._rows
            if self._early:
                early, read = self._early, self._read
                rows = [early.pop(one) if one in early else read(one) for one in ids]
            else:
                rows = [self._read(one) for one in ids]
            if self._next >= len(self._ids):
                self._release()
            yield [row for row in rows if row is not None]

    def close(self) -> None:
        """Stop the scan."""
        self._release()
        self._early.clear()

    def _release(self) -> None:
        if self._before_change in self._hooks:
            self._hooks.remove(self._before_change)
            self._call_hooks.remove(self._before_call_change)
        # the owner's methods: together with the owner, they would form a cycle
        self._read = self._copy = _nothing
        self._ids_of = _no_ids

    def _before_call_change(self, call: Call | None) -> None:
        if call is None:
            return  # the ids' own hooks are called, too
        for number in self._ids_of(call):
            self._before_change(number)

    def _before_change(self, number: int | None) -> None:
        if number is None:
            self._read_ahead()
        elif number not in self._early:
            place = bisect_left(self._ids, number, self._next)  # those before it have been read
            if place < len(self._ids) and self._ids[place] == number:
                self._early[number] = self._copy(number)

    def _read_ahead(self) -> None:
        begin = max(self._ahead, self._next)
        self._ahead = begin + self._rows
        for one in self._ids[begin : self._ahead]:
            if one not in self._early:
                self._early[one] = self._copy(one)
        if self._ahead >= len(self._ids):
            self._release()


def _nothing(*_: object) -> None:
    return None


def _no_ids(_: Call) -> Iterable[int]:
    return ()


class CallScan(Generic[R]):
    """The results of ``read`` for the calls in progress of a scope, with their services.

    If ``calls`` is given, these calls are read instead. They are listed by service. None results
    are skipped. The scan must be read to its end or closed.
    """

    def __init__(
        self,
        scope: Scope,
        read: Callable[[int, Call], R | None],
        calls: list[tuple[int, list[Call]]] | None = None,
    ) -> None:
        self._read = read
        self._rows = scope.rows
        if calls is None:
            calls = scope.view.calls_in_progress(scope.services)
        self._unread = ((service, call) for service, at in calls for call in at)
        self._ahead: deque[tuple[int, Call]] = deque()
        self._left = sum(len(at) for _, at in calls)
        self._early: dict[Key, R | None] = {}
        self._hooks = scope.view.hooks.calls
        if self._left <= self._rows:
            self._read_ahead()
        else:
            self._hooks.append(self._before_change)

    def __iter__(self) -> Iterator[list[R]]:
        """Yield a few results per turn. The floor may fold more entries in between."""
        ahead = self._ahead
        while self._left:
            calls = [ahead.popleft() for _ in range(min(len(ahead), self._rows))]
            calls += islice(self._unread, self._rows - len(calls))
            self._left -= len(calls)
            early, read = self._early, self._read
            if early:
                found = [
                    early[call.key] if call.key in early else read(service, call)
                    for service, call in calls
                ]
            else:
                found = [read(service, call) for service, call in calls]
            if not self._left:
                self.close()
            yield [one for one in found if one is not None]

    def close(self) -> None:
        """Stop the scan."""
        if self._before_change in self._hooks:
            self._hooks.remove(self._before_change)
        self._read = _nothing  # as in ``Scan``

    def _before_change(self, call: Call | None) -> None:
        if call is None:
            self._read_ahead()
        elif call.key not in self._early:
            # this is the call's first change, so it is still as it was at the start of the scan
            self._early[call.key] = self._read(call.current_service, call)

    def _read_ahead(self) -> None:
        calls = list(islice(self._unread, self._rows))
        for service, call in calls:
            if call.key not in self._early:
                self._early[call.key] = self._read(service, call)
        self._ahead += calls
        if len(self._ahead) == self._left:
            self.close()


class _RowSource(Protocol[R]):
    def __iter__(self) -> Iterator[list[R]]: ...

    def close(self) -> None: ...


class Slices(Generic[R]):
    """The rows of an answer, floor by floor.

    It can be used as a context manager, which releases the floors on exit.
    """

    def __init__(self, sources: Sequence[_RowSource[R]]) -> None:
        self._sources = sources

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[list[R]]:
        """Yield a few rows per turn. The list is empty if a turn found none."""
        for source in self._sources:
            yield from source

    def all(self) -> list[R]:
        """Return all rows at once."""
        with self:
            return [row for rows in self for row in rows]

    def close(self) -> None:
        """Release the floors."""
        for source in self._sources:
            source.close()
