"""Tests that a figure equals the number of calls behind it, in memory and in the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from floorcast.floor import calls
from floorcast.floor.floor import Floor
from floorcast.floor.state import from_snapshot, snapshot_parts
from floorcast.floor.view import FloorView
from floorcast.model.inbound import InboundEvent
from floorcast.model.token import end_of_entry
from floorcast.projection.evicted_calls import EvictedCalls, reload_calls, store_evicted_calls
from floorcast.site.configuration import Service
from floorcast.statistics.figure_calls import FigureCall, FigureCalls, FigureSelection
from floorcast.statistics.requests import FIGURES, LIVE_FIGURES, Figure
from floorcast.statistics.service_intervals import IntervalSpan, service_intervals
from floorcast.statistics.service_stats import service_stats
from floorcast.statistics.visibility import Moment
from floorcast.store.projection_store import ProjectionStore
from tests.floor.random_floors import PLAN, agent_events, call, call_events, fold_all, ticks
from tests.floor.random_floors import new_floor as planned
from tests.search import tries
from tests.statistics.floors import moment_at, only, scopes, visible

DAY_FIGURES = tuple(figure for figure in FIGURES if figure not in LIVE_FIGURES)
SERVICES = (10, 20)
LEAVING: dict[str, Any] = {"reason": "OTHER"}


@st.composite
def other_events(draw: st.DrawFn) -> InboundEvent:
    """Draw an event by which a call leaves its service or is corrected."""
    number, at = draw(st.integers(1, 4)), draw(st.integers(0, 200))
    if draw(st.booleans()):
        reason = draw(st.sampled_from(["TIMEOUT", "OTHER"]))
        return call("call.leave", at, number, reason=reason)
    return call("call.update", at, number, service=draw(st.sampled_from(SERVICES)))


EVENTS = call_events() | call_events() | agent_events() | other_events()
STEPS = st.lists(
    st.tuples(EVENTS, st.sampled_from(["", "", "evict", "restart"])), min_size=15, max_size=60
)


class FigureCallsHarness:
    """A floor whose calls move between memory and a store."""

    def __init__(self) -> None:
        self.store = ProjectionStore(None, lambda: ticks(0), identity="log", heads={})
        self.floor = planned()
        self.entry = 1

    def take(self, event: InboundEvent, *, evict_ended: bool = False) -> None:
        """Fold an event as the next entry, as the runner does."""
        self.entry += 1
        self.floor.begin_entry(self.entry, ticks(200 + self.entry))
        if evict_ended:
            list(self.floor.call_table.evict_ended(ticks(9_999) // 10_000))
        store_evicted_calls(self.floor, self.store, self.entry)
        unknown = self.floor.unloaded_calls([event])
        reload_calls(self.floor, self.store, unknown, self.entry, 0)
        self.floor.fold(event, ticks(200 + self.entry), "-")

    def restart(self) -> None:
        """Replace the floor by one that is read from its snapshot."""
        self.floor = Floor(from_snapshot(list(snapshot_parts(self.floor.snapshot_state()))))

    def live(self, steps: list[tuple[InboundEvent, str]]) -> None:
        """Fold each event, and restart the floor after the steps that say so."""
        for event, then in steps:
            self.take(event, evict_ended=then == "evict")
            if then == "restart":
                self.restart()

    def evicted_calls(self, selection: FigureSelection) -> EvictedCalls | None:
        """Return the calls that are no longer in memory."""
        if selection.figure in LIVE_FIGURES:
            return None
        reached = end_of_entry(self.entry)
        return EvictedCalls(self.store, 1, (selection.day, selection.service), reached)

    def page(self, selection: FigureSelection, moment: Moment, rows: int = 100) -> FigureCalls:
        """Read a page to its end."""
        (scope,) = visible(self.floor, rows=rows).scopes()
        own = scope._replace(services=[selection.service])
        page = FigureCalls(own, moment, selection, self.evicted_calls(selection))
        with closing(page):
            for _ in page:
                pass
        return page

    def pages(self, selection: FigureSelection, moment: Moment) -> Iterator[FigureCalls]:
        """Yield all pages."""
        while True:
            page = self.page(selection, moment)
            yield page
            if page.last is None:
                return
            selection = selection._replace(after=page.last)

    def figures(self, moment: Moment) -> dict[tuple[int, Figure], int]:
        """Return the statistics by service and figure."""
        found = dict.fromkeys(((service, figure) for service in SERVICES for figure in FIGURES), 0)
        for row in service_stats(scopes(self.floor, *SERVICES), moment).all():
            number = int(row.service_id)
            found[number, "totalOffered"] = row.total_offered
            found[number, "totalHandled"] = row.total_handled
            found[number, "totalAbandoned"] = row.total_abandoned
            found[number, "totalCallsAnsweredWithinSLA"] = row.total_calls_answered_within_sla
            found[number, "totalCallsAbandonedWithinSLA"] = row.total_calls_abandoned_within_sla
            found[number, "totalCallsInQueue"] = row.total_calls_in_queue
            found[number, "callsWithAgent"] = row.calls_with_agent
        intervals = service_intervals(scopes(self.floor, *SERVICES), moment, IntervalSpan())
        for interval in intervals.all():
            found[int(interval.service_id), "movedOn"] += sum(interval.moved_on.values())
        return found

    def check(self, moment: Moment, limit: int = 1000) -> None:
        """Check that every figure equals the length of its list, by day and by interval."""
        day = FloorView(self.floor).day_of(moment.now).number
        for (service, figure), expected in self.figures(moment).items():
            selection = FigureSelection(service, figure, day, limit=limit)
            found: list[FigureCall] = []
            for page in self.pages(selection, moment):
                assert page.total == expected, (service, figure)
                assert len(page.calls) <= limit
                found += page.calls
            keys = [(row.transaction_id, row.session_id) for row in found]
            assert len(set(keys)) == len(keys) == expected, (service, figure)
        self.check_intervals(moment, day)

    def check_intervals(self, moment: Moment, day: int) -> None:
        """Check the figures of each interval that has counts."""
        rows = service_intervals(scopes(self.floor, *SERVICES), moment, IntervalSpan(300)).all()
        for row in rows:
            expected: dict[Figure, int] = {
                "totalOffered": row.offered,
                "totalHandled": row.handled,
                "totalAbandoned": row.abandoned,
                "totalCallsAnsweredWithinSLA": row.answered_within_sla,
                "totalCallsAbandonedWithinSLA": row.abandoned_within_sla,
                "movedOn": sum(row.moved_on.values()),
            }
            for figure, count in expected.items():
                selection = FigureSelection(int(row.service_id), figure, day, row.start, row.end)
                assert self.page(selection, moment).total == count, (row.start, figure)


@settings(max_examples=tries(60))
@given(STEPS, st.integers(1, 3))
def test_the_list_is_as_long_as_the_figure(
    steps: list[tuple[InboundEvent, str]], limit: int
) -> None:
    """Figures and lists agree for late, repeated and reordered events, evictions and restarts."""
    harness = FigureCallsHarness()
    harness.live(steps)
    harness.check(moment_at(400), limit)


@pytest.mark.parametrize("after", [-1, 0, 1])
def test_a_call_becomes_quiet_in_both_at_the_same_moment(after: int) -> None:
    """The list and the figure agree even within a millisecond of the limit."""
    harness = FigureCallsHarness()
    harness.take(call("call.queue", 100, service=10))
    harness.take(call("call.queue", 100, 2, service=20))
    harness.take(call("call.answer", 100, 2, agent="ANN"))
    quiet = Moment(0).quiet_call
    harness.check(Moment(moment_at(100).now + quiet + after))


@st.composite
def long_call(draw: st.DrawFn) -> list[tuple[InboundEvent, str]]:
    """Draw a call that moves between queues and agents, with some late events."""
    steps = []
    for number in range(draw(st.integers(12, 50))):
        kind = draw(st.sampled_from(["call.queue", "call.queue", "call.answer", "call.leave"]))
        at = max(0, 5 * number - draw(st.sampled_from([0, 0, 0, 8, 60])))
        if kind == "call.queue":
            event = call(kind, at, service=draw(st.sampled_from(SERVICES)))
        else:
            event = call(kind, at, **LEAVING if kind == "call.leave" else {})
        steps.append((event, draw(st.sampled_from(["", "", "evict", "restart"]))))
    if draw(st.booleans()):
        steps += [(call("call.end", 300), ""), (call("call.queue", 301, 2, service=10), "evict")]
    return steps


@settings(max_examples=tries(60))
@given(long_call())
def test_a_call_with_compacted_steps_is_listed(
    steps: list[tuple[InboundEvent, str]],
) -> None:
    """Lists and figures agree even if calls keep only six steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calls, "MAX_STEPS", 6)
        harness = FigureCallsHarness()
        harness.live(steps)
        harness.check(moment_at(400))


