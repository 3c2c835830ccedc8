"""``floorcast erase``: removes a person's data from the log, the store and the archive."""

from __future__ import annotations

from typing import Annotated

import typer

from floorcast.cli.admin import DataOption, audit_author, client_id
from floorcast.cli.archive import ArchiveOption
from floorcast.cli.options import known_options
from floorcast.config.sources import load
from floorcast.model.errors import SettingError
from floorcast.model.person import Person, normalize_phone

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("erase")(erase)


def erase(
    context: typer.Context,
    client: Annotated[
        str,
        typer.Option(metavar="NAME|ID", help="The client; an id if the site no longer has it."),
    ],
    phone: Annotated[
        list[str] | None,
        typer.Option(metavar="NUMBER", help="A phone number of the person; can be repeated."),
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(metavar="ACCOUNT", help="An account of the person; can be repeated."),
    ] = None,
    data: DataOption = None,
    archive: ArchiveOption = None,
    log: Annotated[
        str | None,
        typer.Option(
            metavar="NATS-URL", show_default=False,
            help="The cluster of the data folder. Its key is needed if the archive has hashes.",
        ),
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count; change nothing.")] = False,
) -> None:  # fmt: skip
    """Remove a person from the log, the feeds, the calls, the snapshots and the archive.

    Finds every call and message with the phone number or account, and replaces phone numbers,
    accounts, names and e-mail addresses in all of their events with null. Ids, times and figures
    are kept. Phone numbers match in any notation. The server must be stopped.

    On a node of a cluster whose archive has hashes, --log (or the setting) must name the cluster.
    """
    from floorcast.auth.audit_log import AuditLog
    from floorcast.cli.eraser import Eraser
    from floorcast.log.data_folder import DataFolder, require_log

    settings = load({"data": data, "archive": archive, "log": log}, known=known_options(context))
    person = _person(phone or [], account or [])
    folder = settings.data
    require_log(folder)
    owner = client_id(context, {"data": data, "log": log}, client)
    with DataFolder(folder):
        eraser = Eraser(settings, owner, person, dry_run=dry_run)
        counts = eraser.run()
        if not dry_run:
            AuditLog(folder).record("erase", client=owner, **audit_author(context), **counts)
    would = "would be changed" if dry_run else "changed"
    for name, count in counts.items():
        print(f"{name.replace('_', ' ')} {would}: {count:,}")
    if eraser.missing_archive:
        typer.echo(f"floorcast: warning: no archive at {eraser.missing_archive}", err=True)
    if eraser.kept_in_ids:
        print(f"{eraser.kept_in_ids:,} events have the number or account in an id, which is kept")
    if eraser.in_cluster and not dry_run:
        print(
            "This folder belongs to a node of a cluster. Run the command on every node, each time"
            " with the archive. The cluster's streams keep their copies of the events for up to 28"
            " hours."
        )


def _person(phones: list[str], accounts: list[str]) -> Person:
    if not phones and not accounts:
        raise SettingError("name the person with --phone or --account")
    numbers = tuple(normalize_phone(phone) for phone in phones)
    for phone, number in zip(phones, numbers, strict=True):
        if not number:
            raise SettingError(f"--phone {phone}: must be a phone number of at most 15 digits")
    return Person(numbers, tuple(accounts))
