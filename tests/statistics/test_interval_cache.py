"""Tests that cached rows do not change responses, and that the cache is bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from floorcast.floor.floor import Floor
from floorcast.model.inbound import InboundEvent
from floorcast.site.configuration import FloorConfig, Service
from floorcast.statistics import interval_rows
from floorcast.statistics import service_intervals as module
from floorcast.statistics.interval_cache import FloorCache, IntervalCache, IntervalCacheLimits
from floorcast.statistics.interval_runs import IntervalRun
from floorcast.statistics.requests import EVERYTHING, ServiceFilter
from floorcast.statistics.service_intervals import IntervalSpan, encoded_intervals
from floorcast.statistics.visibility import Moment, Visibility
from tests.floor.random_floors import (
    PLAN,
    agent,
    agent_events,
    call,
    call_events,
    new_floor,
    ticks,
)
from tests.search import tries
from tests.statistics.floors import moment_at, visible

SALES, SUPPORT = PLAN.services
PLANS: Sequence[FloorConfig] = (
    PLAN,
    replace(PLAN, time_zone="Australia/Lord_Howe"),
    replace(PLAN, services=(replace(SALES, service_level="answered_of_answered"), SUPPORT)),
    replace(PLAN, services=(SALES, Service(id=30, name="Elsewhere", sla_seconds=1))),
)
WANTED = (
    EVERYTHING,
    ServiceFilter(services=frozenset({10})),
    ServiceFilter(call_centers=frozenset({1})),
)
LARGE = st.sampled_from([2_000, 2_000, 1, 0])  # calls or agents of a service
SPANS = st.builds(
    IntervalSpan,
    st.sampled_from([300, 900, 900, 900, 1800, 3600]),
    st.sampled_from([None, None, None, 1, 3600, 7200, 86_400]),
)
Meanwhile = tuple[InboundEvent, int] | ServiceFilter | str
LATER = st.tuples(call_events() | agent_events(), st.sampled_from([200, 1500, 1500, 4000]))
EVENING = 9.5 * 3600  # half past nine, in seconds after midday


def shifted(event: InboundEvent, seconds: float) -> InboundEvent:
    """Return the same event, this many seconds later."""
    assert event.time is not None
    return replace(event, time=event.time + timedelta(seconds=seconds))


def rows_of(
    visibility: Visibility,
    moment: Moment,
    span: IntervalSpan,
    cache: IntervalCache | None = None,
    wanted: ServiceFilter = EVERYTHING,
) -> list[bytes]:
    """Return a response's rows in order. Joined rows are split."""
    return split(encoded_intervals(visibility.scopes(wanted), moment, span, cache).all())


def split(pieces: Sequence[bytes]) -> list[bytes]:
    """Split a response into its rows, some of which are joined."""
    rows = msgspec.json.decode(b"[" + b",".join(pieces) + b"]", type=list[msgspec.Raw])
    return [bytes(row) for row in rows]


class ResponseInProgress(NamedTuple):
    """A response in progress, with the expected rows and the rows that it has returned so far."""

    turns: Iterator[list[bytes]]
    expected: list[bytes]
    rows: list[bytes]

    def take(self, turns: int) -> None:
        """Read the response for some turns."""
        for rows in islice(self.turns, turns):
            self.rows.extend(rows)


