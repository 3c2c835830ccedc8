"""Measures how long responses about the past take, and how they affect the feeds.

    python -m benchmarks.as_of [--events 1000000] [--asked 20] [--agents 10000] [--services 500]

The benchmark fills a data folder with the last 24 hours, through a node whose clock it advances. It
then starts a server on the folder, and requests the service statistics at random times of the day,
for one service and for all services. It also measures the time from sending an event to reading it
from the feed, with and without these requests.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import apsw
import httpx
import msgspec

from benchmarks import workload
from benchmarks.processes import Running, floorcast
from floorcast.config.settings import Settings
from floorcast.http.app import Api
from floorcast.http.routes import ROUTES
from floorcast.server.logging import set_up_log
from floorcast.server.node import Node

DAY_SECONDS = 24 * 3600
PER_REQUEST = 250  # events
STATS = "/realtime/service/stats"
KEY = {"Authorization": f"Bearer {workload.INGEST_KEY}", "Content-Type": "application/x-ndjson"}


def site_of(services: int) -> str:
    """Return the benchmarks' site with this many services."""
    begin = workload.SITE.partition("\n[[client.service]]")[0]
    return begin + "".join(
        f'\n[[client.service]]\nid = {number}\nname = "Service {number}"\n'
        for number in range(1, services + 1)
    )


def events_of(services: int, agents: int) -> Iterator[dict[str, object]]:
    """Yield the benchmarks' events without times, for this many services and agents."""
    calls = itertools.batched if hasattr(itertools, "batched") else _batched
    for number, call in enumerate(calls(workload.call_events(datetime.now(UTC)), 7)):
        for event in call:
            del event["time"]
            data = event["data"]
            assert isinstance(data, dict)
            if "service" in data:
                data["service"] = 1 + number % services
            if "agent" in data:
                data["agent"] = f"AGENT{number % agents}"
            yield event


def _batched(events: Iterator[dict[str, object]], size: int) -> Iterator[list[dict[str, object]]]:
    while batch := list(itertools.islice(events, size)):
        yield batch


async def fill(folder: Path, site: Path, options: argparse.Namespace) -> None:
    """Fill the folder with the events of the last 24 hours."""
    count = options.events // PER_REQUEST
    ticks = (time.time_ns() - DAY_SECONDS * 10**9) // 100
    step = DAY_SECONDS * 10**7 // count
    moved = itertools.count(ticks, step)
    clock = [ticks]
    events = events_of(options.services, options.agents)
    encode = msgspec.json.Encoder().encode
    async with Node(Settings(data=folder, site=site), lambda: clock[0]) as node:
        await node.start()
        transport = httpx.ASGITransport(app=Api(node.server, ROUTES))
        async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
            for _ in range(count):
                clock[0] = next(moved)
                body = b"\n".join(encode(next(events)) for _ in range(PER_REQUEST))
                answer = await client.post("/ingest/v1/events", content=body, headers=KEY)
                answer.raise_for_status()


def asked(
    server: Running, session: dict[str, str], moments: list[int], wanted: object
) -> list[float]:
    """Request the statistics at each moment. Returns the seconds that each response took."""
    taken = []
    with httpx.Client(base_url=server.url, headers=session, timeout=90) as client:
        for at in moments:
            begun = time.perf_counter()
            client.post(STATS, json={"at": at, "filter": wanted}).raise_for_status()
            taken.append(time.perf_counter() - begun)
    return taken


def latencies(server: Running, session: dict[str, str], until: threading.Event) -> list[float]:
    """Send events until ``until`` is set. Returns the seconds until each was read from the feed.

    At least 100 events are sent.
    """
    taken, number = [], 0
    with httpx.Client(base_url=server.url, timeout=30) as client:
        feed = "/realtime/event/feed"
        token = client.post(feed, json={}, headers=session).json()["token"]
        while not until.is_set() or number < 100:
            number += 1
            event: dict[str, object] = {
                "specversion": "1.0",
                "id": f"b{time.time_ns()}",
                "source": "b",
            }
            event |= {"type": "sms.attempt", "data": {"service": 1, "eventType": "Attempt"}}
            begun = time.perf_counter()
            client.post("/ingest/v1/events", content=json.dumps(event), headers=KEY)
            page = client.post(feed, json={"token": token}, headers=session).json()
            taken.append(time.perf_counter() - begun)
            assert page["events"]
            token = page["token"]
            time.sleep(0.005)
    return taken


def beside(
    server: Running, session: dict[str, str], moments: list[int], wanted: object
) -> tuple[list[float], list[float]]:
    """Run ``asked`` and ``latencies`` at the same time. Returns the results of both."""
    until, found = threading.Event(), list[float]()
    follower = threading.Thread(target=lambda: found.extend(latencies(server, session, until)))
    follower.start()
    taken = asked(server, session, moments, wanted)
    until.set()
    follower.join()
    return taken, found


def shown(name: str, seconds: list[float], unit: float = 1.0, word: str = "s") -> None:
    """Print a line with the median, the 99th percentile and the maximum."""
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    figures = (statistics.median(ordered), p99, ordered[-1])
    print(f"{name:<44}" + "".join(f"{one * unit:>10.2f}" for one in figures) + f"  {word}")


def main() -> None:
    """Fill a folder, send the requests, and print the times."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--asked", type=int, default=20, help="moments asked about, each way")
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--services", type=int, default=500)
    options = parser.parse_args()
    set_up_log("error", "text")
    dice = random.Random(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder, site = Path(scratch) / "data", Path(scratch) / "site.toml"
        site.write_text(site_of(options.services))
        print(f"filling with {options.events:,} events ...", flush=True)
        asyncio.run(fill(folder, site, options))
        connection = apsw.Connection(str(folder / "mirror.db"))
        sizes = [size for (size,) in connection.execute("SELECT length(blob) FROM snapshots")]
        connection.close()
        with floorcast(folder, declares=site.read_text()) as server:
            session, now = server.log_in(), time.time_ns() // 10**6
            day = [now - dice.randrange(60, DAY_SECONDS - 60) * 1000 for _ in range(options.asked)]
            quiet = latencies(server, session, _set())
            one, busy = beside(server, session, day, {"service": [{"id": 1}]})
            every, busier = beside(server, session, day[::-1], {})
            again = asked(server, session, [day[0]] * 5, {})[1:]
    print(f"{len(sizes)} snapshots of {sum(sizes) / len(sizes) / 2**20:.2f} MiB on disk each")
    print(f"{'':<44}{'median':>10}{'p99':>10}{'most':>10}")
    shown("as of a random moment, one service", one)
    shown("as of a random moment, all services", every)
    shown("as of the same moment again", again)
    shown("an event until it is read, alone", quiet, 1000, "ms")
    shown("the same beside these requests", busy + busier, 1000, "ms")


def _set() -> threading.Event:
    over = threading.Event()
    over.set()
    return over


if __name__ == "__main__":
    main()
