"""``floorcast webhook``: shows, tests, resumes and skips webhooks."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from floorcast.cli.admin import (
    ClientOption,
    DataOption,
    LogOption,
    aligned,
    audit,
    client_named,
    with_kv,
)
from floorcast.cli.webhook_example import send_example
from floorcast.kv.port import Conflict, Item, KeyValueStore
from floorcast.kv.token_secret import token_secret
from floorcast.model.errors import InvalidParameter, SettingError, Unavailable
from floorcast.model.token import TICKS_PER_SECOND, decode, system_now
from floorcast.site.changes import counted
from floorcast.site.configuration import Client
from floorcast.site.live_site import Site
from floorcast.site.webhooks import SECRET_PREFIX, Webhook
from floorcast.webhooks.connection import Reply
from floorcast.webhooks.progress import (
    BUCKET,
    Progress,
    item_of,
    key_of,
    read_progress,
    resumed,
    webhook_id,
)

__all__ = ["app", "register"]

app = typer.Typer(help="Show, test, resume and skip webhooks.", no_args_is_help=True)

SECRET_BYTES = 32
TRIES = 5  # when the server writes at the same moment
REACH_SECONDS = 24 * 3_600  # of events that feeds keep

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The webhook's name.")]
COLUMNS = ("id", "name", "receiver", "state", "delivered", "failed", "up to", "reason")


def register(program: typer.Typer) -> None:
    """Add the commands to the program."""
    program.add_typer(app, name="webhook")


@app.command("list")
def show(
    context: typer.Context,
    client: ClientOption = None,
    data: DataOption = None,
    log: LogOption = None,
) -> None:
    """Print a client's webhooks: state, events delivered, requests failed, and position.

    If the server is running, the progress is at most 5 seconds old. /metrics names a webhook by its
    id.
    """

    async def look(kv: KeyValueStore) -> list[tuple[str, ...]]:
        owner = client_named(Site(kv), client)
        secret = await token_secret(kv)
        return [_row(kv, owner.id, one, secret) for one in owner.webhooks]

    rows = with_kv(context, {"data": data, "log": log}, look)
    print("\n".join(aligned([COLUMNS, *rows])) if rows else "the client declares no webhook")


def _row(kv: KeyValueStore, client: int, webhook: Webhook, secret: bytes) -> tuple[str, ...]:
    progress = read_progress(kv.get(BUCKET, key_of(client, webhook.name)))
    state: str = progress.state
    if progress.tries and state == "active":
        state = f"retrying after {counted(progress.tries, 'failure')}"
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


@app.command("secret")
def make_secret() -> None:
    """Print a new secret for the site file."""
    print(SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode())


@app.command("test")
def send_test(
    context: typer.Context,
    name: NameArgument,
    client: ClientOption = None,
    data: DataOption = None,
    log: LogOption = None,
) -> None:
    """Send a signed example from this machine, and print the receiver's response.

    The example is an event of type floorcast.test. For a webhook with a template, it is the
    template's body for an example event. The webhook's progress does not change.
    """

    async def post(kv: KeyValueStore) -> Reply:
        webhook = _declared(client_named(Site(kv), client), name)
        return await send_example(webhook)

    begun = time.monotonic()
    reply = with_kv(context, {"data": data, "log": log}, post)
    took = (time.monotonic() - begun) * 1000
    print(f"the receiver answered {reply.status} in {took:.0f} ms")
    if not 200 <= reply.status < 300:
        raise SettingError(f"webhook {name}: only 2xx counts as delivered")


@app.command("resume")
def resume(
    context: typer.Context,
    name: NameArgument,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TOKEN", show_default=False,
            help="Start after this token or eventId of a feed, at most 24 hours old.",
        ),
    ] = None,
    client: ClientOption = None,
    data: DataOption = None,
    log: LogOption = None,
) -> None:  # fmt: skip
    """Start sending again: a suspended webhook from its position, or any webhook from a token."""
    if start is not None and not start:
        raise typer.BadParameter(
            "it is empty; to start now: floorcast webhook skip", param_hint="--from"
        )
    store = {"data": data, "log": log}
    owner, after = with_kv(context, store, lambda kv: _edit(kv, client, name, start))
    audit(context, store, "webhook_resumed", client=owner.id, webhook=name)
    place = f" from {start}" if start else ""
    print(f"webhook {name} of client {owner.name} is {after.state} again{place}")


@app.command("skip")
def skip(
    context: typer.Context,
    name: NameArgument,
    client: ClientOption = None,
    data: DataOption = None,
    log: LogOption = None,
) -> None:
    """Skip all events up to now and send those that follow."""
    store = {"data": data, "log": log}
    owner, _ = with_kv(context, store, lambda kv: _edit(kv, client, name, ""))
    audit(context, store, "webhook_skipped", client=owner.id, webhook=name)
    print(f"webhook {name} of client {owner.name} starts with the events from now on")


def _declared(owner: Client, name: str) -> Webhook:
    for webhook in owner.webhooks:
        if webhook.name == name:
            return webhook
    names = ", ".join(one.name for one in owner.webhooks) or "none"
    raise typer.BadParameter(
        f"client {owner.name} declares no webhook {name}; it declares {names}", param_hint="NAME"
    )


async def _edit(
    kv: KeyValueStore, client: str | None, name: str, token: str | None
) -> tuple[Client, Progress]:
    owner = client_named(Site(kv), client)
    _declared(owner, name)
    if token:
        _check(owner.id, token, await token_secret(kv))
    key = key_of(owner.id, name)
    for _ in range(TRIES):
        seen = Item(BUCKET, key, kv.get(BUCKET, key))
        after = resumed(read_progress(seen.value), token)
        try:
            await kv.write([item_of(owner.id, name, after)], [seen])
        except Conflict:
            await asyncio.sleep(0)
            continue
        return owner, after
    raise Unavailable("the webhook's progress is being written by the server; try again")


def _check(client: int, token: str, secret: bytes) -> None:
    try:
        ticks = decode(client, token, secret).ticks
    except ValueError as error:
        raise InvalidParameter("--from: expected a token or an eventId of a feed") from error
    if system_now() - ticks > REACH_SECONDS * TICKS_PER_SECOND:
        raise InvalidParameter(
            "--from: the token is more than 24 hours old; feeds reach back so far"
        )
