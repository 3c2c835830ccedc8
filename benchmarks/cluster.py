"""Measures a cluster: intake, reading from 1, 2 and 3 nodes, and a server's failure.

    python -m benchmarks.cluster [--events 200000] [--seconds 10]

All NATS servers and all nodes share this machine's CPUs. The figures can be compared within one
run, but they do not show what separate machines would achieve.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

import httpx
from rich.console import Console

from benchmarks.intake import fresh_bodies, rate, send_all
from benchmarks.processes import Running, floorcast
from floorcast.cluster.link import NatsLink
from floorcast.cluster.streams import new_identity, open_log_streams
from tests.nats_servers import NatsServers

CONNECTIONS = 4
READERS = 6
PAGE = 1000  # events
FEED = "/realtime/event/feed"

say = Console(stderr=True, highlight=False).print


@contextmanager
def nats(folder: Path, count: int) -> Iterator[NatsServers]:
    """Run one NATS server or a cluster of three until the block ends."""
    servers = NatsServers(folder, count)
    try:
        yield servers.start()
    finally:
        servers.stop()


@contextmanager
def nodes(folder: Path, url: str, count: int) -> Iterator[list[Running]]:
    """Start this many nodes of a cluster, one after another, and run them until the block ends."""
    with ExitStack() as stack:
        running = []
        for number in range(count):
            position = folder / f"node{number}"
            position.mkdir()
            options = ("--log", url, "--node", f"node{number}")
            running.append(stack.enter_context(floorcast(position / "data", *options)))
        yield running


async def plain_rate(url: str, replicas: int, events: int) -> float:
    """Return the rate of nats-py alone, with equal batches, streams and concurrency."""
    link = await NatsLink.open(url, "benchmark")
    await open_log_streams(link, 1, replicas, new_identity())
    bodies = iter(fresh_bodies(events // 1000))

    async def publish() -> None:
        for body in bodies:
            await link.publish("floorcast.log.0.1", body)

    begun = time.perf_counter()
    await asyncio.gather(*(publish() for _ in range(CONNECTIONS)))
    spent = time.perf_counter() - begun
    await link.close()
    return events / spent


def intake_rates(events: int) -> dict[str, float]:
    """Return the events per second by server and number of replicas."""
    rates = {}
    with tempfile.TemporaryDirectory() as name:
        say("embedded ...")
        with floorcast(Path(name) / "data") as server:
            rates["embedded"] = rate(server.port, events, CONNECTIONS)
    for replicas in (1, 3):
        with tempfile.TemporaryDirectory() as name, nats(Path(name), replicas) as servers:
            say(f"{replicas} replicas ...")
            plain = asyncio.run(plain_rate(servers.account(), replicas, events))
            rates[f"nats-py, {replicas} replicas"] = plain
            with nodes(Path(name), servers.account(), 1) as (node,):
                rates[f"floorcast, {replicas} replicas"] = rate(node.port, events, CONNECTIONS)
    return rates


def read_pages(node: Running, session: dict[str, str], begin: str, until: float) -> int:
    """Read a feed from a token to its end repeatedly. Returns the number of events."""
    count, token = 0, begin
    with socket.create_connection(("127.0.0.1", node.port)) as sock:
        while time.perf_counter() < until:
            body = f'{{"token": "{token}"}}'
            head = (
                f"POST {FEED}?count={PAGE} HTTP/1.1\r\nHost: bench\r\n"
                f"LV-Session: {session['LV-Session']}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            answer = ask_large(sock, head.encode() + body.encode())
            events = answer.count(b'"eventId"')
            if not events:
                raise RuntimeError(answer.decode())
            count += events
            # a page that is not full is the last; the server would hold the next request
            full = events == PAGE
            token = answer.rpartition(b'"token":"')[2][:36].decode() if full else begin
    return count


def ask_large(sock: socket.socket, request: bytes) -> bytes:
    """Send a request. Returns the response's body, whose length is in the response's head."""
    sock.sendall(request)
    answer = bytearray()
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(1 << 18)
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    whole = bytearray(body)
    while len(whole) < length:
        whole += sock.recv(1 << 18)
    return bytes(whole)


def reading_rates(events: int, seconds: float) -> dict[int, float]:
    """Return the number of events that the readers receive per second, by number of nodes."""
    rates = {}
    for count in (1, 2, 3):
        with tempfile.TemporaryDirectory() as name, nats(Path(name), 1) as servers:
            say(f"{READERS} readers on {count} nodes ...")
            with nodes(Path(name), servers.account(), count) as running:
                session = running[0].log_in()
                head = httpx.post(f"{running[0].url}{FEED}", json={}, headers=session)
                begin = head.raise_for_status().json()["token"]
                rate(running[0].port, min(events, 50_000), 1)
                until = time.perf_counter() + seconds
                with ProcessPoolExecutor(READERS) as readers:
                    reading = [
                        readers.submit(read_pages, running[number % count], session, begin, until)
                        for number in range(READERS)
                    ]
                got = [each.result() for each in reading]
                rates[count] = sum(got) / seconds
    return rates


def longest_silence(events: int) -> float:
    """Return the longest time (s) between two acknowledgements while the log's leader is killed."""
    with tempfile.TemporaryDirectory() as name, nats(Path(name), 3) as servers:
        say("the leader's death ...")
        url = servers.account()
        with nodes(Path(name), url, 1) as (node,):
            acknowledged = [time.perf_counter()]

            def send() -> None:
                for body in fresh_bodies(events // 1000):
                    send_all(node.port, [body])
                    acknowledged.append(time.perf_counter())

            with ThreadPoolExecutor(1) as sender:
                sending = sender.submit(send)
                while len(acknowledged) < 5:
                    time.sleep(0.01)
                servers.named(asyncio.run(leader(url))).kill()
                sending.result()
    return max(after - before for before, after in pairwise(acknowledged))


async def leader(url: str) -> str:
    """Return the server that leads the log's first stream."""
    link = await NatsLink.open(url, "benchmark")
    info = await link.api("STREAM.INFO.FLOORCAST_0")
    await link.close()
    name: str = info["cluster"]["leader"]
    return name


def main() -> None:
    """Run each measurement and print it with its comparison."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    rates = intake_rates(options.events)
    print(f"{'intake':<24}{'events/s':>12}{'of embedded':>14}{'of nats-py':>12}")
    for name, found in rates.items():
        plain = rates.get(f"nats-py, {name.removeprefix('floorcast, ')}", 0.0)
        beside = f"{found / plain:.2f}" if plain and name.startswith("floorcast") else ""
        print(f"{name:<24}{found:>12,.0f}{found / rates['embedded']:>14.2f}{beside:>12}")
    reading = reading_rates(options.events, options.seconds)
    print(f"\n{'reading':<24}{'events/s':>12}{'of one node':>14}")
    for count, found in reading.items():
        print(f"{f'{count} nodes':<24}{found:>12,.0f}{found / reading[1]:>14.2f}")
    print(
        f"\nthe leader's death: {longest_silence(options.events):.1f} s without an acknowledgement"
    )


if __name__ == "__main__":
    main()
