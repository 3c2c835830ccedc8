"""The contract of the event log's port, which every adapter must fulfill."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from floorcast.cluster.jetstream_log import ClusterLogTuning
from floorcast.log.data_folder import DataFolder
from floorcast.log.embedded import EmbeddedLog
from floorcast.log.memory import MemoryLog
from floorcast.log.port import RETENTION, Appended, Batch, Entry, EventLog, Head
from floorcast.log.retention import kept_since
from floorcast.log.tuning import LogTuning
from floorcast.model.errors import Unavailable
from floorcast.model.inbound import InboundEvent
from tests.log.batches import HOUR, START, Clock, batch, event
from tests.log.stamped import StampedLog
from tests.log.waiting import until

T = TypeVar("T")

ACME, OTHER = 47415, 2**53
QUICK = LogTuning(quiet_seconds=0.001, idle_seconds=0.001, leap_seconds=float("inf"))
"""A tuning with which retention runs at once, by the test's clock."""


async def retained(log: EventLog, clock: Clock) -> None:
    """Wait until the log has no entries that are older than the retention period."""
    if isinstance(log, StampedLog):
        log.catch_up()

    def nothing_is_old() -> bool:
        first = [entry for client in log.clients() for entry in log.read(client, 0, 1)]
        return all(entry.recorded_at >= kept_since(clock.ticks) for entry in first)

    await until(nothing_is_old)


class LogHarness:
    """A log with a clock and an event loop. If ``url`` is given, the log is part of a cluster."""

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
                self._url, self._folder, self.clock, ClusterLogTuning(copy=self.tuning)
            )
            return self.run(opening)
        return EmbeddedLog(self._folder, self.clock, tuning=self.tuning)

    def retained(self) -> None:
        """Wait until retention has removed all old entries."""
        self.run(retained(self.log, self.clock))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def append(self, client: int, *names: str, source: str = "pbx") -> Appended:
        return self.run(self.log.append(batch(client, names, source)))

    def renew(self) -> None:
        """Close the log, and open it with the current ``tuning``."""
        self.run(self.log.close())
        self.log = self._open()

    def reopen(self) -> None:
        """Close and open the log, unless it exists only in memory."""
        if self._folder is not None:
            self.renew()

    def names(self, client: int, after: int = 0) -> list[list[str]]:
        """Return the ids of the events in each entry."""
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
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogHarness]:
    folder = None if request.param == "memory" else tmp_path
    url = ""
    if request.param == "jetstream":
        url = request.getfixturevalue("nats_server").account()
    a_harness = LogHarness(folder, url)
    yield a_harness
    a_harness.close()


def test_an_unwritten_stream_is_empty(harness: LogHarness) -> None:
    """A stream without entries can be read, and reading does not create the stream."""
    log = harness.log
    assert log.head(ACME) == Head(0, 0)
    assert log.read(ACME, 0, 10) == []
    assert (log.last_entry_at(ACME, START), log.recorded_at(ACME, 1), log.last_removed(ACME)) == (
        0,
        None,
        0,
    )
    assert log.last_removed_site(ACME) is None
    assert log.clients() == []
    assert log.healthy


def test_a_log_that_has_everything_is_not_behind(harness: LogHarness) -> None:
    """A log is up to date when an append returns, whether or not it has the client's stream."""
    harness.append(ACME, "a")
    if isinstance(harness.log, StampedLog):
        harness.log.catch_up()
    assert (harness.log.ticks_behind(ACME), harness.log.ticks_behind(OTHER)) == (0, 0)


def test_appended_events_are_read_back_unchanged(harness: LogHarness) -> None:
    """An entry contains the batch's lines, joined by newlines."""
    a_batch = batch(ACME, ["a", "b"])
    assert harness.run(harness.log.append(a_batch)) == Appended(1, ())
    (entry,) = harness.log.read(ACME, 0, 10)
    assert entry.payload == b"\n".join(a_batch.lines)
    assert (entry.client, entry.number, entry.kind, entry.count) == (ACME, 1, "events", 2)
    assert harness.log.head(ACME) == Head(1, entry.recorded_at)


