"""The contract of the event log's port, for every adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from floorcast.cluster.jetstream_log import LogTuning
from floorcast.log.data_folder import DataFolder
from floorcast.log.embedded import EmbeddedLog
from floorcast.log.memory import MemoryLog
from floorcast.log.port import RETENTION, Appended, Batch, Entry, EventLog, Head
from floorcast.log.retention import kept_since
from floorcast.log.tuning import Tuning
from floorcast.model.errors import Unavailable
from floorcast.model.inbound import InboundEvent
from tests.log.batches import HOUR, START, Clock, batch, event
from tests.log.stamped import StampedLog
from tests.log.waiting import until

T = TypeVar("T")

ACME, OTHER = 47415, 2**53
QUICK = Tuning(quiet_seconds=0.001, idle_seconds=0.001, leap_seconds=float("inf"))
"""A log whose retention runs at once, by the test's clock."""


async def retained(log: EventLog, clock: Clock) -> None:
    """Wait until no entry is older than the retention."""
    if isinstance(log, StampedLog):
        log.catch_up()

    def nothing_is_old() -> bool:
        first = [entry for client in log.clients() for entry in log.read(client, 0, 1)]
        return all(entry.recorded_at >= kept_since(clock.ticks) for entry in first)

    await until(nothing_is_old)


class House:
    """A log with its clock and its event loop. With a ``url``, the log is part of a cluster."""

    def __init__(self, folder: Path | None, url: str = "") -> None:
        self.tuning = QUICK
        self.clock = Clock()
        self._folder = None if folder is None else DataFolder(folder)
        self._url = url
        self._runner = asyncio.Runner()
        self.log = self._open()

    def _open(self) -> EventLog:
        if self._folder is None:
            return MemoryLog(self.clock, tuning=self.tuning)
        if self._url:
            opening = StampedLog.open(
                self._url, self._folder, self.clock, LogTuning(copy=self.tuning)
            )
            return self.run(opening)
        return EmbeddedLog(self._folder, self.clock, tuning=self.tuning)

    def retained(self) -> None:
        """Wait until retention has removed all entries that are too old."""
        self.run(retained(self.log, self.clock))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def append(self, client: int, *names: str, source: str = "pbx") -> Appended:
        return self.run(self.log.append(batch(client, names, source)))

    def renew(self) -> None:
        """Open another log, with the current ``tuning``."""
        self.run(self.log.close())
        self.log = self._open()

    def reopen(self) -> None:
        """Restart, if the log survives a restart."""
        if self._folder is not None:
            self.renew()

    def names(self, client: int, after: int = 0) -> list[list[str]]:
        """Return the ids of the events by entry."""
        return [ids_of(entry) for entry in self.entries(client, after)]

    def entries(self, client: int, after: int = 0) -> list[Entry]:
        found: list[Entry] = []
        while some := self.log.read(client, after, 3):
            found += some
            after = some[-1].number
        return found

    def close(self) -> None:
        self.run(self.log.close())
        self._runner.close()
        if self._folder is not None:
            self._folder.release()


def ids_of(entry: Entry) -> list[str]:
    events: list[InboundEvent] = msgspec.json.Decoder(InboundEvent).decode_lines(entry.payload)
    assert entry.count == len(events)
    assert entry.events is None or list(entry.events) == events
    return [each.id for each in events]


