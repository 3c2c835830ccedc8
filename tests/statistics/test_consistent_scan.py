"""Tests that all rows show one position, whatever is folded between two slices."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from types import ModuleType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast import statistics as modules
from floorcast.floor.floor import Floor
from floorcast.model.inbound import InboundEvent
from floorcast.site.configuration import Agent, FloorConfig, Service
from floorcast.statistics.agent_averages import agent_averages
from floorcast.statistics.agent_stats import agent_statistics, agent_statistics_ex
from floorcast.statistics.agent_status import agent_status
from floorcast.statistics.campaign_stats import CampaignStatistics, campaign_statistics
from floorcast.statistics.consistent_scan import Scan, Slices
from floorcast.statistics.floor_metrics import floor_metrics
from floorcast.statistics.interval_rows import ServiceInterval
from floorcast.statistics.requests import CampaignFilter
from floorcast.statistics.service_intervals import IntervalSpan, service_intervals
from floorcast.statistics.service_stats import service_stats
from floorcast.statistics.visibility import Moment, Scope, Visibility
from floorcast.statistics.waiting_calls import waiting_calls
from tests.floor.random_floors import (
    PLAN,
    agent,
    agent_events,
    call,
    call_events,
    event,
    fold_all,
    new_floor,
    ticks,
)
from tests.statistics.floors import moment_at, scopes, visible

HOUR_MS = 3_600_000


def campaigns(scopes: Sequence[Scope], moment: Moment) -> Slices[CampaignStatistics]:
    """Return every campaign on the floors of some scopes."""
    visibility = Visibility([scope.view for scope in scopes], rows=scopes[0].rows)
    return campaign_statistics(visibility, CampaignFilter(), moment)


def quarters(scopes: Sequence[Scope], moment: Moment) -> Slices[ServiceInterval]:
    """Return the day's statistics by quarter hour."""
    return service_intervals(scopes, moment, IntervalSpan())


def overnight(scopes: Sequence[Scope], moment: Moment) -> Slices[ServiceInterval]:
    """Return the next day's statistics, which show the calls that have waited since the day."""
    return service_intervals(
        scopes, Moment(moment.now + 12 * HOUR_MS, 24 * HOUR_MS), IntervalSpan()
    )


def days_later(scopes: Sequence[Scope], moment: Moment) -> Slices[ServiceInterval]:
    """Return the statistics of a day before which nothing has changed for a day."""
    return service_intervals(
        scopes, Moment(moment.now + 60 * HOUR_MS, 99 * HOUR_MS, 99 * HOUR_MS), IntervalSpan()
    )


def large(method: Method) -> Method:
    """Return a method that reads services in several turns, whatever their size."""

    def asked(scopes: Sequence[Scope], moment: Moment) -> Slices[object]:
        return method([scope._replace(large=0) for scope in scopes], moment)

    return asked


Method = Callable[[Sequence[Scope], Moment], Slices[object]]
METHODS: dict[str, Method] = {
    "status": agent_status,  # type: ignore[dict-item]  # rows of any kind
    "stats": agent_statistics,  # type: ignore[dict-item]  # as above
    "ex": agent_statistics_ex,  # type: ignore[dict-item]  # as above
    "averages": agent_averages,  # type: ignore[dict-item]  # as above
    "services": service_stats,  # type: ignore[dict-item]  # as above
    "waiting": waiting_calls,  # type: ignore[dict-item]  # as above
    "campaigns": campaigns,  # type: ignore[dict-item]  # as above
    "intervals": quarters,  # type: ignore[dict-item]  # as above
    "metrics": floor_metrics,  # type: ignore[dict-item]  # as above
    "overnight": overnight,  # type: ignore[dict-item]  # as above
    "days later": days_later,  # type: ignore[dict-item]  # as above
    "large intervals": large(quarters),  # type: ignore[arg-type]  # as above
    "large overnight": large(overnight),  # type: ignore[arg-type]  # as above
    "large days later": large(days_later),  # type: ignore[arg-type]  # as above
}


