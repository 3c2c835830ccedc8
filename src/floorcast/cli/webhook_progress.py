"""Reads and changes the progress of a client's webhooks, for ``floorcast webhook``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import typer

from floorcast.cli.admin import ClientStore
from floorcast.feeds.cursors import MAX_CLOCK_AHEAD
from floorcast.kv.port import Conflict, Item, KeyValueStore
from floorcast.kv.token_secret import token_secret
from floorcast.log.lost_entries import KnownLog
from floorcast.model.errors import InvalidParameter, Unavailable
from floorcast.model.token import (
    TICKS_PER_SECOND,
    Token,
    decode,
    end_of_entry,
    entry_of,
    system_now,
)
from floorcast.server.stores import LOG_END_KEY
from floorcast.site.changes import pluralize
from floorcast.site.configuration import SiteClient
from floorcast.site.webhooks import Webhook
from floorcast.webhooks.progress import (
    BUCKET,
    Progress,
    all_progress,
    progress_item,
    progress_key,
    read_progress,
    resume,
    webhook_id,
)

__all__ = ["find_webhook", "progress_rows", "resume_webhook"]

MAX_ATTEMPTS = 5  # attempts to write while the server writes at the same time
FEED_SECONDS = 24 * 3_600  # how far back feeds reach
MAX_ENTRIES_PER_SECOND = 10_000  # of a client's log, far more than a server stores
REFERENCE_SECONDS = 1_200  # the stored positions may be this old
MAX_ENTRY = 1 << 36  # a number that no client's log reaches; a foreign token's is up to 1 << 44


async def progress_rows(client_store: ClientStore) -> list[tuple[str, ...]]:
    """Return a client's webhooks as rows of the table that ``webhook list`` prints."""
    secret = await token_secret(client_store.kv)
    owner = client_store.owner
    return [_row(client_store.kv, owner.id, one, secret) for one in owner.webhooks]


def _row(kv: KeyValueStore, client: int, webhook: Webhook, secret: bytes) -> tuple[str, ...]:
    progress = read_progress(kv.get(BUCKET, progress_key(client, webhook.name)))
    state: str = progress.state
    if progress.tries and state == "active":
        state = f"retrying after {pluralize(progress.tries, 'failure')}"
    place = "now"
    if progress.token:
        place = _time(decode(client, progress.token, secret).ticks)
    return (
        webhook_id(client, webhook.name, secret),
        webhook.name,
        webhook.origin,
        state,
        f"{progress.events:,}",
        f"{progress.failures:,}",
        place,
        progress.reason or "-",
    )


def _time(ticks: int) -> str:
    return datetime.fromtimestamp(ticks // TICKS_PER_SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def find_webhook(owner: SiteClient, name: str) -> Webhook:
    """Return the client's webhook of that name. Raises ``typer.BadParameter`` if there is none."""
    for webhook in owner.webhooks:
        if webhook.name == name:
            return webhook
    names = ", ".join(one.name for one in owner.webhooks) or "none"
    raise typer.BadParameter(
        f"client {owner.name} declares no webhook {name}; it declares {names}", param_hint="NAME"
    )


async def resume_webhook(client_store: ClientStore, name: str, token: str | None) -> Progress:
    """Resume a webhook and return its progress.

    ``token`` is the position to resume from: None stands for the webhook's own position, and an
    empty string for now. Raises ``typer.BadParameter`` if the client declares no such webhook,
    InvalidParameter if the token is damaged, too old, from the future or not from the client's
    feeds, and Unavailable if the server keeps writing the progress.
    """
    kv, owner = client_store.kv, client_store.owner
    find_webhook(owner, name)
    if token:
        _check_token(kv, owner, token, await token_secret(kv))
    key = progress_key(owner.id, name)
    for _ in range(MAX_ATTEMPTS):
        seen = Item(BUCKET, key, kv.get(BUCKET, key))
        after = resume(read_progress(seen.value), token)
        try:
            await kv.write([progress_item(owner.id, name, after)], [seen])
        except Conflict:
            await asyncio.sleep(0)
            continue
        return after
    raise Unavailable("the webhook's progress is being written by the server; try again")


def _check_token(kv: KeyValueStore, owner: SiteClient, token: str, secret: bytes) -> None:
    try:
        found = [decode(owner.id, token, one) for one in (secret, b"")]
    except ValueError as error:
        raise InvalidParameter("--from: expected a token or an eventId of a feed") from error
    ticks, now = found[0].ticks, system_now()
    if now - ticks > FEED_SECONDS * TICKS_PER_SECOND:
        raise InvalidParameter(
            "--from: the token is more than 24 hours old, and feeds reach back only 24 hours"
        )
    if ticks - now > MAX_CLOCK_AHEAD:
        raise InvalidParameter(
            f"--from: the token's time, {_time(ticks)}, is in the future; this machine's time is"
            f" {_time(now)}"
        )
    known = list(_known_positions(kv, owner.id, secret))
    if not any(_may_be_of_log(one, known) for one in found):
        raise InvalidParameter(
            f"--from: the token is not from a feed of client {owner.name} on this server: expected"
            " a token or an eventId that the client's feeds or webhooks have sent"
        )


def _known_positions(kv: KeyValueStore, client: int, secret: bytes) -> Iterator[Token]:
    """Yield stored positions in the client's log, with their times."""
    for raw in all_progress(kv, client).values():
        progress = read_progress(raw)
        for token in filter(None, (progress.token, progress.end)):
            try:
                yield decode(client, token, secret)
            except ValueError:
                continue
    recorded = kv.get(*LOG_END_KEY)
    if recorded is not None:
        heads = msgspec.json.decode(recorded, type=KnownLog).heads
        yield Token(system_now(), end_of_entry(heads.get(client, 0)))


def _may_be_of_log(token: Token, known: list[Token]) -> bool:
    """Return whether the client's log may have reached a token's position by the token's time.

    The position in a foreign token is a random number, which is almost always far beyond the log.
    """
    latest = min(
        (
            entry_of(one.position)
            + MAX_ENTRIES_PER_SECOND
            * (max(0, token.ticks - one.ticks) // TICKS_PER_SECOND + REFERENCE_SECONDS)
            for one in known
        ),
        default=MAX_ENTRY,
    )
    return entry_of(token.position) <= latest