class Requests(RuleBasedStateMachine):
    """A floor that receives random events, and several users' requests in between."""

    @initialize(most=st.sampled_from([1 << 20, 1 << 20, 40_000, 20_000, 3_000, 0]))
    def begin(self, most: int) -> None:
        """Begin in the evening, with a limit that may be too small for a day's rows."""
        self.floor = new_floor()
        self.cache = IntervalCache(
            IntervalCacheLimits(most, most, idle_ms=600_000, joined_services=2)
        )
        self.seconds, self.entry, self.most = EVENING, 1, most

    def fold(self, event: InboundEvent) -> None:
        """Fold an event as the next entry."""
        self.entry += 1
        self.floor.begin_entry(self.entry, ticks(self.seconds))
        self.floor.note_source_events([event])
        self.floor.fold(event, ticks(self.seconds), f"id-{self.entry}")

    @rule(
        events=st.lists(call_events() | agent_events(), min_size=1, max_size=8),
        late=st.sampled_from([0, 0, 0, 60, 600, 1200, 4000, 9000, -400, -1000]),
    )
    def happen(self, events: list[InboundEvent], late: int) -> None:
        """Let events arrive in time, late, early or twice."""
        for event in [*events, events[0]]:
            self.fold(shifted(event, self.seconds - 200 - late))

    @rule(seconds=st.sampled_from([1, 300, 900, 900, 3600, 5 * 3600]))
    def wait(self, seconds: int) -> None:
        """Let time pass, and begin an entry."""
        self.seconds += seconds
        self.entry += 1
        self.floor.begin_entry(self.entry, ticks(self.seconds))

    @rule(plan=st.sampled_from(PLANS))
    def change_site(self, plan: FloorConfig) -> None:
        """Change thresholds, formulas, names, services or the time zone."""
        self.entry += 1
        self.floor.begin_entry(self.entry, ticks(self.seconds))
        self.floor.apply(plan)

    @rule(
        span=SPANS,
        wanted=st.sampled_from(WANTED),
        limited=st.booleans(),
        ahead=st.sampled_from([0, 0, 1, 400, -400]),
        large=LARGE,
    )
    def ask(
        self, span: IntervalSpan, wanted: ServiceFilter, ahead: int, large: int, *, limited: bool
    ) -> None:
        """Compare responses for a full or a limited user, at a time that may be off."""
        visibility = visible(self.floor, limits=frozenset({(1, 1)}) if limited else None)
        moment = moment_at(self.seconds + ahead)
        expected = rows_of(visibility, moment, span, wanted=wanted)
        visibility = visibility._replace(large=large)
        assert rows_of(visibility, moment, span, self.cache, wanted) == expected

    @rule(span=SPANS, meanwhile=st.lists(call_events() | agent_events(), max_size=4), large=LARGE)
    def ask_while_events_come(
        self, span: IntervalSpan, meanwhile: list[InboundEvent], large: int
    ) -> None:
        """Compare responses while the fold continues between two slices."""
        moment = moment_at(self.seconds)
        expected = rows_of(visible(self.floor), moment, span)
        rows: list[bytes] = []
        scopes = visible(self.floor, rows=1, large=large).scopes()
        with encoded_intervals(scopes, moment, span, self.cache) as slices:
            for some in slices:
                rows += some
                if meanwhile:
                    self.fold(shifted(meanwhile.pop(), self.seconds - 1500))
        assert split(rows) == expected

    @rule(
        span=st.sampled_from([IntervalSpan(900), IntervalSpan(3600, 7200)]),
        steps=st.lists(
            st.tuples(
                st.sampled_from([0, 1, 1, 2, 3, 30]), LATER | st.sampled_from([*WANTED, "go"])
            ),
            max_size=8,
        ),
        large=LARGE,
    )
    def ask_beside_others(
        self, span: IntervalSpan, steps: list[tuple[int, Meanwhile]], large: int
    ) -> None:
        """Compare answers that are computed at the same time and share the cached rows."""
        answers: list[ResponseInProgress] = [self.start(span, large)]
        for turns, meanwhile in steps:
            for answer in answers:
                answer.take(turns)
            if isinstance(meanwhile, ServiceFilter):
                rows = rows_of(
                    visible(self.floor), moment_at(self.seconds), span, self.cache, meanwhile
                )
                expected = rows_of(
                    visible(self.floor), moment_at(self.seconds), span, wanted=meanwhile
                )
                assert rows == expected
            elif isinstance(meanwhile, tuple):
                self.fold(shifted(meanwhile[0], self.seconds - meanwhile[1]))
            else:
                answers.append(self.start(span))
        for answer in [*answers, self.start(span)]:
            answer.take(1000)
            assert split(answer.rows) == answer.expected

    def start(self, span: IntervalSpan, large: int = 2_000) -> ResponseInProgress:
        """Begin an answer about all services that reads one service per turn."""
        moment = moment_at(self.seconds)
        scopes = visible(self.floor, rows=1, large=large).scopes()
        slices = encoded_intervals(scopes, moment, span, self.cache)
        return ResponseInProgress(iter(slices), rows_of(visible(self.floor), moment, span), [])

    @invariant()
    def sizes_are_right_and_within_the_limits(self) -> None:
        """Check that each floor's size is the size of its runs and joined rows."""
        for floor in self.cache.floors.values() if hasattr(self, "cache") else ():
            joined = sum(one.size for one in floor.joined.values())
            assert floor.size == joined + sum(
                run.size for one in floor.services.values() for run in one.runs.values()
            )
            assert floor.size <= self.most
            assert joined * 4 <= self.most
        if hasattr(self, "cache"):
            assert self.cache.size == sum(floor.size for floor in self.cache.floors.values())


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=tries(30), stateful_step_count=25)


