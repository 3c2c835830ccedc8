"""``floorcast top``: shows the floor in a terminal, updated every few seconds."""

from __future__ import annotations

from typing import Annotated

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

__all__ = ["register"]

WIDTH_WITHOUT_TERMINAL = 200  # characters per line if there is no terminal


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("top")(_top)


def _top(
    url: UrlOption = "http://127.0.0.1:8080",
    client: LoginClientOption = "",
    user: UserOption = "",
    password: PasswordOption = "",
    api_token: ApiTokenOption = "",
    wanted: FilterOption = None,
    interval: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0.5, max=3600, help="The time between two updates."),
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Print the floor once and exit.")] = False,
) -> None:
    """Show services, waiting calls and agents, until q or Ctrl-C.

    --filter accepts service and callCenter. If standard output is not a terminal, the floor is
    printed once.
    """
    import asyncio

    from rich.console import Console

    from floorcast.cli.floor_names import fetch_names, has_names, resolve_names
    from floorcast.cli.floor_screen import FloorScreen, fetch_floor
    from floorcast.cli.floor_view import draw
    from floorcast.client import Client, Timing

    credentials = read_credentials(client, user, password, api_token, url)
    floor_filter = read_filter(wanted or (), "service", "callCenter")
    console = Console(highlight=False)
    with naming_login_options(client):
        if has_names(floor_filter):
            timing = Timing(waiting=report_wait, back=report_recovery)
            with Client(url, credentials, timing=timing) as reader:
                floor_filter = resolve_names(floor_filter, fetch_names(reader))
        if once or not console.is_terminal:
            if not console.is_terminal:
                console.width = WIDTH_WITHOUT_TERMINAL
            responses = asyncio.run(fetch_floor(url, credentials, floor_filter))
            console.print(draw(responses, f"{credentials.client} at {url}", console.width))
        else:
            asyncio.run(FloorScreen(url, credentials, floor_filter, interval).run(console))
