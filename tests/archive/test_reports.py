"""Tests of reports from a folder, from a bucket, and from the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from msgspec.structs import replace

from floorcast.archive.call_rows import Row
from floorcast.archive.hours import hours_of
from floorcast.archive.jobs import ClientSpan, ReportJob
from floorcast.archive.manifests import DayManifest, HourManifest, encode_manifest
from floorcast.archive.reports import agent_report, call_report, service_report
from floorcast.archive.storage import Archive, open_archive
from floorcast.archive.tables import parquet_bytes
from floorcast.floor.days import Calendar
from floorcast.model.token import to_ms
from floorcast.site.configuration import Service
from tests.archive.sealed_folders import START, ZONE, Floor, folder
from tests.archive.sources import HOUR_MS, LIMITS
from tests.real.sites import ACME
from tests.search import tries

SALES = 38049


def test_a_bucket_and_a_folder_give_the_same_reports(bucket: str, tmp_path: Path) -> None:
    """Reports on services, agents and calls are equal, and have only services the user may see."""
    with folder(tmp_path) as floor:
        floor.advance(5)
        floor.send("agent.state", agent="SEBY", eventType="READY", service="Sales")
        for number in range(3):
            floor.call(number + 1)
            floor.advance(30)
        floor.seal_all()
        floor.seal_all(archive=f"{bucket}/reports")
        begin = int(START.timestamp()) * 1000 // HOUR_MS * HOUR_MS

        def job(services: list[int]) -> ReportJob:
            details = [Service(id=SALES, name="Sales")]
            span = ClientSpan(ACME, ZONE, begin, begin + 4 * HOUR_MS, services, details)
            return ReportJob(
                "service", str(floor.harness.data), "", [span], to_ms(floor.clock()), LIMITS, 3600
            )

        here, there = open_archive(str(floor.archive)), open_archive(f"{bucket}/reports")
        for services in ([SALES], [-1, SALES], [1]):
            answers = [
                [
                    service_report(job(services), archive),
                    agent_report(job(services), archive),
                    call_report(job(services), archive)[0],
                ]
                for archive in (here, there)
            ]
            assert answers[0] == answers[1]
            shown = msgspec.to_builtins(answers[0])
            assert bool(shown[0]["intervals"]) is (SALES in services)
            assert len(shown[2]["calls"]) == (3 if SALES in services else 0)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles", "Asia/Kathmandu"])
def test_reports_count_each_call_once_if_the_time_zone_changes(tmp_path: Path, zone: str) -> None:
    """Some hours were sealed in the old zone, some are in the new one, and some are unsealed."""
    with folder(tmp_path) as floor:
        begin = to_ms(floor.clock()) - 24 * HOUR_MS

        def sums(zone: str) -> list[int]:
            span = ClientSpan(ACME, zone, begin, begin + 72 * HOUR_MS, [SALES])
            now = to_ms(floor.clock())
            job = ReportJob("service", str(floor.harness.data), "", [span], now, LIMITS, 3600)
            archive = open_archive(str(floor.archive))
            services, (calls, _) = service_report(job, archive), call_report(job, archive)
            assert services.missing == []
            return [
                sum(row.offered for row in services.intervals),
                sum(row.handled for row in services.intervals),
                len(calls.calls),
            ]

        for number in range(1, 9):
            floor.call(number)
            floor.advance(50)
            if number % 2:
                floor.seal_all(time_zone=ZONE if number < 5 else zone)
            if number == 4:
                log = floor.harness.node.server.log
                config = floor.harness.node.server.floors[ACME].floor.state.config
                config = replace(config, time_zone=zone)
                floor.harness.run(log.append_site(ACME, msgspec.json.encode(config)))
            assert sums(ZONE if number < 4 else zone) == [number] * 3
        floor.advance(24 * 60)
        floor.seal_all(time_zone=zone)
        assert sums(zone) == [8, 8, 8]


def test_reports_have_the_unsealed_hours_of_the_day_before_yesterday(tmp_path: Path) -> None:
    """The log still has these hours, but the floor no longer counts their day."""
    with folder(tmp_path) as floor:
        begin = to_ms(floor.clock()) - HOUR_MS
        floor.call(1)
        floor.advance(40 * 60)
        floor.call(2)
        span = ClientSpan(ACME, ZONE, begin, begin + 72 * HOUR_MS, [SALES])
        now = to_ms(floor.clock())
        job = ReportJob("service", str(floor.harness.data), "", [span], now, LIMITS)
        answer = service_report(job, open_archive(str(floor.archive)))
        assert [row.offered for row in answer.intervals] == [1, 1]
        assert answer.missing == []


def test_a_call_that_continues_after_it_expired_is_listed_once(tmp_path: Path) -> None:
    """The hour in which it expired still has it until the correction, and so do other pages."""
    with folder(tmp_path) as floor:
        begin = to_ms(floor.clock())
        call: dict[str, Any] = {"transactionId": 1, "sessionId": "S1"}
        floor.send("call.queue", 0, **call, service="Sales")
        floor.advance(5 * 60)
        floor.call(2)

        def listed() -> list[tuple[str, str]]:
            span = ClientSpan(ACME, ZONE, begin, begin + 24 * HOUR_MS, [SALES])
            now = to_ms(floor.clock())
            job = ReportJob("calls", str(floor.harness.data), "", [span], now, LIMITS, count=1)
            archive, found = open_archive(str(floor.archive)), []
            while True:
                page, job.after = call_report(job, archive)
                found += [(one.transaction_id, one.outcome) for one in page.calls]
                if job.after is None:
                    return found

        for minutes in (15, 1, 80, 22 * 60):
            floor.advance(minutes)
            floor.seal_all()
            if minutes == 15:
                assert listed() == [("1", "open"), ("2", "handled")]
                floor.send("call.answer", **call, agent="SEBY")
                floor.send("call.end", **call)
            assert listed() == [("2", "handled"), ("1", "handled")]


def test_hours_between_two_logs_are_missing(tmp_path: Path) -> None:
    """The data folder was lost. The archive has hours of the earlier log."""
    (tmp_path / "old").mkdir()
    old = Floor(tmp_path / "old", START - timedelta(hours=5))
    old.call(1)
    old.advance(75)
    old.seal_all(archive=str(tmp_path / "archive"))
    old.harness.end()
    with folder(tmp_path) as floor:
        floor.call(2)
        floor.advance(5)
        begin = int(START.timestamp()) * 1000 // HOUR_MS * HOUR_MS
        span = ClientSpan(ACME, ZONE, begin - 8 * HOUR_MS, begin + HOUR_MS, [SALES])
        now = to_ms(floor.clock())
        job = ReportJob("service", str(floor.harness.data), "", [span], now, LIMITS, 3600)
        answer = service_report(job, open_archive(str(floor.archive)))
        assert sum(row.offered for row in answer.intervals) == 2
        assert [(hour.start - begin) // HOUR_MS for hour in answer.missing] == [-4, -3, -2, -1]


def test_reports_have_the_events_from_before_the_first_entry(tmp_path: Path) -> None:
    """A backlog's calls are in the reports before and after its hours are sealed.

    The reports add up to the day's figures of ``service/stats``.
    """
    with folder(tmp_path) as floor:
        midnight = to_ms(floor.clock()) - 2 * 60_000 - 10 * HOUR_MS
        for number in range(1, 15):
            floor.call(number, ago=number * 40 * 60)

        def sums() -> list[object]:
            span = ClientSpan(ACME, ZONE, midnight - 15 * HOUR_MS, midnight + 20 * HOUR_MS, [SALES])
            now = to_ms(floor.clock())
            job = ReportJob("service", str(floor.harness.data), "", [span], now, LIMITS, 900)
            archive = open_archive(str(floor.archive))
            answer = service_report(job, archive)
            assert answer.missing == []
            calls, _ = call_report(job, archive)
            rows = answer.intervals
            return [
                sum(row.offered for row in rows), sum(row.handled for row in rows), len(calls.calls)
            ]  # fmt: skip

        day = Calendar(ZONE).day_of(midnight + HOUR_MS)
        ledger = floor.harness.node.server.floors[ACME].floor.ledger
        live = ledger.services_on(day)[SALES]
        assert [live.offered, live.handled, 14] == [14, 14, 14]
        assert sums() == [14, 14, 14]
        for minutes in (75, 60 * 23):
            floor.advance(minutes)
            floor.seal_all()
            assert sums() == [14, 14, 14]
        hours = open_archive(str(floor.archive)).hours(ACME, "2026-11-24")
        assert [one.hour for one in hours] == list(range(24))


DAYS = 5  # a report of calls reads two days first, and then the rest
BEGIN = int(datetime(2026, 11, 2, tzinfo=UTC).timestamp()) * 1000


def write_calls(archive: Archive, rows: dict[int, list[Row]]) -> None:
    """Write an archive of some days with these rows of calls, by the number of their hour."""
    calendar = Calendar("UTC")
    first = calendar.day_of(BEGIN)
    no_calls, _ = parquet_bytes("calls", [])
    for day in range(first, first + DAYS):
        hours = hours_of(ACME, day, calendar)
        for hour in hours:
            calls = rows.get((hour.start - BEGIN) // HOUR_MS)
            content = parquet_bytes("calls", calls)[0] if calls else no_calls
            archive.write(f"{hour.path}/calls.parquet", content)
            manifest = HourManifest(
                client=ACME, date=hour.date, hour=hour.number, start=hour.start, end=hour.end,
                time_zone="UTC", revision=1, cut=hour.end, first_token=None, last_token=None,
                personal="drop", writer="", files={},
            )  # fmt: skip
            archive.write(f"{hour.path}/manifest.json", encode_manifest(manifest))
        whole = DayManifest(
            client=ACME, date=hours[0].date, time_zone="UTC", complete=True,
            hours=[hour.number for hour in hours], missing=[],
        )  # fmt: skip
        day_path = f"client={ACME}/date={whole.date}/manifest.json"
        archive.write(day_path, encode_manifest(whole))


def ended_call(number: int, at: int, *, expired: bool = False) -> Row:
    """Return the row of a call that ended or expired at a time (ms)."""
    return {
        "transactionId": str(number), "sessionId": "s", "segment": 0, "serviceId": SALES,
        "outcome": "none", "expired" if expired else "ended": at,
    }  # fmt: skip


def pages(archive: Archive, count: int, folder: Path) -> Iterator[list[tuple[str, int]]]:
    """Yield the ids and ends of the calls on each page of the report."""
    after = None
    while True:
        span = ClientSpan(ACME, "UTC", BEGIN, BEGIN + DAYS * 24 * HOUR_MS, [SALES])
        job = ReportJob("calls", str(folder), "", [span], span.end, LIMITS, 3600, count=count)
        job.after = after
        found, after = call_report(job, archive)
        yield [(one.transaction_id, one.ended or one.expired or 0) for one in found.calls]
        if after is None:
            return


def put(path: str, content: bytes) -> None:
    """Put a file into the local server's bucket. Requests would take most of the test's time."""
    bucket, _, key = path.partition("/")
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(bucket, key, content)


def test_a_report_from_a_bucket_makes_few_requests(
    bucket: str, tmp_path: Path, requests: list[tuple[str, str]]
) -> None:
    """A file's size is known from the listing. A page reads no more days than it needs."""
    archive = open_archive(f"{bucket}/few")
    write_calls(
        Archive(archive.files, archive.root, put),
        {hour: [ended_call(hour, BEGIN + hour * HOUR_MS)] for hour in range(DAYS * 24)},
    )
    requests.clear()
    first = next(pages(archive, 5, tmp_path))
    assert first == [(str(hour), BEGIN + hour * HOUR_MS) for hour in range(5)]
    of_files = [method for method, path in requests if path.endswith(".parquet")]
    assert set(of_files) == {"GET"}
    assert len(of_files) == 2 * (48 + 52)
    assert len(requests) - len(of_files) <= 4 + 3 * DAYS


@settings(max_examples=tries(10), deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, DAYS * 24 - 1), st.integers(0, 3), st.booleans()), max_size=30
    ),
    st.integers(1, 6),
)
def test_the_pages_of_a_report_have_every_call_once(
    calls: list[tuple[int, int, bool]], count: int
) -> None:
    """Whatever the pages' size, they have the calls of a single page, in the same order.

    Calls that expired and continued later are listed once.
    """
    rows: dict[int, list[Row]] = defaultdict(list)
    for index, (hour, number, expired) in enumerate(calls):
        rows[hour].append(ended_call(number, BEGIN + hour * HOUR_MS + index, expired=expired))
    with TemporaryDirectory() as folder:
        archive = open_archive(f"{folder}/archive")
        write_calls(archive, rows)
        (whole,) = pages(archive, 1000, Path(folder))
        found = list(pages(archive, count, Path(folder)))
    assert [one for page in found for one in page] == whole
    assert all(len(page) == count for page in found[:-1])
