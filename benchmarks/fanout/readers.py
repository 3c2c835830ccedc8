"""Measures many idle readers, one sleeping reader, and many readers that reconnect at once.

    python -m benchmarks.fanout.readers [idle] [sleeper] [flood]

idle: There are 10,000 readers, and half of them use long polls. The benchmark measures memory, CPU
time, and the time in which one event reaches all readers.

sleeper: One reader reads nothing during 1,000,000 events, and then resumes from its token.

flood: 5,000 streams reconnect at once after SIGKILL has ended their server, while a source sends.
"""

from __future__ import annotations

import argparse
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from benchmarks import processes, workload
from benchmarks.fanout.crowd import Crowd, request
from floorcast.sse.channels import KEEPALIVE_SECONDS

FEED, STREAM = "/realtime/event/feed", "/realtime/event/feed/sse"
SECONDS = 7.0  # CPU time of idle long polls is measured this long, which is less than a long poll
EVENTS = 1_000_000
SOURCE = {
    "Authorization": f"Bearer {workload.INGEST_KEY}",
    "Content-Type": "application/x-ndjson",
}


def sms(number: int) -> str:
    """Return an event, which has about 700 bytes when a reader receives it."""
    data = (
        '{"service":1,"eventType":"Attempt","phoneNumber":"4155550100",'
        f'"threadId":"@{number:07}@","accountNumber":"{"7" * 200}"}}'
    )
    return (
        f'{{"specversion":"1.0","id":"{number}","source":"/bench",'
        f'"type":"sms.attempt","data":{data}}}\n'
    )


def send(server: processes.Running, numbers: range) -> float:
    """Send events as a source. Returns the seconds until they are acknowledged."""
    begun = time.perf_counter()
    body = "".join(map(sms, numbers))
    while True:
        answer = httpx.post(
            f"{server.url}/ingest/v1/events", content=body, headers=SOURCE, timeout=60
        )
        if answer.status_code != 503:
            answer.raise_for_status()
            return time.perf_counter() - begun


def token_now(server: processes.Running, session: str) -> str:
    """Return a token for the current time."""
    answer = httpx.post(server.url + FEED, headers={"LV-Session": session})
    token: str = answer.json()["token"]
    return token


def used(server: processes.Running, seconds: float) -> float:
    """Return the share of a CPU that the server uses during the next ``seconds``."""
    begun = server.processor()
    time.sleep(seconds)
    return (server.processor() - begun) / seconds


def streaming(got: bytes) -> bool:
    """Return whether the head of the response has arrived."""
    return b"\r\n\r\n" in got


def served(got: bytes) -> bool:
    """Return whether an event has arrived."""
    return b"SMS" in got


def idle(folder: Path, count: int = 10_000) -> None:
    """Measure the cost of readers that receive no events."""
    with processes.floorcast(folder / "data") as server:
        session = server.log_in()["LV-Session"]
        send(server, range(1))
        crowd = Crowd(server.port)
        token = token_now(server, session)
        empty = server.memory()
        print("readers come in, evenly within the time between two keep-alives ...", flush=True)
        streams = crowd.enter(request(STREAM, session), count // 2, within=KEEPALIVE_SECONDS)
        crowd.until(streaming, streams, 30)
        with_streams = server.memory()
        of_streams = used(server, 2 * KEEPALIVE_SECONDS)
        polls = crowd.enter(request(FEED, session, f'{{"token": "{token}"}}'), count // 2)
        time.sleep(1)
        memory = server.memory()
        processor = used(server, SECONDS)
        crowd.forget()
        at = time.perf_counter()
        send(server, range(1, 2))
        answered = crowd.until(served, [*streams, *polls], 10)
        seconds = time.perf_counter() - at
        crowd.leave()
    half = count // 2 * 1024
    print(f"{half // 1024:,} streams     {(with_streams - empty) / half:6.1f} KiB each", end="")
    print(f"  {of_streams:6.2%} of a processor")
    print(f"{half // 1024:,} long polls  {(memory - with_streams) / half:6.1f} KiB each", end="")
    print(f"  {processor:6.2%} of a processor, those streams included")
    print(f"one event reached {answered:,} of {count:,} in {seconds:.2f} s")


def sleeper(folder: Path) -> None:
    """Measure the cost of a reader that reads nothing, and check that it misses nothing."""
    with processes.floorcast(folder / "data") as server:
        session = server.log_in()["LV-Session"]
        token = token_now(server, session)
        with socket.create_connection(("127.0.0.1", server.port)) as asleep:
            asleep.sendall(request(STREAM, session))
            for start in range(0, EVENTS, 1000):
                send(server, range(start, start + 1000))
                if start % 100_000 == 0:
                    print(f"\r{start:,} of {EVENTS:,} sent", end="", flush=True)
            metrics = httpx.get(f"{server.url}/metrics").text
        (written,) = (
            float(line.split()[1])
            for line in metrics.splitlines()
            if line.startswith("floorcast_feed_stream_bytes_total ")
        )
        print(f"\r{EVENTS:,} events passed; the sleeper was sent {written / 1024:,.0f} KiB")
        print(f"the server's memory is {server.memory() / 2**20:,.0f} MiB")
        begun = time.perf_counter()
        found = list(numbers(server, session, token))
        seconds = time.perf_counter() - begun
    right = "each once, in order" if found == list(range(EVENTS)) else "NOT AS THEY WERE SENT"
    print(f"resumed by its token it got {len(found):,}, {right}, in {seconds:.1f} s")


def numbers(server: processes.Running, session: str, token: str) -> Iterator[int]:
    """Read the events after a token from a stream. Yields the numbers that ``sms`` gave them."""
    rest = b""
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(request(STREAM, session, f'{{"token": "{token}"}}'))
        sock.settimeout(5)
        while piece := sock.recv(1 << 20):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                at = line.find(b'"threadId":"@')
                if at >= 0:
                    number = int(line[at + 13 : at + 20])
                    yield number
                    if number == EVENTS - 1:
                        return


def flood(folder: Path, count: int = 5_000) -> None:
    """Measure how fast readers reconnect after a crash, and how long a source has to wait."""
    with processes.floorcast(folder / "data") as server:
        session = server.log_in()["LV-Session"]
        crowd = Crowd(server.port)
        crowd.until(streaming, crowd.enter(request(STREAM, session), count), 30)
        send(server, range(1000))
        token = token_now(server, session)
        subprocess.run(["kill", f"-{signal.SIGKILL}", str(server.pid)], check=True)
        crowd.leave()
    with processes.floorcast(folder / "data") as server:
        crowd = Crowd(server.port)
        begun = time.perf_counter()
        back = crowd.enter(request(STREAM, session, f'{{"token": "{token}"}}'), count)
        waited = [send(server, range(1000 + number, 1001 + number)) for number in range(20)]
        answered = crowd.until(served, back, 30)
        seconds = time.perf_counter() - begun
        crowd.leave()
    print(f"{answered:,} of {count:,} readers were back and had an event after {seconds:.2f} s")
    print(f"a source waited {max(waited) * 1000:.0f} ms at most meanwhile")


RUNS = {"idle": idle, "sleeper": sleeper, "flood": flood}


def main() -> None:
    """Run the given tests, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="*", default=list(RUNS), metavar="idle|sleeper|flood")
    for name in parser.parse_args().runs:
        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / "run").mkdir()
            RUNS[name](Path(scratch) / "run")


if __name__ == "__main__":
    main()
