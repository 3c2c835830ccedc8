"""Tests of a start with a log that lacks entries to which other files refer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from floorcast.log.data_folder import DataFolder
from floorcast.log.embedded import EmbeddedLog
from floorcast.log.lost_entries import KnownLog, check_log
from floorcast.model.errors import SettingError
from floorcast.model.token import position
from floorcast.store.projection_store import ProjectionStore
from tests.contract.test_event_log import QUICK
from tests.log.batches import Clock, batch
from tests.log.damaging import leaf_of, zero_page

ACME, OTHER = 47415, 8


async def fill(folder: DataFolder, entries: int) -> KnownLog:
    """Append to the log of a folder, and let the folder's store see all entries.

    Returns the log's contents.
    """
    log = EmbeddedLog(folder, Clock(), tuning=QUICK)
    for number in range(entries):
        for client in (ACME, OTHER):
            await log.append(batch(client, [f"{number} of {entries}"]))
    heads = {client: log.head(client).number for client in log.clients()}
    path = folder.path / "mirror.db"
    store = ProjectionStore(path, Clock(), identity=log.identity, heads=heads)
    for client, number in heads.items():
        store.write_calls(client, position(number, 0), [(1, "s", 0, b"x")])
    await store.close()
    await log.close()
    return KnownLog(log.identity, heads)


def filled(path: Path, entries: int) -> KnownLog:
    with DataFolder(path) as folder:
        return asyncio.run(fill(folder, entries))


def restore_older_log(path: Path, entries: int) -> KnownLog:
    """Create a folder whose log is an older copy, and return what that copy has."""
    before = filled(path, entries)
    old = (path / "log.db").read_bytes()
    filled(path, 7)
    (path / "log.db").write_bytes(old)
    return before


def test_log_with_all_known_entries_is_accepted(tmp_path: Path) -> None:
    """A longer log, a new folder, and a folder without derived files are accepted, too."""
    check_log(tmp_path, None, accept_loss=False)
    known = filled(tmp_path, 3)
    check_log(tmp_path, known, accept_loss=False)
    filled(tmp_path, 2)
    check_log(tmp_path, known, accept_loss=False)
    (tmp_path / "mirror.db").unlink()
    check_log(tmp_path, None, accept_loss=False)


def test_shortened_log_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    """The message contains the log's end, the expected end, and the file that expects it."""
    known = restore_older_log(tmp_path, 3)
    before = {file.name: file.read_bytes() for file in tmp_path.glob("*.db")}
    with pytest.raises(
        SettingError,
        match=r"client 47415 ends at entry 3, and mirror\.db knows entry 10.*--accept-loss",
    ):
        check_log(tmp_path, known, accept_loss=False)
    assert {file.name: file.read_bytes() for file in tmp_path.glob("*.db")} == before


def test_accepted_loss_moves_newer_files_aside(tmp_path: Path) -> None:
    """The loss is reported per client, and the next start is normal."""
    known = restore_older_log(tmp_path, 3)
    with capture_logs() as logged:
        check_log(tmp_path, known, accept_loss=True)
    told = [(one["client"], one["ends"], one["known"]) for one in logged]
    assert set(told) == {(ACME, 3, 10), (OTHER, 3, 10)}
    names = {file.name for file in tmp_path.iterdir()}
    assert "mirror.db" not in names
    assert "mirror.db.ahead" in names
    check_log(tmp_path, known, accept_loss=False)


@pytest.mark.parametrize("lost", ["log.db", "the write-ahead log"])
@pytest.mark.parametrize("by", ["mirror.db", "admin.db"])
def test_missing_log_is_refused(tmp_path: Path, lost: str, by: str) -> None:
    """A log without tables is refused, too, as after its write-ahead log is deleted."""
    known = filled(tmp_path, 3)
    if lost == "log.db":
        (tmp_path / "log.db").unlink()
    else:
        (tmp_path / "log.db").write_bytes(b"")
    if by == "admin.db":
        (tmp_path / "mirror.db").unlink()
    with pytest.raises(SettingError, match=f"ends at entry 0, and {by} knows entry 3"):
        check_log(tmp_path, known if by == "admin.db" else None, accept_loss=False)


def test_recreated_log_is_a_loss_of_entries_known_to_admin_db(tmp_path: Path) -> None:
    """This happens if another program has deleted and recreated log.db."""
    known = filled(tmp_path, 3)
    other = KnownLog("another log", known.heads)
    with pytest.raises(SettingError, match=r"admin\.db knows entry 3"):
        check_log(tmp_path, other, accept_loss=False)


def test_damaged_last_entry_does_not_count_as_lost(tmp_path: Path) -> None:
    """The damage stops only its client, and the server starts."""
    filled(tmp_path, 60)
    zero_page(tmp_path / "log.db", leaf_of(tmp_path / "log.db", "entries", -1))
    check_log(tmp_path, None, accept_loss=False)