@st.composite
def campaign_events(draw: st.DrawFn) -> InboundEvent:
    """Draw a report about one of three campaigns, or a call of one of them."""
    number, service = draw(st.integers(1, 3)), draw(st.sampled_from([10, 20, "Elsewhere"]))
    when = draw(st.integers(0, 200))
    if draw(st.booleans()):
        start = {"direction": "OUTBOUND", "campaign": number, "service": service}
        return call("call.start", when, draw(st.integers(1, 4)), **start)
    counts = {"loaded": draw(st.integers(0, 9)), "state": draw(st.sampled_from(["PLAYING", "x"]))}
    return event("campaign.update", when, campaign=number, service=service, **counts)


EVENTS = st.lists(agent_events() | call_events() | campaign_events(), max_size=20)
OTHER_PLAN = FloorConfig(services=(Service(id=10, name="New"),), agents=(Agent(id=7, login="Q"),))


def plain(rows: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(rows))


def one_a_turn(floor: Floor) -> list[Scope]:
    return visible(floor, rows=1).scopes()


WAITING = [call("call.queue", 0, number, service=10 * number) for number in (1, 2)]


@given(st.lists(call_events(), min_size=1, max_size=6), st.integers(0, 2))
def test_a_call_that_stops_waiting_during_a_scan_counts_as_waiting(
    meanwhile: list[InboundEvent], after: int
) -> None:
    """The calls that have waited since the day before are those at the start of the scan."""
    floor, same = new_floor(), new_floor()
    for one in (floor, same):
        fold_all(one, WAITING)
    rows: list[object] = []
    with overnight(one_a_turn(floor), moment_at(500)) as slices:
        for number, some in enumerate(slices):
            rows += some
            if number == after:
                fold_all(floor, meanwhile, begin=100)
    assert plain(rows) == plain(overnight(scopes(same), moment_at(500)).all())


@given(before=EVENTS, meanwhile=EVENTS, change=st.booleans())
def test_events_folded_during_a_scan_are_not_shown(
    before: list[InboundEvent], meanwhile: list[InboundEvent], *, change: bool
) -> None:
    """All rows show the state and the site's names as they were at the start of the scan.

    All methods read the same floors, because drawing a floor takes longer than reading it.
    """
    moment, same = moment_at(500), new_floor()
    fold_all(same, before)
    for name, method in METHODS.items():
        floor = new_floor()
        fold_all(floor, before)
        rows: list[object] = []
        with method(one_a_turn(floor), moment) as slices:
            for number, some in enumerate(slices):
                rows += some
                fold_all(floor, meanwhile[number * 3 : number * 3 + 3], begin=100 + number)
                if change and number == 2:
                    floor.apply(OTHER_PLAN)
        at_once = METHODS[name.removeprefix("large ")]
        assert (name, plain(rows)) == (name, plain(at_once(scopes(same), moment).all()))
        assert (name, bool(floor.hooks)) == (name, False)


@given(before=EVENTS, steps=st.lists(st.integers(0, 3), max_size=6))
def test_scans_are_read_in_steps_before_the_site_changes(
    before: list[InboundEvent], steps: list[int]
) -> None:
    """A change of the site lets the scans in progress read ahead, and then changes the floor."""
    same = new_floor()
    fold_all(same, before)
    for name, method in METHODS.items():
        floor = new_floor()
        fold_all(floor, before)
        rows: list[object] = []
        change = floor.apply_in_steps(OTHER_PLAN)
        with method(one_a_turn(floor), moment_at(500)) as slices:
            for number, some in enumerate(slices):
                rows += some
                for _ in range(steps[number] if number < len(steps) else 1):
                    next(change, None)
        list(change)
        assert floor.state.config is OTHER_PLAN
        assert (name, plain(rows)) == (name, plain(method(scopes(same), moment_at(500)).all()))
        assert (name, bool(floor.hooks)) == (name, False)


