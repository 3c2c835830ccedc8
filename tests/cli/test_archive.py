"""Tests of the output of ``floorcast archive list``, ``verify`` and ``export``."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from floorcast.model.errors import SettingError
from tests.archive.sealed_folders import folder
from tests.cli.admin_commands import AdminCommands


@pytest.fixture
def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AdminCommands:
    """Return commands on a folder with an archive of two days."""
    with folder(tmp_path / "server") as floor:
        floor.call(1)
        floor.advance(14 * 60 + 12)
        floor.call(2)
        floor.advance(70)
        floor.seal_all()
    admin = AdminCommands(tmp_path, monkeypatch)
    monkeypatch.setenv("FLOORCAST_ARCHIVE", str(tmp_path / "server" / "archive"))
    return admin


def test_list_has_a_row_for_each_day(admin: AdminCommands) -> None:
    """The table is aligned, and a day that is over is marked complete."""
    lines = [line.split() for line in admin.run("archive", "list").splitlines()]
    assert lines[0] == [
        "client", "day", "hours", "complete", "rows", "bytes", "corrected", "erased",
    ]  # fmt: skip
    assert lines[1][:4] == ["47415", "2026-11-24", "14", "yes"]
    assert lines[2][:4] == ["47415", "2026-11-25", "1", "no"]
    assert '"complete":"yes"' in admin.run("archive", "list", "--json")
    assert admin.run("archive", "list", "--client", "4") == (
        "the archive has no days of client 4; add them: floorcast serve --archive\n"
    )
    assert admin.run("archive", "list", "--client", "4", "--json") == ""


def test_verify_reports_what_was_checked(admin: AdminCommands) -> None:
    """If something differs, it prints a table and exits with 1."""
    assert "15 hours" in admin.run("archive", "verify")
    hour = admin.folder / "server" / "archive" / "client=47415/date=2026-11-24/hour=10"
    (hour / "calls.parquet").write_bytes(b"?")
    output = admin.run_failing("archive", "verify")
    assert "its SHA-256 differs from the manifest" in output
    assert "no findings" in admin.run("archive", "verify", "--from", "2026-11-25")


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_export_has_every_row(admin: AdminCommands, form: str) -> None:
    """Each kind has one file, with the hour in the first column."""
    output = admin.run("archive", "export", "out", "--format", form, "--to", "2026-11-24")
    assert f"calls.{form}: 1 rows" in output
    file = admin.folder / "out" / f"calls.{form}"
    if form == "csv":
        with file.open() as lines:
            (row,) = csv.DictReader(lines)
    else:
        (row,) = pq.read_table(file).to_pylist()
    assert (str(row["client"]), row["date"], str(row["hour"])) == ("47415", "2026-11-24", "10")
    assert row["agentLoginId"] == "SEBY"
    with (admin.folder / "out" / f"service_intervals.{form}").open("rb") as found:
        assert found.read(1)


def test_errors_say_what_to_change(admin: AdminCommands, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong date or format, an existing folder, unknown hours and no archive are errors."""

    def assert_refused(says: str, *words: str) -> None:
        with pytest.raises(SettingError, match=says):
            admin.invoke("archive", *words)

    assert_refused("--from: must be a date", "export", "out", "--from", "now")
    assert_refused("--format: must be csv or parquet", "export", "out", "--format", "x")
    assert_refused("no such hours", "export", "out", "--from", "2027-01-01")
    assert_refused("no such hours", "verify", "--from", "2027-01-01")
    for words in (("list",), ("verify",), ("export", "other")):
        assert_refused("no archive at /nope", *words, "--archive", "/nope")
    (admin.folder / "out").mkdir()
    assert_refused("already exists", "export", "out")
    monkeypatch.delenv("FLOORCAST_ARCHIVE")
    assert_refused("name one with --archive", "list")
