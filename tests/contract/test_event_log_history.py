"""Tests that compare random histories of a log with a small model."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from floorcast.cluster.jetstream_log import ClusterLogTuning
from floorcast.log.data_folder import DataFolder
from floorcast.log.embedded import EmbeddedLog
from floorcast.log.memory import MemoryLog
from floorcast.log.port import Appended, EventLog
from floorcast.log.retention import kept_since
from floorcast.sqlite.files import remove
from tests.contract.test_event_log import QUICK, ids_of, retained
from tests.log.batches import HOUR, Clock, batch
from tests.log.stamped import StampedLog
from tests.nats_servers import NatsServers
from tests.search import tries

T = TypeVar("T")

CLIENTS = (7, 8)
SMALL = replace(
    QUICK,
    follower_events=20,
    memtable_keys=8,
    inline_lookups=6,
    merge_runs=2,
    merge_keys=5,
    retention_entries=2,
)

names = st.lists(st.integers(0, 60).map(str), max_size=12)
clients = st.sampled_from(CLIENTS)


class Model:
    """The expected contents of a client's stream."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, int, list[str]]] = []  # number, recorded_at, ids
        self.head = (0, 0)
        self.keys: dict[str, int] = {}  # the time at which each was recorded
        self.site: bytes | None = None

    def next_recorded_at(self, now: int) -> int:
        return max(now, self.head[1] + 1)

    def append(self, now: int, ids: list[str]) -> None:
        number, recorded_at = self.head[0] + 1, self.next_recorded_at(now)
        self.head = (number, recorded_at)
        self.entries.append((number, recorded_at, ids))
        self.keys.update(dict.fromkeys(ids, recorded_at))


class Follower:
    """Follows a client's stream while the log is open, and resumes after a restart."""

    def __init__(self, client: int) -> None:
        self.client = client
        self.number = 0
        self.ids: list[str] = []

    async def run(self, log: EventLog) -> None:
        async for entry in log.follow(self.client, self.number):
            assert entry.number == self.number + 1
            self.number = entry.number
            self.ids += ids_of(entry)