@pytest.mark.parametrize(("figure", "expected"), [("totalOffered", 40), ("totalAbandoned", 10)])
def test_a_page_shows_the_floor_at_the_start_of_the_read(figure: Figure, expected: int) -> None:
    """Calls that change, leave memory or return during the read are shown as they were before."""
    harness = FigureCallsHarness()
    for number in range(40):
        harness.take(call("call.queue", number, number, service=10))
    for number in range(10):
        harness.take(call("call.end", 60, number))
    harness.take(call("call.queue", 61, 99, service=20), evict_ended=True)
    for number in range(10, 15):
        harness.take(call("call.answer", 62, number))
    day = FloorView(harness.floor).day_of(moment_at(100).now).number
    selection = FigureSelection(10, figure, day)
    (scope,) = visible(harness.floor, rows=3).scopes()
    page = FigureCalls(
        scope._replace(services=[10]), moment_at(100), selection, harness.evicted_calls(selection)
    )
    with closing(page):
        for turn, _ in enumerate(page):
            harness.take(call("call.answer", 100 + turn, 39 - turn))
            harness.take(call("call.end", 101 + turn, 39 - turn))
            harness.take(call("call.disposition", 100 + turn, turn, termCode="x"))
            harness.take(call("call.queue", 100, 1000 + turn, service=10), evict_ended=True)
    assert page.total == len(page.calls) == expected
    late = [row.transaction_id for row in page.calls if row.answered == moment_at(100).now]
    assert late == []
    if figure == "totalOffered":
        assert sum(row.answered is not None for row in page.calls) == 5
        assert [row.transaction_id for row in page.calls] == list(range(40))


