"""Tests that damage to the log is reported, affects only one client, and can be skipped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from floorcast.log.damage import damaged_entries, skip_entry
from floorcast.log.data_folder import DataFolder
from floorcast.log.embedded import EmbeddedLog
from floorcast.log.port import Appended, Batch, Entry
from floorcast.model.errors import DamagedEntry, SettingError
from floorcast.model.inbound import read_lines
from floorcast.sqlite.files import connect
from floorcast.verify.disk import damaged_files
from tests.contract.test_event_log import QUICK
from tests.log.batches import HOUR, START, Clock, alert_transition, batch
from tests.log.damaging import flip, leaf_of, zero_page
from tests.log.waiting import until

ACME, OTHER = 47415, 8
ENTRIES = 80  # per client, of about 500 bytes each: some thirty per page


async def filled(folder: DataFolder, clock: Clock) -> None:
    log = EmbeddedLog(folder, clock, tuning=QUICK)
    for client in (ACME, OTHER):
        for number in range(1, ENTRIES + 1):
            await log.append(batch(client, [f"{client}-{number}-" + "x" * 180]))
    await log.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Yield a closed data folder with two clients."""
    with DataFolder(tmp_path) as folder:
        asyncio.run(filled(folder, Clock()))
    return tmp_path


def read_all(log: EmbeddedLog, client: int, after: int = 0) -> list[Entry]:
    found: list[Entry] = []
    while some := log.read(client, found[-1].number if found else after, 7):
        found += some
    return found


def numbers(path: Path, client: int) -> list[int]:
    """Return the readable entries, with damaged ones skipped."""
    with DataFolder(path) as folder:

        async def read() -> list[int]:
            log = EmbeddedLog(folder, Clock(), tuning=QUICK)
            try:
                return [entry.number for entry in read_all(log, client)]
            finally:
                await log.close()

        return asyncio.run(read())


def zero_a_leaf(path: Path) -> Sequence[int]:
    """Zero one leaf page of the entries. Returns the numbers of ACME's entries on it."""
    zero_page(path / "log.db", leaf_of(path / "log.db", "entries", 1))
    return [one.number for one in damaged_entries(path) if one.client == ACME]


def test_undamaged_folder_has_no_damage(data: Path) -> None:
    """Neither the entries nor the files are damaged."""
    assert list(damaged_entries(data)) == []
    assert list(damaged_files(data)) == []


def append_lines(path: Path, *lines: bytes) -> None:
    """Append an entry with these lines to ACME's log."""
    with DataFolder(path) as folder:

        async def append() -> None:
            log = EmbeddedLog(folder, Clock(), tuning=QUICK)
            await log.append(Batch(ACME, lines, read_lines(b"\n".join(lines))))
            await log.close()

        asyncio.run(append())


def test_events_that_only_servers_write_are_not_damage(data: Path) -> None:
    """An alert's change, and an event of a newer release, are sound and cannot be skipped."""
    append_lines(data, alert_transition(), b'{"id":"1","source":"new","type":"new.type"}')
    assert list(damaged_entries(data)) == []
    assert list(damaged_files(data)) == []
    with pytest.raises(SettingError, match="is not damaged"):
        skip_entry(data, ACME, ENTRIES + 1)


def test_line_that_is_no_event_is_damage(data: Path) -> None:
    """A line without an id and a source is reported, although its checksum is right."""
    append_lines(data, alert_transition(), b'{"id":"1"')
    (found,) = damaged_entries(data)
    assert (found.number, found.why) == (
        ENTRIES + 1,
        "its event 2 cannot be read: it has no id and source",
    )


def test_flipped_byte_is_reported_with_client_entry_and_time(data: Path) -> None:
    """Reading and verification detect the byte, and the entry is never served."""
    flip(data / "log.db", b'"47415-7-xxx')
    (found,) = damaged_entries(data)
    assert (found.client, found.number, found.recorded_at) == (ACME, 7, START + 6)
    with pytest.raises(DamagedEntry, match="entry 7 of client 47415 is damaged") as raised:
        numbers(data, ACME)
    assert raised.value.recorded_at == START + 6
    assert numbers(data, OTHER) == list(range(1, ENTRIES + 1))


