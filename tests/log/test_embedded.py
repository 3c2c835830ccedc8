"""Tests of the log in files, in addition to the contract: failing disks and bounds."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import apsw
import pytest
from structlog.testing import capture_logs

from floorcast.log import sorted_runs
from floorcast.log.appender import CommitObserver
from floorcast.log.data_folder import DataFolder
from floorcast.log.embedded import EmbeddedLog
from floorcast.log.port import Appended, Entry
from floorcast.log.tuning import LogTuning
from floorcast.log.write_ahead_log import WalSizes
from floorcast.model.errors import SettingError, Unavailable
from floorcast.sqlite.files import remove
from tests.contract.test_event_log import QUICK, retained
from tests.log.batches import HOUR, Clock, batch
from tests.log.damaging import flip, leaf_of, zero_page
from tests.log.faults import Fault, failing_disk
from tests.log.waiting import until

T = TypeVar("T")
ACME = 47415


class Harness:
    """A log in a folder, with its clock and its event loop."""

    def __init__(self, path: Path, tuning: LogTuning = QUICK) -> None:
        self.tuning = tuning
        self.folder = DataFolder(path)
        self.clock = Clock()
        self.runner = asyncio.Runner()
        self.log = EmbeddedLog(self.folder, self.clock, tuning=self.tuning)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def append(self, *names: str) -> Appended:
        return self.run(self.log.append(batch(ACME, names)))

    def append_until_refused(self) -> int:
        """Append 0, 1, 2 … and return the first number that was refused."""
        for number in count():
            try:
                self.append(str(number))
            except Unavailable:
                return number
        raise AssertionError

    def reopen(self) -> None:
        self.run(self.log.close())
        self.log = EmbeddedLog(self.folder, self.clock, tuning=self.tuning)

    def close(self) -> None:
        self.run(self.log.close())
        self.runner.close()
        self.folder.release()


@contextmanager
def open_harness(path: Path, tuning: LogTuning = QUICK) -> Iterator[Harness]:
    harness = Harness(path, tuning)
    try:
        yield harness
    finally:
        harness.close()


def payloads(log: EmbeddedLog) -> list[bytes]:
    return [entry.payload for entry in log.read(ACME, 0, 1000)]


@pytest.mark.parametrize("fault", ["full", "write", "sync"])
def test_failed_commit_leaves_no_events(tmp_path: Path, fault: Fault) -> None:
    """None of its events is ever readable. Once the disk works, the same events are new."""
    with failing_disk("log.db") as disk, open_harness(tmp_path) as harness:
        harness.append("a")
        disk.faults = {fault}
        for _ in range(2):
            with pytest.raises(Unavailable, match="cannot be written"):
                harness.append("b", "c")
        assert disk.failed
        assert (harness.log.head(ACME).number, harness.log.healthy) == (1, False)
        disk.repair()
        assert harness.append("b", "c") == Appended(2, ())
        assert (harness.log.head(ACME).number, harness.log.healthy) == (2, True)
        harness.reopen()
        assert payloads(harness.log) == [
            b"\n".join(batch(ACME, names).lines) for names in ("a", "bc")
        ]
        assert harness.append("a", "b", "c").duplicates == [0, 1, 2]


@pytest.mark.parametrize("fault", ["full", "write", "sync"])
def test_failed_commit_does_not_reappear_after_a_crash(tmp_path: Path, fault: Fault) -> None:
    """What a failed commit left in the write-ahead log is overwritten."""
    with failing_disk("log.db-wal") as disk, open_harness(tmp_path / "data") as harness:
        harness.append("a")
        disk.once = True
        disk.faults = {fault}
        with pytest.raises(Unavailable):
            harness.append("b" * 50_000)
        shutil.copytree(tmp_path / "data", tmp_path / "after the crash")
    with open_harness(tmp_path / "after the crash") as harness:
        assert harness.log.head(ACME).number == 1
        assert harness.append("b" * 50_000) == Appended(2, ())


@pytest.mark.parametrize("once", [True, False])
def test_pending_batches_fail_with_a_failed_group(tmp_path: Path, once: bool) -> None:
    """Later batches depend on earlier ones, so none is stored even if the disk works again."""
    tuning = replace(QUICK, group_writes=1)
    with failing_disk("log.db") as disk, open_harness(tmp_path, tuning) as harness:
        harness.append("a")

        async def many() -> list[Appended | BaseException]:
            work = [harness.log.append(batch(ACME, [str(n), "a"])) for n in range(9)]
            work.append(harness.log.append(batch(ACME, ["1", "a"])))
            return await asyncio.gather(*work, return_exceptions=True)

        disk.once = once
        disk.faults = {"full"}
        assert {type(each) for each in harness.run(many())} == {Unavailable}
        disk.repair()
        harness.reopen()
        assert harness.log.head(ACME).number == 1
        done = harness.run(many())
        assert [each.duplicates for each in done if isinstance(each, Appended)] == (
            [[1]] * 9 + [[0, 1]]
        )
        assert harness.log.head(ACME).number == 10


def test_first_entry_of_a_client_can_fail(tmp_path: Path) -> None:
    """The client's stream then begins with the first stored entry."""
    with failing_disk("log.db") as disk, open_harness(tmp_path) as harness:
        disk.faults = {"full"}
        with pytest.raises(Unavailable):
            harness.append("a")
        assert harness.log.clients() == []
        disk.repair()
        assert harness.append("a") == Appended(1, ())
        harness.run(harness.log.append_site(8, b"{}"))
        harness.reopen()
        assert harness.log.clients() == [8, ACME]


