"""Tests that an hour is sealed once and completely, with the same bytes by any process."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from floorcast.archive.jobs import SealJob, SealReport
from floorcast.archive.manifests import DayManifest, HourManifest
from floorcast.archive.schemas import COUNTERS, FILES
from floorcast.archive.sealing import HourSealer
from floorcast.archive.storage import Archive, open_archive
from floorcast.archive.tables import read_parquet
from floorcast.floor.days import Calendar
from floorcast.floor.directory import NO_SERVICE
from floorcast.log.port import Batch
from floorcast.model.errors import Unavailable
from floorcast.model.inbound import ALERT_SOURCE, read_lines
from floorcast.model.token import to_ms
from tests.archive.sealed_folders import PHONE, Floor, folder
from tests.archive.sources import CLIENT, DAY_BEGINS, HOUR_MS, LIMITS, Log, event, random_entries
from tests.archive.test_checking import findings
from tests.floor.random_floors import PLAN
from tests.log.batches import alert_transition
from tests.search import tries

TEN = "client=47415/date=2026-11-24/hour=10"


def manifest_of(floor: Floor, path: str = TEN) -> HourManifest:
    """Return an hour's manifest."""
    return msgspec.json.decode(floor.files()[f"{path}/manifest.json"], type=HourManifest)


DAYS = [
    ("America/New_York", date(2026, 3, 8), 23),
    ("America/New_York", date(2026, 11, 1), 25),
    ("Australia/Lord_Howe", date(2026, 10, 4), 24),  # 23.5 hours
    ("Australia/Lord_Howe", date(2026, 4, 5), 25),  # 24.5 hours
    ("Pacific/Kiritimati", date(2026, 11, 26), 24),  # a day ahead of UTC
]


@pytest.mark.parametrize(("zone", "day", "count"), DAYS)
@settings(max_examples=tries(2), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_sealed_hours_sum_to_the_day(zone: str, day: date, count: int, data: st.DataObject) -> None:
    """The sealed and corrected hours add up to the day in every time zone, even with late events.

    Sealing everything again without snapshots gives the same bytes.
    """
    calendar = Calendar(zone)
    begin, end = calendar.bounds(day.toordinal())
    opened = begin + 17 * HOUR_MS
    log = Log(structs.replace(PLAN, time_zone=zone), opened)  # the site is 3 h earlier
    job = SealJob("", "", CLIENT, zone, 0, LIMITS)
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        archive = open_archive(first)
        for recorded in random_entries(data.draw, log, opened, 30, 40):
            if recorded > end + 2 * HOUR_MS:
                break
            if data.draw(st.integers(0, 3)) == 0:
                seal_until(job, archive, log, recorded)
        seal_until(job, archive, log, end + 23 * HOUR_MS)
        assert_sums_to_the_day(archive, log, day)
        folders = sorted(Path(first, f"client={CLIENT}", f"date={day}").glob("hour=*"))
        assert [int(one.name[5:]) for one in folders] == list(range(14, count))
        (stated,) = Path(first, f"client={CLIENT}", f"date={day}").glob("manifest.json")
        assert msgspec.json.decode(stated.read_bytes(), type=DayManifest).complete
        if count == 23:  # one zone is enough for this check
            log.snapshots.clear()
            seal_until(job, open_archive(second), log, end + 23 * HOUR_MS)
            assert archive_files(second) == archive_files(first)


@settings(max_examples=tries(2), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 28 * 60), st.sampled_from([0, 5, 100]), st.integers(2, 12), st.data())
def test_hours_before_the_first_entry_are_sealed(
    minute: int, wait: int, backlog_hours: int, data: st.DataObject
) -> None:
    """Events from before the log's first entry, such as a backlog, are sealed in their hours.

    This is also true for yesterday's hours and if the backlog arrives ``wait`` minutes after the
    first entry.
    """
    opened = DAY_BEGINS + minute * 60_000
    log = Log(begin=opened + 3 * HOUR_MS)  # the site is the first entry, 3 h earlier
    job = SealJob("", "", CLIENT, PLAN.time_zone, 0, LIMITS)
    arrived = opened + wait * 60_000
    with tempfile.TemporaryDirectory() as folder:
        archive = open_archive(folder)
        seal_until(job, archive, log, arrived)
        take_backlog(log, max(arrived - backlog_hours * HOUR_MS, DAY_BEGINS), arrived)
        for _ in random_entries(data.draw, log, arrived, 6, 10):
            pass
        end = to_ms(log.head_at) + 2 * HOUR_MS
        seal_until(job, archive, log, end)
        assert findings(archive, CLIENT) == []
        seal_until(job, archive, log, end + 24 * HOUR_MS)
        assert_sums_to_the_day(archive, log, date(2026, 11, 23))
        assert findings(archive, CLIENT) == []
        manifest = manifest_of_day(archive)
        assert manifest.complete
        assert manifest.hours == list(range(manifest.hours[0], 24))


