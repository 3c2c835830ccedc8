"""Tests that a data folder's files can be read while the server writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from floorcast.model.errors import Unavailable
from floorcast.projection.folder_reader import open_folder
from floorcast.sqlite.checksums import add_checksum_function
from tests.real.nodes import Clock, NodeHarness, temporary_folder
from tests.real.sites import ACME, event, ndjson


@pytest.fixture
def data() -> Iterator[Path]:
    """Yield a folder with four snapshots of a client, after entries 1 to 4."""
    with temporary_folder() as folder:
        harness = NodeHarness(folder, Clock())
        for number in range(3):
            harness.take(ndjson([event("call.queue", number, transactionId=number, sessionId="s",
                                     service="Sales")]))  # fmt: skip
            harness.close()
            harness.clock.move(3600)
            harness.open()
        harness.end()
        yield harness.data


def change(data: Path, sql: str, *bindings: object) -> None:
    """Change the store as a faulty disk or another release might."""
    connection = apsw.Connection(str(data / "mirror.db"))
    add_checksum_function(connection)
    connection.execute(sql, bindings)
    connection.close()


def entry_of_newest(data: Path, at_most: int = 100, removed: int = 0) -> int | None:
    """Return the entry of the newest usable state."""
    with open_folder(data) as files:
        state = files.newest_state(ACME, at_most, removed)
    return None if state is None else state.entry


@pytest.mark.parametrize(
    "fault",
    [
        "UPDATE snapshots SET blob = zeroblob(length(blob)) WHERE client = ? AND entry = 4",
        "UPDATE snapshots SET version = 999, checksum = NULL WHERE client = ? AND entry = 4",
        "UPDATE snapshots SET blob = x'00', checksum = NULL WHERE client = ? AND entry = 4",
    ],
)
def test_an_older_snapshot_replaces_an_unusable_one(data: Path, fault: str) -> None:
    """Snapshots that are damaged, undecodable or from another release are not used."""
    assert [entry_of_newest(data), entry_of_newest(data, 3), entry_of_newest(data, 0)] == [
        4, 3, None,
    ]  # fmt: skip
    change(data, fault, ACME)
    assert entry_of_newest(data) == 3
    assert entry_of_newest(data, removed=4) is None


def test_a_store_that_is_damaged_is_being_rebuilt(data: Path) -> None:
    """A damaged store raises an error that tells the client to try again."""
    store = data / "mirror.db"
    content = bytearray(store.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    store.write_bytes(content)
    with pytest.raises(Unavailable, match="rebuilt"):
        entry_of_newest(data)


def test_a_folder_without_a_log_cannot_be_read(tmp_path: Path) -> None:
    """The error message names the folder."""
    with pytest.raises(Unavailable, match=str(tmp_path)), open_folder(tmp_path):
        pass
