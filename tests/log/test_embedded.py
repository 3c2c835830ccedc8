"""The log in files, beyond the contract suite: failing disks and bounds."""

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
from floorcast.log.appender import Observe
from floorcast.log.data_folder import DataFolder
from floorcast.log.embedded import EmbeddedLog
from floorcast.log.port import Appended, Entry
from floorcast.log.tuning import Tuning
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


class House:
    """A log in a folder, with its clock and its event loop."""

    def __init__(self, path: Path, tuning: Tuning = QUICK) -> None:
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
def a_house(path: Path, tuning: Tuning = QUICK) -> Iterator[House]:
    house = House(path, tuning)
    try:
        yield house
    finally:
        house.close()


def payloads(log: EmbeddedLog) -> list[bytes]:
    return [entry.payload for entry in log.read(ACME, 0, 1000)]


@pytest.mark.parametrize("fault", ["full", "write", "sync"])
def test_a_failed_commit_leaves_nothing(tmp_path: Path, fault: Fault) -> None:
    """None of its events is ever readable. Once the disk works, the same events are new."""
    with failing_disk("log.db") as disk, a_house(tmp_path) as house:
        house.append("a")
        disk.faults = {fault}
        for _ in range(2):
            with pytest.raises(Unavailable, match="cannot be written"):
                house.append("b", "c")
        assert disk.failed
        assert (house.log.head(ACME).number, house.log.healthy) == (1, False)
        disk.works()
        assert house.append("b", "c") == Appended(2, ())
        assert (house.log.head(ACME).number, house.log.healthy) == (2, True)
        house.reopen()
        assert payloads(house.log) == [
            b"\n".join(batch(ACME, names).lines) for names in ("a", "bc")
        ]
        assert house.append("a", "b", "c").duplicates == [0, 1, 2]


@pytest.mark.parametrize("fault", ["full", "write", "sync"])
def test_a_failed_commit_does_not_come_back_after_a_crash(tmp_path: Path, fault: Fault) -> None:
    """What a failed commit left in the write-ahead log is overwritten."""
    with failing_disk("log.db-wal") as disk, a_house(tmp_path / "house") as house:
        house.append("a")
        disk.once = True
        disk.faults = {fault}
        with pytest.raises(Unavailable):
            house.append("b" * 50_000)
        shutil.copytree(tmp_path / "house", tmp_path / "after the crash")
    with a_house(tmp_path / "after the crash") as house:
        assert house.log.head(ACME).number == 1
        assert house.append("b" * 50_000) == Appended(2, ())


@pytest.mark.parametrize("once", [True, False])
def test_all_that_is_under_way_fails_with_a_group(tmp_path: Path, once: bool) -> None:
    """Later batches depend on earlier ones, so none is stored even if the disk works again."""
    tuning = replace(QUICK, group_writes=1)
    with failing_disk("log.db") as disk, a_house(tmp_path, tuning) as house:
        house.append("a")

        async def many() -> list[Appended | BaseException]:
            work = [house.log.append(batch(ACME, [str(n), "a"])) for n in range(9)]
            work.append(house.log.append(batch(ACME, ["1", "a"])))
            return await asyncio.gather(*work, return_exceptions=True)

        disk.once = once
        disk.faults = {"full"}
        assert {type(each) for each in house.run(many())} == {Unavailable}
        disk.works()
        house.reopen()
        assert house.log.head(ACME).number == 1
        done = house.run(many())
        assert [each.duplicates for each in done if isinstance(each, Appended)] == (
            [[1]] * 9 + [[0, 1]]
        )
        assert house.log.head(ACME).number == 10


def test_the_first_entry_of_a_client_may_fail(tmp_path: Path) -> None:
    """The client's stream then begins with the first stored entry."""
    with failing_disk("log.db") as disk, a_house(tmp_path) as house:
        disk.faults = {"full"}
        with pytest.raises(Unavailable):
            house.append("a")
        assert house.log.clients() == []
        disk.works()
        assert house.append("a") == Appended(1, ())
        house.run(house.log.append_site(8, b"{}"))
        house.reopen()
        assert house.log.clients() == [8, ACME]