def take_backlog(log: Log, begin: int, arrived: int) -> None:
    """Add the calls of the time from ``begin`` on, one every 25 minutes, at ``arrived`` (ms)."""
    for at in range(begin, arrived, 25 * 60_000):
        number = at // 60_000
        log.take(
            arrived,
            event("agent.state", at, eventType="READY", agent="ANN", service="Sales"),
            event("call.start", at, number, service="Sales", direction="INBOUND"),
            event("call.queue", at, number),
            event("call.answer", at + 60_000, number, agent="ANN"),
            event("call.end", at + 120_000, number),
        )


def manifest_of_day(archive: Archive) -> DayManifest:
    """Return the manifest of the day that begins at ``DAY_BEGINS``."""
    content = archive.read(f"client={CLIENT}/date=2026-11-23/manifest.json")
    assert content is not None
    return msgspec.json.decode(content, type=DayManifest)


def test_a_backlog_gives_the_same_bytes_at_any_time(tmp_path: Path) -> None:
    """A node that seals as time passes and a node that catches up write the same files.

    The day's manifest is written again if a second backlog reaches further back.
    """
    opened = DAY_BEGINS + 20 * HOUR_MS + 5 * 60_000
    log = Log(begin=opened + 3 * HOUR_MS)
    job = SealJob("", "", CLIENT, PLAN.time_zone, 0, LIMITS)
    archive = open_archive(str(tmp_path / "first"))
    arrived = opened + 60_000
    take_backlog(log, arrived - 3 * HOUR_MS, arrived)
    seal_until(job, archive, log, DAY_BEGINS + 25 * HOUR_MS)
    assert manifest_of_day(archive).hours == list(range(17, 24))
    take_backlog(log, DAY_BEGINS + 15 * HOUR_MS, DAY_BEGINS + 25 * HOUR_MS)
    for hour in range(26, 50):
        seal_until(job, archive, log, DAY_BEGINS + hour * HOUR_MS)
    assert manifest_of_day(archive).hours == list(range(15, 24))
    seal_until(job, open_archive(str(tmp_path / "second")), log, DAY_BEGINS + 49 * HOUR_MS)
    assert archive_files(str(tmp_path / "second")) == archive_files(str(tmp_path / "first"))


def test_a_backlog_does_not_replace_the_hours_of_an_earlier_log(tmp_path: Path) -> None:
    """An archive can outlive its log. The new log fills gaps and changes nothing else."""
    archive = open_archive(str(tmp_path))
    job = SealJob("", "", CLIENT, PLAN.time_zone, 0, LIMITS)
    old = Log()
    for minutes in (5, 65, 125):
        at = DAY_BEGINS + minutes * 60_000
        old.take(at, event("call.queue", at, minutes, service="Sales"))
        old.take(at + 1, event("call.end", at + 1, minutes))
    seal_until(job, archive, old, DAY_BEGINS + 2 * HOUR_MS + 11 * 60_000)
    before = archive_files(str(tmp_path))
    opened = DAY_BEGINS + 5 * HOUR_MS
    new = Log(begin=opened + 3 * HOUR_MS)
    new.take(opened, event("call.queue", DAY_BEGINS + 61 * 60_000, 9, service="Sales"))
    seal_until(job, archive, new, opened + 30 * HOUR_MS)
    after = archive_files(str(tmp_path))
    assert {name: after[name] for name in before} == before
    assert manifest_of_day(archive).hours == list(range(24))


def test_an_event_naming_an_earlier_hours_service_corrects_that_hour() -> None:
    """An event that is not late can change an earlier hour, if it names the call's service."""
    zone, day, _ = DAYS[0]
    begin, end = Calendar(zone).bounds(day.toordinal())
    opened = begin + 17 * HOUR_MS
    log = Log(structs.replace(PLAN, time_zone=zone), opened)
    job = SealJob("", "", CLIENT, zone, 0, LIMITS)
    with tempfile.TemporaryDirectory() as folder:
        archive = open_archive(folder)
        log.take(opened, event("call.answer", opened, 2, agent=9))
        later = opened + HOUR_MS + 30 * 60_000
        log.take(later, event("call.start", later, 2, service="Sales", direction="INBOUND"))
        seal_until(job, archive, log, end + 23 * HOUR_MS)
        assert_sums_to_the_day(archive, log, day)
        late = {one.name: one.late for one in archive.hours(CLIENT, day.isoformat()) if one.late}
        assert [list(names) for names in late.values()] == [[f"{day}/17"]]


