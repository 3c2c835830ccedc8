"""Measures durable appends to the event log alone, compared with the machine's bound.

Four concurrent appenders append batches of 1,000 new events with random ids, first to an empty log
and later to a log with a million keys. Run: ``python -m benchmarks.bound_log [stored events]``.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import uvloop

from benchmarks.bound_events import batches, report
from benchmarks.bound_intake import raw_append
from floorcast.log.data_folder import DataFolder
from floorcast.log.embedded import EmbeddedLog
from floorcast.log.port import Batch
from floorcast.model.inbound import InboundEvent
from floorcast.model.token import system_now

APPENDERS = 4
ROUND = 100  # batches per measurement; they are created before it starts
_decoder = msgspec.json.Decoder(InboundEvent)


async def append_round(log: EmbeddedLog, seed: int) -> tuple[float, float]:
    """Append a round. Returns the events per second, and the events per second of CPU time.

    CPU time is that of the event loop's thread.
    """
    made = [
        Batch(1, lines, [_decoder.decode(line) for line in lines]) for lines in batches(seed, ROUND)
    ]
    left = iter(made)

    async def appender() -> None:
        for batch in left:
            appended = await log.append(batch)
            assert not appended.duplicates

    gc.collect()
    gc.freeze()
    begun, own = time.perf_counter(), time.thread_time()
    await asyncio.gather(*(appender() for _ in range(APPENDERS)))
    wall, own = time.perf_counter() - begun, time.thread_time() - own
    gc.unfreeze()
    count = sum(len(batch.lines) for batch in made)
    return count / wall, count / own


async def measure(path: Path, stored: int) -> list[tuple[str, float]]:
    """Append this many events and one more round. Returns figures of the first and last round."""
    folder = DataFolder(path)
    log = EmbeddedLog(folder, system_now)
    figures: list[tuple[str, float]] = []
    rounds = max(stored // (ROUND * 1000), 1)
    for number in range(rounds + 1):
        rate, own = await append_round(log, number)
        if number in {0, rounds}:
            held = f"{number * ROUND * 1000:,} stored"
            figures += [(f"log, {held}", rate), (f"log, {held}: event loop alone", own)]
    await log.close()
    begun = time.perf_counter()
    log = EmbeddedLog(folder, system_now)
    count = (rounds + 1) * ROUND * 1000
    figures.append(("log, opened again", count / (time.perf_counter() - begun)))
    await log.close()
    folder.release()
    return figures


def main() -> None:
    """Print the log's figures and the bound."""
    stored = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        raw = raw_append(Path(name), batches(0, ROUND))
        figures = uvloop.run(measure(Path(name) / "data", stored))
    report("durable appends of 1,000 events", [("raw rows, flushed", raw), *figures])


if __name__ == "__main__":
    main()
