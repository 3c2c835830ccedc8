"""The program ``floorcast``: its subcommands, each in a module of its own."""

from __future__ import annotations

import sys
from typing import Protocol

import typer

from floorcast.cli import (
    backup,
    cluster,
    demo,
    key,
    options,
    replay,
    serve,
    simulate,
    site,
    tail,
    top,
    user,
    verify,
    version,
)
from floorcast.errors import FloorcastError

__all__ = ["app", "main"]


class Command(Protocol):
    """A module that holds a subcommand, or a group of them."""

    def register(self, app: typer.Typer) -> None:
        """Add what the module has to the program."""


COMMANDS: tuple[Command, ...] = (
    serve,
    demo,
    replay,
    simulate,
    tail,
    top,
    site,
    user,
    key,
    backup,
    cluster,
    verify,
    version,
)
"""Every subcommand's module, in the order of ``--help``."""

app = typer.Typer(
    name="floorcast",
    help=(
        "Real-time reporting for contact centers.\n\nAn option that is not given is taken from the"
        " environment (--time-zone from FLOORCAST_TIME_ZONE), else from floorcast.toml (time_zone)."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help and one-line errors, the same on a terminal and in a log
    pretty_exceptions_enable=False,  # its tracebacks print local variables: keys, passwords
)
for _command in COMMANDS:
    _command.register(app)
app.callback()(options.take)


def main() -> None:
    """Run the program; what floorcast refuses is one line on standard error and exit code 1."""
    try:
        app(prog_name="floorcast")
    except FloorcastError as error:
        sys.exit(f"floorcast: {error}")
