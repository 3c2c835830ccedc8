"""Tests that compare the figures of the bank's two real days with the files themselves.

This module computes the expected values from the CSV with the csv module and a few sums. It uses
none of floorcast's code for this.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec.structs import replace

from floorcast.connectors import anonymous_bank, call_records
from floorcast.floor.counted_calls import counted
from floorcast.floor.floor import Floor
from floorcast.floor.view import Call, CountedCall, FloorView, Key
from floorcast.model.inbound import InboundEvent
from floorcast.site.configuration import CallCenter, FloorConfig, Formula, Service
from floorcast.statistics.figure_calls import FigureCalls, FigureSelection
from floorcast.statistics.requests import Figure
from floorcast.statistics.service_intervals import IntervalSpan, service_intervals
from floorcast.statistics.service_stats import ServiceStatistics, service_stats
from floorcast.statistics.visibility import Moment, Visibility
from tests.statistics.floors import at, fold_events

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "anonymous-bank"
ON = date(2026, 11, 23)  # an ordinary Monday in Jerusalem
ZONE = "Asia/Jerusalem"
SERVICES = ("PS", "PE", "IN", "NE", "NW", "TT")
SLA = 20  # seconds
DAYS = ("1999-08-01", "1999-08-02")

pytestmark = pytest.mark.skipif(
    not REAL.exists(), reason="the bank's real days, ../shared/data/anonymous-bank, are not here"
)
real = pytest.mark.parametrize("day", DAYS)


@dataclass
class Record:
    """One line of the file. Times are in seconds since midnight of the line's day."""

    service: str
    served: bool
    queued: int | None
    over: int  # the time at which the call was answered or abandoned
    ended: int
    agent: str | None

    @property
    def offered(self) -> bool:
        return self.served or self.queued is not None

    @property
    def wait(self) -> int:
        return 0 if self.queued is None else self.over - self.queued


def seconds(clock: str) -> int:
    hours, minutes, rest = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(rest)


