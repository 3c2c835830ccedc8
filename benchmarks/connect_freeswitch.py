"""Measures how many FreeSWITCH events per second the connector reads, and its memory.

An event socket in another process sends a large floor's calls (1,000 agents, 200 queues) at a
steady rate. The events are as large as usual and include channel variables. The connector reads the
events, maps them, spools the result, and sends it to an intake that accepts everything. Run the
benchmark from the repository's root:

    python -m benchmarks.connect_freeswitch --rate 10000 --seconds 60

It prints how far the socket fell behind its schedule (because of backpressure), the CPU time per
event, the maximum number of events in the spool, and the connector's peak memory.
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

from floorcast.client import AsyncSender
from floorcast.connectors.freeswitch.connector import FreeswitchConnector
from floorcast.connectors.freeswitch.esl_connection import EslAddress
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.spool import Spool
from tests.client.intake import running
from tests.connectors.freeswitch.dialogues import Caller, agent_row, hangup, tier_row
from tests.connectors.freeswitch.fake_esl import PASSWORD, Event, encoded, serving

AGENTS, QUEUES = 1_000, 200
VARIABLES = {f"variable_{number}": "x" * 60 for number in range(30)}  # about 2.3 KB
TICK = 0.05  # seconds


EVENTS_A_CALL = 11
SECOND, SESSION, AGENT, QUEUE = 1_111_111_111, "22222222", "3333", "444"


def template() -> bytes:
    """Return one call's events, with placeholders for numbers."""
    agent, at = f"{AGENT}@pbx", float(SECOND)
    one = Caller(f"{SESSION}-0000-4000-8000-000000000000", f"queue{QUEUE}")
    said: list[Event] = [
        *one.joins(at),
        *one.is_offered(at + 0.002, agent),
        *one.is_answered(at + 0.01, agent),
        *one.hangs_up(at + 0.2, "recv_bye"),
        *one.ends_talk(at + 0.21, agent),
        hangup(f"leg-{one.session}", at + 0.22),
    ]
    found = [encoded({"Core-UUID": "core-1", **event, **VARIABLES}) for event in said]
    assert len(found) == EVENTS_A_CALL, len(found)
    return b"".join(found)


def calls() -> Iterator[bytes]:
    """Yield calls endlessly. No agent has two calls at the same time."""
    form, number = template(), 0
    while True:
        yield (
            form.replace(str(SECOND).encode(), f"{int(time.time()):010}".encode())
            .replace(SESSION.encode(), f"{number:08}".encode())
            .replace(AGENT.encode(), f"{number % AGENTS:04}".encode())
            .replace(QUEUE.encode(), f"{number % QUEUES:03}".encode())
        )
        number += 1


async def pour(rate: int, seconds: int, pipe: Connection) -> None:
    """Serve one connector, and send all events at the given rate."""
    async with serving() as esl:
        names = [f"{number:04}@pbx" for number in range(AGENTS)]
        esl.agents = [agent_row(name) for name in names]
        esl.tiers = [tier_row(name, f"queue{int(name[:4]) % QUEUES:03}") for name in names]
        esl.queues = [{"name": f"queue{number:03}"} for number in range(QUEUES)]
        with running() as intake:
            pipe.send((esl.port, intake.url))
            await asyncio.to_thread(pipe.recv)  # until the connector is connected
            began, source, said, latest = time.monotonic(), calls(), 0, 0.0
            while said < rate * seconds:
                due = min(rate * seconds, int((time.monotonic() - began + TICK) * rate))
                count = due - said
                for _ in range(-(-max(0, count) // EVENTS_A_CALL)):
                    await esl.send_bytes(next(source))
                    said += EVENTS_A_CALL
                latest = max(latest, time.monotonic() - began - said / rate)
                await asyncio.sleep(max(0.0, began + said / rate - time.monotonic()))
            pipe.send((said, time.monotonic() - began, latest))
            await asyncio.to_thread(pipe.recv)


def _child(rate: int, seconds: int, pipe: Connection) -> None:
    asyncio.run(pour(rate, seconds, pipe))


async def read(port: int, url: str, pipe: Connection, folder: Path) -> None:
    """Run the connector, and print its costs after the socket has sent everything."""
    address = EslAddress("127.0.0.1", port, PASSWORD)
    metrics, most = ConnectorMetrics(), 0
    with Spool(folder / "spool.db") as spool:
        connector = FreeswitchConnector(address, MappingConfig(), spool, metrics)
        async with AsyncSender(url, "k") as sender:
            task = asyncio.create_task(connector.run(sender, connector.forwarder()))
            while not metrics.value("floorcast_connector_connected", to="esl"):  # noqa: ASYNC110 — metrics have no event
                await asyncio.sleep(TICK)
            pipe.send("connected")
            began = time.process_time()
            while not await asyncio.to_thread(pipe.poll, TICK):
                most = max(most, spool.unsent)
            events, took, latest = pipe.recv()
            used = time.process_time() - began
            accepted = metrics.value("floorcast_connector_sent_total", verdict="accepted")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{events} events in {took:.1f} s: {events / took:.0f} a second")
    print(f"latest behind its schedule: {latest:.2f} s")
    print(f"processor: {used / events * 1e6:.0f} us an event ({used / took:.0%} of one core)")
    print(f"sent {accepted:.0f}; at most {most} in the spool; {megabytes:.0f} MB at most")


def main() -> None:
    """Run the event socket in a separate process and the connector in this one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=10_000, help="events a second")
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    here, there = multiprocessing.get_context("spawn").Pipe()
    child = multiprocessing.get_context("spawn").Process(
        target=_child, args=(given.rate, given.seconds, there)
    )
    child.start()
    port, url = here.recv()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(read(port, url, here, Path(folder)))
    here.send("done")
    child.join()


if __name__ == "__main__":
    main()
