"""Measures, for a stored day, how fast a reader catches up and how fast a server restarts.

    python -m benchmarks.stored_day [--events 1000000]

The benchmark fills a server. Then one reader reads the whole interaction feed over HTTP, in pages
of 1,000 events. Its rate is compared with the machine's bound, which is plain reads of the same
rows. The benchmark also kills the server, and later stops it, and measures how long each restart
takes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import tempfile
import time
import uuid
from pathlib import Path
from typing import NamedTuple

import apsw

from benchmarks.intake import rate
from benchmarks.processes import Running, floorcast

CONNECTIONS = 2
EPOCH = 0x01B21DD213814000  # ticks of a UUID's clock in 1970


def token_of(seconds_ago: float) -> str:
    """Return a token without a position. The server uses only its timestamp."""
    ticks = int((time.time() - seconds_ago) * 1e7) + EPOCH
    fields = (ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48 & 0xFFF | 0x1000)
    return str(uuid.UUID(fields=(*fields, 0x80, 0x80, 0x808080808080)))


class Caught(NamedTuple):
    """The events and pages that a reader received, the time, and the server's CPU time (s)."""

    events: int
    pages: int
    seconds: float
    processor: float


def catch_up(server: Running) -> Caught:
    """Read the interaction feed from beginning to end."""
    head = "POST /realtime/event/feed HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    head += f"LV-Session: {server.log_in()['LV-Session']}\r\nContent-Length: %d\r\n\r\n"
    token, events, pages = token_of(12 * 3600), 0, 0
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        spent, begun = server.processor(), time.perf_counter()
        while True:
            body = json.dumps({"token": token})
            sock.sendall((head % len(body) + body).encode())
            answer = bytearray(sock.recv(1 << 20))
            start = answer.index(b"\r\n\r\n") + 4
            length = int(answer[:start].lower().partition(b"content-length:")[2].split()[0])
            while len(answer) < start + length:
                answer += sock.recv(1 << 20)
            found = answer.count(b'"eventId"', start)
            if not found:
                break
            events, pages = events + found, pages + 1
            at = answer.index(b'"token":"', start) + 9
            token = answer[at : at + 36].decode()
            if found < 1000:
                break
        seconds = time.perf_counter() - begun
        return Caught(events, pages, seconds, server.processor() - spent)


def plain_reads(folder: Path) -> float:
    """Return the events per second of a loop that only reads the stored rows."""
    connection = apsw.Connection(str(folder / "mirror.db"), flags=apsw.SQLITE_OPEN_READONLY)
    begun = time.perf_counter()
    events = 0
    query = """
        SELECT count, body FROM segments JOIN feeds ON feeds.id = segments.feed
        WHERE feeds.name = 'interaction' ORDER BY last
    """
    for count, body in connection.execute(query):
        events += count
        body.replace(b"\n", b",")
    return events / (time.perf_counter() - begun)


def back_after(folder: Path) -> float:
    """Start a server on the folder. Returns the seconds until it responds."""
    begun = time.perf_counter()
    with floorcast(folder):
        return time.perf_counter() - begun


def main() -> None:
    """Fill, read, restart, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        with floorcast(folder) as server:
            print(f"filling with {options.events:,} events ...", flush=True)
            filled = rate(server.port, options.events, CONNECTIONS)
            ring = catch_up(server)
            memory = server.memory()
            os.kill(server.pid, signal.SIGKILL)
        killed = back_after(folder)
        stopped = back_after(folder)
        with floorcast(folder) as server:
            disk = catch_up(server)
        bound = plain_reads(folder)
        size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{'filled at':<34}{filled:>14,.0f} events/s")
    for name, caught in (("caught up, server warm", ring), ("caught up, after a restart", disk)):
        print(
            f"{name:<34}{caught.events / caught.seconds:>14,.0f} events/s"
            f"  {caught.processor / caught.events * 1e6:.2f} µs of the server's processor each"
        )
    print(f"{'plain reads of the same rows':<34}{bound:>14,.0f} events/s")
    print(f"{'of that bound':<34}{disk.events / disk.seconds / bound:>14.2f}")
    print(f"{'back after SIGKILL':<34}{killed:>14.2f} s")
    print(f"{'back after SIGTERM':<34}{stopped:>14.2f} s")
    print(f"{'memory':<34}{memory / 2**20:>14,.0f} MiB")
    print(f"{'disk':<34}{size / 2**20:>14,.0f} MiB")


if __name__ == "__main__":
    main()