def test_entries_are_numbered_without_a_gap(harness: LogHarness) -> None:
    """Numbers start at 1 and continue after restarts."""
    for number in range(1, 6):
        assert harness.append(ACME, f"event {number}").number == number
        harness.reopen()
    assert [entry.number for entry in harness.entries(ACME)] == [1, 2, 3, 4, 5]
    assert [entry.number for entry in harness.log.read(ACME, 2, 2)] == [3, 4]


def test_time_never_runs_backwards(harness: LogHarness) -> None:
    """An entry has the clock's time, or the tick after the previous entry if that is later."""
    recorded_at: list[int] = []
    for jump in (0, 0, -HOUR, 2 * HOUR, -50 * HOUR):
        harness.clock.ticks += jump
        harness.append(ACME, str(len(recorded_at)))
        recorded_at.append(harness.log.head(ACME).recorded_at)
        harness.reopen()
    later = START + HOUR
    assert recorded_at == [START, START + 1, START + 2, later, later + 1]


def test_a_repeated_event_is_stored_once(harness: LogHarness) -> None:
    """Only the first of several equal events is stored, even across batches and restarts."""
    assert harness.append(ACME, "a", "b", "a").duplicates == [2]
    assert harness.append(ACME, "c", "b", "d", "c").duplicates == [1, 3]
    harness.reopen()
    assert harness.append(ACME, "d", "e").duplicates == [0]
    assert harness.names(ACME) == [["a", "b"], ["c", "d"], ["e"]]


def test_a_batch_of_duplicates_creates_no_entry(harness: LogHarness) -> None:
    """If all events of a batch are known, the last entry's number is returned."""
    harness.append(ACME, "a")
    harness.append(ACME, "b")
    assert harness.append(ACME, "b", "a") == Appended(2, [0, 1])
    assert harness.append(ACME) == Appended(2, ())
    assert harness.log.head(ACME).number == 2


def test_events_are_distinguished_by_source_and_client(harness: LogHarness) -> None:
    """Events with the same id are different if they have different sources or clients."""
    sources = ["pbx", "pbx\n", "pbx\\n", "pbx\n1", "p\x00", "p", "ü", "📞"]
    for source in sources:
        assert harness.append(ACME, "1", "\n1", "n1", "\x001", source=source).duplicates == ()
    for source in sources:
        assert harness.append(ACME, "1", "\n1", "\x001", source=source).duplicates == [0, 1, 2]
    assert harness.append(OTHER, "1").duplicates == ()


def test_a_batch_can_have_several_sources(harness: LogHarness) -> None:
    """Events with the same id in a batch are different if their sources are different."""
    events = [event("1", "a"), event("1", "b"), event("1", "a"), event("2", "b")]
    lines = [msgspec.json.encode(each) for each in events]
    assert harness.run(harness.log.append(Batch(ACME, lines, events))).duplicates == [2]
    assert harness.append(ACME, "1", "2", source="b").duplicates == [0, 1]


def test_clients_have_separate_streams(harness: LogHarness) -> None:
    """One client's numbers, entries and times do not depend on another client's."""
    harness.append(ACME, "a")
    harness.append(OTHER, "b")
    harness.append(ACME, "c")
    harness.reopen()
    assert harness.log.clients() == [ACME, OTHER]
    assert harness.names(ACME) == [["a"], ["c"]]
    assert harness.names(OTHER) == [["b"]]
    assert harness.log.head(OTHER).number == 1


def test_a_site_change_is_an_entry(harness: LogHarness) -> None:
    """A changed site becomes an entry between the events before and after the change."""
    harness.append(ACME, "a")
    assert harness.run(harness.log.append_site(ACME, b"{}")) == 2
    harness.append(ACME, "b")
    kinds = [(entry.kind, entry.count) for entry in harness.entries(ACME)]
    assert kinds == [("events", 1), ("site", 0), ("events", 1)]
    assert harness.log.read(ACME, 1, 1)[0].payload == b"{}"


def test_an_unchanged_site_creates_no_entry(harness: LogHarness) -> None:
    """No entry is created even after a restart, or after retention has removed the site's entry."""
    assert harness.run(harness.log.append_site(ACME, b"a")) == 1
    harness.append(ACME, "x")
    harness.reopen()
    assert harness.run(harness.log.append_site(ACME, b"a")) == 2
    harness.clock.ticks += RETENTION + HOUR
    harness.retained()
    harness.reopen()
    assert harness.run(harness.log.append_site(ACME, b"a")) == 2
    assert harness.run(harness.log.append_site(ACME, b"b")) == 3
    assert harness.run(harness.log.append_site(ACME, b"a")) == 4


