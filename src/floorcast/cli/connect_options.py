"""The options that all subcommands of ``floorcast connect`` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperOption

__all__ = [
    "CheckOption",
    "ConfigOption",
    "KeyFileOption",
    "KeyOption",
    "MetricsHostOption",
    "MetricsPortOption",
    "RecordOption",
    "SpoolOption",
    "UrlOption",
    "reject_on_command_line",
]


def reject_on_command_line(
    context: typer.Context, option: TyperOption, value: str | None
) -> str | None:
    """Return a secret, or raise BadParameter if it was given on the command line.

    Other users of the machine can read it there.
    """
    name = option.name or ""
    source = context.get_parameter_source(name)
    if source is not None and source.name == "COMMANDLINE":
        raise typer.BadParameter(
            "other users can see secrets on the command line; set"
            f" FLOORCAST_{name.upper()} or --{name.replace('_', '-')}-file"
        )
    return value


ConfigOption = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, metavar="FILE", help="The connect.toml to read."),
]
KeyOption = Annotated[
    str | None, typer.Option(metavar="KEY", help="An ingest key, which determines the client.")
]
KeyFileOption = Annotated[
    str | None, typer.Option(metavar="FILE", help="A file with the key on its first line.")
]
UrlOption = Annotated[
    str | None, typer.Option(metavar="URL", help="The server. [default: http://127.0.0.1:8080]")
]
SpoolOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="The file for events that have not been sent yet. [default: connect.db]",
    ),
]
RecordOption = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Also write all input to this file."),
]
MetricsPortOption = Annotated[
    int | None,
    typer.Option(
        metavar="PORT", min=1, max=65535, help="Serve metrics for Prometheus on this port."
    ),
]
MetricsHostOption = Annotated[
    str | None,
    typer.Option(metavar="HOST", help="The address of the metrics port. [default: 127.0.0.1]"),
]
CheckOption = Annotated[
    bool, typer.Option("--check", help="Log in, print the queues, agents and calls, and exit.")
]
