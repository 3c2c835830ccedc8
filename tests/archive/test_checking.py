"""Tests of the checks on an hour: unchanged hours agree, and later changes are found."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from floorcast.archive.call_rows import call_rows
from floorcast.archive.checking import Checker, Finding, count_calls
from floorcast.archive.hour_fold import fold_hour
from floorcast.archive.hours import Hour, hours_of
from floorcast.archive.jobs import SealJob
from floorcast.archive.manifests import describe_file, encode_manifest
from floorcast.archive.personal import treatment
from floorcast.archive.sealing import HourSealer
from floorcast.archive.storage import Archive, open_archive
from floorcast.archive.tables import read_parquet, write_parquet
from floorcast.floor.days import Calendar
from floorcast.floor.directory import NO_SERVICE
from floorcast.model.token import to_ms
from tests.archive.sealed_folders import folder
from tests.archive.sources import (
    CLIENT,
    DAY_BEGINS,
    HOUR_MS,
    LIMITS,
    Log,
    event,
    hours,
    random_logs,
)
from tests.floor.random_floors import PLAN
from tests.search import tries


def findings(archive: Archive, client: int) -> list[Finding]:
    """Return all problems that the checks find in a client's hours."""
    checker = Checker(archive)
    found: list[Finding] = []
    for date in archive.dates(client):
        for manifest in archive.hours(client, date):
            found += checker.check(manifest)
    return [*found, *checker.finish()]


def test_an_hour_awaiting_correction_is_not_compared_with_the_calls() -> None:
    """A call's events can arrive so late that the call's hour has already been sealed."""
    log = Log()
    arrived = DAY_BEGINS - HOUR_MS // 2
    queued = event("call.queue", arrived - 90 * 60_000, 1)
    log.take(arrived, queued)
    log.take(arrived, event("call.start", arrived, 1, service=10, direction="INBOUND"))
    with tempfile.TemporaryDirectory() as path:
        archive = open_archive(path)
        for hours_later, correction in ((8, 0), (30, 1)):
            until = DAY_BEGINS + hours_later * HOUR_MS
            job = SealJob("", "", CLIENT, PLAN.time_zone, until, LIMITS)
            while HourSealer(job, archive, log).seal_next().pending:
                pass
            assert findings(archive, CLIENT) == []
            (hour,) = (one for one in archive.hours(CLIENT, "2026-11-22") if one.hour == 22)
            assert hour.revision == 1 + correction


@settings(max_examples=tries(4), deadline=None, suppress_health_check=list(HealthCheck))
@given(random_logs())
def test_sealed_calls_and_states_match_the_intervals(log: Log) -> None:
    """Calls and agent states add up to the figures of the intervals, even with late events."""
    with tempfile.TemporaryDirectory() as path:
        archive = open_archive(path)
        job = SealJob("", "", CLIENT, PLAN.time_zone, DAY_BEGINS + 8 * HOUR_MS, LIMITS)
        while HourSealer(job, archive, log).seal_next().pending:
            pass
        assert findings(archive, CLIENT) == []


@settings(max_examples=tries(20), deadline=None, suppress_health_check=list(HealthCheck))
@given(random_logs())
def test_the_calls_sum_to_the_figures_of_the_day(log: Log) -> None:
    """Offered, handled and abandoned calls add up to the fold's counters, even for open calls."""
    calendar = Calendar(PLAN.time_zone)
    today = calendar.day_of(DAY_BEGINS)
    midnight = calendar.bounds(today)[0]
    summed: dict[int | None, Counter[str]] = defaultdict(Counter)
    cut = to_ms(log.stored[-1].recorded_at) + 1
    hours = [*hours_of(CLIENT, today - 1, calendar)[-4:], *hours_of(CLIENT, today, calendar),
             *hours_of(CLIENT, today + 1, calendar)]  # fmt: skip
    for hour in hours:
        rows = call_rows(fold_hour(log, hour, cut, LIMITS), treatment("drop", b""))
        for (service, slot), counted in count_calls(rows, calendar).items():
            if calendar.day_of(slot) == today:
                summed[service].update(counted)
    for service, figures in log.floor.ledger.services_on(today).items():
        if service == NO_SERVICE:
            continue
        waiting_over = sum(
            call.waited_at_midnight(midnight, LIMITS.quiet_call)
            for call in log.floor.call_table.in_progress.get(service, {}).values()
        )
        counted = summed[service]
        assert counted["offered"] == figures.offered + waiting_over
        assert counted["handled"] == figures.handled
        assert counted["abandoned"] == figures.abandoned


