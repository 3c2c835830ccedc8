"""The options that all kinds of ``floorcast connect`` have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperOption

__all__ = [
    "Check",
    "Config",
    "Key",
    "KeyFile",
    "MetricsHost",
    "MetricsPort",
    "Record",
    "SpoolFile",
    "Url",
    "not_on_a_command_line",
]


def not_on_a_command_line(
    context: typer.Context, option: TyperOption, value: str | None
) -> str | None:
    """Reject a secret that other users of the machine can read. Raises BadParameter."""
    name = option.name or ""
    source = context.get_parameter_source(name)
    if source is not None and source.name == "COMMANDLINE":
        raise typer.BadParameter(
            "other users can see a secret on the command line; set"
            f" FLOORCAST_{name.upper()} or --{name.replace('_', '-')}-file"
        )
    return value


Config = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, metavar="FILE", help="A connect.toml."),
]
Key = Annotated[
    str | None, typer.Option(metavar="KEY", help="An ingest key, which determines the client.")
]
KeyFile = Annotated[
    str | None, typer.Option(metavar="FILE", help="A file with the key on its first line.")
]
Url = Annotated[str | None, typer.Option(metavar="URL", help="The server.")]
SpoolFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="The file for events that are not sent yet. [connect.db]"),
]
Record = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Also write everything that is read to this file."),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        metavar="PORT", min=1, max=65535, help="Serve metrics for Prometheus on this port."
    ),
]
MetricsHost = Annotated[
    str | None, typer.Option(metavar="HOST", help="The address of the metrics port. [127.0.0.1]")
]
Check = Annotated[
    bool, typer.Option("--check", help="Log in, print queues, agents and calls, and exit.")
]
