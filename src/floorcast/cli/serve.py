"""``floorcast serve``: runs the server."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import typer

from floorcast.cli import options
from floorcast.cli.status_line import print_status
from floorcast.config.settings import SETTINGS, Settings
from floorcast.config.sources import load

__all__ = ["SettingsReader", "register", "with_settings"]


ACCEPT_LOSS = inspect.Parameter(
    "accept_loss",
    inspect.Parameter.KEYWORD_ONLY,
    default=typer.Option(
        False, "--accept-loss", help="Start even if events are missing from the log."
    ),
    annotation=bool,
)


class SettingsReader(Protocol):
    """Reads the settings from all sources. ``defaults`` has a command's own defaults."""

    def __call__(self, **defaults: object) -> Settings:
        """Return the settings. Raises SettingError."""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("serve")(with_settings(_serve, ACCEPT_LOSS))


def with_settings(
    command: Callable[..., None],
    *extra_options: inspect.Parameter,
    help_texts: Mapping[str, str] = MappingProxyType({}),
) -> Callable[..., None]:
    """Give a command an option for every setting, and a function that reads all settings.

    Option values are text, because ``config`` reads all sources of a setting the same way.
    ``extra_options`` exist only on the command line and are passed to the command unchanged.
    ``help_texts`` has the help for settings whose default differs in this command.
    """

    def run(context: typer.Context, **given: Any) -> None:  # noqa: ANN401 -- Typer gives them
        own = {one.name: given.pop(one.name) for one in extra_options}

        def read(**defaults: object) -> Settings:
            flags = {name: value for name, value in given.items() if value is not None}
            return load({**defaults, **flags}, known=options.known_options(context))

        command(read, **own)

    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    parameters = [context]
    parameters += [
        _option(name, setting.flag, setting.kind.metavar, help_texts.get(name, setting.help))
        for name, setting in SETTINGS.items()
    ]
    parameters.append(
        _option(
            "config", "--config", "FILE", "The settings file to read instead of ./floorcast.toml."
        )
    )
    parameters += extra_options
    run.__doc__ = command.__doc__
    signature: Any = inspect.Signature(parameters)
    run.__signature__ = signature  # type: ignore[attr-defined]  # Typer reads it
    return run


def _option(name: str, flag: str, metavar: str, text: str) -> inspect.Parameter:
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=typer.Option(None, flag, metavar=metavar, help=text, show_default=False),
        annotation=str | None,
    )


def _serve(read: SettingsReader, *, accept_loss: bool) -> None:
    """Run the server until SIGTERM or Ctrl-C.

    Every option can also be set in the environment (FLOORCAST_PORT=…) or in floorcast.toml in the
    current folder. The command line takes precedence over the environment, and the environment over
    the file.
    """
    from floorcast.server.logging import set_up_log
    from floorcast.server.uvicorn_server import serve

    settings = read()
    set_up_log(settings.log_level, settings.log_format)
    serve(
        settings,
        lambda address: print_status(f"floorcast answers at {address}"),
        accept_loss=accept_loss,
    )