HIDDEN_PLAN = replace(PLAN, services=(*PLAN.services, Service(id=30, name="Hidden")))
ROW_MEMBERS = ("account", "campaign_id", "direction", "phone", "lv_result", "term_code")


def row_of_limited_user(*later: InboundEvent) -> dict[str, Any]:
    """Return the row of a call that moved from service 10 to a hidden one, for a limited user."""
    floor = planned(HIDDEN_PLAN)
    first: dict[str, Any] = {"account": "A-1", "callerId": "555", "direction": "INBOUND"}
    steps = [
        call("call.start", 0, service=10, campaign=5, **first),
        call("call.queue", 1, service=10),
        call("call.update", 2, zipCode="1"),
        call("call.queue", 10, service=30),
    ]
    for number, event in enumerate([*steps, *later], 2):
        floor.begin_entry(number, ticks(200 + number))
        floor.fold(event, ticks(200 + number), "-")
    (scope,) = visible(floor, limits=frozenset({(1, 1)})).scopes()
    selection = FigureSelection(
        10, "totalOffered", FloorView(floor).day_of(moment_at(100).now).number
    )
    page = FigureCalls(scope._replace(services=[10]), moment_at(300), selection, None)
    with closing(page):
        for _ in page:
            pass
    (row,) = page.calls
    return {name: getattr(row, name) for name in ROW_MEMBERS}


KNOWN = {"account": "A-1", "campaign_id": 5, "direction": "INBOUND", "phone": "555",
         "lv_result": None, "term_code": None}  # fmt: skip


def test_limited_user_sees_what_was_set_before_the_call_was_hidden() -> None:
    """What a call had when it left the last service that the user sees is in its row."""
    assert row_of_limited_user() == KNOWN
    assert row_of_limited_user(call("call.update", 11, zipCode="2")) == KNOWN


@pytest.mark.parametrize(
    ("later", "blank"),
    [
        (call("call.update", 10, account="SECRET"), {"account"}),
        (call("call.disposition", 12, account="SECRET", termCode="SECRET"), {"account"}),
        (call("call.update", 12, campaign=99), {"campaign_id"}),
        (call("call.update", 12, callerId="666"), {"phone"}),
        (call("call.update", 12, phoneDialed="666"), {"phone"}),
        (
            call("call.end", 12, callDirection="OUTBOUND", phoneDialed="666", lvResult="SECRET"),
            {"direction", "phone"},
        ),
        (call("call.end", 12, account="SECRET", campaign=99), {"account", "campaign_id"}),
    ],
)
def test_limited_user_does_not_see_what_was_set_at_a_hidden_service(
    later: InboundEvent, blank: set[str]
) -> None:
    """A member that was set since the call left the last service that is seen is null."""
    assert row_of_limited_user(later) == {**KNOWN, **dict.fromkeys(blank)}


def rows_of(
    events: list[InboundEvent],
    figure: Figure,
    now: float,
    start: int | None = None,
    end: int | None = None,
) -> list[FigureCall]:
    """Return the calls behind a figure of service 10 at a second after noon."""
    floor, moment = planned(), moment_at(now)
    fold_all(floor, events)
    (scope,) = scopes(floor, 10)
    day = FloorView(floor).day_of(moment.now).number
    selection = FigureSelection(10, figure, day, start, end)
    with closing(FigureCalls(scope, moment, selection, None)) as page:
        for _ in page:
            pass
    return page.calls


def test_an_interval_includes_its_start_but_not_its_end() -> None:
    """A call that joins where two intervals meet is in the later one alone."""
    story, border = [call("call.queue", 60, service=10)], moment_at(60).now
    assert len(rows_of(story, "totalOffered", 100, border, border + 1000)) == 1
    assert rows_of(story, "totalOffered", 100, border - 1000, border) == []


def test_a_clock_that_is_ahead_gives_no_negative_time() -> None:
    """A wait or a talk that begins in the future has taken no time yet."""
    queued = call("call.queue", 60, service=10)
    assert only(rows_of([queued], "totalCallsInQueue", 50)).wait == 0
    answered = call("call.answer", 61, agent=7)
    assert only(rows_of([queued, answered], "callsWithAgent", 50)).talk == 0