def seal_until(job: SealJob, archive: Archive, log: Log, now: int) -> None:
    """Seal all hours that are due at ``now`` (ms)."""
    job.now = now
    while HourSealer(job, archive, log).seal_next().pending:
        pass


def archive_files(folder: str) -> dict[str, bytes]:
    """Return the archive's files by path."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(Path(folder).rglob("*.*"))
        if file.is_file()
    }


def assert_sums_to_the_day(archive: Archive, log: Log, day: date) -> None:
    """Check that the day's service intervals add up to the fold's counters for the day."""
    summed: dict[int, Counter[str]] = defaultdict(Counter)
    for manifest in archive.hours(CLIENT, day.isoformat()):
        content = archive.read(f"{manifest.path}/service_intervals.parquet")
        assert content is not None
        for row in read_parquet(content).to_pylist():
            summed[row["serviceId"]].update({name: row[name] for name in COUNTERS})
    floor = log.floor
    midnight = floor.calendar.bounds(day.toordinal())[0]
    for service, counted in floor.ledger.services_on(day.toordinal()).items():
        if service == NO_SERVICE:
            continue
        row = summed[service]
        waiting_over = sum(
            call.waited_at_midnight(midnight, LIMITS.quiet_call)
            for call in floor.call_table.in_progress.get(service, {}).values()
        )
        assert (row["offered"], row["handled"], row["abandoned"], row["talkMs"], row["waitMs"]) == (
            counted.offered + waiting_over, counted.handled, counted.abandoned, counted.talk,
            counted.handled_wait,
        )  # fmt: skip


def test_an_hour_is_sealed_ten_minutes_after_its_end(tmp_path: Path) -> None:
    """A sealed hour has five files, and a manifest that describes them."""
    with folder(tmp_path) as floor:
        floor.call(1)
        floor.advance(65)
        assert floor.seal().sealed is None
        floor.advance(6.5)
        report = floor.seal()
        assert (report.sealed, report.pending) == ("2026-11-24/10", 0)
        files = floor.files()
        assert set(files) == {f"{TEN}/manifest.json", *(f"{TEN}/{one}.parquet" for one in FILES)}
        manifest = manifest_of(floor)
        assert {name: file.rows for name, file in manifest.files.items()} == {
            "events": 5, "calls": 1, "agent_states": 0, "service_intervals": 1,
            "agent_intervals": 1,
        }  # fmt: skip
        (call,) = read_parquet(files[f"{TEN}/calls.parquet"]).to_pylist()
        assert (call["outcome"], call["waitMs"], call["talkMs"]) == ("handled", 10_000, 60_000)
        assert (call["agentLoginId"], call["termCode"], call["phone"]) == ("SEBY", "SALE", None)
        assert floor.seal().sealed is None


def test_sealing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    """An hour gets the same bytes again after the server has been restarted."""
    with folder(tmp_path) as floor:
        for number in range(5):
            floor.call(number + 1)
            floor.send("agent.state", agent="SEBY", eventType="READY", service="Sales")
            floor.advance(20)
        floor.advance(60)
        floor.seal_all()
        first = floor.files()
        assert len(first) == 12
        shutil.rmtree(floor.archive)
        floor.harness.close()
        floor.harness.open()
        floor.seal_all()
        assert floor.files() == first


@pytest.mark.parametrize("personal", ["drop", "mask", "hash", "keep"])
def test_alert_changes_are_sealed(tmp_path: Path, personal: str) -> None:
    """An alert's change is an event of its hour like any other."""
    with folder(tmp_path) as floor:
        floor.call(1)
        line = alert_transition()
        batch = Batch(CLIENT, [line], read_lines(line))
        floor.harness.run(floor.harness.node.server.log.append(batch))
        floor.advance(75)
        assert floor.seal(personal=personal).sealed
        events = read_parquet(floor.files()[f"{TEN}/events.parquet"]).to_pylist()
        (found,) = (row for row in events if row["type"] == "alert.transition")
        assert (found["source"], found["transactionId"]) == (ALERT_SOURCE, None)
        assert len(events) == manifest_of(floor).files["events"].rows == 6


