"""``floorcast site``: applies, checks and shows the site."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floorcast.cli.admin import (
    ClientOption,
    DataOption,
    LogOption,
    audit_author,
    audited_folder,
    find_client,
    hasher,
    with_kv,
)
from floorcast.cli.progress_bar import show_progress
from floorcast.cli.tables import table_lines
from floorcast.model.errors import SettingError
from floorcast.site.counted_hasher import FEW_PASSWORDS, CountedHasher, count_passwords

if TYPE_CHECKING:
    from floorcast.kv.port import KeyValueStore
    from floorcast.site.apply import PasswordHasher, Proposal
    from floorcast.site.configuration import SiteClient
    from floorcast.site.file_reader import SiteFile

__all__ = ["app", "is_terminal", "register"]

app = typer.Typer(help="Apply, check and show the site's clients.", no_args_is_help=True)

NO_CLIENTS = "the site has no clients; add them: floorcast site apply FILE"
MAX_NAMED = 20  # the most clients and users that are listed before their removal

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A site file (TOML).")]


def register(program: typer.Typer) -> None:
    """Add the commands to the program."""
    program.add_typer(app, name="site")


@app.command("apply")
def apply_file(
    context: typer.Context,
    file: FileArgument,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the changes without making them.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Remove clients and users without asking.")
    ] = False,
    data: DataOption = None,
    log: LogOption = None,
) -> None:
    """Apply the site that FILE declares, and print the changes.

    Asks before it removes a client or a user. Applying the same file again changes nothing. Users
    and keys created by "user add" and "key new" are kept. A running server picks up the changes
    within a second.
    """
    from floorcast.auth.audit_log import AuditLog
    from floorcast.site.apply import apply
    from floorcast.site.changes import pluralize

    progress = ExitStack()

    def approve(proposal: Proposal) -> bool:
        progress.close()  # a question must not be drawn over
        if proposal.removed and not yes and not dry_run:
            _confirm_removal(file, proposal.removed)
        return not dry_run

    site_file = _read(file)
    store = {"data": data, "log": log}
    with progress:
        counted = progress.enter_context(_counted_hasher(site_file))
        changes = with_kv(
            context, store, lambda kv: apply(kv, site_file, counted, approve), create=True
        )
    if not dry_run:
        folder = audited_folder(context, store)
        AuditLog(folder).record_changes(changes, **audit_author(context), file=str(file))
    if changes:
        print("\n".join(table_lines(changes)))
    made = sum(change.action != "kept" for change in changes)
    summary = pluralize(made, "change") if made else "nothing to change"
    print(f"{summary}; nothing was changed (--dry-run)" if dry_run and made else summary)


@app.command("check")
def check_file(file: FileArgument) -> None:
    """Report the mistakes in FILE, or print a summary of its contents."""
    from floorcast.site.changes import pluralize

    site_file = _read(file)
    clients = site_file.clients
    rows = [
        (
            f"client {client.id} {client.name}",
            pluralize(len(client.service), "service"),
            pluralize(len(client.agent), "agent"),
            pluralize(len(client.user), "user"),
        )
        for client in clients
    ]
    summary = f"{file} is valid" if rows else f"{file} is valid, but declares no clients"
    print("\n".join([*table_lines(rows), summary]))


@app.command("show")
def show_site(
    context: typer.Context,
    client: ClientOption = None,
    data: DataOption = None,
    log: LogOption = None,
) -> None:
    """Print the current site: all clients, or one client."""
    from floorcast.cli.site_description import describe_client
    from floorcast.site.live_site import Site

    async def look(kv: KeyValueStore) -> list[SiteClient]:
        site = Site(kv)
        return [find_client(site, client)] if client else list(site.clients.values())

    clients = with_kv(context, {"data": data, "log": log}, look)
    descriptions = ["\n".join(describe_client(one)) for one in clients]
    print("\n\n".join(descriptions) or NO_CLIENTS)


@contextmanager
def _counted_hasher(site_file: SiteFile) -> Iterator[PasswordHasher]:
    """Show how many passwords are hashed, if the file has so many that it takes a while."""
    total = count_passwords(site_file.clients)
    if total <= FEW_PASSWORDS:
        yield hasher()
        return
    with show_progress(total, "passwords") as progress:
        yield CountedHasher(hasher(), lambda done: progress.update(min(done, total)))


def is_terminal() -> bool:
    """Return whether the command can ask questions on a terminal."""
    return sys.stdin.isatty()


def _confirm_removal(file: Path, removed: Sequence[str]) -> None:
    """Ask whether to remove everything that the file no longer declares.

    Raises SettingError if the answer is no or there is no terminal.
    """
    shown = "\n".join(f"  {one}" for one in removed[:MAX_NAMED])
    more = f"\n  … and {len(removed) - MAX_NAMED} more" if len(removed) > MAX_NAMED else ""
    typer.echo(f"{file} removes:\n{shown}{more}", err=True)
    if not is_terminal():
        raise SettingError(
            "nothing was changed: give --yes to remove them, or --dry-run to see all changes"
        )
    if not typer.confirm("Remove them?", err=True):
        raise SettingError("nothing was changed")


def _read(file: Path) -> SiteFile:
    """Read a site file, and warn on standard error about anything unsafe or unreliable in it."""
    from floorcast.site.file_reader import read
    from floorcast.site.site_warnings import example_secret_warnings, permission_warnings
    from floorcast.site.template_warnings import template_warnings

    site_file = read(file)
    for warning in (
        *permission_warnings(file, site_file),
        *example_secret_warnings(site_file),
        *template_warnings(site_file),
    ):
        typer.echo(f"floorcast: warning: {warning}", err=True)
    return site_file
