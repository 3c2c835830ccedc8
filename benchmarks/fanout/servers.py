"""floorcast and the servers that it is compared with, and the requests for each."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import processes, workload

__all__ = ["KINDS", "MEMORY", "Server", "floorcast", "in_memory", "nchan", "python_app"]

HERE = Path(__file__).parent
MODULES = Path("/usr/lib/nginx/modules")
MEMORY = Path("/dev/shm")
STAMP = "@" * 19  # replaced by the time at which the event is sent, in ns
SIZE = 700  # bytes per event as a reader receives it


class Server(NamedTuple):
    """A running server: its processes, a request that reads, and a request that sends an event."""

    pids: tuple[int, ...]
    port: int
    subscribe: bytes
    offer_port: int
    offer: bytes

    def memory(self) -> int:
        """Return the resident memory of all its processes, in bytes."""
        return sum(processes.Running(0, pid).memory() for pid in self.pids)

    def processor(self) -> float:
        """Return the CPU time of all its processes, in seconds."""
        return sum(processes.Running(0, pid).processor() for pid in self.pids)


@contextmanager
def floorcast(folder: Path, program: Sequence[str] = processes.PROGRAM) -> Iterator[Server]:
    """Run floorcast, which checks, stores, folds and filters the events."""
    with processes.floorcast(folder / "data", program=program) as server:
        session = server.log_in()["LV-Session"]
        frame = len('{"eventId":"","interactionType":"SMS"}') + 560
        data = (
            '{"service":"Service 1","eventType":"Attempt","phoneNumber":"4155550100",'
            '"carrier":"sap_sms365","smsCode":"53063","campaignType":"OB",'
            f'"threadId":"@TS={STAMP}","accountNumber":"{"7" * (SIZE - frame + 130)}"}}'
        )
        event = (
            f'{{"specversion":"1.0","id":"{STAMP}","source":"/bench",'
            f'"type":"sms.attempt","data":{data}}}'
        )
        offer = _post(
            "/ingest/v1/events",
            event,
            f"Authorization: Bearer {workload.INGEST_KEY}",
            "Content-Type: application/cloudevents+json",
        )
        subscribe = _post("/realtime/event/feed/sse", "{}", f"LV-Session: {session}")
        yield Server((server.pid,), server.port, subscribe, server.port, offer)


@contextmanager
def in_memory(_folder: Path) -> Iterator[Server]:
    """Run floorcast with its folder in memory, because the other servers do not use a disk."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, floorcast(Path(folder)) as server:
        yield server


@contextmanager
def nchan(folder: Path) -> Iterator[Server]:
    """Run nginx with nchan, which keeps everything in memory."""
    port = _free_port()
    text = (HERE / "nginx.conf").read_text().replace("FOLDER", str(folder))
    config = folder / "nginx.conf"
    config.write_text(text.replace("MODULES", str(MODULES)).replace("PORT", str(port)))
    with _running(["nginx", "-c", str(config), "-e", str(folder / "error.log")], port) as pid:
        workers = Path(f"/proc/{pid}/task/{pid}/children")
        while not (children := workers.read_text().split()):
            time.sleep(0.05)
        offer = _post("/pub", f"@TS={STAMP}".ljust(SIZE, "x"), "Content-Type: text/plain")
        subscribe = b"GET /sub HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n"
        yield Server((pid, *map(int, children)), port, subscribe, port, offer)


@contextmanager
def python_app(folder: Path) -> Iterator[Server]:
    """Run the Python app and Redis. The memory and CPU time of both processes count."""
    port, redis_port = _free_port(), _free_port()
    sock = str(folder / "redis.sock")
    store = ["redis-server", "--port", str(redis_port), "--unixsocket", sock, "--save", ""]
    app = [sys.executable, "-m", "benchmarks.fanout.app", str(port), sock]
    body = f"@TS={STAMP}".ljust(SIZE, "x")
    offer = f"*3\r\n$7\r\nPUBLISH\r\n$6\r\nevents\r\n${SIZE}\r\n{body}\r\n".encode()
    subscribe = b"GET /events HTTP/1.1\r\nHost: bench\r\n\r\n"
    redis = _running([*store, "--dir", str(folder)], redis_port)
    with redis as redis_pid, _running(app, port) as pid:
        yield Server((pid, redis_pid), port, subscribe, redis_port, offer)


KINDS: dict[str, Callable[[Path], AbstractContextManager[Server]]] = {
    "floorcast": floorcast,
    "in-memory": in_memory,
    "nchan": nchan,
    "python": python_app,
}


def _post(path: str, body: str, *headers: str) -> bytes:
    head = "".join(f"{header}\r\n" for header in headers)
    return (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


@contextmanager
def _running(command: list[str], port: int) -> Iterator[int]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while not _answers(port):
            if time.monotonic() > until or process.poll() is not None:
                raise RuntimeError(f"{command[0]} does not answer")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:  # the Python app sends its whole backlog before it ends
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
