"""Sends events from the spool to the server and deletes them once the server has responded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog

from floorcast.client import AsyncSender, CloudEvent, Rejected
from floorcast.client.sender_protocol import MAX_BATCH_EVENTS
from floorcast.connectors.full_disk import repeat_while_full
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.spool import Spool

__all__ = ["Forwarder"]

MAX_LOGGED_EVENTS = 20  # refused events that are logged individually; the others are only counted

_log = structlog.get_logger("floorcast.connect")


class Forwarder:
    """Sends the events in the spool. Call ``wake`` after adding events."""

    def __init__(self, spool: Spool, metrics: ConnectorMetrics) -> None:
        self._spool = spool
        self._metrics = metrics
        self._has_events = asyncio.Event()
        self._sent = asyncio.Event()
        self._rejected_count = 0
        self._is_down = False

    def wake(self) -> None:
        """Signal that the spool has new events to send."""
        self._has_events.set()

    async def wait_until_sent(self) -> None:
        """Wait until the next batch has been sent."""
        self._sent.clear()
        await self._sent.wait()

    def on_waiting(self, _seconds: float, why: str) -> None:
        """Log that the server is unavailable, once per outage.

        This is the callback for ``Timing.waiting``.
        """
        if not self._is_down:
            self._is_down = True
            self._metrics.set_server_connected(connected=False)
            _log.warning("floorcast does not respond", why=why, unsent=self._spool.unsent)

    async def run(self, sender: AsyncSender) -> None:
        """Send until cancelled. Raises Refusal if the server refuses the key or all events."""
        await sender.check_key()  # otherwise a wrong key would show only with the first event
        self._note_response()
        while True:
            self._has_events.clear()
            while await self.send_some(sender):
                pass
            await self._has_events.wait()

    async def send_some(self, sender: AsyncSender) -> bool:
        """Send the next batch. Returns False if there are no events to send."""
        up_to, events = await asyncio.to_thread(self._spool.oldest, MAX_BATCH_EVENTS)
        if not events:
            return False
        verdicts = await sender.send(events)
        await repeat_while_full(partial(self._spool.delete_sent, up_to))
        self._sent.set()
        self._metrics.count_sent(verdicts, self._spool.unsent)
        self._note_response()
        self._log_rejected(events, verdicts.rejected)
        return True

    def _note_response(self) -> None:
        self._metrics.set_server_connected(connected=True)
        if self._is_down:
            self._is_down = False
            _log.info("floorcast responds again", unsent=self._spool.unsent)

    def _log_rejected(self, events: Sequence[CloudEvent], rejected: Sequence[Rejected]) -> None:
        for one in rejected:
            self._rejected_count += 1
            if self._rejected_count <= MAX_LOGGED_EVENTS:
                event = events[one.index] if one.index < len(events) else None
                kind = event.type if event else ""
                _log.error("an event was refused", id=one.id, type=kind, why=one.message)
            elif self._rejected_count == MAX_LOGGED_EVENTS + 1:
                _log.error("more events were refused: see floorcast_connector_refused_total")
