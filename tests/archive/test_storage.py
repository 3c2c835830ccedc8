"""Tests of an archive's storage. A folder and a bucket behave alike."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from floorcast.archive.manifests import DamagedManifest, HourManifest, encode_manifest
from floorcast.archive.storage import Archive, open_archive
from floorcast.model.errors import Unavailable
from tests.archive.sealed_folders import folder


@pytest.fixture(params=["folder", "bucket"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    """Provide an empty archive of each kind."""
    if request.param == "folder":
        return open_archive(str(tmp_path / "archive"))
    return open_archive(request.getfixturevalue("bucket") + f"/{tmp_path.name}")


def manifest(hour: int) -> HourManifest:
    """Return the manifest of an hour that has no files."""
    return HourManifest(
        client=7, date="2026-11-24", hour=hour, start=0, end=1, time_zone="UTC", revision=1, cut=1,
        first_token=None, last_token=None, personal="drop", writer="pyarrow", files={},
    )  # fmt: skip


def test_a_written_manifest_can_be_read(archive: Archive) -> None:
    """A file can be written, replaced and read. A missing file reads as None."""
    assert archive.read("client=7/x.parquet") is None
    archive.write("client=7/x.parquet", b"one")
    archive.write("client=7/x.parquet", b"other")
    assert archive.read("client=7/x.parquet") == b"other"


def test_only_hours_with_a_manifest_are_listed(archive: Archive) -> None:
    """A client's hours are listed by date, in order. An hour without a manifest is not listed."""
    assert archive.clients() == []
    archive.write("client=7/date=2026-11-24/hour=09/calls.parquet", b"half")
    for hour in (11, 10):
        archive.write(f"{manifest(hour).path}/manifest.json", encode_manifest(manifest(hour)))
    assert archive.clients() == [7]
    assert archive.dates(7) == ["2026-11-24"]
    assert [one.hour for one in archive.hours(7, "2026-11-24")] == [10, 11]
    assert archive.manifest(manifest(9).path) is None


def test_foreign_files_are_ignored(tmp_path: Path) -> None:
    """Even those with names that are not UTF-8, in the root or in a day."""
    archive, path = open_archive(str(tmp_path)), manifest(9).path
    archive.write(f"{path}/manifest.json", encode_manifest(manifest(9)))
    for place in (tmp_path, (tmp_path / path).parent):
        (place / "notes").mkdir()
        (place / os.fsdecode(b"caf\xe9")).mkdir()
        (place / os.fsdecode(b"caf\xe9.txt")).touch()
    assert archive.clients() == [7]
    assert archive.dates(7) == ["2026-11-24"]
    assert list(archive.sealed(7, "2026-11-24")) == [path]


def test_a_damaged_manifest_is_named_in_the_error(archive: Archive) -> None:
    """The error for a damaged manifest has the manifest's path."""
    archive.write(f"{manifest(9).path}/manifest.json", b"{")
    with pytest.raises(DamagedManifest, match=r"hour=09/manifest\.json"):
        archive.hours(7, "2026-11-24")


def test_an_hour_is_sealed_in_a_bucket(bucket: str, tmp_path: Path) -> None:
    """A bucket gets the same bytes as a folder."""
    with folder(tmp_path) as floor:
        floor.call(1)
        floor.advance(75)
        floor.seal()
        assert floor.seal(archive=f"{bucket}/other").sealed == "2026-11-24/10"
        there = open_archive(f"{bucket}/other")
        assert {name: there.read(name) for name in floor.files()} == floor.files()


def test_an_unreachable_bucket_is_unavailable(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Using an unreachable bucket raises ``Unavailable``, after which a retry is possible."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    away = open_archive(bucket)
    with pytest.raises(Unavailable):
        away.write("x", b"y")
    with pytest.raises(Unavailable):
        away.clients()


def test_a_leftover_file_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    """The leftover is removed when the file is written again."""
    archive = open_archive(str(tmp_path))
    (tmp_path / "client=7").mkdir()
    (tmp_path / "client=7" / "x.parquet.4711.part").write_bytes(b"half")
    archive.write("client=7/x.parquet", b"whole")
    assert [file.name for file in (tmp_path / "client=7").iterdir()] == ["x.parquet"]


def test_errors_have_no_numbers(tmp_path: Path) -> None:
    """The message says what is in the way, and not ``[Errno 20]``."""
    (tmp_path / "archive").touch()
    archive = open_archive(str(tmp_path / "archive"))
    with pytest.raises(Unavailable, match="Not a directory") as written:
        archive.write("client=7/x", b"x")
    with pytest.raises(Unavailable, match="Not a directory") as read:
        archive.read("client=7/x")
    assert "errno" not in f"{written.value} {read.value}".lower()