def test_skipped_entry_is_left_out(data: Path) -> None:
    """Only that entry is skipped, permanently, and it is not reported again."""
    flip(data / "log.db", b'"47415-7-xxx')
    skip_entry(data, ACME, 7)
    assert numbers(data, ACME) == [*range(1, 7), *range(8, ENTRIES + 1)]
    assert list(damaged_entries(data)) == []


@pytest.mark.parametrize(("client", "number"), [(ACME, 6), (ACME, 99), (ACME, 0), (5, 1)])
def test_undamaged_entry_cannot_be_skipped(data: Path, client: int, number: int) -> None:
    """Neither sound nor missing entries can be skipped."""
    flip(data / "log.db", b'"47415-7-xxx')
    with pytest.raises(SettingError):
        skip_entry(data, client, number)


def test_zeroed_page_damages_only_its_entries(data: Path) -> None:
    """When they are skipped, the client's other entries are served.

    The other client is always served.
    """
    lost = zero_a_leaf(data)
    assert 1 < len(lost) < ENTRIES // 2
    assert list(lost) == list(range(lost[0], lost[-1] + 1))
    assert any(each.file == "log.db" for each in damaged_files(data))
    assert numbers(data, OTHER) == list(range(1, ENTRIES + 1))
    with pytest.raises(DamagedEntry, match=f"entry {lost[0]} of client {ACME}"):
        numbers(data, ACME)
    for number in lost:
        skip_entry(data, ACME, number)
    kept = [number for number in range(1, ENTRIES + 1) if number not in lost]
    assert numbers(data, ACME) == kept


def test_retention_continues_past_a_zeroed_page(data: Path) -> None:
    """Retention removes what it can read, and the numbers advance."""
    lost = zero_a_leaf(data)
    clock = Clock()
    clock.ticks += 40 * HOUR

    async def work(folder: DataFolder) -> Appended:
        log = EmbeddedLog(folder, clock, tuning=QUICK)
        await log.append(batch(ACME, ["new"]))
        await until(lambda: log.last_removed(ACME) == log.last_removed(OTHER) == ENTRIES)
        appended = await log.append(batch(ACME, ["newer"]))
        assert [entry.number for entry in read_all(log, ACME)] == [ENTRIES + 1, ENTRIES + 2]
        await log.close()
        return appended

    with DataFolder(data) as folder, capture_logs() as logged:
        assert asyncio.run(work(folder)) == Appended(ENTRIES + 2, ())
    assert lost[-1] < ENTRIES
    told = [line["client"] for line in logged if line["event"] == "damaged_entries_left"]
    assert len(set(told)) == len(told), "once per client"
    assert numbers(data, ACME) == [ENTRIES + 1, ENTRIES + 2]


def test_damaged_last_entry_stops_only_its_client(data: Path) -> None:
    """Appends for this client fail, and the other client continues."""
    zero_page(data / "log.db", leaf_of(data / "log.db", "entries", -1))

    async def work(folder: DataFolder) -> None:
        log = EmbeddedLog(folder, Clock(), tuning=QUICK)
        assert log.head(OTHER).number < ENTRIES
        for _ in range(2):
            with pytest.raises(DamagedEntry):
                await log.append(batch(OTHER, ["new"]))
        assert (await log.append(batch(ACME, ["new"]))).number == ENTRIES + 1
        assert log.healthy
        await log.close()

    with DataFolder(data) as folder:
        asyncio.run(work(folder))
    assert [one.client for one in damaged_entries(data)] == [OTHER]


def test_entries_of_an_older_release_need_no_checksum(data: Path) -> None:
    """Entries that cannot be decoded are still detected."""
    log = connect(data / "log.db", page_size=4096, synchronous="FULL", cache_kib=100)
    log.execute("UPDATE entries SET checksum = NULL")
    log.close()
    assert numbers(data, ACME) == list(range(1, ENTRIES + 1))
    assert list(damaged_entries(data)) == []
    flip(
        data / "log.db",
        b'{"specversion"' if b'{"specversion"' in (data / "log.db").read_bytes() else b'{"',
    )
    assert len(list(damaged_entries(data))) == 2 * ENTRIES
