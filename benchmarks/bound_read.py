"""Measures the machine's upper bound for reading stored events, compared with the store.

Events have 700 bytes, and a row has 1,000 events. Run: ``python -m benchmarks.bound_read``.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from array import array
from pathlib import Path

import apsw

from benchmarks.bound_events import report
from floorcast.model.token import system_now
from floorcast.store.projection_store import ProjectionStore
from floorcast.store.segment import Segment

SEGMENTS = 500
EVENTS = 1000
BODY = b"\n".join([b'{"x":"%s"}' % (b"y" * 690)] * EVENTS)
OFFSETS = array("I", range(0, len(BODY) + 1, len(BODY) // EVENTS + 1)).tobytes()


def raw_read(folder: Path) -> float:
    """Return the events per second when single rows are read by their numbers."""
    connection = apsw.Connection(str(folder / "raw.db"))
    connection.pragma("page_size", 8192)
    connection.pragma("journal_mode", "WAL")
    connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, body BLOB)")
    with connection:
        for _ in range(SEGMENTS):
            connection.execute("INSERT INTO rows (body) VALUES (?)", (BODY,))
    begun = time.perf_counter()
    for number in range(1, SEGMENTS + 1):
        connection.execute("SELECT body FROM rows WHERE id = ?", (number,)).fetchone()
    rate = SEGMENTS * EVENTS / (time.perf_counter() - begun)
    connection.close()
    return rate


async def store_write_and_read(folder: Path) -> tuple[float, float]:
    """Return the events per second that the store writes, and that it reads by segment."""
    store = ProjectionStore(folder / "mirror.db", system_now, identity="bench", heads={})
    begun = time.perf_counter()
    for number in range(SEGMENTS):
        store.write_segment(1, "interaction", _segment(number * EVENTS + 1))
        if store.is_full():
            await _stored(store)
    await _stored(store)
    written = SEGMENTS * EVENTS / (time.perf_counter() - begun)
    begun = time.perf_counter()
    after = 0
    while heads := store.segments(1, "interaction", after, 1):
        store.segment(1, "interaction", heads[0])
        after = heads[0].last
    read = SEGMENTS * EVENTS / (time.perf_counter() - begun)
    await store.close()
    return written, read


async def _stored(store: ProjectionStore) -> None:
    while store.backlog:  # noqa: ASYNC110 -- the writer's thread sets no event
        await asyncio.sleep(0.001)


def _segment(first: int) -> Segment:
    now = system_now()
    return Segment(
        first=first,
        last=first + EVENTS - 1,
        first_recorded_at=now,
        last_recorded_at=now,
        count=EVENTS,
        table=(("VOICE", 1, 2),),
        positions=array("Q", range(first, first + EVENTS)).tobytes(),
        classes=bytes(2 * EVENTS),
        offsets=OFFSETS,
        body=BODY,
    )


def main() -> None:
    """Print the bound and the store's figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = raw_read(folder)
        written, read = asyncio.run(store_write_and_read(folder))
    figures = [("raw rows", raw), ("store: written", written), ("store: read back", read)]
    report("stored events of 700 bytes, 1,000 in a row", figures)
    print(f"  the store reads at {read / raw:.2f} of the raw rate")


if __name__ == "__main__":
    main()
