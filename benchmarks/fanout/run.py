"""Measures fan-out from one source to many readers, compared with nchan and a Python app.

    python -m benchmarks.fanout.run [--readers 100 1000 5000] [--rates 100 1000] [--seconds 10]
                                    [--folder DIR]

Each server in turn receives events at the same rate from a source that the server cannot slow down.
For each server, the benchmark prints the deliveries per second while the source sends, the share of
deliveries that arrive by ``GRACE`` seconds after that, the time from the source to a reader, the
CPU time per delivery, and the memory per reader.

Only floorcast flushes each event to disk before a reader receives it. Its times therefore include
the flush time of the disk with ``--folder``, which is printed before each table. ``in-memory`` is
floorcast with its folder in memory, where the disk cannot delay it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.fanout.servers import KINDS, MEMORY, MODULES, Server

GRACE = 1.0  # seconds after the last event during which deliveries still count
CONNECTIONS = 64  # of the source
HERE = Path(__file__).parent


class Found(NamedTuple):
    """The results of one run with one server."""

    rate: float
    share: float
    p50: float  # ms
    p99: float  # ms
    processor: float  # microseconds per delivery
    memory: float  # KiB per reader
    lost: int  # readers whose connection broke
    offered: tuple[float, float]  # start and end of sending, by time.perf_counter


def measure(load: Path, server: Server, readers: int, rate: int, seconds: float) -> Found:
    """Run readers and a source against a server. Returns the results."""
    with tempfile.TemporaryDirectory() as folder:
        subscribe, offer = Path(folder, "subscribe"), Path(folder, "offer")
        subscribe.write_bytes(server.subscribe)
        offer.write_bytes(server.offer)
        memory = server.memory()
        command = [str(load), "read", str(server.port), str(readers), str(subscribe)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as reading:
            assert reading.stdin is not None
            assert reading.stdout is not None
            if reading.stdout.readline() != "ready\n":
                raise RuntimeError("the readers could not begin")
            time.sleep(0.5)
            memory = server.memory() - memory
            before, begun = server.processor(), time.perf_counter()
            offering = [str(load), "offer", str(server.offer_port), str(rate), str(seconds)]
            source = subprocess.Popen(
                [*offering, str(CONNECTIONS), str(offer)], stdout=subprocess.PIPE, text=True
            )
            time.sleep(seconds)
            print("?", file=reading.stdin, flush=True)
            in_time = int(reading.stdout.readline())
            ended = time.perf_counter()
            time.sleep(GRACE)
            processor = server.processor() - before
            print("?", file=reading.stdin, flush=True)
            arrived = int(reading.stdout.readline())
            reading.stdin.close()
            figures = reading.stdout.readline().split()
            source.communicate()
    return Found(
        rate=in_time / seconds,
        share=arrived / (readers * rate * seconds),
        p50=float(figures[1]),
        p99=float(figures[2]),
        processor=1e6 * processor / max(1, arrived),
        memory=memory / 1024 / readers,
        lost=int(figures[5]),
        offered=(begun, ended),
    )


def flushes(folder: Path, count: int = 500) -> list[float]:
    """Return the times that the disk takes to flush an appended page, in ms, sorted."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(count):
            os.write(file.fileno(), bytes(4096))
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - begun) * 1000)
            time.sleep(0.002)
    return sorted(times)


def row(name: str, found: Found, ours: Found) -> str:
    """Return a line of the table, which compares the server's figures with ``ours``."""
    ratios = [
        f"{theirs / own:.2f}" if own else "-"
        for theirs, own in zip(found[:5], ours[:5], strict=True)
    ]
    rate, _, p50, p99, processor = ratios
    return (
        f"  {name:<10}{found.rate:>12,.0f}{found.share:>8.0%}{found.p50:>10.2f}{found.p99:>10.2f}"
        f"{found.processor:>10.2f}{found.memory:>9.1f}{found.lost:>6}"
        f"    {rate:>6} {p50:>8} {p99:>8} {processor:>7}"
    )


def main() -> None:
    """Compile the load generator, measure the servers in turn, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--readers", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--servers", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    has_nchan = shutil.which("nginx") and (MODULES / "ngx_nchan_module.so").exists()
    available = {
        "nchan": bool(has_nchan),
        "in-memory": MEMORY.is_dir(),
        "python": shutil.which("redis-server") is not None,
    }
    servers = [name for name in options.servers if available.get(name, True)]
    for name in set(options.servers) - set(servers):
        print(f"{name}: not available on this machine, left out")
    head = f"{'':<12}{'delivered/s':>12}{'arrived':>8}{'p50 ms':>10}{'p99 ms':>10}"
    head += f"{'cpu µs':>10}{'KiB':>9}{'lost':>6}    of floorcast's: rate, p50, p99, cpu"
    with tempfile.TemporaryDirectory() as scratch:
        load = Path(scratch, "load")
        subprocess.run(["gcc", "-O2", "-o", str(load), str(HERE / "load.c")], check=True)
        for readers in options.readers:
            for rate in options.rates:
                disk = flushes(options.folder)
                print(
                    f"{readers} readers, {rate} events/s offered; a flush of the disk takes"
                    f" {disk[250]:.2f} ms, p99 {disk[495]:.2f}\n{head}",
                    flush=True,
                )
                ours: Found | None = None
                for name in servers:
                    with (
                        tempfile.TemporaryDirectory(dir=options.folder) as folder,
                        KINDS[name](Path(folder)) as one,
                    ):
                        found = measure(load, one, readers, rate, options.seconds)
                    ours = ours or found
                    print(row(name, found, ours), flush=True)


if __name__ == "__main__":
    main()
