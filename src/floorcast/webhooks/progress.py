"""The progress of a webhook in the key-value store, and the functions that change it.

The functions are pure. Times are in ticks. A command changes a webhook by writing its progress with
the next ``order``. The node that sends the webhook then adopts this progress.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import Final, Literal

import msgspec
from msgspec import Struct, structs

from floorcast.kv.port import Item, KeyValueStore
from floorcast.model.token import TICKS_PER_SECOND

__all__ = [
    "BUCKET",
    "Progress",
    "all_progress",
    "progress_item",
    "progress_key",
    "read_progress",
    "record_delivery",
    "record_failure",
    "remaining_pause",
    "resume",
    "retry_after_seconds",
    "suspend",
    "webhook_id",
]

BUCKET: Final = "webhooks"
FIRST_DELIVERY_RETRY_SECONDS = 1.0  # doubled with each retry
MAX_DELIVERY_RETRY_SECONDS = 300.0  # between two attempts
MAX_RETRY_AFTER_SECONDS = 3_600.0  # seconds; a receiver cannot ask for a longer pause
SUSPEND_AFTER = 24 * 3_600 * TICKS_PER_SECOND  # ticks of failures before a webhook is suspended
MAX_REASON_CHARS = 300  # of a reason, in the command's output


class Progress(Struct, frozen=True, omit_defaults=True):
    """The durable state of a webhook.

    ``token`` is its position in the feeds. If it is empty, the webhook starts with the next event.
    While deliveries fail, ``end`` is the token of the last event of the batch, so that every retry
    sends the same batch. ``tries`` counts consecutive failures, ``since`` is the time of the first
    one, and ``failing`` is the time for which attempts have failed, in ticks. The time between two
    attempts of different processes does not count. ``pause`` is how long before ``next_try`` it was
    set, in ticks; earlier releases did not store it.
    """

    token: str = ""
    state: Literal["active", "suspended"] = "active"
    reason: str = ""
    end: str = ""
    tries: int = 0
    since: int = 0
    failing: int = 0
    next_try: int = 0
    pause: int = 0
    delivered_at: int = 0
    events: int = 0
    failures: int = 0
    suspensions: int = 0
    order: int = 0


def progress_key(client: int, name: str) -> str:
    """Return the key of a webhook's progress."""
    return f"{client}.{name}"


def progress_item(client: int, name: str, progress: Progress) -> Item:
    """Return the progress as an item of the store."""
    return Item(BUCKET, progress_key(client, name), msgspec.json.encode(progress))


def read_progress(raw: bytes | None) -> Progress:
    """Return the stored progress, or new progress if none is stored."""
    return Progress() if raw is None else msgspec.json.decode(raw, type=Progress)


def all_progress(kv: KeyValueStore, client: int) -> Mapping[str, bytes]:
    """Return the stored progress of a client's webhooks, by name."""
    prefix = progress_key(client, "")
    items = kv.items(BUCKET).items()
    return {key.removeprefix(prefix): raw for key, raw in items if key.startswith(prefix)}


def webhook_id(client: int, name: str, secret: bytes) -> str:
    """Return a webhook's id in ``/metrics``. It reveals neither the client nor the name."""
    text = progress_key(client, name).encode()
    return blake2b(text, digest_size=6, key=secret[:64], person=b"webhook-id").hexdigest()


def record_delivery(progress: Progress, events: int, now: int) -> Progress:
    """Return the progress after a batch was delivered.

    ``token`` is updated when the progress is saved.
    """
    return structs.replace(
        progress,
        reason="",
        end="",
        tries=0,
        since=0,
        failing=0,
        next_try=0,
        pause=0,
        delivered_at=now,
        events=progress.events + events,
    )


def record_failure(
    progress: Progress,
    why: str,
    now: int,
    chance: float,
    retry_after: float = 0.0,
    *,
    elapsed: int = 0,
) -> Progress:
    """Return the progress after a failed attempt.

    The webhook is retried later or suspended. ``elapsed`` is the time since the previous failure,
    in ticks: it must come from a clock that does not jump, as the wall clock ``now`` may.
    ``chance`` is a random number from 0 to 1 that spreads the retries of many webhooks.
    """
    attempted = structs.replace(
        progress,
        reason=why[:MAX_REASON_CHARS],
        tries=progress.tries + 1,
        since=progress.since or now,
        failing=progress.failing + elapsed,
        failures=progress.failures + 1,
    )
    if attempted.failing >= SUSPEND_AFTER:
        return suspend(attempted, f"no delivery for 24 hours; the last failure: {why}")
    pause = min(
        MAX_DELIVERY_RETRY_SECONDS, FIRST_DELIVERY_RETRY_SECONDS * 2.0 ** min(progress.tries, 16)
    ) * (0.5 + chance / 2)
    pause = max(pause, min(retry_after, MAX_RETRY_AFTER_SECONDS))
    ticks = int(pause * TICKS_PER_SECOND)
    return structs.replace(attempted, next_try=now + ticks, pause=ticks)


def suspend(progress: Progress, why: str) -> Progress:
    """Return the progress of a webhook that sends nothing until it is resumed.

    The webhook keeps its position.
    """
    return structs.replace(
        progress,
        state="suspended",
        reason=why[:MAX_REASON_CHARS],
        next_try=0,
        pause=0,
        suspensions=progress.suspensions + 1,
    )


def resume(progress: Progress, token: str | None = None) -> Progress:
    """Return the progress after a command has resumed the webhook, from ``token`` if it is given.

    The next attempt is made at once. An empty token skips all events up to now.
    """
    moved = token is not None
    return structs.replace(
        progress,
        token=progress.token if token is None else token,
        end="" if moved else progress.end,
        state="active",
        reason="",
        tries=0,
        since=0,
        failing=0,
        next_try=0,
        pause=0,
        order=progress.order + 1,
    )


def remaining_pause(progress: Progress, now: int) -> float:
    """Return the seconds until the next attempt, which another process may have planned.

    The clock ``now`` may have been set back since then. This does not make the pause longer.
    """
    longest = progress.pause or int(MAX_RETRY_AFTER_SECONDS) * TICKS_PER_SECOND
    return max(0, min(progress.next_try - now, longest)) / TICKS_PER_SECOND


def retry_after_seconds(header: str, now: int, date: str = "") -> float:
    """Return the seconds in a ``Retry-After`` header, or 0 if the header is absent or malformed.

    A ``Retry-After`` that is a time is relative to the response's ``date``, because the receiver's
    clock and ``now`` may differ by hours.
    """
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        until, sent = parsedate_to_datetime(text).timestamp(), now / TICKS_PER_SECOND
        with contextlib.suppress(ValueError, TypeError, OverflowError):
            sent = parsedate_to_datetime(date.strip()).timestamp()
        return max(0.0, until - sent)
    return 0.0
