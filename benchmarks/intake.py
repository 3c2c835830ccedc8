"""Measures intake: durable events per second in requests of 1,000, compared with Redis.

    python -m benchmarks.intake [--events 200000] [--connections 4]

The benchmark measures floorcast with every feature enabled, the bare path (``bare_server.py``), and
redis-py if redis-server is installed. redis-py pipelines equal events into a Redis stream with
``appendfsync always``. They run in turn, twice each, and the better run counts.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import redis

from benchmarks import workload
from benchmarks.processes import floorcast, listening

ROUNDS = 2
_seeds = count(1)


def fresh_bodies(requests: int) -> list[bytes]:
    """Return requests with events that no server has seen."""
    return workload.bodies(requests, seed=next(_seeds))


def send_all(port: int, requests: list[bytes]) -> None:
    """Send requests over one connection, each after the response to the previous one."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for body in requests:
            head = (
                "POST /ingest/v1/events HTTP/1.1\r\nHost: bench\r\n"
                f"Authorization: Bearer {workload.INGEST_KEY}\r\n"
                f"Content-Type: application/x-ndjson\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            while (answer := ask(sock, head.encode() + body)).startswith(b"HTTP/1.1 503"):
                time.sleep(1)  # the value of Retry-After, because the disk is behind
            if b'"rejected":[]' not in answer:
                raise RuntimeError(answer.decode())


def ask(sock: socket.socket, request: bytes) -> bytes:
    """Send a request. Returns its response, a small JSON object."""
    sock.sendall(request)
    answer = sock.recv(65536)
    while not answer.rstrip().endswith(b"}"):
        answer += sock.recv(65536)
    return answer


def rate(port: int, events: int, connections: int) -> float:
    """Return the events per second over several connections."""
    requests = fresh_bodies(events // 1000)
    shares = [requests[number::connections] for number in range(connections)]
    begun = time.perf_counter()
    with ThreadPoolExecutor(connections) as senders:
        list(senders.map(lambda share: send_all(port, share), shares))
    return len(requests) * 1000 / (time.perf_counter() - begun)


def floorcast_rate(folder: Path, events: int, connections: int) -> float:
    """Return the rate of the whole server."""
    with floorcast(folder / "data") as server:
        return rate(server.port, events, connections)


def bare_rate(folder: Path, events: int, connections: int) -> float:
    """Return the rate of the bare path."""
    command = [sys.executable, "-m", "benchmarks.bare_server"]
    with listening([*command, str(folder / "bare.db")], r"listening on (\d+)") as server:
        return rate(server.port, events, connections)


def redis_rate(folder: Path, events: int, _connections: int) -> float:
    """Return the rate of Redis, which flushes after every pipeline."""
    requests = fresh_bodies(events // 1000)
    command = ["redis-server", "--port", "0", "--unixsocket", str(folder / "redis.sock")]
    command += ["--dir", str(folder), "--appendonly", "yes", "--appendfsync", "always"]
    process = subprocess.Popen([*command, "--save", ""], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "ready to accept connections" in line.lower():
                break
        store = redis.Redis(unix_socket_path=str(folder / "redis.sock"))
        begun = time.perf_counter()
        for body in requests:
            pipeline = store.pipeline(transaction=False)
            for event in body.split(b"\n"):
                pipeline.xadd("events", {"e": event})
            pipeline.execute()
        return events / (time.perf_counter() - begun)
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Measure the servers in turn, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--connections", type=int, default=4)
    options = parser.parse_args()
    kinds: dict[str, Callable[[Path, int, int], float]] = {
        "floorcast": floorcast_rate,
        "bare path": bare_rate,
    }
    if shutil.which("redis-server"):
        kinds["redis, always"] = redis_rate
    best = dict.fromkeys(kinds, 0.0)
    for _ in range(ROUNDS):
        for name, measure in kinds.items():
            with tempfile.TemporaryDirectory() as folder:
                found = measure(Path(folder), options.events, options.connections)
                best[name] = max(best[name], found)
    print(f"{'':<16}{'events/s':>12}{'of the bare path':>20}")
    for name, found in best.items():
        print(f"{name:<16}{found:>12,.0f}{found / best['bare path']:>20.2f}")
    if "redis, always" not in kinds:
        print("redis-server is not installed: left out")


if __name__ == "__main__":
    main()
