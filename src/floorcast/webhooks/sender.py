"""Sends the webhooks of one client, on the node that holds the client's lease."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from weakref import WeakValueDictionary

import structlog

from floorcast.kv.lease import Lease
from floorcast.kv.port import Conflict, Item, KeyValueStore
from floorcast.model.cancellation import cancel_all
from floorcast.model.errors import FloorcastError
from floorcast.site.webhooks import Webhook
from floorcast.webhooks.batches import SharedReading, reading_of
from floorcast.webhooks.cloud_events import ALERTS
from floorcast.webhooks.delivery import Delivery
from floorcast.webhooks.progress import BUCKET, all_progress, item_of, key_of, read_progress
from floorcast.webhooks.surroundings import Surroundings

__all__ = ["ClientSender"]

KEEP_SECONDS = 5.0  # between two writes; after a crash, events of this time are sent again
SHUTDOWN_SECONDS = 3.0  # limit for the last write

_log = structlog.stdlib.get_logger(__name__)


class ClientSender:
    """Keeps a delivery running for each webhook that ``declared`` returns.

    Progress is written in batches. A write requires the lease, so a node that has lost the lease
    cannot write.
    """

    def __init__(
        self,
        client: int,
        kv: KeyValueStore,
        lease: Lease,
        around: Surroundings,
        declared: Callable[[], Sequence[Webhook]],
    ) -> None:
        self.client = client
        self.deliveries: dict[str, Delivery] = {}
        self._kv = kv
        self._lease = lease
        self._around = around
        self._declared = declared
        self._stored: dict[str, bytes | None] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._readings: WeakValueDictionary[object, SharedReading] = WeakValueDictionary()
        self._writing = asyncio.Lock()
        self._version: int | None = None  # None until it is read

    async def run(self) -> None:
        """Send until cancelled, then write the progress."""
        loop = asyncio.get_running_loop()
        keep_at = loop.time() + KEEP_SECONDS
        self._version = None
        try:
            while True:
                try:
                    await self._look()
                    if loop.time() >= keep_at:
                        keep_at = loop.time() + KEEP_SECONDS
                        await self._keep([one for one in self.deliveries.values() if one.dirty])
                except FloorcastError as error:
                    _log.warning("webhooks_wait", client=self.client, why=str(error))
                await asyncio.sleep(self._around.tuning.look)
        finally:
            await self._stop(list(self._tasks))

    async def _look(self) -> None:
        """Start, stop and restart deliveries to match the site and the commands."""
        declared = {webhook.name: webhook for webhook in self._declared()}
        version = self._kv.version(BUCKET)
        first, written = self._version is None, self._version != version
        changed = [
            name
            for name, delivery in self.deliveries.items()
            if delivery.webhook != declared.get(name) or (written and self._has_changed(delivery))
        ]
        await self._stop(changed)
        if first or changed or declared.keys() != self.deliveries.keys():
            raw = all_progress(self._kv, self.client)
            await self._forget(set(raw) - set(declared), raw)
            for name in declared.keys() - self.deliveries.keys():
                self._start(declared[name], raw.get(name))
        self._version = version

    def _start(self, webhook: Webhook, raw: bytes | None) -> None:
        key = (webhook.send, webhook.filter, webhook.name if ALERTS in webhook.send else "")
        reading = self._readings.get(key)
        if reading is None:
            reading = reading_of(self.client, webhook, self._around.floors)
            self._readings[key] = reading
        progress = read_progress(raw)
        self._stored[webhook.name] = raw
        delivery = Delivery(
            webhook, reading, progress, self._around, self._save, lambda: self._lease.held
        )
        self.deliveries[webhook.name] = delivery
        self._tasks[webhook.name] = asyncio.create_task(self._run(delivery))

    async def _run(self, delivery: Delivery) -> None:
        while True:
            try:
                await delivery.run()
            except Exception:  # noqa: BLE001 — the other webhooks continue, and this one is retried
                _log.exception("webhook_broke", client=self.client, webhook=delivery.webhook.name)
                await asyncio.sleep(self._around.tuning.quiet)
            else:
                return

    async def _stop(self, names: Sequence[str]) -> None:
        """Stop deliveries and write their progress."""
        await cancel_all([self._tasks.pop(name) for name in names if name in self._tasks])
        stopped = [self.deliveries.pop(name) for name in names if name in self.deliveries]
        with contextlib.suppress(FloorcastError, TimeoutError):
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await self._keep([one for one in stopped if one.dirty])

    async def _forget(self, names: set[str], raw: Mapping[str, bytes]) -> None:
        """Remove the progress of webhooks that are no longer declared."""
        if names:
            seen = [Item(BUCKET, key_of(self.client, name), raw[name]) for name in names]
            gone = [item._replace(value=None) for item in seen]
            await self._kv.write(gone, [*seen, self._lease.fence])

    async def _save(self, delivery: Delivery) -> None:
        await self._keep([delivery])

    async def _keep(self, deliveries: Sequence[Delivery]) -> None:
        """Write the progress of these deliveries, except those that a command has changed.

        Raises Unavailable if the store cannot be written or the lease is lost.
        """
        async with self._writing:
            try:
                await self._write(deliveries)
            except Conflict:
                unchanged = [one for one in deliveries if not self._has_changed(one)]
                for one in unchanged:
                    self._stored[one.webhook.name] = self._there(one)
                await self._write(unchanged)

    async def _write(self, deliveries: Sequence[Delivery]) -> None:
        if not deliveries:
            return
        seen, items = [self._lease.fence], []
        for one in deliveries:
            name, progress = one.webhook.name, one.current()
            one.progress, one.dirty = progress, False
            item = item_of(self.client, name, progress)
            items.append(item)
            seen.append(item._replace(value=self._stored.get(name)))
        try:
            await self._kv.write(items, seen)
        except BaseException:
            for one in deliveries:
                one.dirty = True
            raise
        for one, item in zip(deliveries, items, strict=True):
            self._stored[one.webhook.name] = item.value

    def _there(self, delivery: Delivery) -> bytes | None:
        return self._kv.get(BUCKET, key_of(self.client, delivery.webhook.name))

    def _has_changed(self, delivery: Delivery) -> bool:
        return read_progress(self._there(delivery)).order != delivery.progress.order
