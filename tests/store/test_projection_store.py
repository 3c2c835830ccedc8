"""Tests that the store returns all data, whether or not it has been written to disk."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections.abc import Coroutine, Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import apsw
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from floorcast.log.port import RETENTION
from floorcast.model.errors import Unavailable
from floorcast.model.token import position
from floorcast.sqlite.checksums import add_checksum_function
from floorcast.store.projection_store import ProjectionStore, Snapshot, StoreTuning
from floorcast.store.segment import Segment, SegmentHead
from tests.log.batches import HOUR, START, Clock
from tests.log.faults import failing_disk
from tests.log.waiting import until
from tests.search import tries
from tests.store.segments import FACETS, segment

T = TypeVar("T")
ACME, OTHER = 47415, 8
HEADS = {ACME: 1000, OTHER: 1000}


class StoreHarness:
    """A store with a clock and an event loop."""

    def __init__(self, path: Path | None, tuning: StoreTuning | None = None) -> None:
        self.path = path
        self.tuning = tuning
        self.clock = Clock()
        self.runner = asyncio.Runner()
        self.store = self.open()

    def open(self, identity: str = "log", heads: dict[int, int] = HEADS) -> ProjectionStore:
        return ProjectionStore(
            self.path, self.clock, identity=identity, heads=heads, tuning=self.tuning
        )

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def flush(self) -> None:
        """Wait until all data is written."""
        self.run(until(lambda: self.store.backlog == 0))

    def call(self, client: int, transaction: int, session: str, at: int) -> bytes | None:
        """Return a call's newest version at a position."""
        key = transaction, session
        return self.store.find_calls(client, [key], at).get(key)

    def reopen(self, identity: str = "log", heads: dict[int, int] = HEADS) -> None:
        self.run(self.store.close())
        self.store = self.open(identity, heads)

    def close(self) -> None:
        self.run(self.store.close())
        self.runner.close()


@pytest.fixture(params=["memory", "file"])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreHarness]:
    a_house = StoreHarness(tmp_path / "mirror.db" if request.param == "file" else None)
    yield a_house
    a_house.close()


@pytest.fixture
def filed(tmp_path: Path) -> Iterator[StoreHarness]:
    """Yield a store in a file."""
    a_house = StoreHarness(tmp_path / "mirror.db")
    yield a_house
    a_house.close()


def test_an_empty_store_has_nothing(harness: StoreHarness) -> None:
    """No query to an empty store returns any data."""
    assert harness.store.covered(ACME, "agent") == 0
    assert harness.store.segments(ACME, "agent", 0, 10) == []
    assert harness.call(ACME, 1, "s", 2**62 - 1) is None
    assert harness.store.find_calls(ACME, [], 1) == {}
    assert harness.store.newest_snapshot(ACME, 1000) is None
    assert (harness.store.backlog, harness.store.healthy, harness.store.is_full()) == (
        0,
        True,
        False,
    )


def test_segments_are_found_after_a_position(harness: StoreHarness) -> None:
    """Segments are listed oldest first as heads without events, and can be read as a whole."""
    segments = [segment([n, n + 1, n + 2], START + n) for n in (10, 20, 30, 40)]
    for each in segments:
        harness.store.write_segment(ACME, "agent", each)
    harness.store.write_segment(ACME, "interaction", segment([11]))
    harness.store.write_segment(OTHER, "agent", segment([12]))
    for _ in range(2):
        heads = harness.store.segments(ACME, "agent", 12, 2)
        assert [(head.first, head.last, head.count) for head in heads] == [(20, 22, 3), (30, 32, 3)]
        assert heads[0].table == FACETS
        assert (heads[0].first_recorded_at, heads[0].last_recorded_at) == (START + 20, START + 20)
        whole = harness.store.segment(ACME, "agent", heads[0])
        assert whole is not None
        for name in ("first", "last", "positions", "classes", "offsets", "body", "table"):
            assert getattr(whole, name) == getattr(segments[1], name)
        assert [head.first for head in harness.store.segments(ACME, "agent", 11, 9)] == [
            10,
            20,
            30,
            40,
        ]
        assert harness.store.segments(ACME, "agent", 42, 9) == []
        assert [head.first for head in harness.store.segments(OTHER, "agent", 0, 9)] == [12]
        harness.flush()