def test_failed_read_raises_an_error(tmp_path: Path) -> None:
    """Reading raises an error until the disk can be read again."""
    with failing_disk("log.db") as disk, open_harness(tmp_path) as harness:
        harness.append("x" * 300_000)
        harness.reopen()
        disk.faults = {"read"}
        with pytest.raises(Unavailable, match="cannot be read"):
            harness.log.read(ACME, 0, 1)
        disk.repair()
        assert len(harness.log.read(ACME, 0, 1)) == 1


def test_append_fails_if_keys_cannot_be_read(tmp_path: Path) -> None:
    """Otherwise an event could be stored twice."""
    tuning = replace(QUICK, memtable_keys=2, keys_cache_kib=0)
    with failing_disk("keys.db") as disk, open_harness(tmp_path, tuning) as harness:
        harness.append("a", "b")
        harness.append("c")
        harness.reopen()
        disk.faults = {"read"}
        with pytest.raises(Unavailable):
            harness.append("a", "d")
        disk.repair()
        assert harness.append("a", "d").duplicates == [0]


def test_log_accepts_a_limited_number_of_unstored_keys(tmp_path: Path) -> None:
    """The keys wait in memory up to a limit. Then the log refuses appends until they are stored."""
    tuning = replace(QUICK, memtable_keys=2, keys_backlog_bytes=5 * sorted_runs.KEY_BYTES)
    with failing_disk("keys.db") as disk, open_harness(tmp_path, tuning) as harness:
        disk.faults = {"full"}
        recorded_at = harness.append_until_refused()
        assert 4 <= recorded_at < 12
        disk.repair()
    with open_harness(tmp_path) as harness:
        names = [str(number) for number in range(recorded_at + 1)]
        assert harness.append(*names).duplicates == list(range(recorded_at))


def test_pending_appends_are_limited(tmp_path: Path) -> None:
    """Further appends are refused before anything is stored. A single append is never refused."""
    with open_harness(tmp_path, replace(QUICK, in_flight_events=5)) as harness:

        async def three() -> list[Appended | BaseException]:
            work = [harness.log.append(batch(ACME, names)) for names in ("abc", "def", "gh")]
            return await asyncio.gather(*work, return_exceptions=True)

        first, second, third = harness.run(three())
        assert (first, third) == (Appended(1, ()), Appended(2, ()))
        assert isinstance(second, Unavailable)
        assert harness.append("a", *"123456").number == 3
        assert len(payloads(harness.log)) == 3


def test_concurrent_appends_share_a_commit(tmp_path: Path) -> None:
    """Appends that arrive while the disk is busy are stored together."""
    commits: list[float] = []
    folder, clock = DataFolder(tmp_path), Clock()

    async def work() -> None:
        log = EmbeddedLog(folder, clock, observer=CommitObserver(lambda _: None, commits.append))
        await log.append(batch(ACME, "a"))
        await asyncio.gather(*(log.append(batch(ACME, [str(n)] * 2)) for n in range(50)))
        await log.close()

    asyncio.run(work())
    folder.release()
    assert sum(commits) == 51
    assert len(commits) < 51


def test_retention_runs_while_the_log_is_written(tmp_path: Path) -> None:
    """Retention runs on its own, and the file's pages are reused."""
    with open_harness(
        tmp_path, replace(QUICK, wal=WalSizes(checkpoint_at_bytes=100_000))
    ) as harness:
        sizes = []
        for day in range(6):
            for number in range(40):
                harness.append(f"{day}/{number}" + "x" * 5_000)
                harness.clock.ticks += HOUR
            harness.run(retained(harness.log, harness.clock))
            sizes.append((tmp_path / "log.db").stat().st_size)
        assert harness.log.last_removed(ACME) >= 6 * 40 - 27
        assert sizes[-1] < 6 * 40 * 10_000 / 2, "half of what was appended"


def test_missing_keys_are_rebuilt_from_the_log(tmp_path: Path) -> None:
    """The keys are derived from the log, and no event is stored twice."""
    names = [str(number) for number in range(20)]
    with open_harness(tmp_path, replace(QUICK, memtable_keys=3)) as harness:
        for name in names:
            harness.append(name)
    remove(tmp_path / "keys.db")
    with open_harness(tmp_path) as harness:
        assert harness.append(*names).duplicates == list(range(20))