def test_a_call_without_an_end_is_in_the_hour_in_which_it_expires() -> None:
    """If the call's end arrives later, the call moves to the hour in which it ended."""
    log, (first, *more) = Log(), hours()
    joined = first.start + 10 * 60_000
    log.take(joined, event("call.queue", joined, 1, service="Sales"))
    answered = joined + 60_000
    log.take(joined, event("call.queue", joined, 2, service="Sales"))
    log.take(answered, event("call.answer", answered, 2, agent="ANN"))
    given_up = joined + LIMITS.quiet_call
    (hour,) = (one for one in more if one.start <= given_up < one.end)

    def rows(one: Hour, cut: int) -> list[tuple[object, ...]]:
        found = call_rows(fold_hour(log, one, cut, LIMITS), treatment("drop", b""))
        return [(row["transactionId"], row["outcome"], row["ended"], row["expired"], row["waitMs"],
                 row["talkMs"]) for row in found]  # fmt: skip

    assert rows(hour, hour.cut(1)) == [
        ("1", "open", None, given_up, None, None),
        ("2", "handled", None, answered + LIMITS.quiet_call, 60_000, None),
    ]
    assert all(rows(one, one.cut(1)) == [] for one in more if one != hour)
    ended = hour.end + 3 * HOUR_MS
    log.take(ended, event("call.end", ended, 1))
    (last,) = (one for one in more if one.start <= ended < one.end)
    assert fold_hour(log, last, last.cut(1), LIMITS).late == {hour.name: 1}
    assert [row[0] for row in rows(hour, hour.cut(2))] == ["2"]
    assert [row[:3] for row in rows(last, last.cut(1))] == [("1", "abandoned", ended)]


def test_a_missing_hour_with_backfilled_events_is_detected(tmp_path: Path) -> None:
    """An hour before the log's first entry is missing if its events arrived later.

    It is not missing because the hours beside it are there, and it is there if it was checked
    under another name.
    """
    log, archive = Log(begin=DAY_BEGINS + 6 * HOUR_MS), open_archive(str(tmp_path))
    opened = DAY_BEGINS + 3 * HOUR_MS
    for hour in range(3):
        at = DAY_BEGINS + hour * HOUR_MS
        log.take(opened, event("call.queue", at, hour + 1, service="Sales"))
        log.take(opened, event("call.end", at + 1, hour + 1))
    job = SealJob("", "", CLIENT, PLAN.time_zone, DAY_BEGINS + 30 * HOUR_MS, LIMITS)
    while HourSealer(job, archive, log).seal_next().pending:
        pass
    assert findings(archive, CLIENT) == []
    checker = Checker(archive)
    for date in archive.dates(CLIENT):
        for manifest in archive.hours(CLIENT, date):
            assert list(checker.check(manifest)) == []
    (tmp_path / f"client={CLIENT}/date=2026-11-23/hour=01/manifest.json").unlink()
    assert list(checker.finish()) == []
    assert [(one.hour, one.file) for one in findings(archive, CLIENT)] == [
        ("2026-11-23/01", "manifest")
    ]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Provide an archive with one hour."""
    with folder(tmp_path) as floor:
        floor.send("agent.state", agent="SEBY", eventType="READY", service="Sales")
        floor.advance(5)
        floor.call(1)
        floor.advance(75)
        floor.seal()
        return open_archive(str(floor.archive))


def change(archive: Archive, name: str, column: str, to: Callable[[int], int]) -> None:
    """Change a column in a file, and update the manifest to match."""
    (manifest,) = archive.hours(47415, "2026-11-24")
    path = f"{manifest.path}/{name}.parquet"
    content = archive.read(path)
    assert content is not None
    table = read_parquet(content)
    index = table.schema.get_field_index(column)
    values = [to(value) for value in table.column(column).to_pylist()]
    changed = write_parquet(table.set_column(index, table.schema.field(index), [values]))
    manifest.files[name] = describe_file(changed, table.num_rows)
    archive.write(path, changed)
    archive.write(f"{manifest.path}/manifest.json", encode_manifest(manifest))


@pytest.mark.parametrize(
    ("name", "column", "says"),
    [
        ("service_intervals", "handled", "handled is 0, but 1 according to calls"),
        ("service_intervals", "readyTimeMs", "according to agent_intervals"),
        ("agent_intervals", "readyMs", "according to agent_states"),
    ],
)
def test_a_changed_figure_is_detected(archive: Archive, name: str, column: str, says: str) -> None:
    """A changed figure is found even if the manifest matches the changed file."""
    assert findings(archive, 47415) == []
    change(archive, name, column, lambda value: value - 1)
    assert any(says in one.what for one in findings(archive, 47415))


def test_a_file_that_differs_from_its_manifest_is_detected(archive: Archive) -> None:
    """A flipped byte and a missing file are both found."""
    path = "client=47415/date=2026-11-24/hour=10"
    content = archive.read(f"{path}/events.parquet")
    assert content is not None
    archive.write(f"{path}/events.parquet", content[:-1] + b"?")
    assert [one.file for one in findings(archive, 47415)] == ["events"]
    (Path(archive.root) / path / "calls.parquet").unlink()
    assert {one.what for one in findings(archive, 47415)} == {
        "its SHA-256 differs from the manifest", "the file is missing",
    }  # fmt: skip


def test_a_file_that_cannot_be_read_is_detected(archive: Archive) -> None:
    """The manifest can match a file that is not a table. The other files are still checked."""
    (manifest,) = archive.hours(47415, "2026-11-24")
    content = b"not a table"
    manifest.files["calls"] = describe_file(content, 1)
    archive.write(f"{manifest.path}/calls.parquet", content)
    manifest.files["agent_states"].rows += 1
    checker = Checker(archive)
    unreadable, rows = checker.check(manifest)
    assert (unreadable.file, unreadable.what[:18]) == ("calls", "it cannot be read:")
    there = manifest.files["agent_states"].rows - 1
    assert rows[1:] == ("agent_states", f"it has {there} rows")
    del manifest.files["calls"]
    assert checker.rows == sum(one.rows for one in manifest.files.values()) - 1
