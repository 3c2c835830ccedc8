"""``floorcast skip-entry``: skips a damaged log entry."""

from __future__ import annotations

from typing import Annotated

import typer

from floorcast.cli.admin import DataOption, audit_author, client_id
from floorcast.cli.options import known_options
from floorcast.config.sources import load

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("skip-entry")(skip)


def skip(
    context: typer.Context,
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="The client's name or id.")],
    number: Annotated[int, typer.Argument(metavar="ENTRY", help="The number of the entry.")],
    data: DataOption = None,
) -> None:
    """Skip one damaged entry, so that its client can be served.

    The entry's events are lost. 'floorcast verify --disk' lists the damaged entries. The server
    must be stopped. The command refuses to skip an entry that is not damaged.
    """
    from floorcast.auth.audit_log import AuditLog
    from floorcast.log.damage import skip_entry
    from floorcast.log.data_folder import DataFolder, require_log

    folder = load({"data": data}, known=known_options(context)).data
    require_log(folder)
    owner = client_id(context, {"data": data}, client)
    with DataFolder(folder):
        skip_entry(folder, owner, number)
        author = audit_author(context)
        AuditLog(folder).record("entry_skipped", client=owner, entry=number, **author)
    print(f"entry {number} of client {owner} is now skipped")
