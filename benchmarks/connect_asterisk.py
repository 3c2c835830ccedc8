"""Measures how many AMI events per second the connector reads, and its memory.

A manager interface in another process sends a large floor's calls (1,000 agents, 200 queues) at a
steady rate. Each call consists of the 26 events of one call captured from Asterisk 22, with another
caller, agent and queue. The connector reads the events, maps them, spools the result, and sends it
to an intake that accepts everything. With ``--away``, the intake is unavailable until the last
event. Run the benchmark from the repository's root:

    python -m benchmarks.connect_asterisk --rate 10000 --seconds 60

It prints how far the interface fell behind its schedule (because of backpressure), the CPU time per
event, the maximum number of events in the spool, the connector's peak memory, and the time that it
took to empty the spool.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from floorcast.client import AsyncSender, Timing
from floorcast.connectors.asterisk.ami_connection import AmiAddress
from floorcast.connectors.asterisk.connector import AsteriskConnector, AsteriskSource
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.spool import Spool
from tests.client.intake import Intake
from tests.connectors.asterisk.captured import frames
from tests.connectors.asterisk.fake_ami import SECRET, encoded, serving

AGENTS, QUEUES = 1_000, 200
CAPTURED = "1795813689.9"  # a captured call that the caller ended
LEG = "1795813689.10"
TICK = 0.05  # seconds
QUIET = 2.0  # seconds; if the spool stays empty this long, everything has been sent
HASTY = Timing(patience=1e9, chance=lambda: 0.01)


def template() -> tuple[bytes, int]:
    """Return one call's events, with placeholders for names, and the number of events."""
    sent = [one for one in frames("22.10.1") if one.get("Linkedid") == CAPTURED]
    return b"".join(encoded({**one, "Timestamp": "@now"}) for one in sent), len(sent)


def calls(form: bytes) -> Iterator[bytes]:
    """Yield calls endlessly. No agent has two calls at the same time."""
    number = 0
    while True:
        now = time.time()
        yield (
            form.replace(LEG.encode(), f"{now:.0f}.{2 * number + 1}".encode())
            .replace(CAPTURED.encode(), f"{now:.0f}.{2 * number}".encode())
            .replace(b"@now", f"{now:.6f}".encode())
            .replace(b"Anna Sales", f"Agent {number % AGENTS}".encode())
            .replace(b"PJSIP/agent1", f"PJSIP/a{number % AGENTS}".encode())
            .replace(b"Queue: sales", f"Queue: q{number % QUEUES}".encode())
        )
        number += 1


def members() -> list[dict[str, str]]:
    """Return the queue members: each agent is in one queue."""
    return [
        {"Queue": f"q{n % QUEUES}", "Name": f"Agent {n}", "Location": f"PJSIP/a{n}", "Status": "1"}
        for n in range(AGENTS)
    ]


async def pour(rate: int, seconds: int, pipe: Connection) -> None:
    """Serve one connector, and send all events at the given rate."""
    form, events_a_call = template()
    async with serving() as ami:
        ami.members = members()
        pipe.send(ami.port)
        await asyncio.to_thread(pipe.recv)  # until the connector is connected
        began, source, sent, latest = time.monotonic(), calls(form), 0, 0.0
        while sent < rate * seconds:
            count = int((time.monotonic() - began + TICK) * rate) - sent
            for _ in range(max(0, count) // events_a_call):
                await ami.send_bytes(next(source))
                sent += events_a_call
            latest = max(latest, time.monotonic() - began - sent / rate)
            await asyncio.sleep(max(0.0, began + sent / rate - time.monotonic()))
        pipe.send((sent, time.monotonic() - began, latest))
        await asyncio.to_thread(pipe.recv)


def _child(rate: int, seconds: int, pipe: Connection) -> None:
    asyncio.run(pour(rate, seconds, pipe))


def _intake(is_away: bool, pipe: Connection) -> None:
    intake = Intake()
    if is_away:
        intake.stop()
    pipe.send(intake.url)
    pipe.recv()  # until the interface has sent everything
    if is_away:
        intake.start()
    pipe.recv()  # until the connector has sent everything
    intake.stop()


async def read(port: int, url: str, pipe: Connection, intake: Connection, folder: Path) -> None:
    """Run the connector, and print its costs after it has sent everything."""
    metrics, most = ConnectorMetrics(), 0
    source = AsteriskSource(ami=AmiAddress("127.0.0.1", port, "floorcast", SECRET))
    with Spool(folder / "spool.db") as spool:
        connector = AsteriskConnector(source, MappingConfig(), spool, metrics)
        async with AsyncSender(url, "k", timing=HASTY) as sender:
            task = asyncio.create_task(connector.run(sender, connector.forwarder()))
            while not metrics.value("floorcast_connector_connected", to="ami"):  # noqa: ASYNC110 — metrics have no event
                await asyncio.sleep(TICK)
            pipe.send("connected")
            began = time.process_time()
            while not await asyncio.to_thread(pipe.poll, TICK):
                most = max(most, spool.unsent)
            events, took, latest = pipe.recv()
            most = max(most, spool.unsent)
            intake.send("come back")
            began_to_send = time.monotonic()
            quiet = 0.0
            while quiet < QUIET:  # until everything has been read and sent
                await asyncio.sleep(TICK)
                most, quiet = max(most, spool.unsent), 0.0 if spool.unsent else quiet + TICK
            emptied = time.monotonic() - began_to_send - QUIET
            used = time.process_time() - began
            accepted = metrics.value("floorcast_connector_sent_total", verdict="accepted")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        size = (folder / "spool.db").stat().st_size / 2**20
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{events} events in {took:.1f} s: {events / took:.0f} a second")
    print(f"latest behind its schedule: {latest:.2f} s")
    print(f"processor: {used / events * 1e6:.0f} us an event, until it is sent")
    print(f"sent {accepted:.0f}; at most {most} in the spool, of {size:.0f} MB")
    print(f"the spool was empty after {emptied:.1f} s; {megabytes:.0f} MB of memory at most")


def main() -> None:
    """Run the interface and the intake in processes of their own, and the connector in this one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=10_000, help="events a second")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--away", action="store_true", help="the intake is away meanwhile")
    given = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    near, far = spawn.Pipe()
    children = [
        spawn.Process(target=_child, args=(given.rate, given.seconds, there)),
        spawn.Process(target=_intake, args=(given.away, far)),
    ]
    for child in children:
        child.start()
    port, url = here.recv(), near.recv()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(read(port, url, here, near, Path(folder)))
    here.send("done")
    near.send("done")
    for child in children:
        child.join()


if __name__ == "__main__":
    main()
