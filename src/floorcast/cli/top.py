"""``floorcast top``: shows the floor in a terminal, updated every few seconds."""

from __future__ import annotations

from typing import Annotated

import typer

from floorcast.cli.login import (
    ApiTokenOption,
    ClientOption,
    FilterOption,
    PasswordOption,
    UrlOption,
    UserOption,
    credentials,
    read_filter,
)

__all__ = ["register"]

WIDE = 200  # characters per line if there is no terminal


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("top")(_top)


def _top(
    url: UrlOption = "http://127.0.0.1:8080",
    client: ClientOption = "",
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

    from floorcast.cli.floor_screen import FloorScreen, look
    from floorcast.cli.floor_view import draw

    who = credentials(client, user, password, api_token, url)
    what = read_filter(wanted or (), "service", "callCenter")
    console = Console(highlight=False)
    if once or not console.is_terminal:
        if not console.is_terminal:
            console.width = WIDE
        seen = asyncio.run(look(url, who, what))
        console.print(draw(seen, f"{who.client} at {url}"))
    else:
        asyncio.run(FloorScreen(url, who, what, interval).run(console))