class Made:
    """Counts the rows that are built."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows = 0
        rows_of = interval_rows.rows_by_interval

        def counted(*values: object) -> list[object]:
            rows = list(rows_of(*values))  # type: ignore[arg-type]  # as it is called
            self.rows += len(rows)
            return rows  # type: ignore[return-value]  # rows of any kind

        monkeypatch.setattr(module, "rows_by_interval", counted)

    def of(self, floor: Floor, seconds: float, cache: IntervalCache) -> int:
        """Return the number of rows that a request for the day builds."""
        before = self.rows
        rows_of(visible(floor), moment_at(seconds), IntervalSpan(), cache)
        return self.rows - before


def busy_floor(services: int) -> Floor:
    """Return a floor with calls at each service from noon to five, and a ready agent at each."""
    plan = replace(
        PLAN, services=tuple(Service(id=n, name=f"S{n}") for n in range(1, services + 1))
    )
    floor = new_floor(plan)
    for quarter in range(20):
        at = 900.0 * quarter
        floor.begin_entry(2 + quarter, ticks(at))
        for service in range(1, services + 1):
            number = 100 * quarter + service
            for event in (
                call("call.queue", at, number, service=service),
                call("call.end", at + 10, number),
                agent("READY", at + 20, f"A{service}", service=service),
            ):
                floor.fold(event, ticks(at), "-")
    return floor


def test_a_second_request_computes_only_changed_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the rows of current intervals and those that a late event changes are built again."""
    made, cache, floor = Made(monkeypatch), IntervalCache(), busy_floor(4)
    now = 900.0 * 20 - 1
    first = made.of(floor, now, cache)
    assert first == 4 * 68  # since midnight
    assert made.of(floor, now, cache) == 4
    assert made.of(floor, now + 900, cache) == 2 * 4
    floor.fold(call("call.queue", now - 2 * 900, 7777, service=3), ticks(now + 900), "-")
    assert made.of(floor, now + 900, cache) == 4 + 3
    floor.apply(replace(PLAN, services=tuple(floor.state.directory.services.values())))
    assert made.of(floor, now + 900, cache) == 4 * 69


def test_rows_cached_for_one_service_serve_a_request_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows are cached by service, so requests with different filters share them."""
    made, cache, floor = Made(monkeypatch), IntervalCache(), busy_floor(3)
    now = moment_at(900.0 * 20 - 1)
    rows_of(visible(floor), now, IntervalSpan(), cache, ServiceFilter(services=frozenset({2})))
    assert made.of(floor, 900.0 * 20 - 1, cache) == 2 * 68 + 1


def test_a_client_does_not_evict_the_rows_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the total limit, the largest client drops rows and then adds no more."""
    made, floors = Made(monkeypatch), [busy_floor(6), busy_floor(1)]
    floors[1].state.client = 2
    cache = IntervalCache(IntervalCacheLimits(client_bytes=60_000, all_bytes=60_000))
    now = 900.0 * 20 - 1
    for _ in range(3):
        made.of(floors[0], now, cache)
    assert made.of(floors[1], now, cache) == 68
    for _ in range(3):
        made.of(floors[0], now, cache)
    assert made.of(floors[1], now, cache) == 1
    assert sum(floor.size for floor in cache.floors.values()) <= 60_000
    assert made.of(floors[0], now, cache) < 6 * 68


