"""Implements ``floorcast connect freeswitch``: reads ESL and sends events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import structlog

from floorcast.client import AsyncSender
from floorcast.client.pacing import Backoff
from floorcast.connectors.forwarder import Forwarder
from floorcast.connectors.freeswitch.esl_connection import EslAddress, EslConnection
from floorcast.connectors.freeswitch.events import EslEvent, EslEventConverter, event_time
from floorcast.connectors.freeswitch.frames import EslFrame
from floorcast.connectors.freeswitch.processor import CoreUuid, FreeswitchItem, FreeswitchProcessor
from floorcast.connectors.freeswitch.queries import core_uuid, epoch, subscribe, take_snapshot
from floorcast.connectors.freeswitch.recording import FreeswitchRecording
from floorcast.connectors.freeswitch.sequence import EventSequence, SequenceCheck
from floorcast.connectors.freeswitch.snapshot import ROW_TIMES
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.pbx_events import PbxClockSet
from floorcast.connectors.pbx.reconnecting import keep_connected
from floorcast.connectors.pbx.source_clock import SourceClock, steady_clock
from floorcast.connectors.pbx.spool_writer import (
    CLOCK_POSITION,
    SpoolWriter,
    SpoolWriterTuning,
)
from floorcast.connectors.pbx.unreadable import ConnectorWarnings, Unreadable
from floorcast.connectors.spool import Spool

__all__ = ["FreeswitchConnector", "FreeswitchTuning"]

_log = structlog.get_logger("floorcast.connect")


class FreeswitchTuning(SpoolWriterTuning, frozen=True, kw_only=True):
    """Times in seconds that users do not need to set."""

    settle_seconds: float = 1.0  # after a snapshot, because earlier events may arrive late
    gap_seconds: float = 15.0  # between two snapshots if events may be missing
    # Between two snapshots otherwise, because changed tiers and deleted agents cause no event.
    compare_seconds: float = 60.0


class FreeswitchConnector:
    """Reads one FreeSWITCH server, writes events to a spool, and sends the events in the spool.

    ``run`` ends only with an exception. Received data is also written to the file ``record``, if it
    is set.
    """

    def __init__(
        self,
        address: EslAddress,
        config: MappingConfig,
        spool: Spool,
        metrics: ConnectorMetrics,
        *,
        record: Path | None = None,
        tuning: FreeswitchTuning | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._address = address
        self._config = config
        self._spool = spool
        self._metrics = metrics
        self._record = record
        self._tuning = tuning or FreeswitchTuning()
        positions = spool.positions()
        self._processor = FreeswitchProcessor(config, spool.rows(), positions)
        self._clock = SourceClock(
            clock or steady_clock(), positions.get(CLOCK_POSITION, ""), self._processor.last_at
        )
        self._writer: SpoolWriter[FreeswitchItem] = SpoolWriter(
            self._processor, spool, metrics, self._clock, self._tuning
        )
        self._converter = EslEventConverter(config)
        self._warnings = ConnectorWarnings(metrics)
        self._sequence = EventSequence()
        self._may_have_missed = asyncio.Event()

    async def run(self, sender: AsyncSender, forwarder: Forwarder) -> None:
        """Read and send until cancelled. Raises errors that a retry cannot fix."""
        with FreeswitchRecording(self._record) as recording:

            async def connection(backoff: Backoff) -> None:
                try:
                    await self._run_connection(recording, backoff)
                finally:
                    self._metrics.set_source_connected("esl", connected=False)

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(forwarder.run(sender))
                tasks.create_task(self._writer.run(forwarder))
                tasks.create_task(keep_connected("FreeSWITCH", connection))

    def forwarder(self) -> Forwarder:
        """Return a forwarder that sends events from this connector's spool."""
        return Forwarder(self._spool, self._metrics)

    # --- one connection -------------------------------------------------------------------------

    async def _run_connection(self, recording: FreeswitchRecording, backoff: Backoff) -> None:
        async def on_frame(frame: EslFrame | Unreadable) -> None:
            await self._process_frame(frame, recording)

        connection = EslConnection(self._address, on_frame)
        last_at = self._processor.last_at  # before this connection's first event
        self._sequence = EventSequence()
        read_task = await connection.open()
        compare_task = asyncio.create_task(
            self._keep_comparing(connection, recording, last_at, backoff)
        )
        try:
            await asyncio.wait({read_task, compare_task}, return_when=asyncio.FIRST_COMPLETED)
            for task in (compare_task, read_task):
                if task.done():
                    task.result()  # raises the reason
        finally:
            compare_task.cancel()
            await asyncio.gather(compare_task, return_exceptions=True)
            await connection.close(read_task)
        reason = connection.notice or "it was closed, or FreeSWITCH did not respond"
        _log.warning("the connection to FreeSWITCH was lost", esl=str(self._address), why=reason)

    async def _keep_comparing(
        self,
        connection: EslConnection,
        recording: FreeswitchRecording,
        last_at: float,
        backoff: Backoff,
    ) -> None:
        """Compare the states at the start, after events may have been missed, and periodically."""
        tuning = self._tuning
        if core := await core_uuid(connection):
            self._sequence.core = core
            await self._writer.put(CoreUuid(core))
        if second := await epoch(connection):
            moved = self._clock.adjust_to_second(second, self._clock.local_now())
            await self._move_times(moved)
        await subscribe(connection, self._config)
        is_first = True
        while True:
            self._may_have_missed.clear()
            at, moved_before = self._clock.now(), self._clock.moved
            snapshot = await take_snapshot(
                connection,
                self._processor.callers,
                at,
                last_at,
                partial(recording.write_reply, at=at),
            )
            await asyncio.sleep(tuning.settle_seconds)
            snapshot.at += self._clock.moved - moved_before
            snapshot.last_at += self._clock.moved - moved_before
            self._clock.correct_epochs([*snapshot.agents, *snapshot.members], ROW_TIMES)
            await self._writer.put(snapshot)
            self._metrics.count_resync()
            if is_first:
                is_first = False
                backoff.reset()
                self._metrics.set_source_connected("esl", connected=True)
                calls = len(snapshot.existing)
                _log.info("connected to FreeSWITCH", esl=str(self._address), calls=calls)
            await asyncio.sleep(tuning.gap_seconds)
            with suppress(TimeoutError):
                async with asyncio.timeout(tuning.compare_seconds - tuning.gap_seconds):
                    await self._may_have_missed.wait()
            last_at = self._processor.last_at

    # --- received frames ------------------------------------------------------------------------

    async def _process_frame(
        self, frame: EslFrame | Unreadable, recording: FreeswitchRecording
    ) -> None:
        try:
            if isinstance(frame, Unreadable):
                raise frame
            recording.write_frame(frame)
            event = self._converter.decode(frame.body)
            received = self._clock.local_now()
            at = event_time(event, 0.0)
            if at:
                await self._move_times(self._clock.adjust(at, received))
                if (corrected := self._clock.corrected(at)) != at:
                    event = event.at_time(corrected)
            await self._check_sequence(event)
            pbx_event = self._converter.convert(event, frame.body, self._clock.now())
        except Unreadable as error:
            self._warnings.count_unreadable(error)
            return
        if pbx_event is not None:
            await self._writer.put(pbx_event)

    async def _move_times(self, seconds: float) -> None:
        if seconds:
            await self._writer.put(PbxClockSet(at=self._clock.now(), seconds=seconds))

    async def _check_sequence(self, event: EslEvent) -> None:
        match self._sequence.check(event):
            case SequenceCheck.AFTER_RESTART:
                await self._writer.put(CoreUuid(event.core))
                self._may_have_missed.set()
            case SequenceCheck.AFTER_GAP:
                self._may_have_missed.set()
            case SequenceCheck.IN_ORDER:
                pass
