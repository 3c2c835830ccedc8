"""Checking an hour: what was sealed agrees, and what was changed since is found."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from floorcast.archive.checking import Checker, Finding
from floorcast.archive.jobs import SealJob
from floorcast.archive.manifests import described, encode_manifest
from floorcast.archive.sealing import Sealing
from floorcast.archive.storage import Archive, open_archive
from floorcast.archive.tables import read_parquet, write_parquet
from tests.archive.sealed_folders import folder
from tests.archive.sources import CLIENT, DAY_BEGINS, HOUR_MS, LIMITS, Log, random_logs
from tests.floor.random_floors import PLAN
from tests.search import tries


def findings(archive: Archive, client: int) -> list[Finding]:
    """Everything that is wrong with a client's hours."""
    checker = Checker(archive)
    found: list[Finding] = []
    for date in archive.dates(client):
        for manifest in archive.hours(client, date):
            found += checker.check(manifest)
    return [*found, *checker.finish()]


@settings(max_examples=tries(4), deadline=None, suppress_health_check=list(HealthCheck))
@given(random_logs())
def test_what_is_sealed_agrees(log: Log) -> None:
    """With late events, too: calls and states have the figures of the intervals."""
    with tempfile.TemporaryDirectory() as path:
        archive = open_archive(path)
        job = SealJob("", "", CLIENT, PLAN.time_zone, DAY_BEGINS + 8 * HOUR_MS, LIMITS)
        while Sealing(job, archive, log).next().pending:
            pass
        assert findings(archive, CLIENT) == []


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An archive of an hour."""
    with folder(tmp_path) as floor:
        floor.send("agent.state", agent="SEBY", eventType="READY", service="Sales")
        floor.go_on(5)
        floor.call(1)
        floor.go_on(75)
        floor.seal()
        return open_archive(str(floor.archive))


def change(archive: Archive, name: str, column: str, to: Callable[[int], int]) -> None:
    """Change a column of a file, and the manifest with it, as somebody would who knows how."""
    (manifest,) = archive.hours(47415, "2026-11-24")
    path = f"{manifest.path}/{name}.parquet"
    content = archive.read(path)
    assert content is not None
    table = read_parquet(content)
    index = table.schema.get_field_index(column)
    values = [to(value) for value in table.column(column).to_pylist()]
    changed = write_parquet(table.set_column(index, table.schema.field(index), [values]))
    manifest.files[name] = described(changed, table.num_rows)
    archive.write(path, changed)
    archive.write(f"{manifest.path}/manifest.json", encode_manifest(manifest))


@pytest.mark.parametrize(
    ("name", "column", "says"),
    [
        ("service_intervals", "handled", "handled is 0, and 1 by the calls"),
        ("service_intervals", "readyTimeMs", "by agent_intervals"),
        ("agent_intervals", "readyMs", "by agent_states"),
    ],
)
def test_a_figure_that_was_changed_is_found(
    archive: Archive, name: str, column: str, says: str
) -> None:
    """Even if the manifest was changed with it."""
    assert findings(archive, 47415) == []
    change(archive, name, column, lambda value: value - 1)
    assert any(says in one.what for one in findings(archive, 47415))


def test_a_file_that_differs_from_its_manifest_is_found(archive: Archive) -> None:
    """A flipped byte, and a file that is gone."""
    path = "client=47415/date=2026-11-24/hour=10"
    content = archive.read(f"{path}/events.parquet")
    assert content is not None
    archive.write(f"{path}/events.parquet", content[:-1] + b"?")
    assert [one.file for one in findings(archive, 47415)] == ["events"]
    (Path(archive.root) / path / "calls.parquet").unlink()
    assert {one.what for one in findings(archive, 47415)} == {
        "its SHA-256 is not that of the manifest", "the file is missing",
    }  # fmt: skip