@pytest.fixture(params=["memory", "sqlite", "jetstream"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    folder = None if request.param == "memory" else tmp_path
    url = ""
    if request.param == "jetstream":
        url = request.getfixturevalue("nats_server").account()
    a_house = House(folder, url)
    yield a_house
    a_house.close()


def test_a_stream_that_nobody_wrote_to_is_empty(house: House) -> None:
    """Reading does not create a client's stream."""
    log = house.log
    assert log.head(ACME) == Head(0, 0)
    assert log.read(ACME, 0, 10) == []
    assert (log.last_at(ACME, START), log.recorded_at(ACME, 1), log.removed(ACME)) == (0, None, 0)
    assert log.removed_site(ACME) is None
    assert log.clients() == []
    assert log.healthy


def test_what_was_appended_is_read_as_it_came(house: House) -> None:
    """An entry has the batch's lines, joined by newlines."""
    a_batch = batch(ACME, ["a", "b"])
    assert house.run(house.log.append(a_batch)) == Appended(1, ())
    (entry,) = house.log.read(ACME, 0, 10)
    assert entry.payload == b"\n".join(a_batch.lines)
    assert (entry.client, entry.number, entry.kind, entry.count) == (ACME, 1, "events", 2)
    assert house.log.head(ACME) == Head(1, entry.recorded_at)


def test_entries_are_numbered_without_a_gap(house: House) -> None:
    """Numbers start from 1 and continue over restarts."""
    for number in range(1, 6):
        assert house.append(ACME, f"event {number}").number == number
        house.reopen()
    assert [entry.number for entry in house.entries(ACME)] == [1, 2, 3, 4, 5]
    assert [entry.number for entry in house.log.read(ACME, 2, 2)] == [3, 4]


def test_time_never_runs_backwards(house: House) -> None:
    """An entry's time is the clock's, or just after that of the previous entry."""
    recorded_at: list[int] = []
    for jump in (0, 0, -HOUR, 2 * HOUR, -50 * HOUR):
        house.clock.ticks += jump
        house.append(ACME, str(len(recorded_at)))
        recorded_at.append(house.log.head(ACME).recorded_at)
        house.reopen()
    later = START + HOUR
    assert recorded_at == [START, START + 1, START + 2, later, later + 1]


def test_an_event_is_kept_once(house: House) -> None:
    """The first of equal events is kept, within a batch, over several batches and restarts."""
    assert house.append(ACME, "a", "b", "a").duplicates == [2]
    assert house.append(ACME, "c", "b", "d", "c").duplicates == [1, 3]
    house.reopen()
    assert house.append(ACME, "d", "e").duplicates == [0]
    assert house.names(ACME) == [["a", "b"], ["c", "d"], ["e"]]


def test_a_batch_of_duplicates_makes_no_entry(house: House) -> None:
    """Its events are readable at or before the last entry."""
    house.append(ACME, "a")
    house.append(ACME, "b")
    assert house.append(ACME, "b", "a") == Appended(2, [0, 1])
    assert house.append(ACME) == Appended(2, ())
    assert house.log.head(ACME).number == 2


def test_source_and_client_tell_events_apart(house: House) -> None:
    """The same id of another source or client is a different event."""
    sources = ["pbx", "pbx\n", "pbx\\n", "pbx\n1", "p\x00", "p", "ü", "📞"]
    for source in sources:
        assert house.append(ACME, "1", "\n1", "n1", "\x001", source=source).duplicates == ()
    for source in sources:
        assert house.append(ACME, "1", "\n1", "\x001", source=source).duplicates == [0, 1, 2]
    assert house.append(OTHER, "1").duplicates == ()


def test_one_batch_may_come_from_several_sources(house: House) -> None:
    """Each event is identified by its own source."""
    events = [event("1", "a"), event("1", "b"), event("1", "a"), event("2", "b")]
    lines = [msgspec.json.encode(each) for each in events]
    assert house.run(house.log.append(Batch(ACME, lines, events))).duplicates == [2]
    assert house.append(ACME, "1", "2", source="b").duplicates == [0, 1]


def test_clients_have_streams_of_their_own(house: House) -> None:
    """One client's numbers, entries and times do not depend on another's."""
    house.append(ACME, "a")
    house.append(OTHER, "b")
    house.append(ACME, "c")
    house.reopen()
    assert house.log.clients() == [ACME, OTHER]
    assert house.names(ACME) == [["a"], ["c"]]
    assert house.names(OTHER) == [["b"]]
    assert house.log.head(OTHER).number == 1


def test_a_change_of_the_site_is_an_entry(house: House) -> None:
    """The entry is ordered with the events."""
    house.append(ACME, "a")
    assert house.run(house.log.append_site(ACME, b"{}")) == 2
    house.append(ACME, "b")
    kinds = [(entry.kind, entry.count) for entry in house.entries(ACME)]
    assert kinds == [("events", 1), ("site", 0), ("events", 1)]
    assert house.log.read(ACME, 1, 1)[0].payload == b"{}"


def test_a_site_that_is_known_makes_no_entry(house: House) -> None:
    """This holds after restarts, and when retention has removed the site's entry."""
    assert house.run(house.log.append_site(ACME, b"a")) == 1
    house.append(ACME, "x")
    house.reopen()
    assert house.run(house.log.append_site(ACME, b"a")) == 2
    house.clock.ticks += RETENTION + HOUR
    house.retained()
    house.reopen()
    assert house.run(house.log.append_site(ACME, b"a")) == 2
    assert house.run(house.log.append_site(ACME, b"b")) == 3
    assert house.run(house.log.append_site(ACME, b"a")) == 4


def test_a_batch_too_long_for_an_entry_becomes_several(house: House) -> None:
    """All entries are readable up to the returned number."""
    house.tuning = replace(QUICK, entry_events=2)
    house.renew()
    house.append(ACME, "b")
    assert house.append(ACME, "a", "b", "c", "d", "e", "f") == Appended(4, [1])
    assert house.names(ACME, after=1) == [["a", "c"], ["d", "e"], ["f"]]


def test_a_line_with_a_newline_is_refused_whole(house: House) -> None:
    """The line would be read as two events. Nothing of the batch is stored."""
    good = batch(ACME, ["a", "b"])
    with pytest.raises(ValueError, match="newline"):
        house.run(house.log.append(good._replace(lines=[b"{}", b"{\n}"])))
    assert house.run(house.log.append(good)) == Appended(1, ())


def test_a_time_is_found_in_the_stream(house: House) -> None:
    """The result is the last entry recorded at or before the time, and an entry's own time."""
    for name in "abcde":
        house.append(ACME, name)
        house.clock.ticks += HOUR
    log = house.log
    assert [log.last_at(ACME, START + hour * HOUR) for hour in (-1, 0, 1, 4, 9)] == [0, 1, 2, 5, 5]
    assert log.last_at(ACME, START + HOUR - 1) == 1
    assert log.recorded_at(ACME, 2) == START + HOUR
    assert (log.recorded_at(ACME, 0), log.recorded_at(ACME, 6), log.recorded_at(ACME, -1)) == (
        None,
    ) * 3


def test_retention_removes_what_is_older(house: House) -> None:
    """Removed entries count as older than any requested time, and numbering continues."""
    for name in "abcd":
        house.append(ACME, name)
        house.clock.ticks += 10 * HOUR
    house.append(OTHER, "x")
    house.retained()
    for _ in range(2):
        assert house.log.removed(ACME) == 2
        assert house.names(ACME) == [["c"], ["d"]]
        assert house.names(ACME, after=1) == [["c"], ["d"]]
        assert house.log.last_at(ACME, START) == 2
        assert house.log.recorded_at(ACME, 2) is None
        assert house.names(OTHER) == [["x"]]
        house.reopen()
    house.retained()
    assert house.append(ACME, "e").number == 5


def test_a_stream_that_retention_emptied_goes_on(house: House) -> None:
    """Neither numbers nor times restart."""
    house.append(ACME, "a")
    house.append(ACME, "b")
    house.clock.ticks += RETENTION + HOUR
    house.retained()
    assert house.log.removed(ACME) == 2
    house.reopen()
    assert house.log.head(ACME) == Head(2, START + 1)
    assert house.log.last_at(ACME, START) == 2
    house.clock.ticks = START - HOUR
    assert house.append(ACME, "c").number == 3
    assert house.log.head(ACME) == Head(3, START + 2)


def test_the_site_in_front_of_what_is_left_is_kept(house: House) -> None:
    """A reader of the remaining entries starts with the right site."""
    house.run(house.log.append_site(ACME, b"first"))
    house.run(house.log.append_site(ACME, b"second"))
    house.append(ACME, "a")
    house.clock.ticks += RETENTION + HOUR
    house.run(house.log.append_site(ACME, b"third"))
    house.retained()
    house.reopen()
    removed = house.log.removed_site(ACME)
    assert removed is not None
    assert (removed.number, removed.kind, removed.payload) == (2, "site", b"second")
    assert removed.recorded_at == START + 1


def test_an_event_is_known_for_the_whole_retention(house: House) -> None:
    """The event is forgotten some hours later, so that the number of keys stays bounded."""
    house.append(ACME, "a")
    house.clock.ticks += RETENTION
    assert house.append(ACME, "a").duplicates == [0]
    house.clock.ticks += 7 * HOUR
    assert house.append(ACME, "a").duplicates == ()


def test_the_same_events_at_once_are_kept_once(house: House) -> None:
    """Each batch returns when its events are readable, whoever appended them."""

    async def bring() -> list[Appended]:
        names = [str(number) for number in range(50)]
        work = [house.log.append(batch(ACME, names)) for _ in range(8)]
        return await asyncio.gather(*work)

    done = house.run(bring())
    assert sorted(len(each.duplicates) for each in done) == [0] + [50] * 7
    assert {each.number for each in done} == {1}
    assert [len(names) for names in house.names(ACME)] == [50]


def test_a_cancelled_append_is_stored_or_not_but_never_half(house: House) -> None:
    """Appending the batch again gives the right verdicts, and other batches are not affected."""

    async def cancel() -> Appended:
        first = asyncio.ensure_future(house.log.append(batch(ACME, "abc")))
        await asyncio.sleep(0)
        again = asyncio.ensure_future(house.log.append(batch(ACME, "abc")))
        await asyncio.sleep(0)
        first.cancel()
        return await again

    assert len(house.run(cancel()).duplicates) in {0, 3}
    assert house.names(ACME) == [["a", "b", "c"]]


def test_following_joins_what_is_stored_and_what_comes(house: House) -> None:
    """Every entry comes once and in order, with no gap between stored and live entries."""

    async def follow() -> list[int]:
        for number in range(40):
            await house.log.append(batch(ACME, [f"old {number}"]))
        numbers: list[int] = []
        writer: asyncio.Task[None] | None = None
        async for entry in house.log.follow(ACME, 3):
            numbers.append(entry.number)
            if writer is None:
                writer = asyncio.ensure_future(write())
            if entry.number == 80:
                break
        assert writer is not None
        await writer
        return numbers

    async def write() -> None:
        for number in range(40):
            await house.log.append(batch(ACME, [f"new {number}"]))

    assert house.run(follow()) == list(range(4, 81))


def test_a_slow_follower_gets_everything(house: House) -> None:
    """Entries that do not fit into the follower's memory are read again."""
    house.tuning = replace(QUICK, follower_events=5)
    house.renew()

    async def follow() -> list[str]:
        following = house.log.follow(ACME, 0)
        await house.log.append(batch(ACME, ["0"]))
        got = ids_of(await anext(following))
        for number in range(1, 30):
            await house.log.append(batch(ACME, [str(number)]))
        while len(got) < 30:
            got += ids_of(await anext(following))
        await following.aclose()
        return got

    assert house.run(follow()) == [str(number) for number in range(30)]


def test_following_passes_over_what_retention_removed(house: House) -> None:
    """The follower continues with the oldest remaining entry, or with the next new one."""
    house.append(ACME, "a")
    house.append(ACME, "b")
    house.clock.ticks += RETENTION + HOUR
    house.retained()

    async def follow() -> list[str]:
        following = house.log.follow(ACME, 0)
        waiting = asyncio.ensure_future(anext(following))
        await asyncio.sleep(0)
        await house.log.append(batch(ACME, ["c"]))
        got = ids_of(await waiting)
        await following.aclose()
        return got

    assert house.run(follow()) == ["c"]


def test_following_ends_with_the_log(house: House) -> None:
    """A reader that waits for the next entry is released."""

    async def follow() -> list[int]:
        await house.log.append(batch(ACME, ["a"]))
        following = house.log.follow(ACME, 0)
        numbers = [(await anext(following)).number]
        waiting = asyncio.ensure_future(anext(following, None))
        await asyncio.sleep(0)
        await house.log.close()
        assert await waiting is None
        return numbers

    assert house.run(follow()) == [1]


def test_a_closed_log_takes_nothing(house: House) -> None:
    """Appending raises an error, and closing again does nothing."""
    house.run(house.log.close())
    with pytest.raises(Unavailable):
        house.append(ACME, "a")
    with pytest.raises(Unavailable):
        house.run(house.log.append_site(ACME, b"{}"))
