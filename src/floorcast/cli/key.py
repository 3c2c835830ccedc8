"""``floorcast key``: creates and revokes keys and API tokens, with or without a site file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from floorcast.cli.admin import (
    ClientOption,
    ClientStore,
    DataOption,
    LogOption,
    audit,
    with_client,
)
from floorcast.cli.options import is_on_command_line
from floorcast.cli.tables import print_table

if TYPE_CHECKING:
    from floorcast.site.configuration import CallCenter, ScreenKey, Service, SiteClient
    from floorcast.site.edits import KeyKind

__all__ = ["app", "register"]

app = typer.Typer(
    help="Create and revoke API tokens and ingest, metrics and screen keys.",
    no_args_is_help=True,
)

SCREEN_KEY = "screen key"
MAX_LISTED = 10  # call centers or services listed in an error
KIND_NAMES: dict[KeyKind, str] = {
    "api_tokens": "API token",
    "ingest_keys": "ingest key",
    "metrics_keys": "metrics key",
}


def register(program: typer.Typer) -> None:
    """Add the commands to the program."""
    program.add_typer(app, name="key")


@app.command("new")
def new(
    context: typer.Context,
    client: ClientOption = None,
    api_token: Annotated[
        bool, typer.Option("--api-token", help="Create an API token (LV-Access) instead.")
    ] = False,
    screen: Annotated[
        bool, typer.Option("--screen", help="Create a link to the wallboard that needs no login.")
    ] = False,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Create a key for /metrics/floor instead.")
    ] = False,
    call_center: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|ID", show_default=False,
            help="With --screen: show the services of this call center; can be repeated.",
        ),
    ] = None,
    service: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|ID", show_default=False,
            help="With --screen: show this service; can be repeated.",
        ),
    ] = None,
    url: Annotated[
        str, typer.Option(metavar="URL", help="With --screen: the address of the server.")
    ] = "",
    data: DataOption = None,
    log: LogOption = None,
) -> None:  # fmt: skip
    """Create an ingest key or another kind of key, and print it. Only its hash is stored.

    Prints the key to standard output and a message to standard error. With --screen, prints a link
    to the wallboard, which shows all services, or those that --service and --call-center name.
    """
    from floorcast.site.digests import digest, fingerprint, new_key
    from floorcast.site.edits import add_key

    store = {"data": data, "log": log}
    if api_token + metrics + screen > 1:
        raise typer.BadParameter(
            "--api-token, --metrics and --screen are different kinds of key: give only one"
        )
    if screen:
        _new_screen(context, store, client, _ScreenOptions(call_center or [], service or [], url))
        return
    for option in ("call_center", "service", "url"):
        if is_on_command_line(context, option):  # FLOORCAST_URL is for other commands, too
            hint = f"--{option.replace('_', '-')}"
            raise typer.BadParameter("needs --screen", param_hint=hint)
    kind: KeyKind = "ingest_keys"
    if api_token or metrics:
        kind = "api_tokens" if api_token else "metrics_keys"
    key = new_key()

    async def make(client_store: ClientStore) -> None:
        await add_key(client_store.kv, client_store.owner.id, kind, digest(key))

    owner, _ = with_client(context, store, client, make)
    shown = fingerprint(digest(key))
    audit(context, store, "key_made", client=owner.id, kind=KIND_NAMES[kind], key=shown)
    typer.echo(f"{KIND_NAMES[kind]} {shown} of client {owner.name}, shown only once", err=True)
    print(key)


class _ScreenOptions(NamedTuple):
    """The options of a screen key, as given: call centers, services and the server's address."""

    call_centers: list[str]
    services: list[str]
    url: str


