"""Measures how a crowd of one client's connections affects another client's intake and stream.

    python -m benchmarks.crowd [--idle 10000] [--slow 1000] [--flooding 100] [--seconds 30]

The crowd has 100 connections from each of the addresses 127.0.1.x. Idle connections stay open after
one request, slow connections send one byte of a request per second, and flooding connections send
events and request statistics as fast as possible. If the server closes a connection, the crowd
reconnects. The other client sends an event every 50 ms from 127.0.0.1 and reads it from a stream.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, suppress
from itertools import count
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path
from typing import NamedTuple

from benchmarks import workload
from benchmarks.processes import Running, floorcast

KEY = "quiet-client-ingest-key-of-bench"
TOKEN = "quiet-client-api-token-of-bench"
SITE = f"""{workload.SITE}
[[client]]
id = 2
name = "QUIET"
feeds = ["agent", "interaction"]
api_tokens = ["{TOKEN}"]
ingest_keys = ["{KEY}"]

[[client.user]]
id = 1
name = "quiet"
password = "benchmark-password"
role = "Sysadmin"
"""
PER_ADDRESS = 100
EVERY = 0.05  # seconds between two events of the quiet client
SETTLES = 10.0  # seconds, in addition to a time that depends on the number of idle connections

BODIES = 8  # different requests for the flooding connections; each copy gets new ids
ANSWERED = ("events", "events refused", "statistics", "statistics refused")


class Felt(NamedTuple):
    """The seconds until each event was acknowledged, and until the stream delivered it.

    ``server`` is the CPU time, in seconds, that the server spent on all clients until each
    acknowledgement. It excludes other programs on the machine.
    """

    intake: list[float]
    feed: list[float]
    server: list[float]


def head(method: str, path: str, size: int = 0, **headers: str) -> bytes:
    """Return the head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Content-Length: {size}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return one response's status and body."""
    lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    size = next(int(one[15:]) for one in lines if one.startswith(b"content-length:"))
    return int(lines[0].split()[1]), await reader.readexactly(size)


async def login(port: int, client: str, user: str, token: str) -> str:
    """Log in. Returns the session's id."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    asked = json.dumps({"clientName": client, "userName": user, "password": "benchmark-password"})
    writer.write(head("POST", "/session/login", len(asked), LV_Access=token) + asked.encode())
    _, body = await answer(reader)
    found: str = json.loads(body)["sessionId"]
    writer.close()
    return found


async def again(
    port: int,
    number: int,
    work: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[object, object, None]],
) -> None:
    """Run ``work`` on one of the crowd's connections, and reconnect whenever ``work`` ends."""
    address = f"127.0.1.{1 + number // PER_ADDRESS % 250}"
    while True:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(address, 0)
            )
            try:
                await work(reader, writer)
            finally:
                writer.close()
        await asyncio.sleep(1)


async def idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a request, and then keep the connection open."""
    writer.write(head("GET", "/healthz"))
    await reader.read()


async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a request byte by byte."""
    body = b"x" * 1000
    auth = f"Bearer {workload.INGEST_KEY}"
    for byte in head("POST", "/ingest/v1/events", len(body), Authorization=auth) + body:
        if reader.at_eof():
            return
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(1)


async def crowd(port: int, count: int, slow_ones: int) -> None:
    """Run the idle and the slow connections forever."""
    tasks = []
    for number in range(count + slow_ones):
        tasks.append(asyncio.create_task(again(port, number, slow if number >= count else idle)))
        if number % 50 == 0:
            await asyncio.sleep(0.02)
    await asyncio.gather(*tasks)


def copies(body: bytes, name: str) -> Iterator[bytes]:
    """Yield endless copies of a request, each with new ids for its events and calls."""
    for number in count():
        fresh = f"{name}-{number}-".encode()
        yield body.replace(b'"id":"', b'"id":"' + fresh).replace(
            b'"sessionId":"', b'"sessionId":"' + fresh
        )


async def flood(port: int, connections: int, answered: SynchronizedArray[int]) -> None:
    """Run the flooding connections forever.

    Every fourth connection requests statistics. The others send events.
    """
    session = await login(port, "BENCH", "bench", workload.API_TOKEN)
    auth = f"Bearer {workload.INGEST_KEY}"
    # an event without a time happened now
    bodies = [re.sub(rb'"time":"[^"]*",', b"", body) for body in workload.bodies(BODIES, seed=1000)]

    async def flooding(number: int) -> None:
        requests = copies(bodies[number % BODIES], str(number))

        async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                if number % 4 == 3:
                    writer.write(
                        head("POST", "/realtime/service/agents/status", LV_Session=session)
                    )
                else:
                    body = next(requests)
                    kind = "application/x-ndjson"
                    request = head(
                        "POST",
                        "/ingest/v1/events",
                        len(body),
                        Authorization=auth,
                        Content_Type=kind,
                    )
                    writer.write(request + body)
                status, _ = await answer(reader)
                answered[2 * (number % 4 == 3) + (status >= 300)] += 1

        await again(port, 20_000 + number, work)

    await asyncio.gather(*(flooding(number) for number in range(connections)))


