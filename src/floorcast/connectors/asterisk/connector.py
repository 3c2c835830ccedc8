"""Implements ``floorcast connect asterisk``: reads AMI and ``queue_log`` and sends events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing, suppress
from math import ceil
from pathlib import Path

import structlog
from msgspec import Struct, structs

from floorcast.client import AsyncSender
from floorcast.client.pacing import Backoff
from floorcast.connectors.asterisk.ami_connection import AmiAddress, AmiConnection
from floorcast.connectors.asterisk.ami_events import AmiEventConverter
from floorcast.connectors.asterisk.frames import AmiFrame
from floorcast.connectors.asterisk.merging import PbxEventSource
from floorcast.connectors.asterisk.processor import LOG_POSITION, AsteriskItem, AsteriskProcessor
from floorcast.connectors.asterisk.queue_log_file import QueueLogFile, RawLine
from floorcast.connectors.asterisk.queue_log_lines import QueueLogLine, parse_line, to_pbx_event
from floorcast.connectors.asterisk.recording import AsteriskRecording
from floorcast.connectors.asterisk.snapshot import MEMBER_TIMES, AsteriskSnapshot
from floorcast.connectors.forwarder import Forwarder
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.pbx_events import LeaveReason, PbxClockSet, PbxEvent, QueueLeft
from floorcast.connectors.pbx.reconnecting import keep_connected
from floorcast.connectors.pbx.source_clock import SourceClock, steady_clock
from floorcast.connectors.pbx.spool_writer import (
    CLOCK_POSITION,
    SpoolWriter,
    SpoolWriterTuning,
)
from floorcast.connectors.pbx.unreadable import ConnectorWarnings, Unreadable
from floorcast.connectors.spool import Spool
from floorcast.model.errors import Unavailable

__all__ = ["AsteriskConnector", "AsteriskSource", "AsteriskTuning"]

_log = structlog.get_logger("floorcast.connect")

QUEUE_STATUS = {
    "TIMEOUT": "TIMEOUT",
    "FULL": "FULL",
    "JOINEMPTY": "EMPTY",
    "LEAVEEMPTY": "EMPTY",
    "JOINUNAVAIL": "EMPTY",
    "LEAVEUNAVAIL": "EMPTY",
    "WITHDRAW": "WITHDRAWN",
    "CONTINUE": "OTHER",
}
"""Maps QUEUESTATUS, a channel variable that Queue() sets, to a reason for leaving."""


class AsteriskTuning(SpoolWriterTuning, frozen=True, kw_only=True):
    """Times in seconds and limits that users do not need to set."""

    poll_seconds: float = 0.1  # between two reads of the queue log
    # How long a line waits for the same event from AMI, whose times are more precise.
    duplicate_wait_seconds: float = 0.5
    # Pauses before each query for the reason why a caller left a queue.
    reason_query_pauses: tuple[float, ...] = (0.1, 0.2, 0.4)
    max_line_age: float = 26 * 3600.0  # seconds; the server does not recognize older duplicates


class AsteriskSource(Struct, frozen=True, kw_only=True):
    """The source: AMI, the queue log, or both.

    Lines older than ``since`` (epoch seconds) are skipped. If ``since`` is None, lines are read
    from as far back as is safe. Received data is also written to the file ``record``, if it is set.
    """

    ami: AmiAddress | None = None
    queue_log: Path | None = None
    since: float | None = None
    record: Path | None = None


class AsteriskConnector:
    """Reads one Asterisk server, writes events to a spool, and sends the events in the spool.

    ``run`` ends only with an exception.
    """

    def __init__(
        self,
        source: AsteriskSource,
        config: MappingConfig,
        spool: Spool,
        metrics: ConnectorMetrics,
        *,
        tuning: AsteriskTuning | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._source = source
        self._spool = spool
        self._metrics = metrics
        self._tuning = tuning or AsteriskTuning()
        self._position = spool.positions()
        processor = AsteriskProcessor(
            config, spool.rows(), self._position, has_ami=source.ami is not None
        )
        position = self._position.get(CLOCK_POSITION, "")
        latest = processor.last_at if source.ami else 0.0  # the log's position has its own
        self._clock = SourceClock(clock or steady_clock(), position, latest)
        self._writer = SpoolWriter(processor, spool, metrics, self._clock, self._tuning)
        self._converter = AmiEventConverter(config.did_variable, config.disposition_event)
        self._ami_is_live = False
        # Events that wait until a snapshot has been applied.
        self._deferred_events: list[PbxEvent] | None = None
        self._has_read_log = asyncio.Event()
        self._warnings = ConnectorWarnings(metrics)

    async def run(self, sender: AsyncSender, forwarder: Forwarder) -> None:
        """Read and send until cancelled. Raises errors that a retry cannot fix."""
        with AsteriskRecording(self._source.record) as recording:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(forwarder.run(sender))
                tasks.create_task(self._writer.run(forwarder))
                if self._source.queue_log:
                    tasks.create_task(self._read_log(self._source.queue_log, recording))
                if self._source.ami:
                    tasks.create_task(self._follow_ami(self._source.ami, recording))

    def forwarder(self) -> Forwarder:
        """Return a forwarder that sends events from this connector's spool."""
        return Forwarder(self._spool, self._metrics)

    # --- the queue log --------------------------------------------------------------------------

    async def _read_log(self, path: Path, recording: AsteriskRecording) -> None:
        oldest = self._clock.local_now() - self._tuning.max_line_age
        since = oldest if self._source.since is None else self._source.since
        with closing(await self._open_log(path, since)) as file:
            if not self._source.ami and not file.skips_before:
                self._clock.follow(file.last_second)
            await self._follow_log(file, since, recording)

    async def _open_log(self, path: Path, since: float) -> QueueLogFile:
        """Open the log at the last position. Wait while it cannot be read."""
        while True:
            try:
                file = QueueLogFile(path, self._position.get(LOG_POSITION, ""), since)
                if not file.exists():
                    self._warnings.warn_once(f"queue log {path} does not exist; waiting for it")
            except OSError as error:
                self._note_unreadable_log(error)
                await asyncio.sleep(self._tuning.poll_seconds)
            else:
                return file

    def _note_unreadable_log(self, error: OSError) -> None:
        self._metrics.set_source_connected("queue_log", connected=False)
        self._warnings.warn_once(
            f"queue log {self._source.queue_log} cannot be read: {error.strerror}; waiting for it"
        )

    async def _follow_log(
        self, file: QueueLogFile, since: float, recording: AsteriskRecording
    ) -> None:
        skipped = 0
        while True:
            count = 0
            for line in self._poll(file):
                count += 1
                recording.write_line(line.text)
                parsed = self._parse_line(line.text)
                event = None
                if parsed is not None and parsed.at >= max(since, file.skips_before):
                    file.skips_before = 0.0  # a later line with an earlier time is new
                    event = await self._convert_line(parsed)
                elif parsed is not None:
                    skipped += parsed.at < since
                await self._wait_for_ami(event)
                await self._writer.put(AsteriskItem(PbxEventSource.QUEUE_LOG, event, line.position))
            if count == 0:
                if skipped:
                    _log.warning(
                        "queue log lines were skipped because they are too old", lines=skipped
                    )
                    skipped = 0
                self._has_read_log.set()
                await asyncio.sleep(self._tuning.poll_seconds)

    def _poll(self, file: QueueLogFile) -> list[RawLine]:
        try:
            found = list(file.poll())
        except OSError as error:
            self._note_unreadable_log(error)
            return []
        self._metrics.set_source_connected("queue_log", connected=file.is_open)
        if file.take_loss():
            _log.warning(
                "the queue log was truncated, and no uncompressed copy of it was found: lines that"
                " were written just before may be lost; rotate the log without copytruncate",
                file=str(self._source.queue_log),
            )
        return found

    def _parse_line(self, text: str) -> QueueLogLine | None:
        try:
            line = parse_line(text)
        except Unreadable as error:
            self._warnings.count_unreadable(error)
            return None
        # a new line of the only source sets the clock instead
        sets_clock = not self._source.ami and self._has_read_log.is_set()
        if not sets_clock and self._clock.is_impossible(line.at):
            self._warnings.count_unreadable(Unreadable(f"a line from the future: {text[:200]!r}"))
            return None
        return line

    async def _convert_line(self, line: QueueLogLine) -> PbxEvent | None:
        if not self._source.ami:
            await self._follow_line(line.at)
        # whole seconds, so that a line is not before an event of the same second from AMI
        return to_pbx_event(line._replace(at=float(ceil(self._clock.corrected(line.at)))))

    async def _follow_line(self, second: float) -> None:
        """Take the time of a line, unless AMI, which arrives earlier, sets the clock."""
        if not self._has_read_log.is_set():
            self._clock.follow(second)
        elif moved := self._clock.adjust_to_second(second, self._clock.local_now()):
            clock_set = PbxClockSet(at=self._clock.now(), seconds=moved)
            await self._writer.put(AsteriskItem(PbxEventSource.QUEUE_LOG, clock_set))

    async def _wait_for_ami(self, event: PbxEvent | None) -> None:
        """Wait for the same event from AMI, whose times include microseconds."""
        if event is not None and self._ami_is_live:
            age = self._clock.now() - event.at
            wait = self._tuning.duplicate_wait_seconds + 1.0 - age  # a line's time is rounded down
            if wait > 0:
                await asyncio.sleep(min(wait, self._tuning.duplicate_wait_seconds + 1.0))

    # --- AMI ------------------------------------------------------------------------------------

    async def _follow_ami(self, address: AmiAddress, recording: AsteriskRecording) -> None:
        async def connection(backoff: Backoff) -> None:
            if self._source.queue_log:
                await self._has_read_log.wait()  # its lines are older than AMI's current state
            try:
                await self._run_connection(address, recording, backoff)
            finally:
                self._ami_is_live = False
                self._metrics.set_source_connected("ami", connected=False)

        await keep_connected("Asterisk", connection)

    async def _run_connection(
        self, address: AmiAddress, recording: AsteriskRecording, backoff: Backoff
    ) -> None:
        reason_queries: set[asyncio.Task[None]] = set()

        async def on_frame(frame: AmiFrame | Unreadable) -> None:
            event = await self._process_frame(frame, recording)
            if isinstance(event, QueueLeft) and isinstance(frame, dict) and not event.reason:
                task = asyncio.create_task(self._query_leave_reason(connection, event, frame))
                reason_queries.add(task)
                task.add_done_callback(reason_queries.discard)

        connection = AmiConnection(address, on_frame)
        self._deferred_events = []  # this connection's events are newer than the snapshot's start
        read_task = await connection.open()
        try:
            # its reply has the time, and the first events may be older than the snapshot
            await connection.send_action("Ping")
            moved_before = self._clock.moved
            snapshot = await take_snapshot(connection, self._clock.now())
            snapshot.at += self._clock.moved - moved_before
            self._clock.correct_epochs(snapshot.members, MEMBER_TIMES)
            self._ami_is_live = True
            self._metrics.set_source_connected("ami", connected=True)
            self._metrics.count_resync()
            _log.info("connected to Asterisk", ami=str(address), calls=len(snapshot.entries))
            await self._writer.put(AsteriskItem(PbxEventSource.AMI, snapshot))
            await self._release_deferred_events()
            backoff.reset()
            await read_task
        finally:
            for task in list(reason_queries):
                task.cancel()
            await connection.close(read_task)
        _log.warning("the connection to Asterisk was lost", ami=str(address))

    async def _query_leave_reason(
        self, connection: AmiConnection, left: QueueLeft, frame: AmiFrame
    ) -> None:
        """Ask Asterisk why a caller left a queue.

        No event gives the reason, but the channel variable QUEUESTATUS does. Asterisk sets the
        variable shortly after the event. An earlier queue may also have set it.
        """
        channel, reason = frame.get("Channel", ""), ""
        with suppress(Unavailable):
            for pause in self._tuning.reason_query_pauses:
                await asyncio.sleep(pause)
                reply = await connection.send_action(
                    "GetVar", Channel=channel, Variable="QUEUESTATUS"
                )
                reason = QUEUE_STATUS.get(reply[0].get("Value", ""), "")
                if reason or reply[0].get("Response") == "Error":
                    break
        await self._put(LeaveReason(at=left.at, caller=left.caller, reason=reason))

    async def _process_frame(
        self, frame: AmiFrame | Unreadable, recording: AsteriskRecording
    ) -> PbxEvent | None:
        received = self._clock.local_now()
        if isinstance(frame, Unreadable):
            self._warnings.count_unreadable(frame)
            return None
        recording.write_frame(frame, received)
        frame = await self._on_timeline(frame, received)
        try:
            event = self._converter.convert(frame, self._clock.now())
        except Unreadable as error:
            self._warnings.count_unreadable(error)
            return None
        if event is not None:
            await self._put(event)
        return event

    async def _on_timeline(self, frame: AmiFrame, received: float) -> AmiFrame:
        """Return the frame with its time on the timeline of ``SourceClock``."""
        try:
            at = float(frame["Timestamp"])
        except (KeyError, ValueError):
            return frame
        if moved := self._clock.adjust(at, received):
            await self._move_times(moved)
        corrected = self._clock.corrected(at)
        return frame if corrected == at else {**frame, "Timestamp": f"{corrected:.6f}"}

    async def _move_times(self, seconds: float) -> None:
        """Move all times that are kept.

        This does not wait for the snapshot, which may fail: the clock has already moved.
        """
        if self._deferred_events is not None:
            self._deferred_events = [
                structs.replace(event, at=event.at + seconds) for event in self._deferred_events
            ]
        clock_set = PbxClockSet(at=self._clock.now(), seconds=seconds)
        await self._writer.put(AsteriskItem(PbxEventSource.AMI, clock_set))

    async def _put(self, event: PbxEvent) -> None:
        if self._deferred_events is None:
            await self._writer.put(AsteriskItem(PbxEventSource.AMI, event))
        elif len(self._deferred_events) < self._tuning.max_inbox:
            self._deferred_events.append(event)
        else:
            raise Unavailable("AMI sent too many events before its state could be compared")

    async def _release_deferred_events(self) -> None:
        """Release the events that arrived during the snapshot, in order of arrival."""
        while self._deferred_events:
            deferred, self._deferred_events = self._deferred_events, []
            for event in deferred:
                await self._writer.put(AsteriskItem(PbxEventSource.AMI, event))
        self._deferred_events = None


async def take_snapshot(connection: AmiConnection, at: float) -> AsteriskSnapshot:
    """Return the current state of Asterisk. Raises Unavailable if a permission is missing."""
    status = await _request(connection, "CoreStatus")
    queues = await _request(connection, "QueueStatus")
    channels = await _request(connection, "CoreShowChannels")
    started = f"{status[0].get('CoreStartupDate', '')} {status[0].get('CoreStartupTime', '')}"
    return AsteriskSnapshot(
        at=at,
        started=started,
        members=[one for one in queues if one.get("Event") == "QueueMember"],
        entries=[one for one in queues if one.get("Event") == "QueueEntry"],
        channels=[one for one in channels if one.get("Event") == "CoreShowChannel"],
    )


async def _request(connection: AmiConnection, action: str) -> list[AmiFrame]:
    reply = await connection.send_action(action)
    if reply[0].get("Response") == "Error":
        message = reply[0].get("Message", "refused")
        raise Unavailable(
            f"AMI refuses {action}: {message}; grant the user the write rights in"
            " docs/connect-asterisk.md"
        )
    return reply
