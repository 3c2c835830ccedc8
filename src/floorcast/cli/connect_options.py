"""The options of the subcommands of ``floorcast connect``, as dataclasses.

A field is an option. Its value is None if the option is not given.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer
from typer.core import TyperOption

from floorcast.cli.options import KEY_HELP

__all__ = [
    "ConfigOption",
    "ConnectOptions",
    "epoch_seconds",
    "secret_option",
    "time_option",
    "with_options",
]

NO_SETTINGS = frozenset({"check", "config", "since"})


def _reject_on_command_line(
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


def secret_option() -> Any:  # noqa: ANN401 — as typer.Option
    """Return a hidden option for a secret, which is refused with the ways to set the secret."""
    return typer.Option(hidden=True, callback=_reject_on_command_line)


def time_option(*names: str, text: str) -> Any:  # noqa: ANN401 — as typer.Option
    """Return an option for a time in UTC."""
    return typer.Option(
        *names, formats=["%Y-%m-%dT%H:%M:%SZ"], metavar="YYYY-MM-DDTHH:MM:SSZ", help=text
    )


def epoch_seconds(time: datetime | None) -> float | None:
    """Convert the value of a time option."""
    return None if time is None else time.replace(tzinfo=UTC).timestamp()


ConfigOption = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, metavar="FILE", help="The connect.toml to read."),
]


@dataclass(frozen=True, kw_only=True)
class ConnectOptions:
    """The options that all subcommands share."""

    key: Annotated[str | None, typer.Option(metavar="KEY", help=KEY_HELP)] = None
    key_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="A file with the key on its first line.")
    ] = None
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The server to send the events to. [default: http://127.0.0.1:8080]",
        ),
    ] = None
    spool: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The file for events that have not been sent yet. [default: connect.db]",
        ),
    ] = None
    record: Annotated[
        str | None, typer.Option(metavar="FILE", help="Also write all input to this file.")
    ] = None
    metrics_port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", min=1, max=65535, help="Serve metrics for Prometheus on this port."
        ),
    ] = None
    metrics_host: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="The address of the metrics port. [default: 127.0.0.1]"),
    ] = None
    check: Annotated[
        bool, typer.Option("--check", help="Log in, print the queues, agents and calls, and exit.")
    ] = False
    config: ConfigOption = None

    def settings(self) -> dict[str, object]:
        """Return the options that replace settings of the file, by the settings' names."""
        return {
            one.name: getattr(self, one.name) for one in fields(self) if one.name not in NO_SETTINGS
        }


Given = TypeVar("Given", bound=ConnectOptions)


def with_options(
    kind: type[Given],
) -> Callable[[Callable[[typer.Context, Given], None]], Callable[..., None]]:
    """Make a function a command whose options are the fields of ``kind``."""

    def decorate(command: Callable[[typer.Context, Given], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(context: typer.Context, **given: Any) -> None:  # noqa: ANN401 — as declared
            command(context, kind(**given))

        run.__signature__ = _signature(kind)  # type: ignore[attr-defined]  # Typer reads it
        return run

    return decorate


def _signature(kind: type[ConnectOptions]) -> inspect.Signature:
    """Return a command's parameters: its own options come before those that all share."""
    hints = get_type_hints(kind, include_extras=True)
    shared = {one.name for one in fields(ConnectOptions)}
    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    options = [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=one.default,
            annotation=hints[one.name],
        )
        for one in sorted(fields(kind), key=lambda one: one.name in shared)
    ]
    return inspect.Signature([context, *options])
