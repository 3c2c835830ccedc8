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
    """Refuse a secret that everybody on the machine can read; raises BadParameter."""
    name = option.name or ""
    source = context.get_parameter_source(name)
    if source is not None and source.name == "COMMANDLINE":
        raise typer.BadParameter(
            "a secret on the command line is read by everybody on the machine; give"
            f" FLOORCAST_{name.upper()} or --{name.replace('_', '-')}-file"
        )
    return value


Config = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, metavar="FILE", help="A connect.toml."),
]
Key = Annotated[
    str | None, typer.Option(metavar="KEY", help="An ingest key: it decides the client.")
]
KeyFile = Annotated[
    str | None, typer.Option(metavar="FILE", help="The key, on the file's first line.")
]
Url = Annotated[str | None, typer.Option(metavar="URL", help="The server.")]
SpoolFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="What is not sent yet is kept here. [connect.db]"),
]
Record = Annotated[
    str | None, typer.Option(metavar="FILE", help="Also write what is read to this file.")
]
MetricsPort = Annotated[
    int | None,
    typer.Option(metavar="PORT", min=1, max=65535, help="Answer Prometheus on this port."),
]
MetricsHost = Annotated[
    str | None, typer.Option(metavar="HOST", help="The port's address. [127.0.0.1]")
]
Check = Annotated[
    bool, typer.Option("--check", help="Log in, show queues, agents and calls, and exit.")
]
