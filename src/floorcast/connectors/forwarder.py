"""Sends events from the spool to the server and deletes them once the server has responded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from floorcast.client import AsyncSender, CloudEvent, Rejected
from floorcast.client.sending import MAX_BATCH_EVENTS
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.spool import Spool

__all__ = ["Forwarder"]

MAX_LOGGED_EVENTS = 20  # refused events that are logged individually; the others are only counted

_log = structlog.get_logger("floorcast.connect")


class Forwarder:
    """Sends the events in the spool. Call ``wake`` after adding events."""

    def __init__(self, spool: Spool, health: ConnectorMetrics) -> None:
        self._spool = spool
        self._health = health
        self._more = asyncio.Event()
        self._sent = asyncio.Event()
        self._shown = 0
        self._is_away = False

    def wake(self) -> None:
        """Signal that the spool has new events to send."""
        self._more.set()

    async def has_sent(self) -> None:
        """Wait until the next batch has been sent."""
        self._sent.clear()
        await self._sent.wait()

    def waits(self, _seconds: float, why: str) -> None:
        """Log that the server is unavailable, once per outage.

        This is the callback for ``Timing.waiting``.
        """
        if not self._is_away:
            self._is_away = True
            self._health.server_connected(connected=False)
            _log.warning("floorcast does not respond", why=why, unsent=self._spool.unsent)

    async def run(self, sender: AsyncSender) -> None:
        """Send until cancelled. Raises Refusal if the server refuses all events."""
        while True:
            self._more.clear()
            while await self.send_some(sender):
                pass
            await self._more.wait()

    async def send_some(self, sender: AsyncSender) -> bool:
        """Send the next batch. Returns False if there are no events to send."""
        upto, events = await asyncio.to_thread(self._spool.oldest, MAX_BATCH_EVENTS)
        if not events:
            return False
        verdicts = await sender.send(events)
        await asyncio.to_thread(self._spool.sent, upto)
        self._sent.set()
        self._health.server_connected(connected=True)
        self._health.sent(verdicts, self._spool.unsent)
        if self._is_away:
            self._is_away = False
            _log.info("floorcast responds again", unsent=self._spool.unsent)
        self._show(events, verdicts.rejected)
        return True

    def _show(self, events: Sequence[CloudEvent], rejected: Sequence[Rejected]) -> None:
        for one in rejected:
            self._shown += 1
            if self._shown <= MAX_LOGGED_EVENTS:
                event = events[one.index] if one.index < len(events) else None
                kind = event.type if event else ""
                _log.error("an event was refused", id=one.id, type=kind, why=one.message)
            elif self._shown == MAX_LOGGED_EVENTS + 1:
                _log.error("more events were refused: see floorcast_connector_refused_total")
