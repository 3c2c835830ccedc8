"""Tests of the spool, which stores a connector's state and events."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest

from floorcast.client import CloudEvent
from floorcast.connectors.spool import Spool
from floorcast.model.errors import SettingError


def event(number: int) -> CloudEvent:
    moment = datetime(2026, 3, 4, 5, 6, 7, 89, UTC)
    return CloudEvent(id=str(number), source="s", type="call.end", time=moment, data={"n": number})


def test_stored_data_survives_a_crash(tmp_path: Path) -> None:
    """Events, rows and positions survive a crash, in order. A row set to None is deleted."""
    path = tmp_path / "spool.db"
    with Spool(path) as spool:
        rows: dict[tuple[str, str], object] = {("call", "1.0"): {"a": 1}, ("call", "1.1"): "x"}
        spool.commit([event(n) for n in range(5)], rows, {"queue_log": "here", "last_at": "1"})
        spool.commit([event(5)], {("call", "1.1"): None}, {"queue_log": "there"})
        up_to, events = spool.oldest(2)
        assert events == [event(0), event(1)]
        spool.delete_sent(up_to)
        assert spool.unsent == 4
    with Spool(path) as spool:
        assert spool.unsent == 4
        assert spool.oldest(100)[1] == [event(n) for n in range(2, 6)]
        assert spool.rows() == [("call", "1.0", b'{"a":1}')]
        assert spool.positions() == {"queue_log": "there", "last_at": "1"}
        spool.delete_sent(spool.oldest(100)[0])
        assert spool.oldest(1) == (0, [])


def test_a_step_is_stored_completely_or_not_at_all(tmp_path: Path) -> None:
    """If a row cannot be written, the events of the same step are not stored either."""
    with Spool(tmp_path / "spool.db") as spool:
        with pytest.raises(TypeError):
            spool.commit([event(1)], {("call", "1"): object()}, {})
        with pytest.raises(apsw.Error):
            spool.commit([event(1)], {}, {"name": None})  # type: ignore[dict-item]  # on purpose
        assert spool.oldest(9) == (0, [])
        assert spool.unsent == 0


def test_a_second_connector_on_a_spool_is_refused(tmp_path: Path) -> None:
    """A second connector is refused, because the two would send each other's events."""
    with Spool(tmp_path / "spool.db"), pytest.raises(SettingError, match="another connector"):
        Spool(tmp_path / "spool.db")


def test_a_file_that_is_not_a_spool_is_refused(tmp_path: Path) -> None:
    """The error for a file that is not a spool names the file."""
    (tmp_path / "text").write_text("no database, but long enough to be looked at\n" * 40)
    with pytest.raises(SettingError, match="text cannot be used as a spool"):
        Spool(tmp_path / "text")
    with pytest.raises(SettingError, match="cannot be used as a spool"):
        Spool(tmp_path / "nowhere" / "spool.db")


def test_sqlite_can_read_the_spool(tmp_path: Path) -> None:
    """Users can inspect a spool with SQLite."""
    with Spool(tmp_path / "spool.db") as spool:
        spool.commit([event(1)], {}, {})
    connection = sqlite3.connect(tmp_path / "spool.db")
    assert connection.execute("SELECT count(*) FROM event").fetchone() == (1,)
    connection.close()
