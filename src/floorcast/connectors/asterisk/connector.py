"""Implements ``floorcast connect asterisk``: reads AMI and ``queue_log`` and sends events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import structlog
from msgspec import Struct

from floorcast.client import AsyncSender
from floorcast.client.pacing import Backoff
from floorcast.connectors.asterisk.ami_connection import AmiAddress, AmiConnection
from floorcast.connectors.asterisk.ami_events import AmiEventConverter
from floorcast.connectors.asterisk.frames import AmiFrame
from floorcast.connectors.asterisk.merging import PbxEventSource
from floorcast.connectors.asterisk.processor import LOG_POSITION, AsteriskItem, AsteriskProcessor
from floorcast.connectors.asterisk.queue_log_file import QueueLogFile, RawLine
from floorcast.connectors.asterisk.queue_log_lines import read_line, sign_of
from floorcast.connectors.asterisk.recording import AsteriskRecording
from floorcast.connectors.asterisk.snapshot import AsteriskSnapshot
from floorcast.connectors.forwarder import Forwarder
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.pbx_events import LeaveReason, PbxEvent, QueueLeft
from floorcast.connectors.pbx.reconnecting import keep_connected
from floorcast.connectors.pbx.source_clock import SourceClock
from floorcast.connectors.pbx.spool_writer import SpoolWriter, SpoolWriterTuning
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
    # How long a line waits for the same sign from AMI, whose times are more precise.
    hold_seconds: float = 0.5
    # Pauses before each query for the reason why a caller left a queue.
    ask_after: tuple[float, ...] = (0.1, 0.2, 0.4)
    max_age: float = 26 * 3600.0  # of a line; the server does not recognize older duplicates


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
        health: ConnectorMetrics,
        *,
        tuning: AsteriskTuning | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._spool = spool
        self._health = health
        self._tuning = tuning or AsteriskTuning()
        self._clock = SourceClock(clock)
        self._position = spool.position()
        reading = AsteriskProcessor(
            config, spool.rows(), self._position, has_ami=source.ami is not None
        )
        self._spooling = SpoolWriter(reading, spool, health, self._clock, self._tuning)
        self._events = AmiEventConverter(config.did_variable, config.disposition_event)
        self._ami_is_live = False
        self._held: list[PbxEvent] | None = None  # signs that wait until a snapshot has been added
        self._has_read_log = asyncio.Event()
        self._complaints = ConnectorWarnings(health)

    async def run(self, sender: AsyncSender, forwarder: Forwarder) -> None:
        """Read and send until cancelled. Raises errors that a retry cannot fix."""
        with AsteriskRecording(self._source.record) as recording:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(forwarder.run(sender))
                tasks.create_task(self._spooling.run(forwarder))
                if self._source.queue_log:
                    tasks.create_task(self._read_log(self._source.queue_log, recording))
                if self._source.ami:
                    tasks.create_task(self._follow_ami(self._source.ami, recording))

    def forwarder(self) -> Forwarder:
        """Return a forwarder that sends events from this connector's spool."""
        return Forwarder(self._spool, self._health)

    # --- the queue log --------------------------------------------------------------------------

    async def _read_log(self, path: Path, recording: AsteriskRecording) -> None:
        oldest = self._clock.ours() - self._tuning.max_age
        since = oldest if self._source.since is None else self._source.since
        position = self._position.get(LOG_POSITION, "")
        with closing(QueueLogFile(path, position, since)) as file:
            await self._follow_log(file, since, recording)

    async def _follow_log(
        self, file: QueueLogFile, since: float, recording: AsteriskRecording
    ) -> None:
        skipped = 0
        while True:
            count = 0
            for line in self._polled(file):
                count += 1
                recording.line(line.text)
                sign = self._sign_of_line(line.text, file)
                if sign is not None and sign.at < max(since, file.skips_before):
                    skipped += sign.at < since
                    sign = None
                await self._hold_back(sign)
                await self._spooling.put(
                    AsteriskItem(PbxEventSource.QUEUE_LOG, sign, line.position)
                )
            if count == 0:
                if skipped:
                    _log.warning(
                        "queue log lines were skipped because they are too old", lines=skipped
                    )
                    skipped = 0
                self._has_read_log.set()
                await asyncio.sleep(self._tuning.poll_seconds)

    def _polled(self, file: QueueLogFile) -> list[RawLine]:
        try:
            found = list(file.poll())
        except OSError as error:
            self._health.source_connected("queue_log", connected=False)
            self._complaints.warn_once(f"the queue log cannot be read: {error}")
            return []
        self._health.source_connected("queue_log", connected=file.is_open)
        return found

    def _sign_of_line(self, text: str, file: QueueLogFile) -> PbxEvent | None:
        try:
            line = read_line(text)
        except Unreadable as error:
            self._complaints.unreadable(error)
            return None
        file.note(line.at)
        return sign_of(line)

    async def _hold_back(self, sign: PbxEvent | None) -> None:
        """Wait for the same sign from AMI, whose times include microseconds."""
        if sign is not None and self._ami_is_live:
            age = self._clock.now() - sign.at
            wait = self._tuning.hold_seconds + 1.0 - age  # a line's time is rounded down
            if wait > 0:
                await asyncio.sleep(min(wait, self._tuning.hold_seconds + 1.0))

    # --- AMI ------------------------------------------------------------------------------------

    async def _follow_ami(self, address: AmiAddress, recording: AsteriskRecording) -> None:
        async def connection(backoff: Backoff) -> None:
            if self._source.queue_log:
                await self._has_read_log.wait()  # its lines are older than AMI's current state
            try:
                await self._one_connection(address, recording, backoff)
            finally:
                self._ami_is_live = False
                self._health.source_connected("ami", connected=False)

        await keep_connected("Asterisk", connection)

    async def _one_connection(
        self, address: AmiAddress, recording: AsteriskRecording, backoff: Backoff
    ) -> None:
        questions: set[asyncio.Task[None]] = set()

        async def received(frame: AmiFrame | Unreadable) -> None:
            sign = await self._take_frame(frame, recording)
            if isinstance(sign, QueueLeft) and isinstance(frame, dict) and not sign.reason:
                task = asyncio.create_task(self._ask_why(connection, sign, frame))
                questions.add(task)
                task.add_done_callback(questions.discard)

        connection = AmiConnection(address, received)
        self._held = []  # this connection's events are newer than the start of the snapshot
        reading = await connection.open()
        try:
            snapshot = await take_snapshot(connection, self._clock.now())
            self._ami_is_live = True
            self._health.source_connected("ami", connected=True)
            self._health.compared()
            _log.info("connected to Asterisk", ami=str(address), calls=len(snapshot.entries))
            await self._spooling.put(AsteriskItem(PbxEventSource.AMI, snapshot))
            await self._let_go()
            backoff.reset()
            await reading
        finally:
            for task in list(questions):
                task.cancel()
            await connection.close(reading)
        _log.warning("the connection to Asterisk was lost", ami=str(address))

    async def _ask_why(self, connection: AmiConnection, left: QueueLeft, frame: AmiFrame) -> None:
        """Ask Asterisk why a caller left a queue.

        No event gives the reason, but the channel variable QUEUESTATUS does. Asterisk sets the
        variable shortly after the event. An earlier queue may also have set it.
        """
        channel, reason = frame.get("Channel", ""), ""
        with suppress(Unavailable):
            for pause in self._tuning.ask_after:
                await asyncio.sleep(pause)
                reply = await connection.ask("GetVar", Channel=channel, Variable="QUEUESTATUS")
                reason = QUEUE_STATUS.get(reply[0].get("Value", ""), "")
                if reason or reply[0].get("Response") == "Error":
                    break
        await self._put(LeaveReason(at=left.at, caller=left.caller, reason=reason))

    async def _take_frame(
        self, frame: AmiFrame | Unreadable, recording: AsteriskRecording
    ) -> PbxEvent | None:
        received = self._clock.ours()
        if isinstance(frame, Unreadable):
            self._complaints.unreadable(frame)
            return None
        recording.frame(frame, received)
        try:
            sign = self._events.sign(frame, self._clock.now())
        except Unreadable as error:
            self._complaints.unreadable(error)
            return None
        if "Timestamp" in frame:
            with suppress(ValueError):
                self._clock.note(float(frame["Timestamp"]), received)
        if sign is not None:
            await self._put(sign)
        return sign

    async def _put(self, sign: PbxEvent) -> None:
        if self._held is None:
            await self._spooling.put(AsteriskItem(PbxEventSource.AMI, sign))
        elif len(self._held) < self._tuning.max_inbox:
            self._held.append(sign)
        else:
            raise Unavailable("AMI sent too many events before its state could be compared")

    async def _let_go(self) -> None:
        """Release the signs that arrived during the snapshot, in order of arrival."""
        while self._held:
            held, self._held = self._held, []
            for sign in held:
                await self._spooling.put(AsteriskItem(PbxEventSource.AMI, sign))
        self._held = None


async def take_snapshot(connection: AmiConnection, at: float) -> AsteriskSnapshot:
    """Return the current state of Asterisk. Raises Unavailable if a permission is missing."""
    status = await _asked(connection, "CoreStatus")
    queues = await _asked(connection, "QueueStatus")
    channels = await _asked(connection, "CoreShowChannels")
    started = f"{status[0].get('CoreStartupDate', '')} {status[0].get('CoreStartupTime', '')}"
    return AsteriskSnapshot(
        at=at,
        started=started,
        members=[one for one in queues if one.get("Event") == "QueueMember"],
        entries=[one for one in queues if one.get("Event") == "QueueEntry"],
        channels=[one for one in channels if one.get("Event") == "CoreShowChannel"],
    )


async def _asked(connection: AmiConnection, action: str) -> list[AmiFrame]:
    reply = await connection.ask(action)
    if reply[0].get("Response") == "Error":
        said = reply[0].get("Message", "refused")
        raise Unavailable(
            f"AMI refuses {action}: {said}; grant the user the write rights in"
            " docs/connect-asterisk.md"
        )
    return reply
