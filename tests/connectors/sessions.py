"""Runs a whole connector on a virtual clock, and checks its events as the server does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec

from floorcast.client import AsyncSender, CloudEvent, Rejected, Verdicts
from floorcast.connectors.forwarder import Forwarder
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.spool import Spool
from floorcast.ingest.decode import decode
from tests.connectors.asterisk.captured import as_json

__all__ = ["CheckingSender", "Connector", "running"]


class Connector(Protocol):
    """A connector of any kind."""

    def forwarder(self) -> Forwarder:
        """Return the forwarder of the connector's spool."""

    async def run(self, sender: AsyncSender, forwarder: Forwarder) -> None:
        """Read and send until cancelled."""


class CheckingSender(AsyncSender):
    """Decodes events as the server does. ``received`` has each accepted event once, by id."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__("http://127.0.0.1:9", "k")
        self._now = now
        self.received: dict[str, CloudEvent] = {}
        self.rejected: list[tuple[CloudEvent, str]] = []

    async def check_key(self) -> None:
        pass

    async def send(self, events: Iterable[CloudEvent]) -> Verdicts:
        found = list(events)
        lines = [msgspec.json.encode(one) for one in found]
        decoded = await decode(lines, round(self._now() * 1000), 0)
        duplicates = 0
        for index in decoded.indices:
            duplicates += found[index].id in self.received
            self.received.setdefault(found[index].id, found[index])
        self.rejected += [(found[one.index], one.message) for one in decoded.rejected]
        verdicts = [
            Rejected(index=one.index, code=one.code, message=one.message, id=one.id)
            for one in decoded.rejected
        ]
        return Verdicts(
            accepted=len(decoded.events) - duplicates, duplicates=duplicates, rejected=verdicts
        )

    def as_json(self) -> list[dict[str, Any]]:
        """Return the accepted events in order of time."""
        return as_json(sorted(self.received.values(), key=lambda one: one.time))


@asynccontextmanager
async def running(
    create: Callable[[Spool, ConnectorMetrics], Connector],
    path: Path,
    sender: CheckingSender,
    metrics: ConnectorMetrics | None = None,
) -> AsyncIterator[asyncio.Task[None]]:
    """Run a connector on a spool, and kill its task at the end. Raises the connector's error."""
    with Spool(path) as spool:
        connector = create(spool, metrics or ConnectorMetrics())
        task = asyncio.create_task(connector.run(sender, connector.forwarder()))
        try:
            yield task
            if task.done():
                task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