@pytest.mark.parametrize("number", [300, 600])
def test_a_step_before_the_site_changes_reads_some_rows(number: int) -> None:
    """The number of rows that a step reads does not grow with the number of agents."""
    floor = new_floor()
    fold_all(floor, [agent("READY", 0, f"A{one}", service=10) for one in range(number)])
    scans = [agent_status(visible(floor, rows=50).scopes(), moment_at(9)) for _ in range(2)]
    assert len(list(floor.apply_in_steps(OTHER_PLAN))) == number // 50 * 2
    assert [len(one.all()) for one in scans] == [number, number]


def test_a_closed_scan_releases_the_floor() -> None:
    """A canceled request leaves no hooks behind that would slow the fold down."""
    floor = new_floor()
    fold_all(floor, [agent("READY", 0, who, service=10) for who in ("ANN", "BOB", 9)])
    with agent_status(one_a_turn(floor), moment_at(1)) as slices:
        next(iter(slices))
        assert len(floor.hooks.agents) == 1
    assert not floor.hooks
    slices.close()


@pytest.mark.parametrize("rows", [1, 1000])
@pytest.mark.parametrize("is_canceled", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_a_closed_scan_leaves_no_garbage(method: str, rows: int, *, is_canceled: bool) -> None:
    """Scans need no garbage collector, which checks older objects only rarely.

    The youngest generation has all objects since the first collection, and few others.
    """
    floor = new_floor()
    fold_all(floor, [agent("READY", 0, who, service=10) for who in ("ANN", "BOB", 9)])
    fold_all(floor, [call("call.queue", 0, number, service=10) for number in range(3)], begin=9)
    gc.disable()
    gc.collect(0)
    try:
        with METHODS[method](visible(floor, rows=rows).scopes(), moment_at(1)) as slices:
            for _ in slices:
                if is_canceled:
                    break
        del slices
        assert gc.collect(0) == 0
    finally:
        gc.enable()


def test_rows_that_fit_into_one_slice_are_read_at_once() -> None:
    """A scan of one row needs no hooks, and does not show later events."""
    floor = new_floor()
    fold_all(floor, [agent("READY", 0, service=10)])
    slices = agent_status(one_a_turn(floor), moment_at(1))
    assert not floor.hooks
    fold_all(floor, [agent("NOT_READY", 1)], begin=9)
    assert [row.state for row in slices.all()] == ["Ready"]


def test_all_rows_are_returned_in_the_order_of_ids() -> None:
    """A scan orders its ids, which may be given in any order."""
    floor: Floor = new_floor()
    read = Scan({9, 7, 8}, lambda one: None if one == 8 else one, floor.hooks.agents, 1)
    floor.begin_entry(2, ticks(1))
    assert [row for rows in read for row in rows] == [7, 9]
    assert PLAN.agents


class Counted:
    """Counts the rows that are built, in total and per turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> None:
        self.made = 0
        make = getattr(module, name)

        def counted(*values: object, **named: object) -> object:
            self.made += 1
            return make(*values, **named)

        monkeypatch.setattr(module, name, counted)

    def most(self, slices: Callable[[], Slices[object]]) -> int:
        """Return the most rows built in one turn, including the turn in which the scan starts."""
        most = before = 0
        for _ in slices():
            most, before = max(most, self.made - before), self.made
        return most


@pytest.mark.parametrize("number", [300, 600])
def test_no_turn_exceeds_its_number_of_rows(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No turn builds more than 50 rows, however many calls, services or campaigns there are."""
    floor = new_floor()
    for one in range(number):
        start = {"direction": "OUTBOUND", "campaign": one, "service": f"S{one}"}
        fold_all(floor, [call("call.start", 1, one, **start), call("call.queue", 2, one)])
        fold_all(floor, [event("campaign.update", 3, campaign=one, loaded=1)])
    of = visible(floor, rows=50).scopes()
    for module, name, method in (
        (modules.waiting_calls, "WaitingCall", waiting_calls),
        (modules.service_stats, "OutboundCall", service_stats),
        (modules.service_stats, "ServiceStatistics", service_stats),
        (modules.campaign_stats, "CampaignStatistics", campaigns),
    ):
        counted = Counted(monkeypatch, module, name)
        assert counted.most(lambda method=method: method(of, moment_at(9))) <= 50  # type: ignore[misc]  # a default binds
        assert counted.made == number