def test_keys_newer_than_a_restored_log_are_discarded(tmp_path: Path) -> None:
    """After a backup is restored, events that are newer than the backup are new to the log."""
    tuning = replace(QUICK, memtable_keys=2)
    data_path, backup = tmp_path / "data", tmp_path / "backup"
    with open_harness(data_path, tuning) as harness:
        harness.append("a")
    shutil.copytree(data_path, backup)
    with open_harness(data_path, tuning) as harness:
        for name in "bcdef":
            harness.append(name)
    shutil.copy(data_path / "keys.db", backup / "keys.db")
    with open_harness(backup, tuning) as harness:
        assert harness.append(*"abcdef").duplicates == [0]


def test_log_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    """The message contains both versions, and the file is not changed."""
    with open_harness(tmp_path) as harness:
        harness.append("a")
    connection = apsw.Connection(str(tmp_path / "log.db"))
    connection.pragma("user_version", 99)
    connection.close()
    folder = DataFolder(tmp_path)
    with pytest.raises(SettingError, match="newer release of floorcast: its schema is 99"):
        EmbeddedLog(folder, Clock())
    folder.release()


@pytest.mark.parametrize("content", [b"", b"not a database at all", b"x" * 100_000])
def test_file_that_is_not_a_log_is_refused(tmp_path: Path, content: bytes) -> None:
    """Any other file of that name is refused. An empty file is an empty log."""
    (tmp_path / "log.db").write_bytes(content)
    folder = DataFolder(tmp_path)
    if content:
        with pytest.raises(SettingError, match=r"log\.db cannot be opened"):
            EmbeddedLog(folder, Clock())
    else:
        asyncio.run(EmbeddedLog(folder, Clock()).close())
    folder.release()


def test_database_of_another_program_is_refused(tmp_path: Path) -> None:
    """Databases of other programs are not changed."""
    connection = apsw.Connection(str(tmp_path / "log.db"))
    connection.execute("CREATE TABLE recipes (name)")
    connection.close()
    folder = DataFolder(tmp_path)
    with pytest.raises(SettingError, match="is the database of another program"):
        EmbeddedLog(folder, Clock())
    folder.release()


def test_large_entries_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    """At least one entry is read, and at most as many as the event loop has time for."""
    with open_harness(tmp_path, replace(QUICK, read_bytes=1000)) as harness:
        for size in (4000, 5000, 10, 20, 30):
            harness.append("x" * size)
        numbers = [[e.number for e in harness.log.read(ACME, after, 9)] for after in (0, 1, 2)]
        assert numbers == [[1], [2], [3, 4, 5]]


def test_live_entries_include_decoded_events(tmp_path: Path) -> None:
    """Followers in the process need not decode the events again. Duplicates are left out."""
    with open_harness(tmp_path) as harness:
        harness.append("b")

        async def follow() -> Entry:
            following = harness.log.follow(ACME, 1)
            coming = asyncio.ensure_future(anext(following))
            await asyncio.sleep(0)
            await harness.log.append(batch(ACME, "abc"))
            entry = await coming
            await following.aclose()
            return entry

        entry = harness.run(follow())
        assert entry.events is not None
        assert [event.id for event in entry.events] == ["a", "c"]
        assert entry.count == 2


@pytest.mark.parametrize("damage", ["a key", "a page of keys", "a page of runs", "fingerprints"])
def test_damaged_keys_are_rebuilt_while_the_log_is_open(tmp_path: Path, damage: str) -> None:
    """No event is stored twice, and ingest resumes on its own."""
    tuning = replace(QUICK, memtable_keys=40, keys_cache_kib=0)
    names = [f"event {number}/" for number in range(400)]
    with open_harness(tmp_path, tuning) as harness:
        for start in range(0, 400, 20):
            harness.append(*names[start : start + 20])
    keys = tmp_path / "keys.db"
    if damage == "a key":
        flip(keys, b"event 123/")
    elif damage == "fingerprints":
        connection = apsw.Connection(str(keys))
        connection.execute("UPDATE marks SET marks = zeroblob(length(marks))")
        connection.close()
    else:
        zero_page(keys, leaf_of(keys, damage.rsplit(" ", 1)[1], 0))
    with capture_logs() as logged, open_harness(tmp_path, tuning) as harness:

        async def taken(*events: str) -> Appended:
            while True:
                try:
                    appended = await harness.log.append(batch(ACME, events))
                except Unavailable:  # keys wait for the disk during the rebuild
                    await asyncio.sleep(0)
                    continue
                if damage != "a key" or reloaded():
                    return appended

        def reloaded() -> bool:
            return "derived_data_damaged" in {one["event"] for one in logged}

        if damage == "a key":  # found in the background, before that key is looked up
            harness.run(until(reloaded))
        assert harness.run(taken(*names)).duplicates == list(range(400))
        assert reloaded()
        assert harness.run(taken("new")) == Appended(harness.log.head(ACME).number, ())
