"""The deduplication keys of a log are exact, in memory and on disk."""

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
    Seen,
    keys_of,
    keys_of_payload,
)
from floorcast.log.port import Entry
from floorcast.log.sorted_runs import SortedRuns
from floorcast.log.tuning import Tuning
from tests.log.batches import HOUR, START, Clock, batch, event
from tests.log.faults import failing_disk


def some_keys(random: Random, count: int) -> list[bytes]:
    return [uuid.UUID(int=random.getrandbits(128)).hex.encode() for _ in range(count)]


def test_a_key_that_was_put_in_is_never_called_new() -> None:
    """This holds whatever other keys there are."""
    a_filter = BloomFilter()
    keys = some_keys(Random(1), 20_000)
    a_filter.sift(keys)
    assert a_filter.sift(keys) == keys


def test_most_new_keys_are_called_new() -> None:
    """With 500,000 keys in the filter, all but a few new keys in a thousand are recognized."""
    random, a_filter = Random(2), BloomFilter()
    a_filter.load(map(fingerprint, some_keys(random, 500_000)))
    assert len(a_filter.sift(some_keys(random, 10_000))) < 50


def test_it_is_loaded_by_marks() -> None:
    """The filter is loaded from the fingerprints stored on disk."""
    a_filter, keys = BloomFilter(), some_keys(Random(3), 1000)
    a_filter.load(array("I", map(fingerprint, keys)))
    assert a_filter.sift(keys) == keys


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_a_turn_forgets_what_was_put_in_before_the_last(turns: int) -> None:
    """A key survives one turn, and the second turn forgets it."""
    a_filter = BloomFilter()
    a_filter.sift([b"old"])
    for _ in range(turns):
        a_filter.turn()
    assert a_filter.sift([b"old"]) == ([b"old"] if turns < 2 else [])
    assert a_filter.sift([b"old"]) == [b"old"]


Identity = tuple[int, str, str]

text = st.text(st.sampled_from("ab\n\\n\x001ü"), min_size=1, max_size=5)
identities = st.tuples(st.integers(0, 30), text, text)


def key(identity: Identity) -> bytes:
    client, source, name = identity
    return keys_of(client, [event(name, source)])[0]


@given(st.lists(identities, min_size=2, max_size=20))
@example([(1, "a\nb", "c"), (1, "a", "b\nc")])
@example([(1, "a\\", "nb"), (1, "a\n", "b")])
def test_keys_are_equal_when_the_identities_are(many: list[Identity]) -> None:
    """This holds for any characters in a source."""
    for one, other in pairwise(sorted(many)):
        assert (key(one) == key(other)) == (one == other)


def test_a_stored_entry_gives_the_same_keys() -> None:
    """The keys can therefore be rebuilt from the log."""
    a_batch = batch(7, ["a", "b\n", "\x00", "📞"], "a\nsource")
    payload = b"\n".join(a_batch.lines)
    assert keys_of_payload(7, payload) == keys_of(7, a_batch.events)


ACME = 47415
RETENTION = 26 * HOUR


class House:
    """Keys with their clock. Entries are numbered when they are confirmed."""

    def __init__(self, path: Path, tuning: Tuning) -> None:
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
        self.seen = Seen(self.runs, RETENTION, self.tuning)

    def reopen(self) -> None:
        self.runs.close()
        self.open()

    def held(self, *keys: str) -> list[str]:
        found = self.runner.run(self.seen.held({key.encode() for key in keys}, self.clock.ticks))
        return sorted(key.decode() for key in found)

    def reserve(self, *keys: str) -> tuple[Memtable, list[bytes]]:
        assert self.held(*keys) == []
        coded = [key.encode() for key in keys]
        return self.seen.reserve(coded, self.clock.ticks), coded

    def confirm(self, memtable: Memtable) -> None:
        self.number += 1
        self.seen.confirm(memtable, ACME, self.number)

    def add(self, *keys: str) -> None:
        self.confirm(self.reserve(*keys)[0])


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    a_house = House(tmp_path / "keys.db", Tuning(memtable_keys=4, memtable_bytes=1000))
    yield a_house
    a_house.runs.close()
    a_house.runner.close()


def test_a_key_is_held_from_its_reservation_on(house: House) -> None:
    """It does not matter whether the key's event is durable yet."""
    memtable, _ = house.reserve("a", "b")
    assert house.held("a", "b", "c") == ["a", "b"]
    house.confirm(memtable)
    assert house.held("a", "b", "c") == ["a", "b"]


def test_a_withdrawn_key_is_new_again(house: House) -> None:
    """No other key is withdrawn."""
    house.add("a")
    memtable, keys = house.reserve("b", "c")
    house.seen.withdraw(memtable, keys)
    assert house.held("a", "b", "c") == ["a"]
    house.add("b")
    assert house.held("a", "b", "c") == ["a", "b"]