def test_the_covered_position_is_the_last_stored_one(filed: StoreHarness) -> None:
    """Only stored data is covered. The position survives a restart and the segments' removal."""
    filed.store.write_segment(ACME, "agent", segment([10, 20], START))
    filed.flush()
    assert filed.store.covered(ACME, "agent") == 20
    filed.clock.ticks += RETENTION + HOUR
    filed.store.write_snapshot(ACME, 1, 1, b"x")
    filed.run(until(lambda: filed.store.segments(ACME, "agent", 0, 9) == []))
    filed.reopen()
    assert filed.store.segments(ACME, "agent", 0, 9) == []
    assert filed.store.covered(ACME, "agent") == 20


@pytest.mark.parametrize("stored", [False, True])
def test_a_segment_must_follow_the_last_one(harness: StoreHarness, stored: bool) -> None:
    """A segment that overlaps the last one is refused, so each event is in a feed only once."""
    harness.store.write_segment(ACME, "agent", segment([10, 20]))
    if stored:
        harness.flush()
    with pytest.raises(ValueError, match="does not follow 20"):
        harness.store.write_segment(ACME, "agent", segment([20, 30]))
    harness.store.write_segment(ACME, "agent", segment([21]))


def test_a_head_whose_segment_was_removed_gives_none(filed: StoreHarness) -> None:
    """Retention may remove a segment between the query for its head and the one for its events."""
    filed.store.write_segment(ACME, "agent", segment([10], START))
    filed.flush()
    (head,) = filed.store.segments(ACME, "agent", 0, 9)
    assert type(head) is SegmentHead
    filed.clock.ticks += RETENTION + HOUR
    filed.store.write_segment(ACME, "agent", segment([11], filed.clock.ticks))
    filed.run(until(lambda: filed.store.segment(ACME, "agent", head) is None))


def test_a_call_is_returned_as_of_a_position(harness: StoreHarness) -> None:
    """A call is returned in its newest version at or before the position."""
    harness.store.write_calls(ACME, 100, [(1, "s", 5, b"first"), (2, "s", 5, b"other")])
    harness.store.write_calls(ACME, 200, [(1, "s", 6, b"second")])
    for _ in range(2):
        at = {where: harness.call(ACME, 1, "s", where) for where in (99, 100, 199, 200)}
        assert at == {99: None, 100: b"first", 199: b"first", 200: b"second"}
        assert harness.call(ACME, 1, "t", 300) is None
        assert harness.call(ACME, 3, "s", 300) is None
        assert harness.call(OTHER, 1, "s", 300) is None
        harness.flush()
    harness.store.write_calls(ACME, 300, [(1, "s", 7, b"third")])
    keys = [(1, "s"), (2, "s"), (3, "s")]
    assert harness.store.find_calls(ACME, keys, 250) == {keys[0]: b"second", keys[1]: b"other"}
    assert harness.store.find_calls(ACME, keys, 300) == {keys[0]: b"third", keys[1]: b"other"}


@pytest.mark.parametrize("flushed", [(), (1,), (2,), (0, 1, 2)])
def test_rewriting_a_version_does_not_make_it_newer(
    filed: StoreHarness, flushed: tuple[int, ...]
) -> None:
    """A floor that is folded again from an older snapshot repeats its writes."""
    for index, (number, body) in enumerate(((1, b"first"), (2, b"second"), (1, b"first"))):
        filed.store.write_calls(ACME, position(number, 0), [(1, "s", 5, body)])
        filed.store.write_snapshot(ACME, number, 1, body)
        if index in flushed:
            filed.flush()
    assert filed.call(ACME, 1, "s", position(9, 0)) == b"second"
    assert filed.store.newest_snapshot(ACME, 9) == Snapshot(2, 1, b"second")


def test_calls_with_the_same_fingerprint_are_distinguished(filed: StoreHarness) -> None:
    """Fingerprints may collide, so the client, the transaction and the session are compared."""
    same = sessions_with_one_fingerprint()
    far = 2**40  # the index uses this many bits of a transaction
    calls = [(n * far, s, 0, f"{n} {s}".encode()) for n in range(9) for s in same]
    filed.store.write_calls(ACME, 1, calls)
    filed.flush()
    one, other = same
    assert filed.store.find_calls(ACME, [(far, one)], 1) == {(far, one): f"1 {one}".encode()}
    assert filed.store.find_calls(ACME, [(far, other), (far, "no")], 1) == {
        (far, other): f"1 {other}".encode()
    }
    assert filed.store.find_calls(OTHER, [(far, one)], 1) == {}


