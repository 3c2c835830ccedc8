"""``floorcast tail``: prints the events of a feed as they happen, one per line."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
import typer

from floorcast.cli.login import (
    ApiTokenOption,
    FilterOption,
    LoginClientOption,
    PasswordOption,
    UrlOption,
    UserOption,
    naming_login_options,
    read_credentials,
    read_filter,
    report_recovery,
    report_wait,
)
from floorcast.cli.status_line import discard_output

if TYPE_CHECKING:
    from floorcast.client import Client, Feed, Filter

__all__ = ["register"]

E = TypeVar("E")

INTERRUPTED_EXIT_CODE = 130  # a shell's exit code for Ctrl-C


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("tail")(_tail)


def _tail(
    url: UrlOption = "http://127.0.0.1:8080",
    client: LoginClientOption = "",
    user: UserOption = "",
    password: PasswordOption = "",
    api_token: ApiTokenOption = "",
    agents: Annotated[
        bool, typer.Option("--agents/--interactions", help="Which feed to follow.")
    ] = False,
    wanted: FilterOption = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print each event unchanged, as a line of JSON.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TOKEN", help="Start after this token or eventId instead of now."
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Save the position in this file, and resume from it the next time.",
        ),
    ] = None,
) -> None:
    """Print events as they happen, until Ctrl-C.

    Reconnects after a lost connection, and prints the reason for each wait to standard error.
    --filter accepts service, callCenter and interactionType (VOICE, SMS, EMAIL), for interactions
    only.
    """
    from floorcast.cli.event_lines import AgentLines, InteractionLines
    from floorcast.client import Client, Timing, TokenFile

    if agents and wanted:
        raise typer.BadParameter("the agent feed has no filter", param_hint="--filter")
    if store is not None and not store.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {store.parent}", param_hint="--store")
    credentials = read_credentials(client, user, password, api_token, url)
    event_filter = read_filter(wanted or (), "service", "callCenter", "interactionType")
    tokens = None if store is None else TokenFile(store)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    timing = Timing(patience=math.inf, waiting=report_wait, back=report_recovery)
    with naming_login_options(client), Client(url, credentials, timing=timing) as reader:
        event_filter, services = _read_names(reader, event_filter, shown=not json)
        if agents:
            changes = reader.agent_events(since, store=tokens)
            agent_lines = AgentLines(width, services)
            _print_events(changes, agent_lines.line, agent_lines.heading, json=json)
        else:
            events = reader.interaction_events(since, filter=event_filter, store=tokens)
            lines = InteractionLines(width, services)
            _print_events(events, lines.line, lines.heading, json=json)


def _read_names(
    reader: Client, event_filter: Filter, *, shown: bool
) -> tuple[Filter, Mapping[int, str]]:
    """Return the filter with ids instead of names, and the names of services if they are shown.

    Warns about an id that the server does not know, because its feed would stay empty.
    """
    from floorcast.cli.floor_names import (
        FloorNames,
        fetch_names,
        has_names,
        resolve_names,
        unknown_id,
    )

    try:
        needed = shown or has_names(event_filter)
        names = fetch_names(reader) if needed else FloorNames()
        event_filter = resolve_names(event_filter, names)
        unknown = unknown_id(reader, event_filter)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED_EXIT_CODE) from None
    if unknown:
        typer.echo(f"floorcast: warning: {unknown}", err=True)
    return event_filter, names.services


def _print_events(feed: Feed[E], line: Callable[[E], str], head: str, *, json: bool) -> None:
    printed = b""
    try:
        if not json and sys.stdout.isatty():
            print(head, flush=True)
        for event in feed:
            shown = msgspec.json.format(feed.json, indent=-1).decode() if json else line(event)
            print(shown, flush=True)
            printed = feed.json
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED_EXIT_CODE) from None
    except BrokenPipeError:
        # A reader that is gone is not an error. Without this, Python would flush again at exit.
        discard_output(sys.stdout)
    finally:
        # Ctrl-C can come before an event's line is printed; the next run must then print the event.
        feed.close(handled=feed.json is printed)
