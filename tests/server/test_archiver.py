"""Tests that a running server seals hours, and retries after failures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from floorcast.archive import extra
from floorcast.archive.jobs import SealJob, SealReport
from floorcast.config.settings import Settings
from floorcast.model.errors import SettingError, Unavailable
from floorcast.server.archiver import Archiver, check_archive
from floorcast.workers.pool import PoolTuning, WorkerPool
from tests.real.nodes import MEMORY, Clock, NodeHarness
from tests.real.sites import ACME, CHILD, event, ndjson

SMS = ndjson([event("sms.attempt", 1, service="Sales", eventType="Attempt")])


class FakePool(WorkerPool):
    """Replaces worker processes: fails some clients, and seals an hour of the others."""

    def __init__(self, broken: set[int]) -> None:
        super().__init__(PoolTuning())
        self.broken = broken
        self.asked: list[int] = []
        self.left = {ACME: 2, CHILD: 1}

    async def run(
        self, client: int, function: object, argument: bytes, *, affinity: object = None
    ) -> bytes:
        """Run a client's job."""
        assert getattr(function, "__name__", "") == "seal"
        assert affinity is None
        job = msgspec.msgpack.decode(argument, type=SealJob)
        self.asked.append(client)
        if client in self.broken:
            raise Unavailable("the archive cannot be written: No space left on device")
        left = self.left.get(client, 0)
        self.left[client] = left - 1
        report = SealReport(pending=max(left - 1, 0), next_due=job.now + 3_600_000)
        report.sealed = f"2026-11-24/{left:02d}" if left else None
        report.missing = ["2026-11-23/01", "2026-11-23/02"]
        return msgspec.msgpack.encode(report)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[NodeHarness]:
    """Yield a node without an archive."""
    one = NodeHarness(tmp_path, Clock())
    yield one
    one.end()


def archive_of(house: NodeHarness, *broken: int) -> tuple[Archiver, FakePool]:
    """Return an archive of the node's clients."""
    pool = FakePool(set(broken))
    return Archiver(Settings(data=house.data, archive="a"), house.node.server, pool), pool


def test_every_due_hour_of_every_client_is_sealed(house: NodeHarness) -> None:
    """Clients take turns until no hour is left.

    After that, no job runs before another hour is due.
    """
    sealing, pool = archive_of(house)
    house.run(sealing.run_round())
    assert pool.asked.count(ACME) == 2
    assert (sealing.state.sealed, sealing.state.pending) == (3, 0)
    asked = len(pool.asked)
    house.run(sealing.run_round())
    assert len(pool.asked) == asked
    house.clock.move(3601)
    house.run(sealing.run_round())
    assert len(pool.asked) == asked + 3


def test_a_failing_client_does_not_stop_the_others(house: NodeHarness) -> None:
    """The failed client is retried after a minute."""
    sealing, pool = archive_of(house, ACME)
    with capture_logs() as logs:
        house.run(sealing.run_round())
    assert [one["client"] for one in logs if one["event"] == "archive_failed"] == [ACME]
    assert sealing.state.sealed == 1
    assert sealing.state.failures == 1
    pool.broken.clear()
    house.clock.move(61)
    house.run(sealing.run_round())
    assert sealing.state.sealed == 3


def test_a_clock_that_is_set_back_stops_no_client(house: NodeHarness) -> None:
    """Hours that are due, and retries, do not wait until the clock is where it was."""
    sealing, pool = archive_of(house, CHILD)
    house.run(sealing.run_round())
    pool.broken.clear()
    pool.asked.clear()
    house.clock.move(-10 * 3600)
    house.run(sealing.run_round())
    assert {ACME, CHILD} <= set(pool.asked)
    pool.asked.clear()
    house.run(sealing.run_round())
    assert pool.asked == []


def test_missing_hours_are_logged_once(house: NodeHarness) -> None:
    """This applies even if they are found repeatedly."""
    sealing, _ = archive_of(house)
    with capture_logs() as logs:
        house.run(sealing.run_round())
        house.clock.move(3601)
        house.run(sealing.run_round())
    found = [one for one in logs if one["event"] == "archive_hours_missing"]
    assert sorted(one["client"] for one in found) == sorted(house.node.server.floors)
    assert sealing.state.missing == 2 * len(found)


def test_the_server_seals_in_a_separate_process(tmp_path: Path) -> None:
    """The test covers the setting, the files and the metrics."""
    clock = Clock()
    house = NodeHarness(tmp_path, clock, archive=str(tmp_path / "archive"))
    try:
        house.take(SMS)
        clock.move(2 * 3600)
        sealing = house.node.archiver
        assert sealing is not None
        house.run(sealing.run_round())
        assert list((tmp_path / "archive").rglob("events.parquet"))
        text = house.node.server.metrics.text().decode()
        assert "floorcast_archive_failures_total 0.0" in text
        assert "floorcast_archive_pending_hours 0.0" in text
        assert f"floorcast_archive_sealed_hours_total {sealing.state.sealed:.1f}" in text
        assert sealing.state.sealed
    finally:
        house.end()
    assert "pyarrow" not in _imported_by("floorcast.server.node")


def _imported_by(module: str) -> str:
    """Return the modules that a new interpreter has loaded after it imports one module."""
    import subprocess  # noqa: PLC0415 -- for this alone

    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return done.stdout


def test_the_archive_setting_requires_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If the data is in memory, the message says which setting to use."""
    with pytest.raises(SettingError, match="--data"):
        check_archive(Settings(data=MEMORY, archive="archive"))
    monkeypatch.setattr(extra, "find_spec", lambda _name: None)
    with pytest.raises(SettingError, match=r"pip install 'floorcast\[archive\]'"):
        check_archive(Settings(archive="archive"))
    check_archive(Settings())


def test_an_archive_below_a_file_is_refused(tmp_path: Path) -> None:
    """No hour could ever be sealed there. A folder that does not exist yet is created later."""
    (tmp_path / "file").write_text("")
    for path in ("file", "file/below/it"):
        with pytest.raises(SettingError, match="file is not a folder"):
            check_archive(Settings(data=tmp_path, archive=str(tmp_path / path)))
    for archive in (str(tmp_path / "new" / "archive"), str(tmp_path), "s3://bucket/prefix"):
        check_archive(Settings(data=tmp_path, archive=archive))
