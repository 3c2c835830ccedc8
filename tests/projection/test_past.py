"""Tests that floors at past positions can be read while the server writes the files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from structlog.testing import capture_logs

from floorcast.floor.state import snapshot_parts
from floorcast.log.log_reader import LogReader
from floorcast.log.port import Batch
from floorcast.model.errors import Unavailable
from floorcast.model.inbound import read_lines
from floorcast.model.token import end_of_entry, position
from floorcast.projection.past import TooLongAgo, past_floors
from floorcast.projection.refold import FoldLimits, Refold
from floorcast.sqlite.checksums import add_checksum_function
from tests.log.batches import alert_transition
from tests.real.nodes import Clock, NodeHarness, temporary_folder, until
from tests.real.sites import ACME, CHILD, event, ndjson

LIMITS = FoldLimits()


@pytest.fixture
def harness() -> Iterator[NodeHarness]:
    """Yield a node that has received five requests and was restarted after each one."""
    with temporary_folder() as folder:
        one = NodeHarness(folder, Clock())
        for number in range(5):
            one.take(ndjson([call(10 * number + each) for each in range(3)]))
            one.close()
            one.clock.move(3600)
            one.open()
        one.run(until(lambda: not one.node.server.admission.requests))
        yield one
        one.end()


def call(number: int) -> dict[str, object]:
    """Return an event by which a call begins to wait."""
    return event("call.queue", number, transactionId=number, sessionId="s", service="Sales")


def waiting(refold: Refold) -> list[int]:
    """Return the calls in the floor's memory."""
    return sorted(transaction for transaction, _ in refold.floor.call_table.calls)


def whole(refold: Refold) -> list[bytes]:
    """Return the complete state of the floor."""
    return list(snapshot_parts(refold.floor.snapshot_state()))


def test_each_position_has_its_floor(harness: NodeHarness) -> None:
    """Each position gives the right floor, at the end of an entry and within an entry."""
    with past_floors(harness.data, LIMITS) as floors:
        assert waiting(floors.floor(ACME, end_of_entry(1))) == []
        assert waiting(floors.floor(ACME, end_of_entry(3))) == [0, 1, 2, 10, 11, 12]
        assert waiting(floors.floor(ACME, position(3, 0))) == [0, 1, 2, 10]
        assert waiting(floors.floor(ACME, position(3, 2))) == [0, 1, 2, 10, 11, 12]
        assert floors.floor(ACME, end_of_entry(3)).base == 3
        assert floors.floor(ACME, position(3, 0)).base == 2
        assert waiting(floors.floor(999, end_of_entry(0))) == []
        assert floors.floor(CHILD, end_of_entry(1)).floor.state.entry == 1


def test_alert_change_does_not_stop_a_past_floor(harness: NodeHarness) -> None:
    """The events after an alert's change are folded, too."""
    line = alert_transition()
    batch = Batch(ACME, [line], read_lines(line))
    entry = harness.run(harness.node.server.log.append(batch)).number
    harness.take(ndjson([call(90)]))
    with past_floors(harness.data, LIMITS) as floors:
        assert waiting(floors.floor(ACME, end_of_entry(entry + 1)))[-1] == 90


def test_an_earlier_floor_is_reused_if_that_saves_work(harness: NodeHarness) -> None:
    """Reusing an earlier floor gives the same result as the snapshot."""
    with past_floors(harness.data, LIMITS) as floors:
        first = floors.floor(ACME, end_of_entry(4))
        assert floors.floor(ACME, end_of_entry(4), first) is first
        assert floors.floor(ACME, position(5, 1), first) is first
        assert waiting(first)[-2:] == [30, 31]
        after = floors.floor(ACME, end_of_entry(5), first)
        assert after is not first
        assert whole(after) == whole(floors.floor(ACME, end_of_entry(5)))
        assert floors.floor(ACME, end_of_entry(2), after) is not after


def test_older_snapshots_replace_damaged_ones(harness: NodeHarness) -> None:
    """Older snapshots replace damaged ones, and without any snapshot the whole log is folded."""
    with past_floors(harness.data, LIMITS) as floors:
        expected = whole(floors.floor(ACME, end_of_entry(6)))
        newest = floors.floor(ACME, end_of_entry(6)).base
    connection = apsw.Connection(str(harness.data / "mirror.db"))
    connection.set_busy_timeout(5_000)  # the server also writes
    add_checksum_function(connection)
    bases = [newest]
    while bases[-1]:
        connection.execute(
            "UPDATE snapshots SET blob = zeroblob(length(blob)) WHERE client = ? AND entry = ?",
            (ACME, bases[-1]),
        )
        with capture_logs() as lines, past_floors(harness.data, LIMITS) as floors:
            refold = floors.floor(ACME, end_of_entry(6))
            assert whole(refold) == expected
        assert "snapshot_unreadable" in [line["event"] for line in lines]
        bases.append(refold.base)
    assert bases == [6, 5, 4, 3, 2, 0]
    connection.close()


def test_a_position_before_retention_has_the_first_possible_time(harness: NodeHarness) -> None:
    """The refusal names the first tick, because snapshots older than the log are not usable."""
    third = harness.node.server.log.recorded_at(ACME, 4)
    harness.close()
    connection = apsw.Connection(str(harness.data / "log.db"))
    connection.set_busy_timeout(5_000)  # the server also writes
    add_checksum_function(connection)
    (ordinal,) = connection.execute("SELECT ordinal FROM streams WHERE client = ?", (ACME,))
    connection.execute("UPDATE streams SET removed = 3 WHERE ordinal = ?", ordinal)
    connection.close()
    with past_floors(harness.data, LIMITS) as floors:
        assert waiting(floors.floor(ACME, end_of_entry(3)))[-1] == 12
        with pytest.raises(TooLongAgo) as refusal:
            floors.floor(ACME, end_of_entry(2))
        assert refusal.value.since == third
    harness.open()


def test_entries_removed_meanwhile_are_still_read(harness: NodeHarness) -> None:
    """Data that is deleted during the read is still read, because files are read as of one time."""
    with past_floors(harness.data, LIMITS) as floors:
        before = whole(floors.floor(ACME, end_of_entry(2)))
        for file, table in (("log.db", "entries"), ("mirror.db", "snapshots")):
            connection = apsw.Connection(str(harness.data / file))
            connection.set_busy_timeout(5_000)  # the server also writes
            add_checksum_function(connection)
            connection.execute(f"DELETE FROM {table}")
            connection.close()
        assert whole(floors.floor(ACME, end_of_entry(2))) == before


def test_a_folder_that_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    """Reading a folder without files raises an error and does not create any."""
    with pytest.raises(Unavailable), past_floors(tmp_path, LIMITS):
        pass
    assert list(tmp_path.iterdir()) == []


def test_all_reads_are_as_of_one_moment(harness: NodeHarness) -> None:
    """A reader within ``held`` does not see later writes."""
    reader = LogReader(harness.data / "log.db")
    with reader.consistent_reads():
        before = reader.streams()
        harness.take(ndjson([call(99)]))
        assert reader.streams() == before
    assert reader.streams() != before
    reader.close()