def test_full_memtables_go_to_the_disk(house: House) -> None:
    """Their keys are found on disk, also after a restart.

    The last memtable is loaded from the log.
    """
    for number in range(22):
        house.add(str(number))
    names = [str(number) for number in range(30)]
    assert house.held(*names) == sorted(names[:22])
    house.reopen()
    assert house.held(*names) == sorted(names[:20])
    assert house.runs.checkpoints() == {ACME: 20}


def test_a_memtable_waits_for_what_is_under_way(house: House) -> None:
    """A key whose event may still fail is never written to disk."""
    first, _ = house.reserve("a", "b", "c")
    second, keys = house.reserve("d", "e")
    house.add("f")
    house.runs.wait()
    assert house.runs.memtables() == (0, 0)
    house.confirm(first)
    house.seen.withdraw(second, keys)
    house.runs.wait()
    assert house.runs.memtables() == (1, 1)
    assert house.held(*"abcdef") == ["a", "b", "c", "f"]


def test_a_memtable_whose_events_all_failed_is_dropped(house: House) -> None:
    """The memtable covers no entry."""
    memtable, keys = house.reserve(*"abcd")
    house.add("e")
    house.seen.withdraw(memtable, keys)
    house.add("f")
    house.reopen()
    assert house.runs.checkpoints() == {}


def test_long_keys_make_short_memtables(house: House) -> None:
    """The size of a memtable in bytes is bounded, too."""
    house.add("x" * 1000)
    house.add("b")
    house.runs.wait()
    assert house.runs.memtables() == (1, 1)


def test_a_memtable_is_of_one_hour(house: House) -> None:
    """The memtable's keys expire together, so it accepts no more keys after two hours."""
    for _ in range(3):
        house.add(str(house.clock.ticks))
        house.clock.ticks += HOUR
    house.runs.wait()
    assert house.runs.memtables() == (1, 1)


def test_neighbouring_hours_do_not_cut_each_other_s_memtables(house: House) -> None:
    """Around the full hour, entries of streams with different clocks alternate."""
    for number in range(6):
        house.clock.ticks += HOUR if number % 2 else -HOUR
        house.add(str(number))
    house.runs.wait()
    assert house.runs.memtables() == (0, 0)


def test_an_earlier_hour_s_keys_are_stored_first(house: House) -> None:
    """All keys that a memtable covers are on disk with it."""
    house.add("early")
    house.clock.ticks += HOUR
    for number in range(5):
        house.add(str(number))
    house.reopen()
    assert house.runs.checkpoints() == {ACME: 5}
    assert house.held("early", "3", "4") == ["3", "early"]


@pytest.mark.parametrize("count", [1, 40])
def test_a_key_is_forgotten_after_the_retention(house: House, count: int) -> None:
    """The key is forgotten in memory and on disk, and may be added again."""
    names = [str(number) for number in range(count)]
    for name in names:
        house.add(name)
    house.clock.ticks += RETENTION
    assert house.held(*names) == sorted(names)
    house.clock.ticks += HOUR
    assert house.held(*names) == []
    house.add(*names)
    assert house.held(*names) == sorted(names)


def test_the_filter_forgets_with_the_disk(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The filter turns when the oldest run is younger than the last turn, and loses no key."""
    turns: list[int] = []
    turn = house.seen._filter.turn  # noqa: SLF001 -- that it happens cannot be seen otherwise

    def counted() -> None:
        turns.append(1)
        turn()

    monkeypatch.setattr(house.seen._filter, "turn", counted)  # noqa: SLF001 -- as above
    kept: list[str] = []
    for number in range(1000):
        house.add(str(number))
        kept.append(str(number))
        house.clock.ticks += HOUR // 2
        if number % 50 == 0:
            house.runs.wait()
            assert set(kept[-50:]) <= set(house.held(*kept[-60:]))
    assert 3 <= len(turns) <= 20


def test_stored_entries_are_loaded_at_a_start(house: House) -> None:
    """Site entries have no keys but count as covered."""
    a_batch = batch(ACME, ["a", "b"])
    payload = b"\n".join(a_batch.lines)
    house.seen.load(Entry(ACME, 1, START, "events", 2, payload))
    house.seen.load(Entry(ACME, 2, START, "site", 0, b'{"site": 1}'))
    keys = keys_of_payload(ACME, payload)
    assert house.runner.run(house.seen.held(set(keys), START)) == set(keys)


def test_memtables_that_wait_for_the_disk_are_bounded(tmp_path: Path) -> None:
    """The caller gets an error, and every key is still found in memory."""
    backlog = 10 * sorted_runs.KEY_BYTES
    tuning = Tuning(memtable_keys=2, keys_backlog_bytes=backlog, retry_seconds=0.001)
    with failing_disk("keys.db") as disk:
        house = House(tmp_path / "keys.db", tuning)
        disk.faults = {"full"}
        count = 0
        while house.runs.backlog <= backlog:
            house.add(str(count))
            count += 1
        assert house.seen.full
        names = [str(number) for number in range(count)]
        assert 10 <= count <= 14
        assert house.held(*names) == sorted(names)
        disk.works()
        house.runs.wait()
        assert house.runs.backlog == 0
        assert house.held(*names) == sorted(names)
        house.runs.close()
        house.runner.close()
