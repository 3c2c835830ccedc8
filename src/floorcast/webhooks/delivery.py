"""The delivery of one webhook: a reader that sends its batches one after the other."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec
import structlog
from msgspec import structs

from floorcast.feeds.cursors import REACH
from floorcast.model.errors import FloorcastError, InvalidParameter
from floorcast.model.token import TICKS_PER_SECOND, Now, decode, end_of_entry, entry_of
from floorcast.site.body_template import TemplateError, render
from floorcast.site.webhooks import Webhook, url_of
from floorcast.webhooks.addresses import AddressRefused
from floorcast.webhooks.batches import MEDIA_TYPE, Batch, Event, Floors, Reading
from floorcast.webhooks.connection import Reply, RequestFailed
from floorcast.webhooks.exchange import Exchange, ExchangeTuning
from floorcast.webhooks.progress import (
    Progress,
    delivered,
    failed,
    retry_after_seconds,
    suspended,
)
from floorcast.webhooks.signatures import signature, signing_key

__all__ = ["Delivery", "DeliveryTuning", "Surroundings", "message_id"]

_log = structlog.stdlib.get_logger(__name__)

GONE = 410


@dataclass(frozen=True)
class DeliveryTuning:
    """Times of a delivery, in seconds."""

    gather: float = 1.0  # between two requests, unless 100 events are waiting
    quiet: float = 60.0  # that a reader waits for an event before it looks again
    refresh: float = 600.0  # between two writes of a place that does not change
    unavailable: float = 2.0  # before another try when the floor or the store is unavailable
    look: float = 1.0  # between two looks for commands and changes of the site
    exchange: ExchangeTuning = field(default_factory=ExchangeTuning)


@dataclass(frozen=True)
class Surroundings:
    """What the deliveries of a node share. ``chance`` gives random numbers from 0 to 1."""

    floors: Floors
    now: Now
    tls: ssl.SSLContext
    tuning: DeliveryTuning = field(default_factory=DeliveryTuning)
    chance: Callable[[], float] = random.random


class Delivery:
    """Sends the events of one webhook, from where ``progress`` says.

    ``save`` makes ``current()`` durable; ``may_send`` says whether this node still is the one that
    sends. ``dirty`` is true while there is progress that has not been saved.
    """

    def __init__(
        self,
        webhook: Webhook,
        reading: Reading,
        progress: Progress,
        around: Surroundings,
        save: Callable[[Delivery], Awaitable[None]],
        may_send: Callable[[], bool],
    ) -> None:
        self.webhook = webhook
        self.progress = progress
        self.dirty = False
        self.waiting_since = 0
        """When the log recorded the oldest event that is known not to be delivered; 0: none."""
        self._reading = reading
        self._around = around
        self._save = save
        self._may_send = may_send
        self._keys = [signing_key(secret) for secret in webhook.secrets]
        self._cursor: int | None = None
        self._at_head = False
        self._next_read = self._check_at = self._refresh_at = 0.0
        if progress.state == "suspended" and progress.token:
            secret = around.floors.token_secret
            self.waiting_since = decode(reading.client, progress.token, secret).ticks
        self._exchange = Exchange(
            url_of(webhook),
            around.tls,
            allow_private=webhook.allow_private,
            tuning=around.tuning.exchange,
        )

    def current(self) -> Progress:
        """The progress with the token of the current place."""
        if self._cursor is None:
            return self.progress
        token = self._around.floors.token_now(
            self._reading.client, self._cursor, at_head=self._at_head
        )
        return structs.replace(self.progress, token=token)

    async def run(self) -> None:
        """Send until cancelled, or until the webhook is suspended."""
        self._reading.webhooks += 1
        try:
            while self.progress.state == "active":
                try:
                    await self._step()
                except FloorcastError:  # the floor is being rebuilt, or there is no quorum
                    await asyncio.sleep(self._around.tuning.unavailable)
        finally:
            self._reading.webhooks -= 1
            self._exchange.close()

    async def _step(self) -> None:
        pause = (self.progress.next_try - self._around.now()) / TICKS_PER_SECOND
        await asyncio.sleep(max(pause, self._next_read - asyncio.get_running_loop().time(), 0))
        if not self._may_send():
            await asyncio.sleep(self._around.tuning.unavailable)
            return
        cursor = await self._place()
        if cursor is None:
            return
        batch = await self._reading.batch(cursor, self._end())
        if batch.events:
            self.waiting_since = batch.events[0].recorded_at
            if await self._send(batch):
                self._moved(batch.through, at_head=batch.at_head)
                self.waiting_since = 0
        else:
            self._moved(batch.through, at_head=batch.at_head)
            self.waiting_since = 0
            if batch.at_head:
                await self._reading.wait(batch.through, self._around.tuning.quiet)

    def _moved(self, cursor: int, *, at_head: bool) -> None:
        now = asyncio.get_running_loop().time()
        if cursor != self._cursor or now >= self._refresh_at:  # the token's time goes on, too
            self.dirty = True
            self._refresh_at = now + self._around.tuning.refresh
        self._cursor, self._at_head = cursor, at_head

    async def _place(self) -> int | None:
        """The cursor to go on from; None if the webhook has been suspended."""
        if self._cursor is None:
            await self._begin()
        now = asyncio.get_running_loop().time()
        if self._cursor is not None and now >= self._check_at:
            self._check_at = now + self._around.tuning.quiet
            if not self._is_complete(self._cursor):
                await self._suspend(
                    "its place is older than the feeds, which reach back 24 hours: resume it with"
                    " --from, or skip what is missing"
                )
                return None
        return self._cursor

    async def _begin(self) -> None:
        """Find the cursor: that of the token, or that of now if there is none."""
        floors, client, token = self._around.floors, self._reading.client, self.progress.token
        if not token:
            self._cursor, self._at_head = self._reading.head(), True
            await self._save(self)
            return
        try:
            self._cursor = await floors.cursor_of(client, token)
        except InvalidParameter:  # it is old, but perhaps nothing has come since
            self._cursor = decode(client, token, floors.token_secret).position

    def _is_complete(self, cursor: int) -> bool:
        """Whether the feeds still have everything after the cursor."""
        log, client = self._around.floors.log, self._reading.client
        entry, head = entry_of(cursor), log.head(client).number
        needed = entry + 1 if cursor in {0, end_of_entry(entry)} else entry
        if needed > head:
            return needed == head + 1
        recorded_at = log.recorded_at(client, needed)
        return recorded_at is not None and self._around.now() - recorded_at <= REACH

    def _end(self) -> int | None:
        """The last position of the batch whose delivery failed."""
        if not self.progress.end:
            return None
        floors, client = self._around.floors, self._reading.client
        return decode(client, self.progress.end, floors.token_secret).position

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
        self, events: tuple[Event, ...] | list[Event], content_type: str, body: bytes
    ) -> bool:
        """Send one request; returns whether the receiver took it."""
        client, now = self._reading.client, self._around.now
        message = message_id(client, self.webhook.name, events[0].id, events[-1].id)
        try:
            headers = signed(self._keys, message, now(), body) | {"content-type": content_type}
            reply = await self._exchange.post(headers, body)
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
        elif reply.status == GONE:
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
        return {"client": self._reading.client, "webhook": self.webhook.name}


def message_id(client: int, name: str, first: str, last: str) -> str:
    """The ``webhook-id`` of the events from ``first`` to ``last``: the same for every try."""
    said = f"{client} {name} {first} {last}".encode()
    return "msg_" + blake2b(said, digest_size=16).hexdigest()


def signed(keys: list[bytes], message: str, now: int, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks for a request at ``now``, in ticks."""
    timestamp = now // TICKS_PER_SECOND
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(keys, message, timestamp, body),
    }
