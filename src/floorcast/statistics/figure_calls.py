"""Lists the calls behind a figure of a service, page by page. Their number equals the figure.

Calls in memory are read from the floor. The other calls are read from the store, which has the
services and days at which each call counts. Both show the state at the start of the read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import NamedTuple, Protocol

from msgspec import Struct

from floorcast.floor.view import (
    Call,
    CallResult,
    CountedCall,
    Key,
    QueueSegment,
    members_set_since,
)
from floorcast.statistics.call_pages import CallPage, CallSortKey
from floorcast.statistics.consistent_scan import CallScan
from floorcast.statistics.requests import LIVE_FIGURES, Figure
from floorcast.statistics.visibility import Moment, Scope

__all__ = [
    "RESULTS",
    "CallsOutOfMemory",
    "FigureCall",
    "FigureCalls",
    "FigureCallsAnswer",
    "FigureSelection",
]

_STORED_CALLS_PER_TURN = 50  # calls read from the store in one turn of the event loop

_NO_MEMBERS: frozenset[str] = frozenset()
_PHONE_MEMBERS = frozenset({"caller_id", "direction", "phone_dialed"})

RESULTS: Mapping[Figure, frozenset[CallResult]] = {
    "totalHandled": frozenset({CallResult.HANDLED, CallResult.HANDLED_WITHIN}),
    "totalAbandoned": frozenset({CallResult.ABANDONED, CallResult.ABANDONED_WITHIN}),
    "totalCallsAnsweredWithinSLA": frozenset({CallResult.HANDLED_WITHIN}),
    "totalCallsAbandonedWithinSLA": frozenset({CallResult.ABANDONED_WITHIN}),
    "movedOn": frozenset({CallResult.MOVED_ON}),
}
"""The results that count toward each figure of a day.

