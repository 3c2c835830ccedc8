"""Tests that a log's deduplication keys are exact, in memory and on disk."""

from __future__ import annotations

import asyncio
import uuid
from array import array
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from floorcast.log import sorted_runs
from floorcast.log.compaction import fingerprint
from floorcast.log.duplicates import (
    BloomFilter,
    Memtable,
    SeenKeys,
    event_keys,
    payload_keys,
)
from floorcast.log.port import Entry
from floorcast.log.sorted_runs import SortedRuns
from floorcast.log.tuning import LogTuning
from floorcast.model.inbound import read_lines
from tests.log.batches import HOUR, START, Clock, alert_transition, batch, event
from tests.log.faults import failing_disk


def some_keys(random: Random, count: int) -> list[bytes]:
    return [uuid.UUID(int=random.getrandbits(128)).hex.encode() for _ in range(count)]


def test_added_key_is_never_reported_as_new() -> None:
    """This holds whatever other keys there are."""
    bloom_filter = BloomFilter()
    keys = some_keys(Random(1), 20_000)
    bloom_filter.add(keys)
    assert bloom_filter.add(keys) == keys


def test_most_new_keys_are_reported_as_new() -> None:
    """With 500,000 keys in the filter, all but a few new keys in a thousand are recognized."""
    random, bloom_filter = Random(2), BloomFilter()
    bloom_filter.load(map(fingerprint, some_keys(random, 500_000)))
    assert len(bloom_filter.add(some_keys(random, 10_000))) < 50


def test_filter_is_loaded_from_fingerprints() -> None:
    """The filter is loaded from the fingerprints stored on disk."""
    bloom_filter, keys = BloomFilter(), some_keys(Random(3), 1000)
    bloom_filter.load(array("I", map(fingerprint, keys)))
    assert bloom_filter.add(keys) == keys


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_filter_forgets_keys_after_two_turns(turns: int) -> None:
    """A key survives one rotation, and the second one forgets it."""
    bloom_filter = BloomFilter()
    bloom_filter.add([b"old"])
    for _ in range(turns):
        bloom_filter.rotate()
    assert bloom_filter.add([b"old"]) == ([b"old"] if turns < 2 else [])
    assert bloom_filter.add([b"old"]) == [b"old"]


Identity = tuple[int, str, str]

text = st.text(st.sampled_from("ab\n\\n\x001ü"), min_size=1, max_size=5)
identities = st.tuples(st.integers(0, 30), text, text)


def key(identity: Identity) -> bytes:
    client, source, name = identity
    return event_keys(client, [event(name, source)])[0]


@given(st.lists(identities, min_size=2, max_size=20))
@example([(1, "a\nb", "c"), (1, "a", "b\nc")])
@example([(1, "a\\", "nb"), (1, "a\n", "b")])
def test_keys_are_equal_if_the_identities_are_equal(many: list[Identity]) -> None:
    """This holds for any characters in a source."""
    for one, other in pairwise(sorted(many)):
        assert (key(one) == key(other)) == (one == other)


def test_stored_entry_gives_the_same_keys() -> None:
    """The keys can therefore be rebuilt from the log."""
    one_batch = batch(7, ["a", "b\n", "\x00", "📞"], "a\nsource")
    payload = b"\n".join(one_batch.lines)
    assert payload_keys(7, payload) == event_keys(7, one_batch.events)


def test_alert_change_of_a_stored_entry_has_a_key() -> None:
    """A proposal that the log has is recognized after a restart, too."""
    line = alert_transition()
    assert payload_keys(7, line) == event_keys(7, read_lines(line))


ACME = 47415
RETENTION = 26 * HOUR


class Harness:
    """Keys with their clock. Entries are numbered when they are confirmed."""

    def __init__(self, path: Path, tuning: LogTuning) -> None:
        self.path = path
        self.tuning = tuning
        self.clock = Clock()
        self.runner = asyncio.Runner()
        self.number = 0
        self.open()

    def open(self) -> None:
        self.runs = SortedRuns(
            self.path,
            self.clock,
            identity="log",
            heads={ACME: 10**9},
            retention=RETENTION,
            tuning=self.tuning,
        )
        self.seen = SeenKeys(self.runs, RETENTION, self.tuning)

    def reopen(self) -> None:
        self.runs.close()
        self.open()

    def find_known(self, *keys: str) -> list[str]:
        found = self.runner.run(
            self.seen.find_known({key.encode() for key in keys}, self.clock.ticks)
        )
        return sorted(key.decode() for key in found)

    def reserve(self, *keys: str) -> tuple[Memtable, list[bytes]]:
        assert self.find_known(*keys) == []
        coded = [key.encode() for key in keys]
        return self.seen.reserve(coded, self.clock.ticks), coded

    def confirm(self, memtable: Memtable) -> None:
        self.number += 1
        self.seen.confirm(memtable, ACME, self.number)

    def add(self, *keys: str) -> None:
        self.confirm(self.reserve(*keys)[0])


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    one = Harness(tmp_path / "keys.db", LogTuning(memtable_keys=4, memtable_bytes=1000))
    yield one
    one.runs.close()
    one.runner.close()


def test_reserved_key_is_known_immediately(harness: Harness) -> None:
    """It does not matter whether the key's event is durable yet."""
    memtable, _ = harness.reserve("a", "b")
    assert harness.find_known("a", "b", "c") == ["a", "b"]
    harness.confirm(memtable)
    assert harness.find_known("a", "b", "c") == ["a", "b"]


def test_withdrawn_key_is_new_again(harness: Harness) -> None:
    """No other key is withdrawn."""
    harness.add("a")
    memtable, keys = harness.reserve("b", "c")
    harness.seen.withdraw(memtable, keys)
    assert harness.find_known("a", "b", "c") == ["a"]
    harness.add("b")
    assert harness.find_known("a", "b", "c") == ["a", "b"]