def in_background(work: Callable[..., Coroutine[object, object, None]], *arguments: object) -> None:
    """Run ``work`` with the lowest CPU priority. This function is called in a separate process.

    A real crowd runs on other machines, so it must not take CPU time from the server.
    """
    os.nice(19)
    with suppress(KeyboardInterrupt):
        asyncio.run(work(*arguments))


async def felt(server: Running, seconds: float) -> Felt:
    """Run the quiet client for this many seconds. Returns its measurements."""
    port = server.port
    session = await login(port, "QUIET", "quiet", TOKEN)
    found, sent = Felt([], [], []), dict[str, float]()
    stream, keeps = await asyncio.open_connection("127.0.0.1", port)
    keeps.write(head("POST", "/realtime/event/feed/sse", LV_Session=session))
    await stream.readuntil(b"\r\n\r\n")

    async def read() -> None:
        while line := await stream.readline():
            if line.startswith(b"data:"):
                name = json.loads(line[5:])["sessionId"]
                if name in sent:
                    found.feed.append(time.perf_counter() - sent.pop(name))

    reading = asyncio.create_task(read())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    until = time.perf_counter() + seconds
    number = time.time_ns()
    while time.perf_counter() < until:
        number += 1
        name = f"S{number}"
        data = {"transactionId": number % 10**9, "sessionId": name, "service": 1}
        event = {"specversion": "1.0", "id": name, "source": "b", "type": "call.start"}
        body = json.dumps({**event, "data": {**data, "direction": "INBOUND"}}).encode()
        kind, auth = "application/cloudevents+json", f"Bearer {KEY}"
        spent, begun = server.processor(), time.perf_counter()
        sent[name] = begun
        writer.write(
            head("POST", "/ingest/v1/events", len(body), Authorization=auth, Content_Type=kind)
            + body
        )
        status, said = await answer(reader)
        if status >= 300:
            raise RuntimeError(said.decode())
        found.intake.append(time.perf_counter() - begun)
        found.server.append(server.processor() - spent)
        await asyncio.sleep(max(0.0, begun + EVERY - time.perf_counter()))
    await asyncio.sleep(1)
    reading.cancel()
    keeps.close()
    writer.close()
    found.feed.extend(seconds for _ in sent)  # events that never arrived
    return found


def running(folder: Path) -> AbstractContextManager[Running]:
    """Return a server with the default connection limits."""
    return floorcast(folder / "data", "--max-connections", "0", declares=SITE)


def p99(seconds: list[float]) -> float:
    """Return the 99th percentile, in ms."""
    return sorted(seconds)[len(seconds) * 99 // 100] * 1000


def main() -> None:
    """Measure without and with the crowd, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, default in (("idle", 10_000), ("slow", 1_000), ("flooding", 100), ("seconds", 30)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as server:
        quiet = asyncio.run(felt(server, given.seconds))
        answered = multiprocessing.Array("q", len(ANSWERED))
        works = ((crowd, (given.idle, given.slow)), (flood, (given.flooding, answered)))
        processes = [
            multiprocessing.Process(target=in_background, args=(work, server.port, *arguments))
            for work, arguments in works
        ]
        for process in processes:
            process.start()
        try:
            time.sleep(SETTLES + given.idle / 2_000)
            before, begun = answered[:], time.perf_counter()
            beside = asyncio.run(felt(server, given.seconds))
            elapsed = time.perf_counter() - begun
            flooded = [now - then for now, then in zip(answered[:], before, strict=True)]
        finally:
            for process in processes:
                process.terminate()
                process.join()
    for name, requests in zip(ANSWERED, flooded, strict=True):
        print(f"flood: {name:<20}{requests / elapsed:>8,.1f} requests/s")
    print(f"{'p99, ms':<12}{'quiet':>10}{'crowd':>10}{'ratio':>8}{'events':>9}")
    for name in Felt._fields:
        alone, after = getattr(quiet, name), getattr(beside, name)
        ratio = p99(after) / p99(alone)
        print(f"{name:<12}{p99(alone):>10.1f}{p99(after):>10.1f}{ratio:>8.2f}{len(after):>9,}")


if __name__ == "__main__":
    main()
