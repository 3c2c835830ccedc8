"""``floorcast key``: ingest keys and API tokens, without or beside a site file."""

from __future__ import annotations

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
from floorcast.kv.port import KeyValueStore
from floorcast.site.configuration import Client
from floorcast.site.digests import digest, fingerprint, new_key
from floorcast.site.edits import KeyKind, add_key, revoke_key
from floorcast.site.live_site import Site
from floorcast.site.store import BY_HAND, read_by_hand

__all__ = ["app", "register"]

app = typer.Typer(help="Create and revoke ingest keys and API tokens.", no_args_is_help=True)

NAMES: dict[KeyKind, str] = {"api_tokens": "API token", "ingest_keys": "ingest key"}


def register(program: typer.Typer) -> None:
    """Add the commands to the program."""
    program.add_typer(app, name="key")


@app.command("new")
def new(
    context: typer.Context,
    client: ClientOption = None,
    api_token: Annotated[
        bool, typer.Option("--api-token", help="An API token (LV-Access), not an ingest key.")
    ] = False,
    data: DataOption = None,
    log: LogOption = None,
) -> None:
    """Create a key and print it once: only its hash is stored.

    The key goes to standard output, the message about it to standard error.
    """
    kind: KeyKind = "api_tokens" if api_token else "ingest_keys"
    key = new_key()

    async def make(kv: KeyValueStore) -> Client:
        owner = client_named(Site(kv), client)
        await add_key(kv, owner.id, kind, digest(key))
        return owner

    store = {"data": data, "log": log}
    owner = with_kv(context, store, make)
    shown = fingerprint(digest(key))
    audit(context, store, "key_made", client=owner.id, kind=NAMES[kind], key=shown)
    typer.echo(f"{NAMES[kind]} {shown} of client {owner.name}; it is shown once", err=True)
    print(key)


@app.command("list")
def show(
    context: typer.Context,
    client: ClientOption = None,
    data: DataOption = None,
    log: LogOption = None,
) -> None:
    """Print the keys of a client by their fingerprints."""

    async def look(kv: KeyValueStore) -> list[tuple[str, ...]]:
        owner = client_named(Site(kv), client)
        by_hand = read_by_hand(kv.get(BY_HAND, str(owner.id)))
        made = {*by_hand.api_tokens, *by_hand.ingest_keys}
        return [
            (fingerprint(key), name, "command" if key in made else "site file")
            for kind, name in NAMES.items()
            for key in getattr(owner, kind)
        ]

    rows = with_kv(context, {"data": data, "log": log}, look)
    print("\n".join(aligned([("fingerprint", "kind", "made by"), *rows])))


@app.command("revoke")
def revoke(
    context: typer.Context,
    key: Annotated[
        str, typer.Argument(metavar="FINGERPRINT", help='The fingerprint that "key list" prints.')
    ],
    client: ClientOption = None,
    data: DataOption = None,
    log: LogOption = None,
) -> None:
    """Revoke a key, and end the sessions that were opened with it."""

    async def take(kv: KeyValueStore) -> tuple[Client, str]:
        owner = client_named(Site(kv), client)
        return owner, fingerprint(await revoke_key(kv, owner.id, key))

    store = {"data": data, "log": log}
    owner, ended = with_kv(context, store, take)
    audit(context, store, "key_revoked", client=owner.id, key=ended)
    print(f"{ended} of client {owner.name} is no longer accepted")
