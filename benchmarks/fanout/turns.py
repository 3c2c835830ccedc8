"""Measures the turns of floorcast's event loop.

    python -m benchmarks.fanout.turns [--readers 5000] [--rate 1000] [--seconds 10]

A timer is due every millisecond. Its delay is the length of the turn that it had to wait for. The
thread's CPU time shows how much of this length the loop worked, and did not wait for a busy CPU.
Turns during which readers connect or disconnect are reported separately.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EVERY = 0.001  # seconds
PROGRAM = (sys.executable, "-m", "benchmarks.fanout.turns")
LONG = 0.010  # seconds; no turn should take longer


def watched() -> None:
    """Run ``floorcast``, and write the measurements to the file named by ``TURNS``."""
    from floorcast.cli.app import main  # noqa: PLC0415 -- only the measured process needs it
    from floorcast.server.node import Node  # noqa: PLC0415 -- as above

    late: list[tuple[float, float, float]] = []
    start = Node.start

    async def started(node: Node) -> None:
        await start(node)
        loop = asyncio.get_running_loop()
        seen = [loop.time(), time.thread_time()]

        def look() -> None:
            now, worked = time.perf_counter(), time.thread_time()
            late.append((now, now - seen[0] - EVERY, worked - seen[1]))
            seen[:] = now, worked
            loop.call_later(EVERY, look)

        seen[:] = time.perf_counter(), time.thread_time()
        loop.call_later(EVERY, look)

    Node.start = started  # type: ignore[assignment, method-assign]  # measures the loop from inside
    try:
        main()
    finally:
        lines = (f"{at:.6f} {wall:.6f} {worked:.6f}" for at, wall, worked in late)
        Path(os.environ["TURNS"]).write_text("\n".join(lines))


def main() -> None:
    """Run a load against a measured server, and print its longest turns."""
    from benchmarks.fanout import servers  # noqa: PLC0415 -- not for the measured process
    from benchmarks.fanout.run import HERE, measure  # noqa: PLC0415 -- as above

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--readers", type=int, default=5000)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        load = Path(scratch, "load")
        subprocess.run(["gcc", "-O2", "-o", str(load), str(HERE / "load.c")], check=True)
        os.environ["TURNS"] = str(Path(scratch, "turns"))
        (folder := Path(scratch, "run")).mkdir()
        with servers.floorcast(folder, program=PROGRAM) as server:
            found = measure(load, server, options.readers, options.rate, options.seconds)
        lines = Path(scratch, "turns").read_text().split("\n")
    turns = [tuple(map(float, line.split())) for line in lines]
    begun, ended = found.offered
    print(f"{found.rate:,.0f} deliveries a second")
    tell("while it ran", [turn for turn in turns if begun <= turn[0] <= ended])
    tell("readers coming and going", [turn for turn in turns if not begun <= turn[0] <= ended])


def tell(when: str, turns: list[tuple[float, ...]]) -> None:
    """Print the 99th percentile and the maximum of the turns, and the number of long turns."""
    print(f"{when}: {len(turns):,} looks")
    for name, column in (("took", 1), ("worked", 2)):
        times = sorted(turn[column] * 1000 for turn in turns)
        long = sum(one > LONG * 1000 for one in times)
        print(
            f"  a turn {name:<7} p99 {times[int(len(times) * 0.99)]:6.2f} ms"
            f"   longest {times[-1]:6.2f} ms   over {LONG * 1000:.0f} ms: {long}"
        )


if __name__ == "__main__":
    if "TURNS" in os.environ:
        watched()
    else:
        main()
