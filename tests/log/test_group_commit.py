"""Tests that group commits are atomic, flush before they acknowledge, and survive faults."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import NamedTuple

import apsw
import pytest
from structlog.testing import capture_logs

from floorcast.log.data_folder import DataFolder
from floorcast.log.embedded import EmbeddedLog
from floorcast.log.log_reader import LogReader
from floorcast.log.retention import Retention, kept_since
from floorcast.log.write_ahead_log import WalSizes
from floorcast.model.errors import Unavailable
from tests.contract.test_event_log import QUICK, ids_of
from tests.log.batches import HOUR, Clock, batch
from tests.log.faults import Disk, failing_disk
from tests.log.power_cuts import RecordedDisk, recorded_disk
from tests.log.waiting import until

ACME, OTHER = 47415, 8
# Checkpoints are frequent, because the recording disk does not see the preallocated log.
CUT = replace(
    QUICK,
    group_writes=3,
    retention_entries=3,
    memtable_keys=50,
    wal=WalSizes(preallocate_at_bytes=1 << 40, checkpoint_at_bytes=200_000),
)


CUT_RATE = 0.02  # the share of writes and flushes during which the power is cut


class Cut(NamedTuple):
    """The files after a power cut, and the events acknowledged before it."""

    into: Path
    acknowledged: dict[int, dict[str, int]]


class History:
    """A log on a disk with failures and power cuts, and the acknowledged events."""

    def __init__(self, path: Path, disk: RecordedDisk, chance: Random) -> None:
        self.path = path
        self.disk = disk
        self.chance = chance
        self.clock = Clock()
        # when each was recorded
        self.acknowledged: dict[int, dict[str, int]] = {ACME: {}, OTHER: {}}
        self.attempted: set[str] = set()
        self.cuts: list[Cut] = []
        self._moments = Random(chance.random())
        disk.before_each = self._maybe_cut

    async def run(self, steps: int) -> None:
        with DataFolder(self.path) as folder:
            log = EmbeddedLog(folder, self.clock, tuning=CUT)
            for number in range(steps):
                self.disk.failing = self.chance.choice([0.0, 0.5])
                await asyncio.gather(
                    *(self._append(log, f"{number}/{n}") for n in range(self.chance.randint(1, 8)))
                )
                if self.chance.random() < 0.3:
                    self.clock.ticks += HOUR * 13
            self.disk.failing = 0.0
            await log.close()

    async def _append(self, log: EmbeddedLog, name: str) -> None:
        client = self.chance.choice([ACME, OTHER])
        names = [f"{name}/{n}" + "x" * 150 for n in range(self.chance.randint(1, 30))]
        self.attempted.update(names)
        try:
            await log.append(batch(client, names))
        except Unavailable:
            return
        self.acknowledged[client].update(dict.fromkeys(names, self.clock.ticks))

    def _maybe_cut(self) -> None:
        """Cut the power during the log's next operations. ``check`` examines the result later."""
        if self._moments.random() < CUT_RATE:
            acknowledged = {client: dict(names) for client, names in self.acknowledged.items()}
            into = self.path.with_name(f"{self.path.name}-cut{len(self.cuts)}")
            self.cuts.append(Cut(into, acknowledged))
            self.disk.cut(into)

    def check(self, cut: Cut) -> None:
        """Check that the file is not corrupt and has all events acknowledged before the cut."""
        if not any(cut.acknowledged.values()):
            return  # while the file was being created
        writer = apsw.Connection(str(cut.into / "log.db"))
        assert writer.pragma("integrity_check") == "ok"
        writer.close()
        reader = LogReader(cut.into / "log.db")
        streams = {stream.client: stream for stream in reader.streams()}
        for client, acknowledged in cut.acknowledged.items():
            found: list[str] = []
            number = reader.last_removed(streams[client].ordinal) if client in streams else 0
            while client in streams and (some := reader.read(streams[client], number, 50)):
                for entry in some:
                    assert entry.number == number + 1
                    number = entry.number
                    found += ids_of(entry)
            assert len(set(found)) == len(found)
            assert set(found) <= self.attempted
            since = kept_since(self.clock.ticks)
            kept = {name for name, recorded_at in acknowledged.items() if recorded_at >= since}
            assert kept <= set(found)
        reader.close()