def test_a_batch_too_long_for_one_entry_is_split(harness: LogHarness) -> None:
    """A long batch becomes several entries, and the last entry's number is returned."""
    harness.tuning = replace(QUICK, entry_events=2)
    harness.renew()
    harness.append(ACME, "b")
    assert harness.append(ACME, "a", "b", "c", "d", "e", "f") == Appended(4, [1])
    assert harness.names(ACME, after=1) == [["a", "c"], ["d", "e"], ["f"]]


def test_a_batch_with_a_newline_in_a_line_is_refused(harness: LogHarness) -> None:
    """No part of the batch is stored, because the line would be read as two events."""
    good = batch(ACME, ["a", "b"])
    with pytest.raises(ValueError, match="newline"):
        harness.run(harness.log.append(good._replace(lines=[b"{}", b"{\n}"])))
    assert harness.run(harness.log.append(good)) == Appended(1, ())


def test_entries_are_found_by_time(harness: LogHarness) -> None:
    """``last_at`` returns the last entry recorded at or before a time.

    ``recorded_at`` returns an entry's time.
    """
    for name in "abcde":
        harness.append(ACME, name)
        harness.clock.ticks += HOUR
    log = harness.log
    assert [log.last_entry_at(ACME, START + hour * HOUR) for hour in (-1, 0, 1, 4, 9)] == [
        0,
        1,
        2,
        5,
        5,
    ]
    assert log.last_entry_at(ACME, START + HOUR - 1) == 1
    assert log.recorded_at(ACME, 2) == START + HOUR
    assert (log.recorded_at(ACME, 0), log.recorded_at(ACME, 6), log.recorded_at(ACME, -1)) == (
        None,
    ) * 3


def test_retention_removes_old_entries(harness: LogHarness) -> None:
    """Removed entries count as older than any time, and the numbering continues."""
    for name in "abcd":
        harness.append(ACME, name)
        harness.clock.ticks += 10 * HOUR
    harness.append(OTHER, "x")
    harness.retained()
    for _ in range(2):
        assert harness.log.last_removed(ACME) == 2
        assert harness.names(ACME) == [["c"], ["d"]]
        assert harness.names(ACME, after=1) == [["c"], ["d"]]
        assert harness.log.last_entry_at(ACME, START) == 2
        assert harness.log.recorded_at(ACME, 2) is None
        assert harness.names(OTHER) == [["x"]]
        harness.reopen()
    harness.retained()
    assert harness.append(ACME, "e").number == 5


def test_a_stream_continues_after_retention_empties_it(harness: LogHarness) -> None:
    """An emptied stream continues with its numbers and times."""
    harness.append(ACME, "a")
    harness.append(ACME, "b")
    harness.clock.ticks += RETENTION + HOUR
    harness.retained()
    assert harness.log.last_removed(ACME) == 2
    harness.reopen()
    assert harness.log.head(ACME) == Head(2, START + 1)
    assert harness.log.last_entry_at(ACME, START) == 2
    harness.clock.ticks = START - HOUR
    assert harness.append(ACME, "c").number == 3
    assert harness.log.head(ACME) == Head(3, START + 2)


def test_the_site_before_the_remaining_entries_is_kept(harness: LogHarness) -> None:
    """The log returns the site that applied before its remaining entries."""
    harness.run(harness.log.append_site(ACME, b"first"))
    harness.run(harness.log.append_site(ACME, b"second"))
    harness.append(ACME, "a")
    harness.clock.ticks += RETENTION + HOUR
    harness.run(harness.log.append_site(ACME, b"third"))
    harness.retained()
    harness.reopen()
    removed = harness.log.last_removed_site(ACME)
    assert removed is not None
    assert (removed.number, removed.kind, removed.payload) == (2, "site", b"second")
    assert removed.recorded_at == START + 1