def sessions_with_one_fingerprint() -> tuple[str, str]:
    """Return two sessions with the same hash."""
    seen: dict[int, str] = {}
    for number in count():
        found = crc32(str(number).encode()) & 0x7FFFFF
        if found in seen:
            return seen[found], str(number)
        seen[found] = str(number)
    raise AssertionError


def test_many_calls_are_found_at_once(filed: StoreHarness) -> None:
    """Many calls can be found in one query, with any characters in their sessions."""
    versions = [(n, f"ü{n}\x00", n, b"%d" % n) for n in range(1000)]
    filed.store.write_calls(ACME, 1, versions)
    filed.flush()
    found = filed.store.find_calls(ACME, [(n, f"ü{n}\x00") for n in range(0, 2000, 3)], 1)
    assert found == {(n, f"ü{n}\x00"): b"%d" % n for n in range(0, 1000, 3)}


def test_retention_deletes_calls_and_segments(filed: StoreHarness) -> None:
    """Old data is deleted in small batches during writes, and calls are kept twice as long."""
    for number in range(40):
        filed.store.write_segment(ACME, "agent", segment([number + 1], filed.clock.ticks))
        filed.store.write_calls(ACME, 1, [(number, "s", 0, b"x")])
        filed.clock.ticks += 2 * HOUR
    filed.flush()

    def kept() -> tuple[list[int], list[int]]:
        calls = [number for number in range(40) if filed.call(ACME, number, "s", 1)]
        return calls, [head.first for head in filed.store.segments(ACME, "agent", 0, 99)]

    filed.run(until(lambda: kept() == (list(range(14, 40)), list(range(28, 41)))))


def test_snapshots_are_kept_as_far_back_as_the_log_reaches(harness: StoreHarness) -> None:
    """Each client's snapshots are kept separately, and the newest one up to an entry is found."""
    for entry in (10, 20, 30, 40):
        harness.store.write_snapshot(ACME, entry, 3, b"%d" % entry, kept_from=entry - 25)
    harness.store.write_snapshot(OTHER, 5, 3, b"other")
    assert harness.store.newest_snapshot(ACME, 29) == Snapshot(20, 3, b"20")
    harness.flush()
    assert harness.store.newest_snapshot(ACME, 1000) == Snapshot(40, 3, b"40")
    assert harness.store.newest_snapshot(ACME, 29) == Snapshot(20, 3, b"20")
    assert harness.store.newest_snapshot(ACME, 19) is None
    assert harness.store.newest_snapshot(OTHER, 5) == Snapshot(5, 3, b"other")


def test_the_newest_two_snapshots_are_kept_in_any_case(harness: StoreHarness) -> None:
    """The newest two snapshots stay even if the log no longer reaches them."""
    for entry in (10, 20, 30):
        harness.store.write_snapshot(ACME, entry, 3, b"%d" % entry, kept_from=100)
    harness.flush()
    assert harness.store.newest_snapshot(ACME, 29) == Snapshot(20, 3, b"20")
    assert harness.store.newest_snapshot(ACME, 19) is None


def test_the_size_of_a_clients_snapshots_is_bounded(tmp_path: Path) -> None:
    """A client's oldest snapshots are deleted first, and other clients' snapshots stay."""
    harness = StoreHarness(tmp_path / "mirror.db", StoreTuning(snapshot_bytes=3_500))
    noise = random.Random(1).randbytes(1000)
    harness.store.write_snapshot(OTHER, 1, 3, noise)
    for entry in (10, 20, 30, 40, 50):
        harness.store.write_snapshot(ACME, entry, 3, noise)
    harness.flush()
    assert harness.store.newest_snapshot(ACME, 29) is None
    assert harness.store.newest_snapshot(ACME, 39) == Snapshot(30, 3, noise)
    assert harness.store.newest_snapshot(OTHER, 9) == Snapshot(1, 3, noise)
    harness.close()


def test_a_large_snapshot_does_not_stop_ingest(tmp_path: Path) -> None:
    """Ingest continues while one large snapshot waits for the disk, but stops for many."""
    with failing_disk("mirror.db") as disk:
        harness = StoreHarness(
            tmp_path / "mirror.db", StoreTuning(backlog_bytes=1_000, retry_seconds=0.001)
        )
        disk.faults = {"full"}
        harness.store.write_snapshot(ACME, 1, 1, bytes(4_000))
        assert not harness.store.is_full()
        harness.store.write_snapshot(ACME, 2, 1, bytes(4_000))
        harness.store.write_snapshot(ACME, 3, 1, bytes(4_000))
        assert harness.store.is_full()
        disk.repair()
        harness.close()