@pytest.mark.parametrize("seed", range(6))
def test_power_cuts_lose_no_acknowledged_events(tmp_path: Path, seed: int) -> None:
    """Any number of flushes of retention, checkpoints and groups may have failed before."""
    chance = Random(seed)
    with recorded_disk(tmp_path / "data", Random(seed + 1000)) as disk:
        history = History(tmp_path / "data", disk, chance)
        asyncio.run(history.run(40))
    assert disk.failed
    assert history.cuts
    for cut in history.cuts:
        history.check(cut)


def test_appends_resume_despite_a_permanent_reader(tmp_path: Path) -> None:
    """A backup that reads all the time delays no append after one failed flush."""
    with failing_disk("log.db-wal") as disk, DataFolder(tmp_path) as folder:

        async def work() -> None:
            log = EmbeddedLog(folder, Clock(), tuning=QUICK)
            await log.append(batch(ACME, "a"))
            backup = apsw.Connection(str(tmp_path / "log.db"))
            backup.execute("BEGIN; SELECT count(*) FROM entries")
            disk.once, disk.faults = True, {"sync"}
            with pytest.raises(Unavailable):
                await log.append(batch(ACME, "b"))
            assert log.healthy
            assert (await log.append(batch(ACME, "b"))).number == 2
            backup.close()
            await log.close()

        asyncio.run(work())


def test_log_becomes_healthy_again_without_an_append(tmp_path: Path) -> None:
    """Otherwise a source that sends only to ready servers would never send again."""
    with failing_disk("log.db") as disk, DataFolder(tmp_path) as folder:

        async def work() -> None:
            log = EmbeddedLog(folder, Clock(), tuning=QUICK)
            disk.faults = {"full"}
            with pytest.raises(Unavailable):
                await log.append(batch(ACME, "b"))
            assert not log.healthy
            disk.repair()
            await until(lambda: log.healthy)
            await log.close()

        asyncio.run(work())


def test_a_full_disk_is_logged_once(tmp_path: Path) -> None:
    """Between the requests, there is room for a probe, which does not count as the end."""
    with (
        failing_disk("log.db") as disk,
        DataFolder(tmp_path) as folder,
        capture_logs() as lines,
    ):

        async def work() -> None:
            log = EmbeddedLog(folder, Clock(), tuning=QUICK)
            disk.once = True
            for _ in range(3):
                disk.faults = {"full"}
                with pytest.raises(Unavailable):
                    await log.append(batch(ACME, "a"))
                await until(lambda: log.healthy)
            await log.append(batch(ACME, "a"))
            await log.close()

        asyncio.run(work())
    events = [line["event"] for line in lines]
    assert events == ["log_unwritable", "log_writable_again"]


def test_failing_maintenance_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commits between the attempts do not count as its end."""
    attempts = 0

    def remove_some(_retention: Retention) -> int:
        nonlocal attempts
        attempts += 1
        raise apsw.FullError("database or disk is full")

    monkeypatch.setattr(Retention, "remove_some", remove_some)

    async def work(folder: DataFolder) -> None:
        log = EmbeddedLog(folder, Clock(), tuning=QUICK)
        for number in range(3):
            await log.append(batch(ACME, str(number)))
            before = attempts
            await until(lambda: attempts > before)  # noqa: B023 - it is awaited in this turn
        await log.close()

    with DataFolder(tmp_path) as folder, capture_logs() as lines:
        asyncio.run(work(folder))
    assert [line["event"] for line in lines] == ["log_untidy"]


def test_a_failed_append_leaves_nothing_for_the_garbage_collector(tmp_path: Path) -> None:
    """Each failed request would hold its events until the collector runs."""

    async def work(folder: DataFolder, disk: Disk) -> int:
        log = EmbeddedLog(folder, Clock(), tuning=QUICK)
        disk.faults = {"full"}
        gc.collect()
        for _ in range(3):
            with pytest.raises(Unavailable):
                await log.append(batch(ACME, "a"))
            with pytest.raises(Unavailable):
                await log.append_site(ACME, b"{}")
        await asyncio.sleep(0)
        unreachable = gc.collect()
        disk.repair()
        await log.close()
        return unreachable

    gc.disable()
    try:
        with failing_disk("log.db") as disk, DataFolder(tmp_path) as folder:
            assert asyncio.run(work(folder, disk)) == 0
    finally:
        gc.enable()
