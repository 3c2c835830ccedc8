"""The output of ``floorcast archive list``, ``verify`` and ``export``."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from floorcast.model.errors import SettingError
from tests.archive.sealed_folders import folder
from tests.cli.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a desk in a folder with an archive of two days."""
    with folder(tmp_path / "server") as floor:
        floor.call(1)
        floor.go_on(14 * 60 + 12)
        floor.call(2)
        floor.go_on(70)
        floor.seal_all()
    desk = Desk(tmp_path, monkeypatch)
    monkeypatch.setenv("FLOORCAST_ARCHIVE", str(tmp_path / "server" / "archive"))
    return desk


def test_the_list_has_a_row_for_each_day(desk: Desk) -> None:
    """The table is aligned, and a day that is over is marked complete."""
    lines = [line.split() for line in desk.says("archive", "list").splitlines()]
    assert lines[0] == [
        "client", "day", "hours", "complete", "rows", "bytes", "corrected", "erased",
    ]  # fmt: skip
    assert lines[1][:4] == ["47415", "2026-11-24", "14", "yes"]
    assert lines[2][:4] == ["47415", "2026-11-25", "1", "no"]
    assert '"complete":"yes"' in desk.says("archive", "list", "--json")
    assert desk.says("archive", "list", "--client", "4").splitlines()[1:] == []


def test_verifying_says_what_was_verified(desk: Desk) -> None:
    """If something differs, it prints a table and exits with 1."""
    assert "15 hours" in desk.says("archive", "verify")
    hour = desk.folder / "server" / "archive" / "client=47415/date=2026-11-24/hour=10"
    (hour / "calls.parquet").write_bytes(b"?")
    said = desk.fails("archive", "verify")
    assert "its SHA-256 differs from the manifest" in said
    assert "no findings" in desk.says("archive", "verify", "--from", "2026-11-25")


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_export_has_every_row(desk: Desk, form: str) -> None:
    """Each kind has one file, with the hour in the first column."""
    said = desk.says("archive", "export", "out", "--format", form, "--to", "2026-11-24")
    assert f"calls.{form}: 1 rows" in said
    file = desk.folder / "out" / f"calls.{form}"
    if form == "csv":
        with file.open() as lines:
            (row,) = csv.DictReader(lines)
    else:
        (row,) = pq.read_table(file).to_pylist()
    assert (str(row["client"]), row["date"], str(row["hour"])) == ("47415", "2026-11-24", "10")
    assert row["agentLoginId"] == "SEBY"
    with (desk.folder / "out" / f"service_intervals.{form}").open("rb") as found:
        assert found.read(1)


def test_mistakes_say_what_to_change(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong date or format, an existing folder, unknown hours and no archive are errors."""

    def refused(says: str, *words: str) -> None:
        with pytest.raises(SettingError, match=says):
            desk.does("archive", *words)

    refused("--from: must be a date", "export", "out", "--from", "now")
    refused("--format: must be csv or parquet", "export", "out", "--format", "x")
    refused("no such hours", "export", "out", "--from", "2027-01-01")
    (desk.folder / "out").mkdir()
    refused("already exists", "export", "out")
    monkeypatch.delenv("FLOORCAST_ARCHIVE")
    refused("name one with --archive", "list")