def test_duplicates_are_detected_for_the_whole_retention(harness: LogHarness) -> None:
    """Some hours after the retention period, an event is forgotten, so keys stay bounded."""
    harness.append(ACME, "a")
    harness.clock.ticks += RETENTION
    assert harness.append(ACME, "a").duplicates == [0]
    harness.clock.ticks += 7 * HOUR
    assert harness.append(ACME, "a").duplicates == ()


def test_concurrent_duplicates_are_stored_once(harness: LogHarness) -> None:
    """Each concurrent batch returns the number of the entry that has its events."""

    async def append_all() -> list[Appended]:
        names = [str(number) for number in range(50)]
        work = [harness.log.append(batch(ACME, names)) for _ in range(8)]
        return await asyncio.gather(*work)

    done = harness.run(append_all())
    assert sorted(len(each.duplicates) for each in done) == [0] + [50] * 7
    assert {each.number for each in done} == {1}
    assert [len(names) for names in harness.names(ACME)] == [50]


def test_a_cancelled_append_is_stored_completely_or_not_at_all(harness: LogHarness) -> None:
    """If a cancelled batch is appended again, its events are stored exactly once."""

    async def cancel() -> Appended:
        first = asyncio.ensure_future(harness.log.append(batch(ACME, "abc")))
        await asyncio.sleep(0)
        again = asyncio.ensure_future(harness.log.append(batch(ACME, "abc")))
        await asyncio.sleep(0)
        first.cancel()
        return await again

    assert len(harness.run(cancel()).duplicates) in {0, 3}
    assert harness.names(ACME) == [["a", "b", "c"]]


def test_following_joins_stored_and_live_entries(harness: LogHarness) -> None:
    """A follower gets every entry once and in order, first stored and then new entries."""

    async def follow() -> list[int]:
        for number in range(40):
            await harness.log.append(batch(ACME, [f"old {number}"]))
        numbers: list[int] = []
        writer: asyncio.Task[None] | None = None
        async for entry in harness.log.follow(ACME, 3):
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
            await harness.log.append(batch(ACME, [f"new {number}"]))

    assert harness.run(follow()) == list(range(4, 81))


def test_a_slow_follower_gets_every_entry(harness: LogHarness) -> None:
    """Entries that do not fit in the follower's memory are read from the log."""
    harness.tuning = replace(QUICK, follower_events=5)
    harness.renew()

    async def follow() -> list[str]:
        following = harness.log.follow(ACME, 0)
        await harness.log.append(batch(ACME, ["0"]))
        got = ids_of(await anext(following))
        for number in range(1, 30):
            await harness.log.append(batch(ACME, [str(number)]))
        while len(got) < 30:
            got += ids_of(await anext(following))
        await following.aclose()
        return got

    assert harness.run(follow()) == [str(number) for number in range(30)]


def test_following_skips_removed_entries(harness: LogHarness) -> None:
    """A follower whose next entries have been removed continues with the next existing entry."""
    harness.append(ACME, "a")
    harness.append(ACME, "b")
    harness.clock.ticks += RETENTION + HOUR
    harness.retained()

    async def follow() -> list[str]:
        following = harness.log.follow(ACME, 0)
        waiting = asyncio.ensure_future(anext(following))
        await asyncio.sleep(0)
        await harness.log.append(batch(ACME, ["c"]))
        got = ids_of(await waiting)
        await following.aclose()
        return got

    assert harness.run(follow()) == ["c"]


def test_following_ends_when_the_log_is_closed(harness: LogHarness) -> None:
    """Closing the log ends the wait for the next entry."""

    async def follow() -> list[int]:
        await harness.log.append(batch(ACME, ["a"]))
        following = harness.log.follow(ACME, 0)
        numbers = [(await anext(following)).number]
        waiting = asyncio.ensure_future(anext(following, None))
        await asyncio.sleep(0)
        await harness.log.close()
        assert await waiting is None
        return numbers

    assert harness.run(follow()) == [1]


def test_a_closed_log_refuses_appends(harness: LogHarness) -> None:
    """Appending to a closed log raises ``Unavailable``. Closing it again does nothing."""
    harness.run(harness.log.close())
    with pytest.raises(Unavailable):
        harness.append(ACME, "a")
    with pytest.raises(Unavailable):
        harness.run(harness.log.append_site(ACME, b"{}"))