def test_a_failed_read_is_told(tmp_path: Path) -> None:
    """Reading raises an error until the disk can be read again."""
    with failing_disk("log.db") as disk, a_house(tmp_path) as house:
        house.append("x" * 300_000)
        house.reopen()
        disk.faults = {"read"}
        with pytest.raises(Unavailable, match="cannot be read"):
            house.log.read(ACME, 0, 1)
        disk.works()
        assert len(house.log.read(ACME, 0, 1)) == 1


def test_keys_that_cannot_be_read_stop_the_append(tmp_path: Path) -> None:
    """Otherwise an event could be stored twice."""
    tuning = replace(QUICK, memtable_keys=2, keys_cache_kib=0)
    with failing_disk("keys.db") as disk, a_house(tmp_path, tuning) as house:
        house.append("a", "b")
        house.append("c")
        house.reopen()
        disk.faults = {"read"}
        with pytest.raises(Unavailable):
            house.append("a", "d")
        disk.works()
        assert house.append("a", "d").duplicates == [0]


def test_keys_that_cannot_be_stored_do_not_stop_the_log(tmp_path: Path) -> None:
    """The keys wait in memory up to a limit. Then the log refuses appends until they are stored."""
    tuning = replace(QUICK, memtable_keys=2, keys_backlog_bytes=5 * sorted_runs.KEY_BYTES)
    with failing_disk("keys.db") as disk, a_house(tmp_path, tuning) as house:
        disk.faults = {"full"}
        recorded_at = house.append_until_refused()
        assert 4 <= recorded_at < 12
        disk.works()
    with a_house(tmp_path) as house:
        names = [str(number) for number in range(recorded_at + 1)]
        assert house.append(*names).duplicates == list(range(recorded_at))


def test_what_is_under_way_is_bounded(tmp_path: Path) -> None:
    """Further appends are refused before anything is stored. A single append is never refused."""
    with a_house(tmp_path, replace(QUICK, in_flight_events=5)) as house:

        async def three() -> list[Appended | BaseException]:
            work = [house.log.append(batch(ACME, names)) for names in ("abc", "def", "gh")]
            return await asyncio.gather(*work, return_exceptions=True)

        first, second, third = house.run(three())
        assert (first, third) == (Appended(1, ()), Appended(2, ()))
        assert isinstance(second, Unavailable)
        assert house.append("a", *"123456").number == 3
        assert len(payloads(house.log)) == 3


def test_appends_share_a_commit(tmp_path: Path) -> None:
    """Appends that arrive while the disk is busy are stored together."""
    commits: list[float] = []
    folder, clock = DataFolder(tmp_path), Clock()

    async def work() -> None:
        log = EmbeddedLog(folder, clock, observe=Observe(lambda _: None, commits.append))
        await log.append(batch(ACME, "a"))
        await asyncio.gather(*(log.append(batch(ACME, [str(n)] * 2)) for n in range(50)))
        await log.close()

    asyncio.run(work())
    folder.release()
    assert sum(commits) == 51
    assert len(commits) < 51


def test_retention_goes_on_while_the_log_is_written(tmp_path: Path) -> None:
    """Retention runs on its own, and the file's pages are reused."""
    with a_house(tmp_path, replace(QUICK, wal=WalSizes(full_bytes=100_000))) as house:
        sizes = []
        for day in range(6):
            for number in range(40):
                house.append(f"{day}/{number}" + "x" * 5_000)
                house.clock.ticks += HOUR
            house.run(retained(house.log, house.clock))
            sizes.append((tmp_path / "log.db").stat().st_size)
        assert house.log.removed(ACME) >= 6 * 40 - 27
        assert sizes[-1] < 6 * 40 * 10_000 / 2, "half of what was appended"


def test_the_keys_are_made_again_when_they_are_gone(tmp_path: Path) -> None:
    """The keys are derived from the log, and no event is stored twice."""
    names = [str(number) for number in range(20)]
    with a_house(tmp_path, replace(QUICK, memtable_keys=3)) as house:
        for name in names:
            house.append(name)
    remove(tmp_path / "keys.db")
    with a_house(tmp_path) as house:
        assert house.append(*names).duplicates == list(range(20))