def test_full_memtables_are_written_to_disk(harness: Harness) -> None:
    """Their keys are found on disk, also after a restart.

    The last memtable is loaded from the log.
    """
    for number in range(22):
        harness.add(str(number))
    names = [str(number) for number in range(30)]
    assert harness.find_known(*names) == sorted(names[:22])
    harness.reopen()
    assert harness.find_known(*names) == sorted(names[:20])
    assert harness.runs.checkpoints() == {ACME: 20}


def test_memtable_with_unconfirmed_keys_is_not_written(harness: Harness) -> None:
    """A key whose event may still fail is never written to disk."""
    first, _ = harness.reserve("a", "b", "c")
    second, keys = harness.reserve("d", "e")
    harness.add("f")
    harness.runs.wait()
    assert harness.runs.memtable_range() == (0, 0)
    harness.confirm(first)
    harness.seen.withdraw(second, keys)
    harness.runs.wait()
    assert harness.runs.memtable_range() == (1, 1)
    assert harness.find_known(*"abcdef") == ["a", "b", "c", "f"]


def test_memtable_is_dropped_if_all_its_events_failed(harness: Harness) -> None:
    """The memtable covers no entry."""
    memtable, keys = harness.reserve(*"abcd")
    harness.add("e")
    harness.seen.withdraw(memtable, keys)
    harness.add("f")
    harness.reopen()
    assert harness.runs.checkpoints() == {}


def test_long_keys_make_smaller_memtables(harness: Harness) -> None:
    """The size of a memtable in bytes is bounded, too."""
    harness.add("x" * 1000)
    harness.add("b")
    harness.runs.wait()
    assert harness.runs.memtable_range() == (1, 1)


def test_memtable_has_keys_of_one_hour(harness: Harness) -> None:
    """The memtable's keys expire together, so it accepts no more keys after two hours."""
    for _ in range(3):
        harness.add(str(harness.clock.ticks))
        harness.clock.ticks += HOUR
    harness.runs.wait()
    assert harness.runs.memtable_range() == (1, 1)


def test_alternating_hours_do_not_split_memtables(harness: Harness) -> None:
    """Around the full hour, entries of streams with different clocks alternate."""
    for number in range(6):
        harness.clock.ticks += HOUR if number % 2 else -HOUR
        harness.add(str(number))
    harness.runs.wait()
    assert harness.runs.memtable_range() == (0, 0)


def test_keys_of_an_earlier_hour_are_stored_first(harness: Harness) -> None:
    """All keys that a memtable covers are on disk with it."""
    harness.add("early")
    harness.clock.ticks += HOUR
    for number in range(5):
        harness.add(str(number))
    harness.reopen()
    assert harness.runs.checkpoints() == {ACME: 5}
    assert harness.find_known("early", "3", "4") == ["3", "early"]


@pytest.mark.parametrize("count", [1, 40])
def test_key_is_forgotten_after_the_retention_period(harness: Harness, count: int) -> None:
    """The key is forgotten in memory and on disk, and may be added again."""
    names = [str(number) for number in range(count)]
    for name in names:
        harness.add(name)
    harness.clock.ticks += RETENTION
    assert harness.find_known(*names) == sorted(names)
    harness.clock.ticks += HOUR
    assert harness.find_known(*names) == []
    harness.add(*names)
    assert harness.find_known(*names) == sorted(names)


def test_filter_rotates_when_old_runs_expire(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The filter rotates when the oldest run is newer than the last rotation, and loses no key."""
    turns: list[int] = []
    rotate = harness.seen._filter.rotate  # noqa: SLF001 -- that it happens cannot be seen otherwise

    def counted() -> None:
        turns.append(1)
        rotate()

    monkeypatch.setattr(harness.seen._filter, "rotate", counted)  # noqa: SLF001 -- as above
    kept: list[str] = []
    for number in range(1000):
        harness.add(str(number))
        kept.append(str(number))
        harness.clock.ticks += HOUR // 2
        if number % 50 == 0:
            harness.runs.wait()
            assert set(kept[-50:]) <= set(harness.find_known(*kept[-60:]))
    assert 3 <= len(turns) <= 20


def test_stored_entries_are_loaded_at_startup(harness: Harness) -> None:
    """Site entries have no keys but count as covered."""
    one_batch = batch(ACME, ["a", "b"])
    payload = b"\n".join(one_batch.lines)
    harness.seen.load(Entry(ACME, 1, START, "events", 2, payload))
    harness.seen.load(Entry(ACME, 2, START, "site", 0, b'{"site": 1}'))
    keys = payload_keys(ACME, payload)
    assert harness.runner.run(harness.seen.find_known(set(keys), START)) == set(keys)


def test_number_of_unwritten_memtables_is_limited(tmp_path: Path) -> None:
    """The caller gets an error, and every key is still found in memory."""
    backlog = 10 * sorted_runs.KEY_BYTES
    tuning = LogTuning(memtable_keys=2, keys_backlog_bytes=backlog, retry_seconds=0.001)
    with failing_disk("keys.db") as disk:
        harness = Harness(tmp_path / "keys.db", tuning)
        disk.faults = {"full"}
        count = 0
        while harness.runs.backlog <= backlog:
            harness.add(str(count))
            count += 1
        assert harness.seen.full
        names = [str(number) for number in range(count)]
        assert 10 <= count <= 14
        assert harness.find_known(*names) == sorted(names)
        disk.repair()
        harness.runs.wait()
        assert harness.runs.backlog == 0
        assert harness.find_known(*names) == sorted(names)
        harness.runs.close()
        harness.runner.close()
