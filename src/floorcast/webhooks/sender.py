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
from floorcast.webhooks.batches import BatchReader, batch_reader
from floorcast.webhooks.cloud_events import ALERTS
from floorcast.webhooks.delivery import Delivery
from floorcast.webhooks.delivery_resources import DeliveryResources
from floorcast.webhooks.progress import (
    BUCKET,
    Progress,
    all_progress,
    progress_item,
    progress_key,
    read_progress,
)

__all__ = ["ClientSender"]

SAVE_SECONDS = 5.0  # between two writes; after a crash, events of this time are sent again
SHUTDOWN_SECONDS = 3.0  # limit for the last write

_log = structlog.stdlib.get_logger(__name__)


class ClientSender:
    """Keeps a delivery running for each webhook that ``declared`` returns.

    ``first_token`` returns the token after which a new webhook of that name starts; if it is empty,
    the webhook starts with the next event.
    Progress is written in batches. A write requires the lease, so a node that has lost the lease
    cannot write.
    """

    def __init__(
        self,
        client: int,
        kv: KeyValueStore,
        lease: Lease,
        resources: DeliveryResources,
        declared: Callable[[], Sequence[Webhook]],
        first_token: Callable[[str], str] = lambda _name: "",
    ) -> None:
        self.client = client
        self.deliveries: dict[str, Delivery] = {}
        self._kv = kv
        self._lease = lease
        self._resources = resources
        self._declared = declared
        self._first_token = first_token
        self._stored: dict[str, bytes | None] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._readers: WeakValueDictionary[object, BatchReader] = WeakValueDictionary()
        self._writing = asyncio.Lock()
        self._version: int | None = None  # None until it is read

    async def run(self) -> None:
        """Send until cancelled, then write the progress."""
        loop = asyncio.get_running_loop()
        save_at = loop.time() + SAVE_SECONDS
        self._version = None
        try:
            while True:
                try:
                    await self._reconcile()
                    if loop.time() >= save_at:
                        save_at = loop.time() + SAVE_SECONDS
                        await self._save_all([one for one in self.deliveries.values() if one.dirty])
                except FloorcastError as error:
                    _log.warning("webhooks_wait", client=self.client, why=str(error))
                await asyncio.sleep(self._resources.tuning.check_interval)
        finally:
            await self._stop(list(self._tasks))

    async def _reconcile(self) -> None:
        """Start, stop and restart deliveries to match the site and the commands."""
        declared = {webhook.name: webhook for webhook in self._declared()}
        version = self._kv.version(BUCKET)
        first, written = self._version is None, self._version != version
        changed = [
            name
            for name, delivery in self.deliveries.items()
            if delivery.webhook != declared.get(name) or (written and self._has_command(delivery))
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
        reader = self._readers.get(key)
        if reader is None:
            reader = batch_reader(self.client, webhook, self._resources.floors)
            self._readers[key] = reader
        is_new = raw is None
        progress = Progress(token=self._first_token(webhook.name)) if is_new else read_progress(raw)
        self._stored[webhook.name] = raw
        delivery = Delivery(
            webhook, reader, progress, self._resources, self._save, lambda: self._lease.held
        )
        delivery.dirty = is_new
        self.deliveries[webhook.name] = delivery
        self._tasks[webhook.name] = asyncio.create_task(self._run(delivery))

    async def _run(self, delivery: Delivery) -> None:
        while True:
            try:
                await delivery.run()
            except Exception:  # noqa: BLE001 — the other webhooks continue, and this one is retried
                _log.exception("webhook_broke", client=self.client, webhook=delivery.webhook.name)
                await asyncio.sleep(self._resources.tuning.max_wait)
            else:
                return

    async def _stop(self, names: Sequence[str]) -> None:
        """Stop deliveries and write their progress."""
        await cancel_all([self._tasks.pop(name) for name in names if name in self._tasks])
        stopped = [self.deliveries.pop(name) for name in names if name in self.deliveries]
        with contextlib.suppress(FloorcastError, TimeoutError):
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await self._save_all([one for one in stopped if one.dirty])

    async def _forget(self, names: set[str], raw: Mapping[str, bytes]) -> None:
        """Remove the progress of webhooks that are no longer declared."""
        if names:
            expected = [Item(BUCKET, progress_key(self.client, name), raw[name]) for name in names]
            deletions = [item._replace(value=None) for item in expected]
            await self._kv.write(deletions, [*expected, self._lease.fence])

    async def _save(self, delivery: Delivery) -> None:
        await self._save_all([delivery])

    async def _save_all(self, deliveries: Sequence[Delivery]) -> None:
        """Write the progress of these deliveries, except those that a command has changed.

        Raises Unavailable if the store cannot be written or the lease is lost.
        """
        async with self._writing:
            try:
                await self._write(deliveries)
            except Conflict:
                unchanged = [one for one in deliveries if not self._has_command(one)]
                for one in unchanged:
                    self._stored[one.webhook.name] = self._stored_value(one)
                await self._write(unchanged)

    async def _write(self, deliveries: Sequence[Delivery]) -> None:
        if not deliveries:
            return
        expected, items = [self._lease.fence], []
        for one in deliveries:
            name, progress = one.webhook.name, one.current()
            one.progress, one.dirty = progress, False
            item = progress_item(self.client, name, progress)
            items.append(item)
            expected.append(item._replace(value=self._stored.get(name)))
        try:
            await self._kv.write(items, expected)
        except BaseException:
            for one in deliveries:
                one.dirty = True
            raise
        for one, item in zip(deliveries, items, strict=True):
            self._stored[one.webhook.name] = item.value

    def _stored_value(self, delivery: Delivery) -> bytes | None:
        return self._kv.get(BUCKET, progress_key(self.client, delivery.webhook.name))

    def _has_command(self, delivery: Delivery) -> bool:
        return read_progress(self._stored_value(delivery)).order != delivery.progress.order
