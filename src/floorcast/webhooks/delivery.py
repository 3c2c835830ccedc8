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
from floorcast.site.webhooks import Webhook, url_of
from floorcast.webhooks.addresses import AddressRefused
from floorcast.webhooks.batches import Batch, SharedReading
from floorcast.webhooks.cloud_events import MEDIA_TYPE, WebhookEvent
from floorcast.webhooks.connection import Reply, RequestFailed
from floorcast.webhooks.http_client import HttpClient
from floorcast.webhooks.position import WebhookPosition
from floorcast.webhooks.progress import (
    Progress,
    delivered,
    failed,
    retry_after_seconds,
    suspended,
)
from floorcast.webhooks.signatures import message_id, signed, signing_key
from floorcast.webhooks.surroundings import Surroundings

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
        reading: SharedReading,
        progress: Progress,
        around: Surroundings,
        save: Callable[[Delivery], Awaitable[None]],
        may_send: Callable[[], bool],
    ) -> None:
        self.webhook = webhook
        self.progress = progress
        self.dirty = False
        self.waiting_since = 0
        """The time when the oldest known undelivered event was recorded, in ticks, or 0."""
        self.reading = reading
        self._around = around
        self._save = save
        self._may_send = may_send
        self._keys = [signing_key(secret) for secret in webhook.secrets]
        self._position = WebhookPosition(reading, around.floors, around.now)
        self._next_read = self._check_at = self._refresh_at = 0.0
        if progress.state == "suspended" and progress.token:
            self.waiting_since = self._position.since(progress.token)
        self._http = HttpClient(
            url_of(webhook),
            around.tls,
            allow_private=webhook.allow_private,
            tuning=around.tuning.http,
        )

    def current(self) -> Progress:
        """Return the progress, with the token of the current position."""
        if self._position.cursor is None:
            return self.progress
        return structs.replace(self.progress, token=self._position.token())

    async def run(self) -> None:
        """Send until cancelled, or until the webhook is suspended."""
        self.reading.webhooks += 1
        try:
            while self.progress.state == "active":
                try:
                    await self._step()
                except FloorcastError:  # the floor is being rebuilt, or the cluster has no quorum
                    await asyncio.sleep(self._around.tuning.unavailable)
        finally:
            self.reading.webhooks -= 1
            self._http.close()

    async def _step(self) -> None:
        pause = (self.progress.next_try - self._around.now()) / TICKS_PER_SECOND
        await asyncio.sleep(max(pause, self._next_read - asyncio.get_running_loop().time(), 0))
        if not self._may_send():
            await asyncio.sleep(self._around.tuning.unavailable)
            return
        cursor = await self._checked_position()
        if cursor is None:
            return
        batch = await self.reading.batch(cursor, self._end())
        if batch.events:
            self.waiting_since = batch.events[0].recorded_at
            if await self._send(batch):
                self._moved(batch.through, at_head=batch.at_head)
                self.waiting_since = 0
        else:
            self._moved(batch.through, at_head=batch.at_head)
            self.waiting_since = 0
            if batch.at_head:
                await self.reading.wait(batch.through, self._around.tuning.quiet)

    def _moved(self, cursor: int, *, at_head: bool) -> None:
        now = asyncio.get_running_loop().time()
        if (
            cursor != self._position.cursor or now >= self._refresh_at
        ):  # the token's time advances too
            self.dirty = True
            self._refresh_at = now + self._around.tuning.refresh
        self._position.cursor, self._position.at_head = cursor, at_head

    async def _checked_position(self) -> int | None:
        """Return the cursor to continue from, or None if the webhook has been suspended."""
        cursor = self._position.cursor
        if cursor is None:
            cursor = await self._position.begin(self.progress.token)
            if not self.progress.token:
                await self._save(self)
        now = asyncio.get_running_loop().time()
        if now >= self._check_at:
            self._check_at = now + self._around.tuning.quiet
            if not self._position.is_complete():
                await self._suspend(
                    "its position is older than the feeds, which reach back 24 hours: resume it"
                    " with --from, or skip the missing events"
                )
                return None
        return cursor

    def _end(self) -> int | None:
        """Return the last position of the batch whose delivery failed."""
        return self._position.position(self.progress.end) if self.progress.end else None

    async def _send(self, batch: Batch) -> bool:
        self._next_read = 0.0
        if batch.at_head:
            self._next_read = asyncio.get_running_loop().time() + self._around.tuning.gather
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
            self._moved(event.position, at_head=False)
        return True

    async def _post(
        self, events: tuple[WebhookEvent, ...] | list[WebhookEvent], content_type: str, body: bytes
    ) -> bool:
        """Send one request. Returns whether the receiver accepted it."""
        client, now = self.reading.client, self._around.now
        message = message_id(client, self.webhook.name, events[0].id, events[-1].id)
        try:
            headers = signed(self._keys, message, now(), body) | {"content-type": content_type}
            reply = await self._http.post(headers, body)
        except (AddressRefused, RequestFailed) as error:
            reply, why = Reply(0), str(error)
        else:
            why = f"the receiver answered {reply.status}"
        if 200 <= reply.status < 300:
            failing = self.progress.tries
            self.progress = delivered(self.progress, len(events), now())
            self.dirty = True
            if failing:
                _log.info("webhook_delivers", **self._named())
                self._moved(events[-1].position, at_head=False)
                await self._save(self)
        elif reply.status == STATUS_GONE:
            await self._suspend("the receiver answered 410 Gone")
        else:
            await self._failed(why, events[-1].id, reply.retry_after)
        return 200 <= reply.status < 300

    async def _failed(self, why: str, end: str, retry_after: str) -> None:
        now, before = self._around.now(), self.progress
        seconds = retry_after_seconds(retry_after, now)
        self.progress = structs.replace(
            failed(before, why, now, self._around.chance(), seconds), end=end
        )
        self.dirty = True
        if self.progress.state == "suspended":
            _log.error("webhook_suspended", **self._named(), why=self.progress.reason)
        elif not before.tries:
            _log.warning("webhook_fails", **self._named(), why=why)
        await self._save(self)

    async def _suspend(self, why: str) -> None:
        self.progress = suspended(self.progress, why)
        self.dirty = True
        _log.error("webhook_suspended", **self._named(), why=self.progress.reason)
        await self._save(self)

    def _named(self) -> dict[str, object]:
        return {"client": self.reading.client, "webhook": self.webhook.name}