def test_a_snapshot_of_an_older_release_is_read(filed: StoreHarness) -> None:
    """Snapshots that an older release stored without compression and a checksum can be read."""
    assert filed.path is not None
    blob = b"\x92\xc4\x01a\xc4\x01b"
    connection = apsw.Connection(str(filed.path))
    connection.set_busy_timeout(5_000)  # the writer removes old rows
    connection.execute(
        "INSERT INTO snapshots (client, entry, version, blob) VALUES (?, 3, 1, ?)", (ACME, blob)
    )
    connection.close()
    assert filed.store.newest_snapshot(ACME, 9) == Snapshot(3, 1, blob)


@pytest.mark.parametrize(
    ("identity", "heads", "kept"),
    [
        ("log", {ACME: 7, OTHER: 1}, True),
        ("log", {ACME: 6, OTHER: 1}, False),
        ("log", {OTHER: 9}, False),
        ("another log", HEADS, False),
    ],
)
def test_a_store_that_does_not_match_the_log_is_replaced(
    filed: StoreHarness, identity: str, heads: dict[int, int], kept: bool
) -> None:
    """A file that belongs to another log or is ahead of the log is replaced by an empty one."""
    filed.store.write_calls(ACME, position(7, 3), [(1, "s", 0, b"x")])
    filed.reopen(identity, heads)
    assert filed.call(ACME, 1, "s", 2**62 - 1) == (b"x" if kept else None)


@pytest.mark.parametrize("damage", ["other", "schema", "nothing"])
def test_an_unusable_file_is_replaced(filed: StoreHarness, damage: str) -> None:
    """An unusable file is replaced by an empty one, because the log can restore its data."""
    filed.store.write_snapshot(ACME, 1, 1, b"x")
    filed.run(filed.store.close())
    assert filed.path is not None
    if damage == "other":
        filed.path.write_bytes(b"no database" * 1000)
    elif damage == "schema":
        connection = apsw.Connection(str(filed.path))
        add_checksum_function(connection)
        connection.execute("UPDATE source SET schema = 'of another release'")
        connection.close()
    filed.store = filed.open()
    assert (filed.store.newest_snapshot(ACME, 1) is None) == (damage != "nothing")


def test_a_crash_loses_only_the_last_writes(tmp_path: Path) -> None:
    """If a snapshot is found after a crash, everything written before it is also found."""
    with failing_disk("mirror.db") as disk:
        harness = StoreHarness(tmp_path / "mirror.db", StoreTuning(retry_seconds=0.001))
        for number in range(1, 30):
            harness.store.write_segment(ACME, "agent", segment([position(number, 0)]))
            harness.store.write_calls(ACME, position(number, 0), [(number, "s", 0, b"x")])
            harness.store.write_snapshot(ACME, number, 1, b"x")
            if number == 20:
                harness.flush()
                disk.faults = {"full"}
        for suffix in ("", "-wal"):
            shutil.copy(f"{harness.path}{suffix}", f"{tmp_path}/crashed.db{suffix}")
        disk.repair()
        harness.close()
    after = StoreHarness(tmp_path / "crashed.db")
    snapshot = after.store.newest_snapshot(ACME, 1000)
    assert snapshot is not None
    assert snapshot.entry == 20
    assert after.store.covered(ACME, "agent") == position(20, 0)
    assert after.call(ACME, 20, "s", 2**62 - 1) == b"x"
    assert after.call(ACME, 21, "s", 2**62 - 1) is None
    after.close()


def test_the_store_survives_a_failing_disk(tmp_path: Path) -> None:
    """While the disk fails, data is read from memory. It is written when the disk works again."""
    tuning = StoreTuning(retry_seconds=0.001, backlog_bytes=10_000)
    with failing_disk("mirror.db") as disk:
        harness = StoreHarness(tmp_path / "mirror.db", tuning)
        disk.faults = {"full"}
        for number in range(1, 100):
            harness.store.write_segment(ACME, "agent", segment([number]))
            assert harness.store.may_be_full is harness.store.is_full()
        while harness.store.healthy:
            harness.store.covered(ACME, "agent")
        assert harness.store.is_full()
        assert harness.store.covered(ACME, "agent") == 0
        assert len(harness.store.segments(ACME, "agent", 0, 999)) == 99
        disk.repair()
        harness.flush()
        assert (harness.store.healthy, harness.store.is_full()) == (True, False)
        assert not harness.store.may_be_full
        assert harness.store.covered(ACME, "agent") == 99
        harness.close()