def test_at_its_limit_a_client_keeps_its_cached_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests read all services in order, so the last service must not evict the first."""
    made, floor = Made(monkeypatch), busy_floor(6)
    cache = IntervalCache(IntervalCacheLimits(client_bytes=40_000))
    now = 900.0 * 20 - 1
    made.of(floor, now, cache)
    (size,) = [one.size for one in cache.floors.values()]
    again = made.of(floor, now, cache)
    assert 6 < again < 6 * 68
    assert made.of(floor, now, cache) == again
    only = ServiceFilter(services=frozenset({6}))
    rows_of(visible(floor), moment_at(now), IntervalSpan(), cache, only)
    before = made.rows
    later = moment_at(now + 700)
    for _ in range(2):
        before = made.rows
        rows_of(visible(floor), later, IntervalSpan(), cache, only)
    assert made.rows - before <= 2  # rows not requested for ten minutes made room
    assert size <= 40_000


def test_rows_that_do_not_fit_are_not_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """At its limit, a client's answer costs no more than an answer without a cache."""
    floor, now, added = busy_floor(6), 900.0 * 20 - 1, list[IntervalRun]()
    cache = IntervalCache(IntervalCacheLimits(client_bytes=40_000))
    add = IntervalRun.add

    def counted(run: IntervalRun, rows: Sequence[bytes]) -> int:
        added.append(run)
        return add(run, rows)

    monkeypatch.setattr(IntervalRun, "add", counted)
    rows_of(visible(floor), moment_at(now), IntervalSpan(), cache)
    (cached,) = cache.floors.values()
    kept = sum(bool(one.runs) for one in cached.services.values())
    assert 0 < kept < 5
    assert len(added) == kept + 1
    rows_of(visible(floor), moment_at(now), IntervalSpan(), cache)
    assert len(added) == kept + 1


def test_rows_of_too_many_services_are_not_joined() -> None:
    """Joined rows need the runs of all services, which take at least 1,200 bytes each."""
    assert not IntervalCacheLimits().joins(7)
    assert IntervalCacheLimits().joins(8)
    assert IntervalCacheLimits().joins(10_000)
    assert not IntervalCacheLimits().joins(19_000)


class Asked:
    """Checks answers about a busy floor's day that read one service per turn."""

    def __init__(self, services: int, limits: IntervalCacheLimits | None = None) -> None:
        self.floor, self.cache = busy_floor(services), IntervalCache(limits)
        self.now = 900.0 * 20 - 1

    @property
    def floor_cache(self) -> FloorCache:
        """The floor's cached rows."""
        (floor,) = self.cache.floors.values()
        return floor

    def filled(self) -> int:
        """Return the size of the cache after an answer about all services."""
        self.ask()
        return self.floor_cache.size

    def begin(self, wanted: ServiceFilter = EVERYTHING, seconds: int = 900) -> ResponseInProgress:
        """Begin an answer."""
        span, moment, visibility = IntervalSpan(seconds), moment_at(self.now), visible(self.floor)
        scopes = visible(self.floor, rows=1).scopes(wanted)
        slices = encoded_intervals(scopes, moment, span, self.cache)
        return ResponseInProgress(
            iter(slices), rows_of(visibility, moment, span, wanted=wanted), []
        )

    def ask(self, wanted: ServiceFilter = EVERYTHING, seconds: int = 900) -> None:
        """Check a whole answer."""
        finish(self.begin(wanted, seconds))

    def correct(self, service: int, late: float) -> None:
        """Report a call that was offered earlier."""
        event = call("call.queue", self.now - late, 7777 + service, service=service)
        self.floor.fold(event, ticks(self.now), "-")


def finish(answer: ResponseInProgress) -> None:
    """Check that an answer shows the floor as it was when the answer began."""
    answer.take(1000)
    assert split(answer.rows) == answer.expected


