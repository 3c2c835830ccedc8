"""Tests of ``floorcast verify`` with a data folder, with and without differences."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner, Result

from floorcast.cli import options, verify
from floorcast.floor.call_counts import CallCounts
from floorcast.log.data_folder import DataFolder
from floorcast.log.embedded import EmbeddedLog
from floorcast.log.port import Batch
from floorcast.model.errors import SettingError
from floorcast.model.inbound import InboundEvent
from floorcast.site.configuration import FloorConfig, Service
from tests.log.damaging import flip, zero_page
from tests.statistics.floors import agent_at, at, call_at

PLAN = FloorConfig(time_zone="America/New_York", services=(Service(id=10, name="Sales"),))
NOON = at("2026-11-23T12:00:00-05:00")


def run_verify(folder: Path | str, *more: str) -> Result:
    program = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    program.callback()(options.load_option_values)
    verify.register(program)
    return CliRunner().invoke(
        program, ["verify", "--data", str(folder), *more], catch_exceptions=False
    )


def store_events(folder: Path, events: Sequence[InboundEvent], client: int = 47415) -> None:
    """Make a server accept these events, several per request."""

    async def take() -> None:
        data = DataFolder(folder)
        log = EmbeddedLog(data, lambda: NOON * 10_000)
        await log.append_site(client, msgspec.json.encode(PLAN))
        for start in range(0, len(events), 3):
            some = events[start : start + 3]
            named = [msgspec.structs.replace(one, id=f"{start}/{n}") for n, one in enumerate(some)]
            await log.append(Batch(client, [msgspec.json.encode(one) for one in named], named))
        await log.close()
        data.release()

    asyncio.run(take())


def call_events(client: int) -> list[InboundEvent]:
    return [
        agent_at("READY", NOON - 60_000, service=10),
        call_at("start", NOON - 50_000, client, service=10, direction="INBOUND"),
        call_at("queue", NOON - 50_000, client),
        call_at("answer", NOON - 40_000, client, agent="ANN"),
        call_at("end", NOON - 10_000, client),
    ]


def test_log_without_differences_passes(tmp_path: Path) -> None:
    """Each client's line tells how much was checked, and the exit code is 0."""
    store_events(tmp_path, call_events(1))
    store_events(tmp_path, call_events(2)[:2], client=4199)
    result = run_verify(tmp_path)
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first.startswith("client 47415: 3 entries, ")
    assert first.endswith(" figures, no differences")
    assert second.startswith("client 4199: 2 entries, ")


def test_differences_are_rows_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row has the shown and the recomputed value. The exit code is 1."""
    store_events(tmp_path, call_events(1))
    monkeypatch.setattr(CallCounts, "talk", lambda *_: None)
    result = run_verify(tmp_path)
    assert result.exit_code == 1
    rows = [line.split() for line in result.stdout.splitlines()[2:]]
    assert rows[0] == ["client", "method", "row", "figure", "shown", "recomputed"]
    assert ["47415", "service/stats", "10", "averageTalkDuration", "0", "30"] in rows


def test_verify_works_while_the_server_runs(tmp_path: Path) -> None:
    """The server owns the folder, and the log is only read."""
    store_events(tmp_path, call_events(1))
    with DataFolder(tmp_path):
        assert run_verify(tmp_path).exit_code == 0


def test_folder_without_a_log_is_refused(tmp_path: Path) -> None:
    """A log in memory is refused, too."""
    with pytest.raises(SettingError, match="holds no log"):
        run_verify(tmp_path)
    with pytest.raises(SettingError, match="must be a folder, because"):
        run_verify(":memory:")


def test_damage_is_reported_and_other_clients_are_verified(tmp_path: Path) -> None:
    """The output names the entry and the next step."""
    store_events(tmp_path, call_events(1))
    store_events(tmp_path, call_events(2)[:2], client=4199)
    flip(tmp_path / "log.db", b'"id":"3/0"')
    result = run_verify(tmp_path)
    assert result.exit_code == 1
    assert (
        "client 47415: entry 3 of client 47415 is damaged (its checksum differs)" in result.stdout
    )
    assert "client 4199: 2 entries, " in result.stdout


def test_entries_on_disk_are_verified_one_by_one(tmp_path: Path) -> None:
    """Each damaged entry is listed with its client, number and time. The exit code is then 1."""
    store_events(tmp_path, call_events(1))
    result = run_verify(tmp_path, "--disk")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path} is not damaged\n")
    flip(tmp_path / "log.db", b'"id":"3/0"')
    zero_page(tmp_path / "keys.db", 1)
    result = run_verify(tmp_path, "--disk")
    assert result.exit_code == 1
    first, heading, row = result.stdout.splitlines()
    assert first.startswith("keys.db: ")
    assert heading.split() == ["client", "entry", "recorded", "at", "damage"]
    assert row.split()[:2] == ["47415", "3"]
    assert "2026-11-23 17:00:00+0000" in row


def test_corrupt_database_is_reported_in_one_line(tmp_path: Path) -> None:
    """The damage is reported in one line."""
    store_events(tmp_path, call_events(1))
    zero_page(tmp_path / "log.db", 1)
    result = run_verify(tmp_path, "--disk")
    assert result.exit_code == 1
    assert "log.db: not all entries can be read: " in result.stdout


def test_log_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    """The error names the file, also without --disk."""
    store_events(tmp_path, call_events(1))
    (tmp_path / "log.db").write_bytes(b"not a database " * 1000)
    with pytest.raises(SettingError, match=r"log\.db cannot be read: file is not a database"):
        run_verify(tmp_path)


def test_log_without_events_is_reported(tmp_path: Path) -> None:
    """No output would look as if the figures had been compared."""
    data = DataFolder(tmp_path)
    asyncio.run(EmbeddedLog(data, lambda: NOON * 10_000).close())
    data.release()
    assert run_verify(tmp_path).stdout == "nothing to verify: the log has no events\n"


def test_the_progress_is_on_standard_error(tmp_path: Path) -> None:
    """The entries of all clients are counted together, and the result on stdout has no progress."""
    store_events(tmp_path, call_events(1))
    store_events(tmp_path, call_events(2)[:2], client=4199)
    result = run_verify(tmp_path)
    assert result.stderr.splitlines() == [f"{count} of 5 entries" for count in range(1, 6)]
    assert len(result.stdout.splitlines()) == 2
    disk = run_verify(tmp_path, "--disk")
    databases = len(list(tmp_path.glob("*.db")))
    expected = [f"{count} of {databases} databases" for count in range(1, databases + 1)]
    assert disk.stderr.splitlines() == [*expected, "3 of 5 entries", "5 of 5 entries"]
    assert disk.stdout == f"{tmp_path} is not damaged\n"
