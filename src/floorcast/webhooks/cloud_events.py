"""Encodes a feed's events as CloudEvents.

Webhooks that read the same page share the encoded events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import NamedTuple

import msgspec
from msgspec import Struct

from floorcast.feeds.blocks import Page
from floorcast.model.token import TICKS_PER_SECOND, encode, entry_of
from floorcast.webhooks.floors import Floors

__all__ = ["ALERTS", "MEDIA_TYPE", "WebhookEvent", "batch_body", "cloud_events", "is_alert_for"]

ALERTS = "alerts"
MEDIA_TYPE = "application/cloudevents-batch+json"
_DATA = b'","datacontenttype":"application/json","data":'


class WebhookEvent(NamedTuple):
    """An event: its position, its id, the time when it was recorded (ticks), and its CloudEvent."""

    position: int
    id: str
    recorded_at: int
    body: bytes


class _Alert(Struct):
    to: tuple[str, ...] = ()


class _AlertEvent(Struct):
    data: _Alert


_alert_decoder = msgspec.json.Decoder(_AlertEvent)


def cloud_events(client: int, name: str, page: Page, floors: Floors) -> Sequence[WebhookEvent]:
    """Return the events in a page of the feed ``name``."""
    key = ("cloudevents", name)
    events = page.built.get(key)
    if not isinstance(events, list):
        events = page.built[key] = list(_wrap(client, name, page, floors))
    return events


def is_alert_for(event: WebhookEvent, webhook: str) -> bool:
    """Return whether an alert names the webhook."""
    return webhook in _alert_decoder.decode(event.body).data.to


def batch_body(events: Sequence[WebhookEvent]) -> bytes:
    """Return the body of a CloudEvents batch."""
    return b"[" + b",".join(one.body for one in events) + b"]"


def _wrap(client: int, name: str, page: Page, floors: Floors) -> Iterator[WebhookEvent]:
    if not page.count:
        return
    log, secret = floors.log, floors.token_secret
    kind = "alert" if name == ALERTS else name
    head = f'","source":"/clients/{client}/{name}","type":"floorcast.{kind}","time":"'.encode()
    entry, recorded_at, when = -1, 0, b""
    positions = chain.from_iterable(page.positions)
    for position, line in zip(positions, page.lines.split(b"\n"), strict=True):
        if entry_of(position) != entry:
            entry = entry_of(position)
            recorded_at = log.recorded_at(client, entry) or recorded_at
            when = _rfc3339(recorded_at)
        event_id = encode(client, recorded_at, position, secret)
        body = b"".join(
            (b'{"specversion":"1.0","id":"', event_id.encode(), head, when, _DATA, line, b"}")
        )
        yield WebhookEvent(position, event_id, recorded_at, body)


def _rfc3339(ticks: int) -> bytes:
    moment = datetime.fromtimestamp(ticks // TICKS_PER_SECOND, UTC)
    millis = ticks % TICKS_PER_SECOND // 10_000
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{millis:03d}Z".encode()
