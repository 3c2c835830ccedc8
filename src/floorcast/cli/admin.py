"""Functions and options that ``site``, ``user``, ``key`` and other commands share.

The commands work with and without a running server, which notices changes within a second. With
``--log nats://…``, they change the store of a cluster, whose nodes notice immediately.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer

from floorcast.cli.options import known_options
from floorcast.config.settings import SETTINGS
from floorcast.config.sources import load

if TYPE_CHECKING:
    from floorcast.auth.audit_log import AuditEvent, AuditValue
    from floorcast.auth.passwords import Hasher
    from floorcast.kv.port import KeyValueStore
    from floorcast.site.configuration import SiteClient
    from floorcast.site.live_site import Site

__all__ = [
    "ClientOption",
    "ClientStore",
    "DataOption",
    "LogOption",
    "audit",
    "audit_author",
    "audited_folder",
    "client_id",
    "find_client",
    "hasher",
    "new_password",
    "with_client",
    "with_kv",
]

T = TypeVar("T")

DataOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help=f"The data folder. [default: {SETTINGS['data'].default}]",
        show_default=False,
    ),
]
LogOption = Annotated[
    str | None,
    typer.Option(
        metavar="NATS-URL", help="The cluster, nats://HOST,HOST,…, instead of a data folder.",
        show_default=False,
    ),
]  # fmt: skip
ClientOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|ID", help="The client; not needed if there is only one.",
        show_default=False,
    ),
]  # fmt: skip


def hasher() -> Hasher:
    """Return the password hasher of the commands. Tests replace it with a cheap one."""
    from floorcast.auth.passwords import Hasher

    return Hasher()


def with_kv(
    context: typer.Context,
    store: Mapping[str, object],
    work: Callable[[KeyValueStore], Coroutine[Any, Any, T]],
    *,
    create: bool = False,
) -> T:
    """Open the key-value store that ``store`` names, run ``work`` on it, and close it.

    ``store`` has the options ``data`` and ``log``. Raises ``SettingError`` if the store holds no
    site, unless ``create`` is true.
    """
    import asyncio

    from floorcast.server.admin_store import open_admin_store
    from floorcast.server.logging import set_up_log

    settings = load(store, known=known_options(context))
    set_up_log("error", settings.log_format)

    async def run() -> T:
        async with AsyncExitStack() as stack:
            return await work(await open_admin_store(stack, settings, create=create))

    return asyncio.run(run())


class ClientStore(NamedTuple):
    """An open store, the site in it, and the client that ``--client`` names."""

    kv: KeyValueStore
    site: Site
    owner: SiteClient


def with_client(
    context: typer.Context,
    store: Mapping[str, object],
    client: str | None,
    work: Callable[[ClientStore], Coroutine[Any, Any, T]],
) -> tuple[SiteClient, T]:
    """Run ``work`` for the client that ``--client`` names, and return the client and the result.

    Raises ``SettingError`` if the store holds no site, and ``typer.BadParameter`` if the site has
    no such client.
    """

    async def run(kv: KeyValueStore) -> tuple[SiteClient, T]:
        from floorcast.site.live_site import Site

        site = Site(kv)
        owner = find_client(site, client)
        return owner, await work(ClientStore(kv, site, owner))

    return with_kv(context, store, run)


def client_id(context: typer.Context, store: Mapping[str, object], named: str) -> int:
    """Return the id of the client that ``named`` names.

    A number is an id, even if the site in ``store`` no longer has the client. Raises the errors of
    ``with_client`` for a name.
    """
    if named.isascii() and named.isdigit():
        return int(named)

    async def find(client_store: ClientStore) -> int:
        return client_store.owner.id

    return with_client(context, store, named, find)[1]


def audit(
    context: typer.Context, store: Mapping[str, object], event: AuditEvent, **fields: AuditValue
) -> None:
    """Record a change that a command has made in the audit log of ``store``'s data folder.

    Without a data folder, which is possible for a command on a cluster, nothing is recorded here:
    the nodes record the change.
    """
    from floorcast.auth.audit_log import AuditLog

    folder = audited_folder(context, store)
    if folder is not None:
        AuditLog(folder).record(event, **audit_author(context), **fields)


def audited_folder(context: typer.Context, store: Mapping[str, object]) -> Path | None:
    """Return the data folder whose audit log a command writes to, or None if there is none."""
    settings = load(store, known=known_options(context))
    return settings.data if settings.data.is_dir() else None


def audit_author(context: typer.Context) -> dict[str, AuditValue]:
    """Return the account that runs a command, and the command, for the audit log."""
    try:
        person = getpass.getuser()
    except (KeyError, OSError):
        person = f"uid {os.getuid()}"
    return {"by": person, "command": " ".join(context.command_path.split()[1:])}


def find_client(site: Site, named: str | None) -> SiteClient:
    """Return the client with that name or id, or the only client if ``named`` is None.

    Raises ``typer.BadParameter`` if there is no such client.
    """
    names = ", ".join(sorted(site.by_name)) or "none yet; create them with floorcast site apply"
    if named is None:
        if len(site.clients) != 1:
            raise typer.BadParameter(f"name one of the clients: {names}", param_hint="--client")
        return next(iter(site.clients.values()))
    client = site.find_client(named)
    if client is None:
        raise typer.BadParameter(
            f"there is no client {named}; the clients are: {names}", param_hint="--client"
        )
    return client


def new_password(user_name: str, old_hash: str = "") -> str:
    """Prompt twice for a user's new password on a terminal, or read it from standard input.

    Raises ``typer.BadParameter`` if the password is too short or too long, is not UTF-8, or equals
    the user's name or the password whose hash is ``old_hash``.
    """
    from floorcast.site.secret_rules import password_problem

    if sys.stdin.isatty():
        given: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        given = _read_line()
    problem = password_problem(given, user_name)
    if not problem and old_hash and hasher().verify(old_hash, given):
        problem = "must not be the old password"
    if problem:
        raise typer.BadParameter(f"it {problem}", param_hint="the password")
    return given


def _read_line() -> str:
    try:
        line = sys.stdin.readline().rstrip("\r\n")
        line.encode()  # some locales decode other bytes to surrogates, which no request can contain
    except UnicodeError:
        raise typer.BadParameter("it must be UTF-8", param_hint="the password") from None
    return line