@pytest.mark.parametrize("personal", ["drop", "mask", "hash", "keep"])
def test_personal_data_follows_the_setting(tmp_path: Path, personal: str) -> None:
    """Calls and events have personal data in the form that the setting requires."""
    with folder(tmp_path) as floor:
        floor.call(1)
        floor.advance(75)
        floor.seal(personal=personal)
        files = floor.files()
        (call,) = read_parquet(files[f"{TEN}/calls.parquet"]).to_pylist()
        events = read_parquet(files[f"{TEN}/events.parquet"]).to_pylist()
        text = " ".join(str(row["data"]) for row in events)
        assert (PHONE in text) is (personal == "keep")
        assert ("Lovelace" in text) is (personal == "keep")
        shown = {"drop": None, "mask": "***********0147", "keep": PHONE}
        if personal == "hash":
            assert len(call["phone"]) == 32
            assert call["phone"] in text
        else:
            assert call["phone"] == shown[personal]


def test_a_late_event_corrects_its_hour_once(tmp_path: Path) -> None:
    """The hour is written again 22 hours later, and its manifest lists the replaced files."""
    with folder(tmp_path) as floor:
        floor.call(1)
        floor.advance(75)
        floor.seal_all()
        before = manifest_of(floor)
        floor.send("call.start", 3600, transactionId=9, sessionId="S9", service="Sales",
                   direction="INBOUND")  # fmt: skip
        floor.send("call.queue", 3600, transactionId=9, sessionId="S9", service="Sales")
        floor.send("call.end", 3540, transactionId=9, sessionId="S9")
        floor.harness.run(floor.harness.node._floors.snapshot())  # noqa: SLF001 -- no time passes that would cause a snapshot
        for _ in range(22):
            floor.advance(60)
            floor.seal_all()
        after = manifest_of(floor)
        assert (before.revision, after.revision) == (1, 2)
        assert after.replaces is not None
        assert set(after.replaces.files) == {"calls", "service_intervals"}
        assert after.files["calls"].rows == 2
        assert after.replaces.files["calls"] == before.files["calls"].sha256
        corrected = floor.files()
        assert not any(report.corrected for report in floor.seal_all())
        assert floor.files() == corrected


def test_a_day_gets_its_manifest_with_its_last_hour(tmp_path: Path) -> None:
    """The day's manifest is written together with the day's last hour."""
    with folder(tmp_path) as floor:
        floor.call(1)
        floor.advance(60 * 14)
        floor.seal_all()
        assert f"{TEN}/manifest.json" in floor.files()
        day = "client=47415/date=2026-11-24/manifest.json"
        assert day not in floor.files()
        floor.advance(12)
        floor.seal_all()
        manifest = msgspec.json.decode(floor.files()[day], type=DayManifest)
        assert manifest.complete
        assert manifest.hours == list(range(10, 24))


def test_hours_removed_from_the_log_are_missing(tmp_path: Path) -> None:
    """The seal report and the day's manifest list the hours that can no longer be sealed."""
    log, archive = Log(), open_archive(str(tmp_path))
    job = SealJob("", "", CLIENT, PLAN.time_zone, 0, LIMITS)

    def seal_all(now: int) -> list[SealReport]:
        job.now = now
        reports = [HourSealer(job, archive, log).seal_next()]
        while reports[-1].pending:
            reports.append(HourSealer(job, archive, log).seal_next())
        return reports

    for hour in range(27):
        log.take(DAY_BEGINS + hour * HOUR_MS, event("agent.state", DAY_BEGINS, agent="ANN",
                 eventType="READY"))  # fmt: skip
        log.snapshot()
        if hour == 3:
            seal_all(DAY_BEGINS + hour * HOUR_MS)
    log.removed = 8
    log.snapshots = {entry: parts for entry, parts in log.snapshots.items() if entry >= 8}
    reports = seal_all(DAY_BEGINS + 26 * HOUR_MS)
    assert "2026-11-23/04" in reports[0].missing
    content = archive.read(f"client={CLIENT}/date=2026-11-23/manifest.json")
    assert content is not None
    manifest = msgspec.json.decode(content, type=DayManifest)
    assert not manifest.complete
    assert manifest.missing == [2, 3, 4, 5, 6]
    assert manifest.hours == [0, 1, *range(7, 24)]


def test_a_failure_leaves_no_partial_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk fills up between two files, no manifest is written.

    The next attempt seals the hour.
    """
    with folder(tmp_path) as floor:
        floor.call(1)
        floor.advance(75)
        left = [2]

        def full(descriptor: int) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", full)
            with pytest.raises(Unavailable, match="No space left"):
                floor.seal()
        assert f"{TEN}/manifest.json" not in floor.files()
        assert not [name for name in floor.files() if name.endswith(".part")]
        assert floor.seal().sealed == "2026-11-24/10"