@pytest.mark.parametrize("wanted", [EVERYTHING, ServiceFilter(services=frozenset({3}))])
@pytest.mark.parametrize("turns", [0, 10], ids=["before", "after"])
def test_a_joined_interval_that_was_outdated_at_the_start_is_not_read(
    turns: int, wanted: ServiceFilter
) -> None:
    """Another answer corrects the interval before or after this one has read the services."""
    asked = Asked(8)
    asked.ask()
    asked.correct(3, 2000)
    answer = asked.begin()
    answer.take(turns)
    asked.ask(wanted)
    finish(answer)


def test_a_clock_that_was_set_back_leaves_later_rows_as_they_are() -> None:
    """An answer at an earlier time does not change rows that were cached for a later time."""
    asked = Asked(8)
    event = agent("READY", asked.now - 1000, "BOB", service=3)
    asked.floor.fold(event, ticks(asked.now), "-")
    asked.now += 900
    for seconds in (0, -3 * 900, -500, 3 * 900 + 500):
        asked.now += seconds
        asked.ask()
        asked.ask()


def test_joined_rows_can_reach_further_than_the_run_of_a_service() -> None:
    """If a service changes during an answer, the answer's rows of that service are not kept."""
    asked = Asked(8)
    asked.ask()
    asked.now += 900
    answer = asked.begin()
    asked.correct(8, 0)
    finish(answer)
    asked.ask()


def test_changes_before_the_services_are_read_correct_joined_rows() -> None:
    """An event arrives for a finished quarter hour before a run with it is cached."""
    asked = Asked(8)
    asked.ask()
    asked.now += 900
    answer = asked.begin()
    asked.correct(8, 1000)
    finish(answer)
    asked.ask()
    asked.ask()


def test_rows_that_another_answer_found_to_have_changed_are_not_joined() -> None:
    """An answer shows its own rows, but does not cache them joined if others found changes."""
    asked = Asked(8)
    answer = asked.begin()
    answer.take(10)
    asked.correct(3, 2000)
    asked.ask(ServiceFilter(services=frozenset({3})))
    finish(answer)
    asked.ask()


def test_joined_rows_are_dropped_with_the_runs_that_report_their_changes() -> None:
    """A service without a request for ten minutes is dropped, and its joined rows are, too."""
    asked = Asked(8, IntervalCacheLimits(client_bytes=Asked(8).filled() + 10_000))
    asked.filled()
    assert asked.floor_cache.joined
    asked.now += 800
    for service in range(3, 9):
        for seconds in (300, 1800, 3600):
            asked.ask(ServiceFilter(services=frozenset({service})), seconds)
    assert set(asked.floor_cache.services).isdisjoint({1, 2})
    assert not asked.floor_cache.joined
    asked.correct(1, 2000)
    asked.ask()


def test_rows_are_joined_only_if_the_runs_of_all_services_are_kept() -> None:
    """A client at its limit keeps no runs of the last services, so joined rows would be useless."""
    unlimited = Asked(8)
    unlimited.filled()
    joined = sum(one.size for one in unlimited.floor_cache.joined.values())
    (run,) = [one.size for one in unlimited.floor_cache.services[1].runs.values()]
    assert 0 < joined < run
    asked = Asked(
        8, IntervalCacheLimits(client_bytes=6 * run + joined)
    )  # this leaves room for joined rows
    asked.filled()
    asked.ask()
    assert not asked.floor_cache.joined


def test_dropping_a_day_drops_its_number_of_agents() -> None:
    """When the day before yesterday is dropped, so is the number of agents since then."""
    cache, floor = IntervalCache(), new_floor()
    day = 86_400
    story = ((0, "ANN"), (day - 40_000, "ANN"), (day, "ANN"), (day + 43_300, "BOB"))
    for number, (at, who) in enumerate(story, 2):
        floor.begin_entry(number, ticks(at))
        floor.fold(agent("READY", at, who, service=10), ticks(at), "-")
        for moment in (moment_at(at + 100), moment_at(at + 1000)):
            for span in (IntervalSpan(), IntervalSpan(900, 86_400)):
                rows = rows_of(visible(floor), moment, span, cache)
                assert rows == rows_of(visible(floor), moment, span)
