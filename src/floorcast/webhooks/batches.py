"""Reads batches of events for webhooks, as CloudEvents.

A webhook reads one or more feeds of its client in the order of the log. Webhooks that read the same
feeds with the same filter share batches. A batch ends where a batch of another webhook begins, so
webhooks that start at different positions soon send the same bytes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from heapq import merge
from typing import NamedTuple, get_args

from floorcast.feeds.blocks import Page
from floorcast.feeds.feed import Feed
from floorcast.feeds.filters import EVERYTHING, Filter, Matcher, matcher
from floorcast.model.cancellation import cancel_all
from floorcast.site.configuration import FeedName
from floorcast.site.webhooks import Webhook
from floorcast.webhooks.cloud_events import (
    ALERTS,
    WebhookEvent,
    batch_body,
    cloud_events,
    is_alert_for,
)
from floorcast.webhooks.floors import Floors

__all__ = ["MAX_BATCH_EVENTS", "BatchReader", "WebhookBatch", "batch_reader"]

MAX_BATCH_EVENTS = 100
BATCH_BYTES = 262_144  # of events per feed; a larger event has its own batch
KEPT_BATCHES = 16  # maximum per reader that several webhooks share
KEPT_BYTES = 1 << 20  # maximum size of these batches


class WebhookBatch(NamedTuple):
    """Up to ``MAX_BATCH_EVENTS`` events after one cursor, and the cursor after them.

    ``at_head`` is true if no event followed when the batch was made. ``body`` contains the events
    as a CloudEvents batch.
    """

    events: tuple[WebhookEvent, ...]
    through: int
    at_head: bool
    body: bytes = b""

    def up_to(self, end: int) -> WebhookBatch:
        """Return the part of the batch up to a position. That part must contain an event."""
        return _make_batch(
            tuple(event for event in self.events if event.position <= end), end, at_head=False
        )


class BatchReader:
    """Reads a client's events for the webhooks that have the same feeds and filter.

    Alerts are included only if they name the webhook ``alerts_to``.
    """

    def __init__(
        self,
        client: int,
        feeds: Sequence[tuple[FeedName, Matcher]],
        floors: Floors,
        alerts_to: str = "",
    ) -> None:
        self.client = client
        self._feeds = feeds
        self._floors = floors
        self._alerts_to = alerts_to
        self.kept: OrderedDict[int, WebhookBatch] = OrderedDict()
        """Batches that several webhooks send. The key is the cursor before the batch."""
        self._kept_bytes = 0
        self.webhooks = 0
        """The number of webhooks that share this reader."""

    def head(self) -> int:
        """Return the cursor of a webhook that starts now.

        Raises the same errors as ``Floors.feed_of``.
        """
        return min(feed.through for feed, _ in self._open_feeds())

    async def batch(self, cursor: int, end: int | None = None) -> WebhookBatch:
        """Return the next events after ``cursor``, up to the position ``end`` if it is given.

        Raises the same errors as ``Floors.feed_of``.
        """
        kept = self.kept.get(cursor)
        if kept is not None and (end is None or end == kept.through):
            return kept
        batch = await self._read(cursor)
        if end is not None and cursor < end < batch.through:
            return batch.up_to(end)
        boundary = self._next_boundary(cursor, batch)
        if boundary is not None:
            batch = batch.up_to(boundary)
        if batch.events and end is None:
            self._keep(cursor, batch)
        return batch

    async def wait(self, cursor: int, seconds: float) -> None:
        """Wait until an event may follow ``cursor``, for at most ``seconds``.

        Raises the same errors as ``Floors.feed_of``.
        """
        page = Page(b"", 0, cursor, at_head=True)
        waiting = [
            asyncio.ensure_future(feed.wait(page, seen, seconds))
            for feed, seen in self._open_feeds()
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_all(waiting)

    def _next_boundary(self, cursor: int, batch: WebhookBatch) -> int | None:
        """Return the position within this batch at which another webhook's batch begins."""
        inside = [other for other in self.kept if cursor < other < batch.through]
        first = min(inside, default=None)
        if first is None or batch.events[0].position > first:
            return None
        return first

    def _keep(self, cursor: int, batch: WebhookBatch) -> None:
        self._kept_bytes += len(batch.body)
        self.kept[cursor] = batch
        most = KEPT_BATCHES if self.webhooks > 1 else 0
        while len(self.kept) > most or self._kept_bytes > KEPT_BYTES:
            _, dropped = self.kept.popitem(last=False)
            self._kept_bytes -= len(dropped.body)

    def _open_feeds(self) -> list[tuple[Feed, Matcher]]:
        return [(self._floors.feed_of(self.client, name), seen) for name, seen in self._feeds]

    async def _read(self, cursor: int) -> WebhookBatch:
        pages = [
            (name, await feed.page(cursor, seen, MAX_BATCH_EVENTS, BATCH_BYTES))
            for (name, _), (feed, seen) in zip(self._feeds, self._open_feeds(), strict=True)
        ]
        # After this position, a feed may have events that were not read.
        reached = min(page.cursor for _, page in pages)
        found = list(merge(*(self._events(name, page) for name, page in pages)))
        fitting = [event for event in found if event.position <= reached]
        full = len(fitting) > MAX_BATCH_EVENTS
        if full:  # events with the same position stay together
            end = fitting[MAX_BATCH_EVENTS].position
            fitting = [event for event in fitting[:MAX_BATCH_EVENTS] if event.position < end]
            reached = fitting[-1].position
        at_head = not full and all(page.at_head for _, page in pages)
        return _make_batch(tuple(fitting), reached, at_head=at_head)

    def _events(self, name: FeedName, page: Page) -> Iterator[WebhookEvent]:
        events = cloud_events(self.client, name, page, self._floors)
        if str(name) != ALERTS:
            return iter(events)
        return (event for event in events if is_alert_for(event, self._alerts_to))


def batch_reader(client: int, webhook: Webhook, floors: Floors) -> BatchReader:
    """Return a reader for a webhook."""
    chosen = webhook.filter
    ids = (_id_set(chosen.service), _id_set(chosen.call_center))
    kinds = None if chosen.interaction_type is None else frozenset(chosen.interaction_type)
    feeds: list[tuple[FeedName, Matcher]] = []
    for name in get_args(FeedName):
        if name == ALERTS and ALERTS in webhook.send:
            feeds.append((name, EVERYTHING))  # each alert names its webhooks
        elif name in webhook.send:
            feeds.append((name, matcher(Filter(kinds if name == "interaction" else None, *ids))))
    return BatchReader(client, feeds, floors, webhook.name if ALERTS in webhook.send else "")


def _id_set(ids: Sequence[int | str] | None) -> frozenset[int] | None:
    return None if ids is None else frozenset(one for one in ids if isinstance(one, int))


def _make_batch(events: tuple[WebhookEvent, ...], through: int, *, at_head: bool) -> WebhookBatch:
    return WebhookBatch(events, through, at_head, batch_body(events))
