"""Tests that move items from an inbox into the spool."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from floorcast.client import AsyncSender, CloudEvent
from floorcast.connectors.forwarder import Forwarder
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.pbx.source_clock import SourceClock
from floorcast.connectors.pbx.spool_writer import (
    CLOCK_POSITION,
    SpoolStep,
    SpoolWriter,
    SpoolWriterTuning,
)
from floorcast.connectors.spool import Spool
from tests.client.intake import running
from tests.connectors.test_spool import fill, limit_pages
from tests.real.asterisk import wait_until

TUNING = SpoolWriterTuning(
    step_seconds=0.01, max_inbox=3, max_step=2, max_spooled=4, full_disk_seconds=0.01
)


class NumberProcessor:
    """Creates an event from each number."""

    last_at = 1.0

    def __init__(self) -> None:
        self._events: list[CloudEvent] = []
        self.applied = 0
        self.applied_at_advance: list[int] = []
        self.largest_step = 0

    def apply(self, item: int) -> None:
        at = datetime.fromtimestamp(item, UTC)
        event = CloudEvent(id=str(item), source="s", type="call.end", time=at, data={})
        self._events.append(event)
        self.applied += 1

    def advance(self, now: float) -> None:
        assert now in {7.0, 3607.0}
        self.applied_at_advance.append(self.applied)

    def take_step(self) -> SpoolStep:
        events, self._events = self._events, []
        self.largest_step = max(self.largest_step, len(events))
        return SpoolStep(events, {}, {"last": events[-1].id} if events else {})


def test_a_full_disk_delays_events(tmp_path: Path) -> None:
    """The connector continues once the disk has room. It loses nothing that it has read."""

    async def main() -> None:
        with Spool(tmp_path / "spool.db") as spool, capture_logs() as logs:
            metrics, processor = ConnectorMetrics(), NumberProcessor()
            tuning = structs.replace(TUNING, max_spooled=100_000)
            writer = SpoolWriter(processor, spool, metrics, SourceClock(lambda: 7.0), tuning)
            fill(spool)
            write_task = asyncio.create_task(writer.run(Forwarder(spool, metrics)))
            await writer.put(1)
            await writer.put(2)
            await asyncio.to_thread(wait_until, lambda: bool(logs), lambda: logs)
            before = spool.unsent
            limit_pages(spool, 10_000)
            await asyncio.to_thread(wait_until, lambda: spool.unsent == before + 2, lambda: logs)
            write_task.cancel()
            await asyncio.gather(write_task, return_exceptions=True)
            assert [one.id for one in spool.oldest(100_000)[1]][-2:] == ["1", "2"]
            assert [one["log_level"] for one in logs] == ["warning"]

    asyncio.run(main())


def is_unsent(spool: Spool, number: int) -> bool:
    return spool.unsent == number


def test_a_deleted_spool_is_reported_once(tmp_path: Path) -> None:
    """The connector continues, because it can still send what the deleted file holds."""

    async def main() -> None:
        path = tmp_path / "spool.db"
        with Spool(path) as spool, capture_logs() as logs:
            metrics, processor = ConnectorMetrics(), NumberProcessor()
            tuning = structs.replace(TUNING, max_spooled=1000)
            writer = SpoolWriter(processor, spool, metrics, SourceClock(lambda: 7.0), tuning)
            write_task = asyncio.create_task(writer.run(Forwarder(spool, metrics)))
            path.unlink()
            for number in range(3):
                await writer.put(number)
                await asyncio.to_thread(
                    wait_until, partial(is_unsent, spool, number + 1), lambda: logs
                )
            write_task.cancel()
            await asyncio.gather(write_task, return_exceptions=True)
        assert [one["log_level"] for one in logs] == ["error"]

    asyncio.run(main())


def test_time_does_not_pass_before_older_items(tmp_path: Path) -> None:
    """A burst takes several steps. Time passes, and the clock is stored, after the last one.

    An item may be a join that continues a call, or a move of all times. The call would otherwise
    end first, and a crash would store the clock without the move.
    """

    async def main() -> None:
        with Spool(tmp_path / "spool.db") as spool:
            metrics, processor = ConnectorMetrics(), NumberProcessor()
            clock = SourceClock(lambda: 7.0)
            tuning = structs.replace(TUNING, max_inbox=100, max_spooled=1000)
            writer = SpoolWriter(processor, spool, metrics, clock, tuning)
            for number in range(20):
                await writer.put(number)
            clock.adjust(3607.0, 7.0)
            positions: list[Mapping[str, str]] = []

            def commit(
                events: list[CloudEvent],
                rows: Mapping[tuple[str, str], object],
                position: Mapping[str, str],
            ) -> None:
                positions.append(position)
                Spool.commit(spool, events, rows, position)

            with patch.object(spool, "commit", commit):
                write_task = asyncio.create_task(writer.run(Forwarder(spool, metrics)))
                await asyncio.to_thread(
                    wait_until, lambda: bool(processor.applied_at_advance), lambda: positions
                )
                write_task.cancel()
                await asyncio.gather(write_task, return_exceptions=True)
            assert processor.applied_at_advance[0] == 20
            assert all(CLOCK_POSITION not in one for one in positions[:6])

    asyncio.run(main())


def test_reading_waits_while_the_spool_is_full(tmp_path: Path) -> None:
    """The inbox and the spool stay bounded. Reading continues once the server accepts events."""

    async def main(url: str) -> None:
        metrics, processor = ConnectorMetrics(), NumberProcessor()
        with Spool(tmp_path / "spool.db") as spool:
            writer = SpoolWriter(processor, spool, metrics, SourceClock(lambda: 7.0), TUNING)
            forwarder = Forwarder(spool, metrics)
            write_task = asyncio.create_task(writer.run(forwarder))

            async def put_all() -> None:
                for number in range(50):
                    await writer.put(number)

            put_task = asyncio.create_task(put_all())
            full = TUNING.max_spooled
            await asyncio.to_thread(wait_until, lambda: spool.unsent >= full, lambda: spool.unsent)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(put_task), 0.1)
            assert spool.unsent <= full + TUNING.max_step
            async with AsyncSender(url, "k") as sender:
                send_task = asyncio.create_task(forwarder.run(sender))
                await asyncio.wait_for(put_task, 100)
                sent = "floorcast_connector_sent_total"
                await asyncio.to_thread(
                    wait_until,
                    lambda: metrics.value(sent, verdict="accepted") == 50,
                    lambda: spool.unsent,
                )
                send_task.cancel()
                write_task.cancel()
                await asyncio.gather(send_task, write_task, return_exceptions=True)
            assert spool.positions() == {"last": "49"}
        assert processor.largest_step <= TUNING.max_step + 1

    with running() as intake:
        asyncio.run(main(intake.url))
        assert list(intake.received) == [str(number) for number in range(50)]
