"""``floorcast audit``: prints the audit log as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from floorcast.cli.admin import DataOption
from floorcast.cli.options import known_options
from floorcast.cli.tables import print_table
from floorcast.config.sources import load
from floorcast.model.errors import Unavailable

if TYPE_CHECKING:
    from floorcast.auth.audit_log import DamagedLines

__all__ = ["register"]

EMPTY_LOG = "the audit log is empty; logins and changes to the site add lines"
HEADING = ("time", "event", "client", "user", "address", "what")
# all other members are in the last column
COLUMN_MEMBERS = ("at", "event", "client", "user", "name", "address")


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("audit")(audit)


def audit(
    context: typer.Context,
    last: Annotated[
        int, typer.Option(metavar="N", min=0, help="Show the last N lines; 0 for all.")
    ] = 100,
    event: Annotated[
        list[str] | None,
        typer.Option(metavar="EVENT", help="Show only this event; can be repeated."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the JSON lines unchanged.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Print the audit log: logins, refusals and changes.

    Reads audit.log in the data folder, oldest line first.
    """
    from floorcast.auth import audit_log
    from floorcast.log.data_folder import require_folder

    folder = load({"data": data}, known=known_options(context)).data
    require_folder(folder)
    try:
        lines, damaged = audit_log.read(folder, last=last or None, events=frozenset(event or ()))
    except OSError as error:
        raise Unavailable(f"{error.filename} cannot be read: {error.strerror}") from error
    if as_json:
        for line in lines:
            print(msgspec.json.encode(line).decode())
    elif lines or not (event or damaged.total):
        print_table(HEADING, [_row(line) for line in lines], empty=EMPTY_LOG)
    if event and not lines:
        _report_unknown_events(folder, event)
    if damaged.total:
        typer.echo(f"floorcast: {_damage(damaged)}", err=True)


def _damage(damaged: DamagedLines) -> str:
    """Return how many lines are damaged, and where they are."""
    places = [f"{file.name} line {number}" for file, number in damaged.first]
    if damaged.total > len(places):
        places.append(f"{damaged.total - len(places):,} more")
    count = "1 line is" if damaged.total == 1 else f"{damaged.total:,} lines are"
    return f"{count} damaged and cannot be read in full: {', '.join(places)}"


def _report_unknown_events(folder: Path, wanted: Sequence[str]) -> None:
    """Say which events the log has, because the wanted ones may be misspelt."""
    from floorcast.auth import audit_log

    lines, _ = audit_log.read(folder)
    known = ", ".join(sorted({str(line["event"]) for line in lines if "event" in line}))
    typer.echo(
        f"floorcast: the audit log has no {' or '.join(wanted)}; its events are {known or 'none'}",
        err=True,
    )


def _row(line: Mapping[str, object]) -> Sequence[str]:
    user = " ".join(str(line[field]) for field in ("user", "name") if field in line)
    others = [
        f"{name}={_text(value)}" for name, value in line.items() if name not in COLUMN_MEMBERS
    ]
    at, event, client, address = (
        str(line.get(field, "")) for field in ("at", "event", "client", "address")
    )
    return at, event, client, user, address, " ".join(others)


def _text(value: object) -> str:
    text = str(value) if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f'"{text}"' if " " in text or not text else text