@lru_cache
def records(day: str) -> list[Record]:
    """Return the file's calls, according to the rules in the data's README."""
    found = []
    with (REAL / f"{day}.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["outcome"] == "PHANTOM":
                continue
            wait, served = int(row["q_time"]), row["outcome"] == "AGENT"
            began, left = seconds(row["vru_entry"]), seconds(row["vru_exit"])
            over = seconds(row["q_exit"]) if wait else left
            while over < began - 43_200:
                over += 86_400  # on the next day
            found.append(
                Record(
                    service=row["type"],
                    served=served,
                    queued=over - wait if wait else None,
                    over=over,
                    ended=over + int(row["ser_time"]) if served else over,
                    agent=row["server"] if served else None,
                )
            )
    return found


@lru_cache
def events(day: str) -> list[InboundEvent]:
    """Return the file's calls as events for the intake."""
    with (REAL / f"{day}.csv").open(encoding="utf-8", newline="") as lines:
        calls = anonymous_bank.read(lines)
    shift = call_records.shift_to_day(calls, ON, ZoneInfo(ZONE))
    inbound = call_records.events(calls, shift, "anonymous-bank")
    return [msgspec.json.decode(msgspec.json.encode(one), type=InboundEvent) for one in inbound]


def plan(formula: Formula = "excluding_abandons_within_sla") -> FloorConfig:
    services = tuple(
        Service(id=number, name=name, call_center=1, sla_seconds=SLA, service_level=formula)
        for number, name in enumerate(SERVICES, 1)
    )
    return FloorConfig(
        time_zone=ZONE, call_centers=(CallCenter(id=1, name="Bank"),), services=services
    )


@lru_cache
def floor_at(day: str, clock: str) -> Floor:
    """Return the floor at the end of the second ``clock`` in the bank's time zone."""
    moment = clock_ms(clock) + 999
    return fold_events(plan(), [one for one in events(day) if own_ms(one) <= moment])


def own_ms(event: InboundEvent) -> int:
    assert event.time is not None
    return round(event.time.timestamp() * 1000)


def clock_ms(clock: str) -> int:
    return at(f"{ON}T{clock}+02:00")


def stats(floor: Floor, moment: int) -> dict[str, ServiceStatistics]:
    rows = service_stats(Visibility([FloorView(floor)]).scopes(), Moment(moment)).all()
    return {row.service_name: row for row in rows}


def half_up(value: Fraction, decimals: int = 0) -> float:
    scale = 10**decimals
    return float(int(value * scale + Fraction(1, 2)) / scale)


def mean(values: list[int]) -> int:
    return int(half_up(Fraction(sum(values), len(values)))) if values else 0


def percent(part: int, whole: int) -> float:
    return half_up(Fraction(100 * part, whole), 2) if whole else 0


def figures_of_the_day(day: str, service: str) -> dict[str, object]:
    """Return a service's figures at the end of the day, according to the file."""
    calls = [one for one in records(day) if one.service == service and one.offered]
    offered = [one for one in calls if (one.over if one.queued is None else one.queued) < 86_400]
    decided = [one for one in calls if one.over < 86_400]
    handled = [one for one in decided if one.served]
    abandoned = [one for one in decided if not one.served]
    talked = [one for one in handled if one.ended < 86_400]
    return {
        "total_offered": len(offered),
        "total_handled": len(handled),
        "total_abandoned": len(abandoned),
        "total_calls_answered_within_sla": sum(one.wait <= SLA for one in handled),
        "total_calls_abandoned_within_sla": sum(one.wait <= SLA for one in abandoned),
        "abandon_rate": percent(len(abandoned), len(decided)),
        "average_speed_of_answer": mean([one.wait for one in handled]),
        "average_duration_to_abandon": mean([one.wait for one in abandoned]),
        "average_talk_duration": mean([one.ended - one.over for one in talked]),
        "average_handle_duration": mean([one.ended - one.over for one in talked]),
        "average_wrapup_duration": 0,
    }


@real
@pytest.mark.parametrize("service", SERVICES)
def test_each_service_matches_the_file_at_the_end_of_the_day(day: str, service: str) -> None:
    """The counts, rates and means of all six services equal the file's."""
    row = stats(floor_at(day, "23:59:59"), clock_ms("23:59:59") + 999).get(service)
    expected = figures_of_the_day(day, service)
    if row is None:
        assert expected["total_offered"] == 0
    else:
        assert {name: getattr(row, name) for name in expected} == expected


LEVELS: dict[Formula, Callable[[int, int, int, int], tuple[int, int]]] = {
    "excluding_abandons_within_sla": lambda a, h, g, s: (a, h + g - s),
    "answered_of_offered": lambda a, h, g, s: (a, h + g),
    "with_abandons_within_sla": lambda a, h, g, s: (a + s, h + g),
    "answered_of_answered": lambda a, h, g, s: (a, h),
}


@real
@pytest.mark.parametrize("formula", LEVELS)
def test_each_formula_gives_the_right_service_level(day: str, formula: Formula) -> None:
    """Each of the four formulas gives the service level that follows from the file's counts."""
    floor = floor_at(day, "23:59:59")
    directory = floor.state.directory
    before = dict(directory.services)
    for service in directory.services.values():
        directory.services[service.id] = replace(service, service_level=formula)
    found = stats(floor, clock_ms("23:59:59") + 999)
    directory.services.update(before)
    for name, row in found.items():
        decided = [one for one in records(day) if one.service == name and one.offered]
        decided = [one for one in decided if one.over < 86_400]
        handled = [one.wait for one in decided if one.served]
        gave_up = [one.wait for one in decided if not one.served]
        within = sum(wait <= SLA for wait in handled)
        short = sum(wait <= SLA for wait in gave_up)
        assert row.service_level == percent(
            *LEVELS[formula](within, len(handled), len(gave_up), short)
        )


CLOCKS = (
    "06:59:30", "08:15:00", "09:40:07", "10:33:33", "11:58:20",
    "13:05:59", "14:44:44", "16:20:00", "19:07:15", "22:31:45",
)  # fmt: skip


@real
@pytest.mark.parametrize("clock", CLOCKS)
def test_the_current_calls_match_the_file(day: str, clock: str) -> None:
    """The queue, the longest wait and the calls with agents equal the file's."""
    now = seconds(clock)
    found = stats(floor_at(day, clock), clock_ms(clock))
    for service in SERVICES:
        calls = [one for one in records(day) if one.service == service and one.offered]
        waits = [
            now - one.queued
            for one in calls
            if one.queued is not None and one.queued <= now < one.over
        ]
        talks = [one for one in calls if one.served and one.over <= now < one.ended]
        row = found.get(service)
        if row is None:
            assert not waits
            assert not talks
            continue
        shown = (row.total_calls_in_queue, row.longest_call_in_queue, row.calls_with_agent)
        assert shown == (len(waits), max(waits, default=0), len(talks))


def test_the_first_day_has_the_known_figures() -> None:
    """On 1999-08-01, all services have 2,237 offered, 1,511 handled and 726 abandoned calls."""
    calls = [one for one in records(DAYS[0]) if one.offered]
    floor = fold_events(plan(), events(DAYS[0]))
    days = [
        day for services in floor.state.counters.service_days.values() for day in services.values()
    ]
    handled, abandoned = sum(day.handled for day in days), sum(day.abandoned for day in days)
    assert (len(calls), handled, abandoned) == (2_237, 1_511, 726)
    assert round(sum(day.handled_wait for day in days) / handled / 1000, 2) == 134.85
    assert round(sum(day.abandoned_wait for day in days) / abandoned / 1000, 2) == 79.73


def nearest_rank(waits: list[int], percent: int) -> int:
    ranked = sorted(waits)
    return ranked[-(-len(ranked) * percent // 100) - 1] if ranked else 0


@real
@pytest.mark.parametrize("service", SERVICES)
def test_every_quarter_hour_matches_the_file(day: str, service: str) -> None:
    """Each interval counts the calls that joined, were answered or ended in the interval.

    The waits of these calls also equal the file's.
    """
    end = clock_ms("23:59:59") + 999
    midnight = clock_ms("00:00:00")
    rows = service_intervals(
        Visibility([FloorView(floor_at(day, "23:59:59"))]).scopes(), Moment(end), IntervalSpan(900)
    ).all()
    number = str(SERVICES.index(service) + 1)
    shown = {(row.start - midnight) // 900_000: row for row in rows if row.service_id == number}
    calls = [one for one in records(day) if one.service == service and one.offered]
    assert shown
    for quarter in range(96):

        def is_in_interval(second: int, quarter: int = quarter) -> bool:
            return second // 900 == quarter

        decided = [one for one in calls if is_in_interval(one.over)]
        waits = [one.wait for one in decided if one.served]
        gave_up = [one.wait for one in decided if not one.served]
        offered = sum(is_in_interval(one.over - one.wait) for one in calls)
        talks = [one.ended - one.over for one in calls if one.served and is_in_interval(one.ended)]
        row = shown.get(quarter)
        if row is None:
            assert (offered, decided, talks) == (0, [], [])
            continue
        assert (row.offered, row.handled, row.abandoned) == (offered, len(waits), len(gave_up))
        assert row.answered_within_sla == sum(wait <= SLA for wait in waits)
        assert row.abandoned_within_sla == sum(wait <= SLA for wait in gave_up)
        assert row.average_speed_of_answer == mean(waits)
        assert row.average_talk_duration == mean(talks)
        assert row.wait_max == max(waits, default=0)
        assert (row.wait_p50, row.wait_p90) == tuple(nearest_rank(waits, p) for p in (50, 90))


class EvictedCalls:
    """The calls that have left a floor's memory, in their final state."""

    def __init__(self, floor: Floor, service: int, day: int) -> None:
        self._calls = {call.key: call for call in floor.call_table.evicted}
        self._counted = [
            (call.key, one)
            for call in floor.call_table.evicted
            for one in counted(call, floor.segment_days, day)
            if (one.day, one.service) == (day, service)
        ]

    def __iter__(self) -> Iterator[list[tuple[Key, CountedCall]]]:
        yield self._counted

    def find(self, keys: Collection[Key]) -> dict[Key, Call]:
        return {key: self._calls[key] for key in keys}


@real
@pytest.mark.parametrize("service", SERVICES)
def test_the_calls_behind_a_figure_match_the_file(day: str, service: str) -> None:
    """The calls behind a figure have the file's times, and are sorted by these times."""
    floor, midnight = floor_at(day, "23:59:59"), clock_ms("00:00:00")
    number, today = SERVICES.index(service) + 1, FloorView(floor).day_of(midnight).number
    (scope,) = Visibility([FloorView(floor)]).scopes()
    scope = scope._replace(services=(number,))
    moment = Moment(clock_ms("23:59:59") + 999)
    calls = [one for one in records(day) if one.service == service and one.offered]
    calls = [one for one in calls if one.over < 86_400]
    expected: dict[Figure, list[tuple[int | None, int]]] = {
        "totalHandled": [(one.queued, one.over) for one in calls if one.served],
        "totalAbandoned": [(one.queued, one.over) for one in calls if not one.served],
        "totalCallsAnsweredWithinSLA": [
            (one.queued, one.over) for one in calls if one.served and one.wait <= SLA
        ],
    }
    for figure, listed in expected.items():
        wanted = FigureSelection(number, figure, today, limit=10_000)
        page = FigureCalls(scope, moment, wanted, EvictedCalls(floor, number, today))
        for _ in page:
            pass
        found = []
        for row in page.calls:
            at = row.left if figure == "totalAbandoned" else row.answered
            assert at is not None
            joined = None if row.joined is None else (row.joined - midnight) // 1000
            found.append((joined, (at - midnight) // 1000))
        assert page.total == len(listed)
        assert sorted(found, key=str) == sorted(listed, key=str)
        assert [at for _, at in found] == sorted(at for _, at in listed)