def test_a_failed_read_raises_unavailable(tmp_path: Path) -> None:
    """A read raises an error until the disk can be read again."""
    with failing_disk("mirror.db") as disk:
        harness = StoreHarness(tmp_path / "mirror.db", StoreTuning(cache_kib=0))
        harness.store.write_segment(ACME, "agent", segment(list(range(1, 5000))))
        harness.reopen()
        (head,) = harness.store.segments(ACME, "agent", 0, 1)
        disk.faults = {"read"}
        with pytest.raises(Unavailable):
            harness.store.segment(ACME, "agent", head)
        disk.repair()
        assert harness.store.segment(ACME, "agent", head) is not None
        harness.close()


class StoreHistory(RuleBasedStateMachine):
    """Compares a store with dictionaries during writes, reads, flushes and restarts."""

    feeds = st.tuples(st.sampled_from([ACME, OTHER]), st.sampled_from(["agent", "interaction"]))
    clients = st.sampled_from([ACME, OTHER])
    calls = st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab")), max_size=4, unique=True)

    def __init__(self) -> None:
        super().__init__()
        self.files = tempfile.TemporaryDirectory()
        self.harness = StoreHarness(Path(self.files.name) / "mirror.db")
        self.position = 0
        self.segments: dict[tuple[int, str], list[Segment]] = {}
        self.calls_at: dict[tuple[int, int, str], list[tuple[int, bytes]]] = {}
        self.snapshots: dict[int, list[int]] = {}

    @rule(feed=feeds, count=st.integers(1, 3))
    def write_segment(self, feed: tuple[int, str], count: int) -> None:
        """Add the next segment of a feed."""
        self.position += count
        new = segment(list(range(self.position - count + 1, self.position + 1)), START)
        self.segments.setdefault(feed, []).append(new)
        self.harness.store.write_segment(*feed, new)

    @rule(client=clients, keys=calls)
    def write_calls(self, client: int, keys: list[tuple[int, str]]) -> None:
        """Add new versions of some calls."""
        self.position += 1
        body = b"%d" % self.position
        for key in keys:
            self.calls_at.setdefault((client, *key), []).append((self.position, body))
        self.harness.store.write_calls(client, self.position, [(*key, 0, body) for key in keys])

    @rule(client=clients)
    def write_snapshot(self, client: int) -> None:
        """Add a later snapshot."""
        entries = self.snapshots.setdefault(client, [])
        entries.append((entries[-1] if entries else 0) + 1)
        self.harness.store.write_snapshot(client, entries[-1], 1, b"%d" % entries[-1])

    @rule()
    def flush(self) -> None:
        """Wait until all data is written."""
        self.harness.flush()
        for feed, segments in self.segments.items():
            assert self.harness.store.covered(*feed) == segments[-1].last

    @rule()
    def reopen(self) -> None:
        """Close the store and open it again."""
        self.harness.reopen()

    @rule(feed=feeds, after=st.integers(0, 60), limit=st.integers(1, 5))
    def read_segments(self, feed: tuple[int, str], after: int, limit: int) -> None:
        """Check the segments after any position, up to any number of them."""
        heads = self.harness.store.segments(*feed, after, limit)
        wanted = [each for each in self.segments.get(feed, []) if each.last > after][:limit]
        assert [(head.first, head.last) for head in heads] == [(w.first, w.last) for w in wanted]
        for head, each in zip(heads, wanted, strict=True):
            whole = self.harness.store.segment(*feed, head)
            assert whole is not None
            assert whole.body == each.body

    @rule(client=clients, keys=calls, back=st.integers(0, 20))
    def find_calls(self, client: int, keys: list[tuple[int, str]], back: int) -> None:
        """Check calls at any position."""
        at = self.position - back
        wanted = {}
        for key in keys:
            versions = [v for v in self.calls_at.get((client, *key), []) if v[0] <= at]
            if versions:
                wanted[key] = versions[-1][1]
        assert self.harness.store.find_calls(client, keys, at) == wanted

    @invariant()
    def the_newest_snapshots_are_there(self) -> None:
        """Check the last snapshot and the one before it."""
        for client, entries in self.snapshots.items():
            for entry in entries[-2:]:
                found = self.harness.store.newest_snapshot(client, entry)
                assert found == Snapshot(entry, 1, b"%d" % entry)

    def teardown(self) -> None:
        self.harness.close()
        self.files.cleanup()


TestStoreHistory = StoreHistory.TestCase
TestStoreHistory.settings = settings(max_examples=tries(15), stateful_step_count=30)
