"""Applies received items and writes the results to the spool, in one transaction per step."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Generic, NamedTuple, Protocol, TypeVar

import structlog
from msgspec import Struct

from floorcast.client import CloudEvent
from floorcast.connectors.forwarder import Forwarder
from floorcast.connectors.full_disk import PAUSE_SECONDS, repeat_while_full
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.pbx.source_clock import SourceClock
from floorcast.connectors.pbx.unreadable import ConnectorWarnings, Unreadable
from floorcast.connectors.spool import Spool

__all__ = ["CLOCK_POSITION", "ItemProcessor", "SpoolStep", "SpoolWriter", "SpoolWriterTuning"]

CLOCK_POSITION = "source_clock"

_log = structlog.get_logger("floorcast.connect")


class SpoolWriterTuning(Struct, frozen=True, kw_only=True):
    """Times in seconds and limits that users do not need to set."""

    full_disk_seconds: float = PAUSE_SECONDS  # between two attempts to write to a full disk
    step_seconds: float = 0.2  # maximum wait for an item in one step
    max_inbox: int = 100_000  # items that are read but not yet spooled; if reached, reading waits
    max_step: int = 5_000  # items in one transaction
    max_spooled: int = 5_000_000  # events; if reached, reading waits until some have been sent


class SpoolStep(NamedTuple):
    """The changes to store in one transaction, and what was skipped because it is not valid."""

    events: list[CloudEvent]
    rows: Mapping[tuple[str, str], object]
    position: Mapping[str, str]
    unreadable: Sequence[Unreadable] = ()


Item_contra = TypeVar("Item_contra", contravariant=True)
Item = TypeVar("Item")


class ItemProcessor(Protocol[Item_contra]):
    """Converts received items to the rows and events to store."""

    @property
    def last_at(self) -> float:
        """The time of the last PBX event, by the source's clock."""

    def apply(self, item: Item_contra) -> None:
        """Apply a received item."""

    def advance(self, now: float) -> None:
        """Apply the passage of time up to ``now``, by the source's clock."""

    def take_step(self) -> SpoolStep:
        """Return the changes since the last step."""


class SpoolWriter(Generic[Item]):
    """Takes items from an inbox and stores the results. ``put`` waits while the inbox is full."""

    def __init__(
        self,
        processor: ItemProcessor[Item],
        spool: Spool,
        metrics: ConnectorMetrics,
        clock: SourceClock,
        tuning: SpoolWriterTuning,
    ) -> None:
        self._processor = processor
        self._spool = spool
        self._metrics = metrics
        self._clock = clock
        self._tuning = tuning
        self._warnings = ConnectorWarnings(metrics)
        self._is_displaced = False
        self._inbox: asyncio.Queue[Item] = asyncio.Queue(tuning.max_inbox)

    async def put(self, item: Item) -> None:
        """Add a received item."""
        await self._inbox.put(item)

    async def run(self, forwarder: Forwarder) -> None:
        """Store received items until cancelled."""
        forwarder.wake()
        while True:
            await self._gather()
            clock = None
            if self._inbox.empty():  # otherwise, older items would come too late
                self._processor.advance(self._clock.now())
                clock = self._clock.take_position()
            step = self._processor.take_step()
            for one in step.unreadable:
                self._warnings.count_unreadable(one)
            if clock is not None:
                step = step._replace(position={**step.position, CLOCK_POSITION: clock})
            if step.events or step.rows or step.position:
                commit = partial(self._spool.commit, step.events, step.rows, step.position)
                await repeat_while_full(commit, self._tuning.full_disk_seconds)
                self._metrics.set_last_event_time(self._processor.last_at)
                self._metrics.set_unsent(self._spool.unsent)
                self._check_path()
            if step.events:
                forwarder.wake()
            while self._spool.unsent >= self._tuning.max_spooled:
                await forwarder.wait_until_sent()

    def _check_path(self) -> None:
        """Report once that the spool was deleted or replaced. SQLite does not notice it."""
        if not self._is_displaced and not self._spool.is_at_its_path():
            self._is_displaced = True
            _log.error(
                "the spool was deleted or replaced: restart the connector once all events have been"
                " sent; what it stores is lost when it ends",
                unsent=self._spool.unsent,
            )

    async def _gather(self) -> None:
        """Apply received items, or wait briefly for one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._tuning.step_seconds):
                self._processor.apply(await self._inbox.get())
        for _ in range(self._tuning.max_step):
            if self._inbox.empty():
                return
            self._processor.apply(self._inbox.get_nowait())
