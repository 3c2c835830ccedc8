"""Begins, updates and ends a node's floors to match the site."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog

from floorcast.model.errors import DamagedEntry, FloorcastError
from floorcast.projection.supervisor import FloorFailed, ProjectionSupervisor
from floorcast.site.live_site import Site, SiteChange

__all__ = ["SiteFollower"]

FIRST_UPDATE_RETRY_SECONDS = 0.5  # after a floor's first failed update
MAX_UPDATE_RETRY_SECONDS = 60.0  # between two attempts

_log = structlog.stdlib.get_logger(__name__)


class SiteFollower:
    """Applies the site to the floors of the clients for which ``serves`` returns true."""

    def __init__(
        self, site: Site, floors: ProjectionSupervisor, serves: Callable[[int], bool]
    ) -> None:
        self._site = site
        self._floors = floors
        self._serves = serves
        self._changes: asyncio.Queue[SiteChange] = asyncio.Queue()
        self._updates: dict[int, asyncio.Task[None]] = {}

    @property
    def tasks(self) -> Iterable[asyncio.Task[None]]:
        """The updates in progress."""
        return self._updates.values()

    async def sync(self) -> None:
        """Update every floor to the site, and begin the floors that are missing."""
        for client in list(self._site.clients.values()):
            if self._serves(client.id):
                try:
                    await self._floors.begin(client.id, client.floor_config)
                except (DamagedEntry, FloorFailed):  # this floor is retried while others are served
                    self._schedule_update(client.id)

    async def follow(self) -> None:
        """Apply each site change, until cancelled."""
        while True:
            change = await self._changes.get()
            self._floors.end(change.removed)
            for client in change.floor_configs:
                if self._serves(client):
                    self._schedule_update(client)

    def enqueue(self, change: SiteChange) -> None:
        """Queue a site change."""
        self._changes.put_nowait(change)

    def _schedule_update(self, client: int) -> None:
        """Update the client's floor to the site in a task, because this can take long."""
        if client not in self._updates:
            self._updates[client] = asyncio.create_task(self._update(client))

    async def _update(self, client: int) -> None:
        pause = FIRST_UPDATE_RETRY_SECONDS
        try:
            while (client_site := self._site.clients.get(client)) is not None:
                try:
                    await self._floors.begin(client, client_site.floor_config)
                except FloorcastError as error:
                    _log.warning("site_change_waits", client=client, why=str(error))
                except Exception:  # noqa: BLE001 — any failure is retried
                    _log.exception("site_change_waits", client=client)
                else:
                    if self._site.clients.get(client) is client_site:
                        return
                    continue
                await asyncio.sleep(pause)
                pause = min(2 * pause, MAX_UPDATE_RETRY_SECONDS)
        finally:
            del self._updates[client]
