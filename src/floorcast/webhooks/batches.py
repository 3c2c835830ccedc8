"""Reads batches of events for webhooks, as CloudEvents.

A webhook reads one or more feeds of its client in the order of the log. Webhooks that read the same
feeds with the same filter share batches. A batch ends where another one begins, so readers that
start at different positions soon send the same bytes.
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
    is_alert_to,
)
from floorcast.webhooks.floors import Floors

__all__ = ["MAX_BATCH_EVENTS", "Batch", "SharedReading", "reading_of"]

MAX_BATCH_EVENTS = 100
BATCH_BYTES = 262_144  # of events per feed; a larger event has its own batch
KEPT_BATCHES = 16  # maximum per reading that several webhooks share
KEPT_BYTES = 1 << 20  # maximum size of these batches


class Batch(NamedTuple):
    """Up to ``MAX_BATCH_EVENTS`` events after one cursor, and the cursor after them.

    ``at_head`` is true if no event followed when the batch was made. ``body`` contains the events
    as a CloudEvents batch.
    """

    events: tuple[WebhookEvent, ...]
    through: int
    at_head: bool
    body: bytes = b""

    def up_to(self, end: int) -> Batch:
        """Return the part of the batch up to a position. That part must contain an event."""
        return _batch(tuple(one for one in self.events if one.position <= end), end, at_head=False)


class SharedReading:
    """The events of a client, as read by webhooks with the same feeds and filter.

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
        self.kept: OrderedDict[int, Batch] = OrderedDict()
        """Batches that several webhooks send. The key is the cursor before the batch."""
        self._kept_bytes = 0
        self.webhooks = 0
        """The number of webhooks that share this reading."""

    def head(self) -> int:
        """Return the cursor of a reader that starts now.

        Raises the same errors as ``Floors.feed_of``.
        """
        return min(feed.through for feed, _ in self._readers())

    async def batch(self, cursor: int, end: int | None = None) -> Batch:
        """Return the next events after ``cursor``, up to the position ``end`` if it is given.

        Raises the same errors as ``Floors.feed_of``.
        """
        kept = self.kept.get(cursor)
        if kept is not None and (end is None or end == kept.through):
            return kept
        made = await self._read(cursor)
        if end is not None and cursor < end < made.through:
            return made.up_to(end)
        cut = self._cut(cursor, made)
        if cut is not None:
            made = made.up_to(cut)
        if made.events and end is None:
            self._keep(cursor, made)
        return made

    async def wait(self, cursor: int, seconds: float) -> None:
        """Wait until an event may follow ``cursor``, for at most ``seconds``.

        Raises the same errors as ``Floors.feed_of``.
        """
        page = Page(b"", 0, cursor, at_head=True)
        waits = [
            asyncio.ensure_future(feed.wait(page, seen, seconds)) for feed, seen in self._readers()
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_all(waits)

    def _cut(self, cursor: int, made: Batch) -> int | None:
        """Return the position within this batch at which another reader's batch begins."""
        inside = [one for one in self.kept if cursor < one < made.through]
        first = min(inside, default=None)
        if first is None or made.events[0].position > first:
            return None
        return first

    def _keep(self, cursor: int, made: Batch) -> None:
        self._kept_bytes += len(made.body)
        self.kept[cursor] = made
        most = KEPT_BATCHES if self.webhooks > 1 else 0
        while len(self.kept) > most or self._kept_bytes > KEPT_BYTES:
            _, dropped = self.kept.popitem(last=False)
            self._kept_bytes -= len(dropped.body)

    def _readers(self) -> list[tuple[Feed, Matcher]]:
        return [(self._floors.feed_of(self.client, name), seen) for name, seen in self._feeds]

    async def _read(self, cursor: int) -> Batch:
        pages = [
            (name, await feed.page(cursor, seen, MAX_BATCH_EVENTS, BATCH_BYTES))
            for (name, _), (feed, seen) in zip(self._feeds, self._readers(), strict=True)
        ]
        # After this position, a feed may have events that were not read.
        reached = min(page.cursor for _, page in pages)
        found = list(merge(*(self._events(name, page) for name, page in pages)))
        fitting = [one for one in found if one.position <= reached]
        full = len(fitting) > MAX_BATCH_EVENTS
        if full:  # events with the same position stay together
            end = fitting[MAX_BATCH_EVENTS].position
            fitting = [one for one in fitting[:MAX_BATCH_EVENTS] if one.position < end]
            reached = fitting[-1].position
        at_head = not full and all(page.at_head for _, page in pages)
        return _batch(tuple(fitting), reached, at_head=at_head)

    def _events(self, name: FeedName, page: Page) -> Iterator[WebhookEvent]:
        made = cloud_events(self.client, name, page, self._floors)
        if str(name) != ALERTS:
            return iter(made)
        return (one for one in made if is_alert_to(one, self._alerts_to))


def reading_of(client: int, webhook: Webhook, floors: Floors) -> SharedReading:
    """Return the reading of a webhook."""
    chosen = webhook.filter
    ids = (_set(chosen.service), _set(chosen.call_center))
    kinds = None if chosen.interaction_type is None else frozenset(chosen.interaction_type)
    feeds: list[tuple[FeedName, Matcher]] = []
    for name in get_args(FeedName):
        if name == ALERTS and ALERTS in webhook.send:
            feeds.append((name, EVERYTHING))  # each alert names its webhooks
        elif name in webhook.send:
            feeds.append((name, matcher(Filter(kinds if name == "interaction" else None, *ids))))
    return SharedReading(client, feeds, floors, webhook.name if ALERTS in webhook.send else "")


def _set(ids: Sequence[int | str] | None) -> frozenset[int] | None:
    return None if ids is None else frozenset(one for one in ids if isinstance(one, int))


def _batch(events: tuple[WebhookEvent, ...], through: int, *, at_head: bool) -> Batch:
    return Batch(events, through, at_head, batch_body(events))
