"""Measures how requests for a day's intervals delay a client's intake and stream.

    python -m benchmarks.intervals_beside_feeds [--seconds 30] [--every 1]

A server accepts a day's events, about a million, from 500 services and 10,000 agents. Then the
client sends an event every 50 ms and reads it from a stream. It first does this alone, and then
while another process requests ``stats/intervals`` of all services every second. The first response,
for which the server computes all rows, is measured separately.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx

from benchmarks import crowd
from benchmarks.processes import Running, floorcast

AGENTS, SERVICES, CALLS = 10_000, 500, 20  # calls per agent
BATCH = 1_000
HOUR = 3_600_000  # ms
INTERVALS = "/realtime/service/stats/intervals"


def zone_before_midnight(now: datetime) -> str:
    """Return a time zone in which less than an hour of the day is left.

    The events of a whole day then fit into the current day.
    """
    offset = 23 - now.hour
    offset -= 24 if offset > 14 else 0
    return f"Etc/GMT{-offset:+d}" if offset else "Etc/UTC"


def site(zone: str) -> str:
    """Return the site of ``crowd``, in which the quiet client has this zone and many services."""
    declared = crowd.SITE.replace('name = "QUIET"', f'name = "QUIET"\ntime_zone = "{zone}"')
    return declared + "".join(
        f'\n[[client.service]]\nid = {number}\nname = "Service {number}"\n'
        for number in range(1, SERVICES + 1)
    )


def day(begin: int, end: int) -> Iterator[dict[str, object]]:
    """Yield the events of all agents' calls between ``begin`` and ``end`` (ms), call by call."""
    ids = itertools.count()

    def event(kind: str, at: float, data: dict[str, object]) -> dict[str, object]:
        when = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
        envelope = {"specversion": "1.0", "id": f"D{next(ids)}", "source": "day", "time": when}
        return {**envelope, "type": kind, "data": data}

    step = (end - begin) / (CALLS * AGENTS)
    for turn in range(CALLS * AGENTS):
        agent, service = f"AGENT{turn % AGENTS}", 1 + turn % SERVICES
        at = begin + turn * step
        call = {"transactionId": 1 + turn, "sessionId": f"U{turn:08X}@10.10.112.81"}
        state = {"agent": agent, "service": service}
        yield event("call.start", at, {**call, "service": service, "direction": "INBOUND"})
        yield event("call.queue", at, call)
        in_call = {**state, "eventType": "IN_CALL", "call": call}
        yield event("agent.state", at + 5_000 + turn % 40_000, in_call)
        yield event("call.end", at + 90_000, call)
        yield event("agent.state", at + 100_000, {**state, "eventType": "READY"})


def fill(server: Running, begin: int, end: int) -> None:
    """Send the day's events."""
    headers = {
        "Authorization": f"Bearer {crowd.KEY}",
        "Content-Type": "application/cloudevents-batch+json",
    }
    events, sent = day(begin, end), 0
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        while batch := list(itertools.islice(events, BATCH)):
            body = json.dumps(batch)
            while (answer := client.post("/ingest/v1/events", content=body)).status_code == 503:
                time.sleep(0.1)  # the fold is too far behind the log
            answer.raise_for_status()
            sent += len(batch)
            if sent % 100_000 == 0:
                print(f"{sent:,} events", flush=True)


def ask(port: int, every: float, seconds: float) -> None:
    """Request the intervals of all services repeatedly, and print the median response time."""
    login = {"clientName": "QUIET", "userName": "quiet", "password": "benchmark-password"}
    base, spent, size = f"http://127.0.0.1:{port}", list[float](), 0
    with httpx.Client(base_url=base, timeout=60) as client, suppress(KeyboardInterrupt):
        answer = client.post("/session/login", json=login, headers={"LV-Access": crowd.TOKEN})
        session = {"LV-Session": answer.raise_for_status().json()["sessionId"]}
        until = time.perf_counter() + seconds
        while (begun := time.perf_counter()) < until:
            size = len(client.post(INTERVALS, json={}, headers=session).raise_for_status().content)
            spent.append(time.perf_counter() - begun)
            time.sleep(max(0.0, every - spent[-1]))
    middle = sorted(spent)[len(spent) // 2] * 1000
    print(f"{len(spent)} responses of {size / 1e6:.1f} MB; {middle:.0f} ms in the median")


def main() -> None:
    """Measure without and with the requests, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two requests")
    given = parser.parse_args()
    now = datetime.now(UTC)
    end = int(now.timestamp() * 1000)
    declared = site(zone_before_midnight(now))
    with (
        tempfile.TemporaryDirectory() as folder,
        floorcast(Path(folder) / "data", declares=declared) as server,
    ):
        fill(server, end - end % HOUR - 23 * HOUR, end - 120_000)
        alone = asyncio.run(crowd.felt(server, given.seconds))
        first = multiprocessing.Process(target=ask, args=(server.port, given.every, 0.1))
        first.start()
        cold = asyncio.run(crowd.felt(server, 3))
        first.join()
        process = multiprocessing.Process(
            target=ask, args=(server.port, given.every, given.seconds + 1)
        )
        process.start()
        beside = asyncio.run(crowd.felt(server, given.seconds))
        process.join()
    print(f"beside the first response, the slowest event took {max(cold.feed) * 1000:.0f} ms")
    print(f"{'p99, ms':<12}{'alone':>10}{'beside':>10}{'ratio':>8}{'events':>9}")
    for name in crowd.Felt._fields:
        before, after = crowd.p99(getattr(alone, name)), crowd.p99(getattr(beside, name))
        print(f"{name:<12}{before:>10.1f}{after:>10.1f}{after / before:>8.2f}", end="")
        print(f"{len(getattr(beside, name)):>9,}")


if __name__ == "__main__":
    main()