``totalOffered`` is not listed, because every offered call counts toward it.
"""


class FigureCall(Struct, rename="camel", gc=False):
    """A call that counts toward the figure. Times are in ms, ``wait`` and ``talk`` in seconds."""

    transaction_id: int
    session_id: str
    campaign_id: int | None
    direction: str | None
    phone: str | None
    account: str | None
    joined: int | None
    answered: int | None
    left: int | None
    wait: int | None
    talk: int | None
    agent_login_id: str | None
    lv_result: str | None
    term_code: str | None


class FigureCallsAnswer(Struct):
    """A page of the calls, with the figure as ``total``.

    ``cursor`` requests the next page. It is null on the last page.
    """

    calls: list[FigureCall]
    total: int
    cursor: str | None


class CallsOutOfMemory(Protocol):
    """The calls no longer in memory that count at a service on a day, as of one position."""

    def __iter__(self) -> Iterator[list[tuple[Key, CountedCall]]]: ...

    def find(self, keys: Collection[Key]) -> dict[Key, Call]:
        """Return the calls with these keys."""
        ...


class FigureSelection(NamedTuple):
    """The selection: a figure of one service on a day, or between two times on that day.

    The page has at most ``limit`` calls, starting after ``after``.
    """

    service: int
    figure: Figure
    day: int
    start: int | None = None
    end: int | None = None
    after: CallSortKey | None = None
    limit: int = 1000


class FigureCalls:
    """Reads one page of calls. The floor can fold more entries between turns.

    Iterate it to its end or close it. At the end, ``total`` is the figure, ``calls`` is the page,
    and ``last`` is the sort key after which the next page begins, or None if this page is the last.
    """

    def __init__(
        self,
        scope: Scope,
        moment: Moment,
        selection: FigureSelection,
        evicted: CallsOutOfMemory | None,
    ) -> None:
        self._view = scope.view
        self._sees = scope.sees
        self._moment = moment
        self._selection = selection
        self._evicted = evicted
        self._midnight = scope.today(moment).begin
        self._is_today = scope.today(moment).number == selection.day
        self._day_begin = self._midnight
        if not self._is_today:
            self._day_begin = scope.view.day_of(self._midnight - 1).begin
        self._page: CallPage[FigureCall | None] = CallPage(selection.after, selection.limit)
        self.calls: list[FigureCall] = []
        self._scan: CallScan[tuple[int, Key, FigureCall | None]]
        if selection.figure in LIVE_FIGURES:
            self._scan = CallScan(scope, self._live)
        else:
            calls = [(selection.service, scope.view.calls_at(selection.service))]
            self._scan = CallScan(scope, self._counted, calls)

    @property
    def total(self) -> int:
        """The number of calls on all pages."""
        return self._page.total

    @property
    def last(self) -> CallSortKey | None:
        """The sort key of the page's last call, or None if no calls follow it."""
        return self._page.last

    def __iter__(self) -> Iterator[None]:
        """Read a few more calls per turn."""
        for some in self._scan:
            for at, key, row in some:
                self._page.add((at, *key), row)
            yield
        if self._evicted is not None:
            for rows in self._evicted:
                for key, counted in rows:
                    moment = self._moment_of(counted)
                    if moment is not None:
                        self._page.add((moment, *key), None)
                yield
        yield from self._rows()

    def close(self) -> None:
        """Release the floor."""
        self._scan.close()

    def _rows(self) -> Iterator[None]:
        page = iter(self._page.rows())
        while some := list(islice(page, _STORED_CALLS_PER_TURN)):
            keys = [sort_key[1:] for sort_key, row in some if row is None]
            found = self._evicted.find(keys) if keys and self._evicted is not None else {}
            for sort_key, row in some:
                self.calls.append(
                    self._stored_row(sort_key, found.get(sort_key[1:])) if row is None else row
                )
            yield

    # -- calls in memory -------------------------------------------------------------------

    def _live(self, service: int, call: Call) -> tuple[int, Key, FigureCall | None] | None:
        """Return a call that waits or is with an agent, by the rules of service statistics."""
        quiet = call.last_event <= self._moment.now - self._moment.quiet_call
        segment = call.segment
        if quiet or segment is None or service != self._selection.service:
            return None
        if self._selection.figure == "totalCallsInQueue":
            at = call.waiting_since
        else:
            at = segment.answered if call.connected else None
        return None if at is None else (at, call.key, self._row(call, segment, at))

    def _counted(self, _service: int, call: Call) -> tuple[int, Key, FigureCall | None] | None:
        day, service = self._selection.day, self._selection.service
        counted = self._view.counted(call, day, service)
        if self._selection.figure == "totalOffered" and (
            counted is None or counted.offered is None
        ):
            counted = self._carried_over(call)
        at = None if counted is None else self._moment_of(counted)
        if at is None:
            return None
        if not self._page.may_contain((at, *call.key)):
            return at, call.key, None
        return at, call.key, self._row(call, self._segment(call), at)

    def _carried_over(self, call: Call) -> CountedCall | None:
        """Count a call as offered again today if it has waited since before midnight."""
        service = self._selection.service
        waits = call.ended is None and call.current_service == service
        over = waits and call.waited_at_midnight(self._midnight, self._moment.quiet_call)
        if not over or not self._is_today:
            return None
        return CountedCall(self._selection.day, service, self._midnight, CallResult.OPEN, None)

    def _moment_of(self, counted: CountedCall) -> int | None:
        """Return the time at which the call counts toward the figure.

        Return None if it does not count toward the figure within the interval.
        """
        at = counted.offered
        if self._selection.figure != "totalOffered":
            if counted.result not in RESULTS[self._selection.figure]:
                return None
            at = self._day_begin if counted.at is None else counted.at
        start, end = self._selection.start, self._selection.end
        if at is None or start is None or end is None or start <= at < end:
            return at
        return None

    # -- rows ------------------------------------------------------------------------------

    def _segment(self, call: Call) -> QueueSegment | None:
        selection = self._selection
        offered = selection.figure == "totalOffered"
        found = self._view.counted_segment(call, selection.day, selection.service, offered=offered)
        if found is None and offered and self._carried_over(call) is not None:
            return call.segment
        return found

    def _stored_row(self, sort_key: CallSortKey, call: Call | None) -> FigureCall:
        if call is None:  # its row has been removed from the store since the page was read
            call = Call(sort_key[1], sort_key[2])
        return self._row(call, self._segment(call), sort_key[0])

    def _row(self, call: Call, segment: QueueSegment | None, at: int) -> FigureCall:
        if segment is None:
            segment = self._unknown_segment(at)
        # the later outcome belongs to another service, as does what its events set
        own = self._sees(call.current_service)
        hidden = _NO_MEMBERS if own else self._hidden_members(call)
        disposition = call.disposition if own else None
        agent = None if segment.agent is None else self._view.agents.get(segment.agent)
        return FigureCall(
            call.transaction,
            call.session,
            None if "campaign" in hidden else call.campaign,
            None if "direction" in hidden else call.direction,
            None if hidden & _PHONE_MEMBERS else call.customer_phone,
            None if "account" in hidden else call.account,
            segment.joined,
            segment.answered,
            segment.left,
            self._wait(segment),
            self._talk(segment),
            None if agent is None else agent.login,
            call.lv_result if own else None,
            None if disposition is None else disposition.code,
        )

    def _hidden_members(self, call: Call) -> frozenset[str]:
        """Return the members that were set since the call left the last service that is seen."""
        left = 0
        for segment in reversed(call.segments):
            if self._sees(segment.service):
                break
            left = segment.began
        else:
            left = 0  # the steps at the services that are seen have been dropped
        return members_set_since(call, left)

    def _unknown_segment(self, at: int) -> QueueSegment:
        """Return a segment that has only a time, for a step that a very long call has dropped."""
        offered = self._selection.figure == "totalOffered"
        answered = self._selection.figure in ("totalHandled", "totalCallsAnsweredWithinSLA")
        segment = QueueSegment(self._selection.service)
        if offered:
            segment.joined = at
        elif answered:
            segment.answered = at
        else:
            segment.left = at
        return segment

    def _wait(self, segment: QueueSegment) -> int | None:
        if segment.joined is None:
            return 0 if segment.answered is not None else None
        return max(0, segment.wait(self._moment.now)) // 1000

    def _talk(self, segment: QueueSegment) -> int | None:
        if segment.answered is None:
            return None
        end = self._moment.now if segment.left is None else segment.left
        return max(0, end - segment.answered) // 1000