def _new_screen(
    context: typer.Context, store: Mapping[str, object], client: str | None, shown: _ScreenOptions
) -> None:
    from floorcast.client.address import check_address
    from floorcast.site.configuration import ScreenKey
    from floorcast.site.digests import digest, fingerprint, new_key
    from floorcast.site.edits import add_screen_key

    url = check_address(shown.url) if shown.url else ""
    key = new_key()

    async def make(client_store: ClientStore) -> ScreenKey:
        site, owner = client_store.site, client_store.owner
        floor_configs = [site.clients[one].floor_config for one in site.family(owner.id)]
        centers = [one for config in floor_configs for one in config.call_centers]
        services = [one for config in floor_configs for one in config.services]
        screen = ScreenKey(
            digest=digest(key),
            call_centers=_resolve_ids(centers, shown.call_centers, "--call-center", owner),
            services=_resolve_ids(services, shown.services, "--service", owner),
        )
        await add_screen_key(client_store.kv, owner.id, screen)
        return screen

    owner, screen = with_client(context, store, client, make)
    named = fingerprint(screen.digest)
    audit(context, store, "key_made", client=owner.id, kind=SCREEN_KEY, key=named)
    typer.echo(
        f"{SCREEN_KEY} {named} of client {owner.name} shows {_scope(screen)}; the link is shown"
        " only once, and anyone who has it can see the wallboard",
        err=True,
    )
    if not shown.url:
        typer.echo(
            "put the server's address before the link, such as https://reports.example.com, or"
            " give it with --url",
            err=True,
        )
    print(f"{url}/wallboard#key={key}")


def _resolve_ids(
    known: Sequence[CallCenter | Service], named: list[str], option: str, owner: SiteClient
) -> tuple[int, ...]:
    """Return the ids of call centers or services that are given by id or name.

    Raises ``typer.BadParameter`` if there is no such call center or service.
    """
    ids = {str(one.id): one.id for one in known} | {one.name: one.id for one in known}
    for name in named:
        if name not in ids:
            some = ", ".join(f"{one.name} ({one.id})" for one in known[:MAX_LISTED]) or "none"
            raise typer.BadParameter(
                f"client {owner.name} declares no {option[2:].replace('-', ' ')} {name}; it"
                f" declares {some}{', …' if len(known) > MAX_LISTED else ''}",
                param_hint=option,
            )
    return tuple(sorted({ids[name] for name in named}))


def _scope(screen: ScreenKey) -> str:
    parts = []
    for noun, ids in (("call center", screen.call_centers), ("service", screen.services)):
        if ids:
            parts.append(f"{noun}{'s' * (len(ids) > 1)} {', '.join(map(str, ids))}")
    return "; ".join(parts) or "everything"


@app.command("list")
def show(
    context: typer.Context,
    client: ClientOption = None,
    data: DataOption = None,
    log: LogOption = None,
) -> None:
    """Print the fingerprints of a client's keys."""
    from floorcast.site.digests import fingerprint
    from floorcast.site.store import MANUAL, read_manual_changes

    async def look(client_store: ClientStore) -> list[tuple[str, str, str]]:
        owner = client_store.owner
        manual = read_manual_changes(client_store.kv.get(MANUAL, str(owner.id)))
        made = {*manual.api_tokens, *manual.ingest_keys, *manual.metrics_keys}
        keys = [
            (fingerprint(key), name, "command" if key in made else "site file")
            for kind, name in KIND_NAMES.items()
            for key in getattr(owner, kind)
        ]
        screens = [
            (fingerprint(one.digest), f"{SCREEN_KEY}: {_scope(one)}", "command")
            for one in owner.screens
        ]
        return [*keys, *screens]

    owner, rows = with_client(context, {"data": data, "log": log}, client, look)
    empty = f"client {owner.name} has no keys; create one: floorcast key new"
    print_table(("fingerprint", "kind", "made by"), rows, empty=empty)


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
    """Revoke a key and end the sessions that were opened with it."""
    from floorcast.site.digests import fingerprint
    from floorcast.site.edits import revoke_key

    async def take(client_store: ClientStore) -> str:
        return fingerprint(await revoke_key(client_store.kv, client_store.owner.id, key))

    store = {"data": data, "log": log}
    owner, ended = with_client(context, store, client, take)
    audit(context, store, "key_revoked", client=owner.id, key=ended)
    print(f"{ended} of client {owner.name} is no longer accepted")
