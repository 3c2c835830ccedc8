"""Delivers the events of one webhook: reads batches and sends them one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from msgspec import structs

from floorcast.model.errors import FloorcastError
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.site.body_template import TemplateError, render
from floorcast.site.webhooks import Webhook, split_url
from floorcast.webhooks.addresses import AddressRefused
from floorcast.webhooks.batches import BatchReader, WebhookBatch
from floorcast.webhooks.cloud_events import MEDIA_TYPE, WebhookEvent
from floorcast.webhooks.connection import Reply, RequestFailed
from floorcast.webhooks.delivery_resources import DeliveryResources
from floorcast.webhooks.http_client import HttpClient
from floorcast.webhooks.position import WebhookPosition
from floorcast.webhooks.progress import (
    Progress,
    record_delivery,
    record_failure,
    remaining_pause,
    retry_after_seconds,
    suspend,
)
from floorcast.webhooks.signatures import message_id, signature_headers, signing_key

__all__ = ["Delivery"]

_log = structlog.stdlib.get_logger(__name__)

STATUS_GONE = 410


class Delivery:
    """Sends the events of one webhook, starting at ``progress``.

    ``save`` makes the result of ``current()`` durable. ``may_send`` returns whether this node still
    has the right to send. ``dirty`` is true while there is unsaved progress.
    """

    def __init__(
        self,
        webhook: Webhook,
        reader: BatchReader,
        progress: Progress,
        resources: DeliveryResources,
        save: Callable[[Delivery], Awaitable[None]],
        may_send: Callable[[], bool],
    ) -> None:
        self.webhook = webhook
        self.progress = progress
        self.dirty = False
        self.waiting_since = 0
        """The time when the oldest known undelivered event was recorded, in ticks, or 0."""
        self.reader = reader
        self._resources = resources
        self._save = save
        self._may_send = may_send
        self._keys = [signing_key(secret) for secret in webhook.secrets]
        self._position = WebhookPosition(reader, resources.floors)
        self._check_at = self._refresh_at = 0.0
        self._failed_at: float | None = None  # the loop's time of the last of consecutive failures
        self._next_read = asyncio.get_running_loop().time() + remaining_pause(
            progress, resources.now()
        )
        if progress.state == "suspended" and progress.token:
            self.waiting_since = self._position.ticks(progress.token)
        self._http = HttpClient(
            split_url(webhook),
            resources.tls,
            allow_private=webhook.allow_private,
            tuning=resources.tuning.http,
        )

    def current(self) -> Progress:
        """Return the progress, with the token of the current position."""
        if self._position.cursor is None:
            return self.progress
        return structs.replace(self.progress, token=self._position.token())

    async def run(self) -> None:
        """Send until cancelled, or until the webhook is suspended."""
        self.reader.webhooks += 1
        try:
            while self.progress.state == "active":
                try:
                    await self._send_next_batch()
                except FloorcastError:  # the floor is being rebuilt, or the cluster has no quorum
                    await asyncio.sleep(self._resources.tuning.retry_interval)
        finally:
            self.reader.webhooks -= 1
            self._http.close()

    async def _send_next_batch(self) -> None:
        await asyncio.sleep(max(self._next_read - asyncio.get_running_loop().time(), 0))
        if not self._may_send():
            await asyncio.sleep(self._resources.tuning.retry_interval)
            return
        cursor = await self._verified_cursor()
        if cursor is None:
            return
        batch = await self.reader.batch(cursor, self._batch_end())
        if batch.events:
            self.waiting_since = batch.events[0].recorded_at
            if await self._send(batch):
                self._advance(batch.through, at_head=batch.at_head)
                self.waiting_since = 0
        else:
            self._advance(batch.through, at_head=batch.at_head)
            self.waiting_since = 0
            if batch.at_head:
                await self.reader.wait(batch.through, self._resources.tuning.max_wait)

    def _advance(self, cursor: int, *, at_head: bool) -> None:
        now = asyncio.get_running_loop().time()
        if (
            cursor != self._position.cursor or now >= self._refresh_at
        ):  # the token's time advances too
            self.dirty = True
            self._refresh_at = now + self._resources.tuning.refresh_interval
        self._position.cursor, self._position.at_head = cursor, at_head

    async def _verified_cursor(self) -> int | None:
        """Return the cursor to continue from, or None if the webhook has been suspended."""
        cursor = self._position.cursor
        if cursor is None:
            cursor = await self._position.begin(self.progress.token)
            if self.dirty or not self.progress.token:
                await self._save(self)
        now = asyncio.get_running_loop().time()
        if now >= self._check_at:
            self._check_at = now + self._resources.tuning.max_wait
            if not self._position.is_complete():
                await self._suspend(
                    "its position is older than the feeds, which reach back 24 hours: resume it"
                    " with --from, or skip the missing events"
                )
                return None
        return cursor

    def _batch_end(self) -> int | None:
        """Return the last position of the batch whose delivery failed."""
        return self._position.position(self.progress.end) if self.progress.end else None

    async def _send(self, batch: WebhookBatch) -> bool:
        self._next_read = 0.0
        if batch.at_head:
            self._next_read = (
                asyncio.get_running_loop().time() + self._resources.tuning.send_interval
            )
        if self.webhook.template is None:
            return await self._post(batch.events, MEDIA_TYPE, batch.body)
        for event in batch.events:
            try:
                cloud_event = msgspec.json.decode(event.body)
                kind = self.webhook.content_type
                body = render(self.webhook.template, kind, cloud_event)
            except TemplateError as error:
                await self._suspend(f"the template fails for event {event.id}: {error}")
                return False
            if body and not await self._post([event], kind, body):
                return False
            self._advance(event.position, at_head=False)
        return True

    async def _post(
        self, events: tuple[WebhookEvent, ...] | list[WebhookEvent], content_type: str, body: bytes
    ) -> bool:
        """Send one request. Returns whether the receiver accepted it."""
        client, now = self.reader.client, self._resources.now
        message = message_id(client, self.webhook.name, events[0].id, events[-1].id)
        try:
            headers = signature_headers(self._keys, message, now(), body) | {
                "content-type": content_type
            }
            reply = await self._http.post(headers, body)
        except (AddressRefused, RequestFailed) as error:
            reply, why = Reply(0), str(error)
        else:
            why = f"the receiver responded with {reply.status}"
        if 200 <= reply.status < 300:
            failing = self.progress.tries
            self._failed_at = None
            self.progress = record_delivery(self.progress, len(events), now())
            self.dirty = True
            if failing:
                _log.info("webhook_delivers", **self._log_fields())
                self._advance(events[-1].position, at_head=False)
                await self._save(self)
        elif reply.status == STATUS_GONE:
            await self._suspend("the receiver responded with 410 Gone")
        else:
            await self._record_failure(why, events[-1].id, reply)
        return 200 <= reply.status < 300

    async def _record_failure(self, why: str, end: str, reply: Reply) -> None:
        now, before = self._resources.now(), self.progress
        at = asyncio.get_running_loop().time()
        elapsed = 0.0 if self._failed_at is None else at - self._failed_at
        failed = record_failure(
            before,
            why,
            now,
            self._resources.chance(),
            retry_after_seconds(reply.retry_after, now, reply.date),
            elapsed=int(elapsed * TICKS_PER_SECOND),
        )
        self._failed_at = at
        self._next_read = at + max(0, failed.next_try - now) / TICKS_PER_SECOND
        self.progress = structs.replace(failed, end=end)
        self.dirty = True
        if self.progress.state == "suspended":
            _log.error("webhook_suspended", **self._log_fields(), why=self.progress.reason)
        elif not before.tries:
            _log.warning("webhook_fails", **self._log_fields(), why=why)
        await self._save(self)

    async def _suspend(self, why: str) -> None:
        self.progress = suspend(self.progress, why)
        self.dirty = True
        _log.error("webhook_suspended", **self._log_fields(), why=self.progress.reason)
        await self._save(self)

    def _log_fields(self) -> dict[str, object]:
        return {"client": self.reader.client, "webhook": self.webhook.name}