class History(RuleBasedStateMachine):
    """Random histories of two clients: appends, clock changes and retention."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.latest = self.clock.ticks
        self.runner = asyncio.Runner()
        self.models = {client: Model() for client in CLIENTS}
        self.followers = [Follower(client) for client in CLIENTS]
        self.log = self.open()
        self.following = self.run(self.follow())

    def open(self) -> EventLog:
        return MemoryLog(self.clock, tuning=SMALL)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def follow(self) -> list[asyncio.Future[None]]:
        return [asyncio.ensure_future(follower.run(self.log)) for follower in self.followers]

    async def catch_up(self) -> None:
        """Let the followers reach the end of the log."""
        for follower, task in zip(self.followers, self.following, strict=True):
            while follower.number < self.log.head(follower.client).number:
                assert not task.done(), task.exception()
                await asyncio.sleep(0)

    @rule(client=clients, ids=names)
    def append(self, client: int, ids: list[str]) -> None:
        """Append a batch in which some events may be duplicates."""
        self.take(client, ids, self.run(self.append_now(client, ids)))

    @rule(client=clients, several=st.lists(names, min_size=2, max_size=5))
    def append_at_once(self, client: int, several: list[list[str]]) -> None:
        """Append several batches concurrently."""

        async def all_of_them() -> list[Appended]:
            return await asyncio.gather(*(self.append_now(client, ids) for ids in several))

        done = [each for each in zip(several, self.run(all_of_them()), strict=True) if each[0]]
        # sorts by log order; a batch of duplicates comes after the entry whose number it returns
        done.sort(key=lambda each: (each[1].number, len(each[0]) == len(each[1].duplicates)))
        for ids, appended in done:
            self.take(client, ids, appended)

    async def append_now(self, client: int, ids: list[str]) -> Appended:
        appended = await self.log.append(batch(client, ids))
        assert appended.number <= self.log.head(client).number
        return appended

    def take(self, client: int, ids: list[str], appended: Appended) -> None:
        """Check the verdicts against the model, and add the new events to it."""
        model = self.models[client]
        new: list[str] = []
        for index, name in enumerate(ids):
            if name in new:
                assert index in appended.duplicates
                continue
            recorded_at, now = model.keys.get(name, -1), model.next_recorded_at(self.clock.ticks)
            if index in appended.duplicates:
                assert recorded_at >= kept_since(now)
            else:  # the log may have forgotten it early, because the clock was ahead
                assert recorded_at < kept_since(max(now, self.latest))
                new.append(name)
        if new:
            model.append(self.clock.ticks, new)
        assert not ids or appended.number == model.head[0]

    @rule(client=clients, site=st.sampled_from([b"", b" "]))
    def append_site(self, client: int, site: bytes) -> None:
        """Append a site, which may equal the client's current site."""
        model = self.models[client]
        if site != model.site:
            model.append(self.clock.ticks, [])
            model.site = site
        assert self.run(self.log.append_site(client, site)) == model.head[0]

    @rule(hours=st.sampled_from([-40, -1, 1, 5, 20]))
    def pass_time(self, hours: int) -> None:
        """Advance the clock, or set it back."""
        self.clock.ticks += hours * HOUR
        self.latest = max(self.latest, self.clock.ticks)

    @invariant()
    def matches_the_model(self) -> None:
        """Check the head, the retained entries, and that followers have seen each event once."""
        self.run(self.catch_up())
        self.run(retained(self.log, self.clock))
        for follower in self.followers:
            model = self.models[follower.client]
            assert tuple(self.log.head(follower.client)) == model.head
            assert follower.ids == [name for _, _, ids in model.entries for name in ids]
            removed = self.log.last_removed(follower.client)
            assert all(
                recorded_at < kept_since(self.latest)
                for _, recorded_at, _ in model.entries[:removed]
            )
            kept = model.entries[removed:]
            assert not kept or kept[0][1] >= kept_since(self.clock.ticks)
            assert self.stored(follower.client) == kept
            for number, recorded_at, _ in kept[:3]:
                assert self.log.last_entry_at(follower.client, recorded_at) == number
                assert self.log.last_entry_at(follower.client, recorded_at - 1) == number - 1

    def stored(self, client: int) -> list[tuple[int, int, list[str]]]:
        found: list[tuple[int, int, list[str]]] = []
        while some := self.log.read(client, found[-1][0] if found else 0, 4):
            found += [(entry.number, entry.recorded_at, ids_of(entry)) for entry in some]
        return found

    def teardown(self) -> None:
        self.run(self.log.close())
        self.run(self.followed())
        self.runner.close()

    async def followed(self) -> None:
        await asyncio.gather(*self.following)


class SqliteHistory(History):
    """Random histories of a log in files, with restarts."""

    def __init__(self) -> None:
        self.files = tempfile.TemporaryDirectory()
        self.folder = DataFolder(Path(self.files.name))
        super().__init__()

    def open(self) -> EventLog:
        return EmbeddedLog(self.folder, self.clock, tuning=SMALL)

    @rule(keys=st.booleans())
    def restart(self, keys: bool) -> None:
        """Open the log again, with or without the file of keys, which is derived from the log."""
        self.run(self.log.close())
        self.run(self.followed())
        if not keys:
            remove(self.folder.path / "keys.db")
        self.log = self.open()
        self.following = self.run(self.follow())

    def teardown(self) -> None:
        super().teardown()
        self.folder.release()
        self.files.cleanup()


class JetStreamHistory(SqliteHistory):
    """Random histories of a node's copy in a cluster. The stream continues during restarts."""

    url = ""

    def open(self) -> EventLog:
        return self.run(
            StampedLog.open(self.url, self.folder, self.clock, ClusterLogTuning(copy=SMALL))
        )


def test_random_histories_match_the_model_in_a_cluster(nats_server: NatsServers) -> None:
    """The node's copy matches the model after restarts, with and without derived data."""

    class HistoryInItsOwnAccount(JetStreamHistory):
        def __init__(self) -> None:
            self.url = nats_server.account()
            super().__init__()

    # A failure is not shrunk, because each attempt needs a new log, and timing varies.
    some = settings(max_examples=tries(8), stateful_step_count=25, phases=[Phase.generate])
    run_state_machine_as_test(HistoryInItsOwnAccount, settings=some)


TestMemoryHistory = History.TestCase
TestSqliteHistory = SqliteHistory.TestCase
TestMemoryHistory.settings = settings(max_examples=tries(20), stateful_step_count=25)
TestSqliteHistory.settings = settings(max_examples=tries(15), stateful_step_count=25)
