"""Tests that an archive covers every time once, even if the client's time zone changes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from floorcast.archive.jobs import SealJob
from floorcast.archive.storage import Archive, open_archive
from floorcast.archive.tables import read_parquet
from tests.archive.sources import CLIENT, DAY_BEGINS, HOUR_MS, LIMITS, Log, event
from tests.archive.test_checking import findings
from tests.archive.test_sealing import seal_until
from tests.floor.random_floors import PLAN


def call(log: Log, number: int, at: int, late: int = 0) -> None:
    """Add a call that waited ten seconds and ended at ``at``, ``late`` ms before it is recorded."""
    log.take(
        at + late,
        event("call.start", at - 60_000, number, service=10, direction="INBOUND"),
        event("call.queue", at - 60_000, number),
        event("call.answer", at - 50_000, number, agent="ANN"),
        event("call.end", at, number),
    )


def rows(archive: Archive, name: str) -> list[dict[str, Any]]:
    """Return all of the archive's rows of a kind."""
    found: list[dict[str, Any]] = []
    for date in archive.dates(CLIENT):
        for manifest in archive.hours(CLIENT, date):
            content = archive.read(f"{manifest.path}/{name}.parquet")
            assert content is not None
            found += read_parquet(content).to_pylist()
    return found


@pytest.mark.parametrize(
    ("old", "new", "minute", "waited"),
    [
        ("America/New_York", "Asia/Tokyo", 30, 5),
        ("Asia/Tokyo", "America/New_York", 125, 0),
        ("Europe/London", "America/New_York", 300, 70),
        ("America/New_York", "Europe/London", 730, 5),
        ("Asia/Kathmandu", "Europe/London", 70, 20),
        ("Europe/London", "Asia/Kathmandu", 640, 50),
        ("Asia/Tokyo", "Pacific/Pago_Pago", 5, 15),
    ],
)
def test_every_event_and_call_is_in_one_hour(
    old: str, new: str, minute: int, waited: int, tmp_path: Path
) -> None:
    """The hours before the change keep their names. No hour is missing or overwritten."""
    log = Log(replace(PLAN, time_zone=old), DAY_BEGINS + 3 * HOUR_MS)
    change = DAY_BEGINS + 6 * HOUR_MS + minute * 60_000
    job, archive = SealJob("", "", CLIENT, old, 0, LIMITS), open_archive(str(tmp_path))
    times = [*range(DAY_BEGINS, change, 59 * 60_000)]
    times += range(change + waited * 60_000 + 1, change + 26 * HOUR_MS, 97 * 60_000)
    for number, at in enumerate(times, 1):
        if at > change and job.time_zone == old:
            log.configure(change, replace(PLAN, time_zone=new))
            job.time_zone = new
            seal_until(job, archive, log, at)
        call(log, number, at)
        if number % 7 == 0:
            call(log, 1000 + number, at - 3 * HOUR_MS, late=3 * HOUR_MS)
        log.snapshot()
        seal_until(job, archive, log, at)
    seal_until(job, archive, log, times[-1] + 24 * HOUR_MS)
    calls = Counter(row["transactionId"] for row in rows(archive, "calls"))
    numbers = range(1, len(times) + 1)
    count = len(times) + len(times) // 7
    assert calls == {
        str(one): 1 for one in [*numbers, *(1000 + late for late in numbers if not late % 7)]
    }
    positions = [row["position"] for row in rows(archive, "events")]
    assert len(positions) == len(set(positions)) == sum(one.count for one in log.stored)
    intervals = rows(archive, "service_intervals")
    assert len({(row["serviceId"], row["start"]) for row in intervals}) == len(intervals)
    for name in ("offered", "handled", "talks"):
        assert sum(row[name] for row in intervals if row["serviceId"] == 10) == count, name
    assert findings(archive, CLIENT) == []