def test_keys_of_a_lost_future_are_not_believed(tmp_path: Path) -> None:
    """After a backup is restored, events that are newer than the backup are new to the log."""
    tuning = replace(QUICK, memtable_keys=2)
    house_path, backup = tmp_path / "house", tmp_path / "backup"
    with a_house(house_path, tuning) as house:
        house.append("a")
    shutil.copytree(house_path, backup)
    with a_house(house_path, tuning) as house:
        for name in "bcdef":
            house.append(name)
    shutil.copy(house_path / "keys.db", backup / "keys.db")
    with a_house(backup, tuning) as house:
        assert house.append(*"abcdef").duplicates == [0]


def test_a_log_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    """The message contains both versions, and the file is not changed."""
    with a_house(tmp_path) as house:
        house.append("a")
    connection = apsw.Connection(str(tmp_path / "log.db"))
    connection.pragma("user_version", 99)
    connection.close()
    folder = DataFolder(tmp_path)
    with pytest.raises(SettingError, match="newer release of floorcast: its schema is 99"):
        EmbeddedLog(folder, Clock())
    folder.release()


@pytest.mark.parametrize("content", [b"", b"not a database at all", b"x" * 100_000])
def test_a_file_that_is_no_log_is_refused(tmp_path: Path, content: bytes) -> None:
    """Any other file of that name is refused. An empty file is an empty log."""
    (tmp_path / "log.db").write_bytes(content)
    folder = DataFolder(tmp_path)
    if content:
        with pytest.raises(SettingError, match=r"log\.db cannot be opened"):
            EmbeddedLog(folder, Clock())
    else:
        asyncio.run(EmbeddedLog(folder, Clock()).close())
    folder.release()


def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
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
    with a_house(tmp_path, replace(QUICK, read_bytes=1000)) as house:
        for size in (4000, 5000, 10, 20, 30):
            house.append("x" * size)
        numbers = [[e.number for e in house.log.read(ACME, after, 9)] for after in (0, 1, 2)]
        assert numbers == [[1], [2], [3, 4, 5]]


def test_live_entries_carry_their_events(tmp_path: Path) -> None:
    """Followers in the process need not decode the events again. Duplicates are left out."""
    with a_house(tmp_path) as house:
        house.append("b")

        async def follow() -> Entry:
            following = house.log.follow(ACME, 1)
            coming = asyncio.ensure_future(anext(following))
            await asyncio.sleep(0)
            await house.log.append(batch(ACME, "abc"))
            entry = await coming
            await following.aclose()
            return entry

        entry = house.run(follow())
        assert entry.events is not None
        assert [event.id for event in entry.events] == ["a", "c"]
        assert entry.count == 2


@pytest.mark.parametrize("damage", ["a key", "a page of keys", "a page of runs", "fingerprints"])
def test_damaged_keys_are_made_anew_while_the_log_is_open(tmp_path: Path, damage: str) -> None:
    """No event is stored twice, and ingest resumes on its own."""
    tuning = replace(QUICK, memtable_keys=40, keys_cache_kib=0)
    names = [f"event {number}/" for number in range(400)]
    with a_house(tmp_path, tuning) as house:
        for start in range(0, 400, 20):
            house.append(*names[start : start + 20])
    keys = tmp_path / "keys.db"
    if damage == "a key":
        flip(keys, b"event 123/")
    elif damage == "fingerprints":
        connection = apsw.Connection(str(keys))
        connection.execute("UPDATE marks SET marks = zeroblob(length(marks))")
        connection.close()
    else:
        zero_page(keys, leaf_of(keys, damage.rsplit(" ", 1)[1], 0))
    with capture_logs() as logged, a_house(tmp_path, tuning) as house:

        async def taken(*events: str) -> Appended:
            while True:
                try:
                    appended = await house.log.append(batch(ACME, events))
                except Unavailable:  # keys wait for the disk during the rebuild
                    await asyncio.sleep(0)
                    continue
                if damage != "a key" or reloaded():
                    return appended

        def reloaded() -> bool:
            return "derived_data_damaged" in {one["event"] for one in logged}

        if damage == "a key":  # found in the background, before that key is looked up
            house.run(until(reloaded))
        assert house.run(taken(*names)).duplicates == list(range(400))
        assert reloaded()
        assert house.run(taken("new")) == Appended(house.log.head(ACME).number, ())
