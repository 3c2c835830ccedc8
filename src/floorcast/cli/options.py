"""Reads options that are not on the command line from the environment or the settings file.

Every option of every command has the same name everywhere: ``--time-zone`` is
``FLOORCAST_TIME_ZONE`` in the environment and ``time_zone`` in ``floorcast.toml``. The server's own
settings are ignored here: ``floorcast.config`` reads them where they are used.

A key or a password is not sent to a URL from a less explicit source. Otherwise, a
``floorcast.toml`` in the current folder could send a key from the environment elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from floorcast.cli.help_lines import plain_name, plain_text, plain_usage
from floorcast.cli.option_values import explain_value_error
from floorcast.config.settings import SETTINGS
from floorcast.config.sources import SECRETS, Source, SourcedValue, exposed_secrets, read_sources
from floorcast.model.errors import SettingError
from floorcast.model.text import is_utf8

__all__ = [
    "KEY_HELP",
    "Command",
    "is_on_command_line",
    "known_options",
    "load_option_values",
    "use_command_class",
]

KEY_HELP = (
    "An ingest key, which determines the client. Other users can see command lines, so prefer "
    "FLOORCAST_KEY."
)

# click's names for the sources of values
FROM_COMMAND_LINE, FROM_DEFAULT_MAP = "COMMANDLINE", "DEFAULT_MAP"


class OptionNames(Collection[str]):
    """The names of all commands' options, which ``config.load`` must accept.

    Collecting them imports every command, so this happens only for a name that is neither a setting
    nor an option of the running command.
    """

    def __init__(self, context: typer.Context) -> None:
        self._context = context

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._all

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @cached_property
    def _own(self) -> frozenset[str]:
        return frozenset(_all_option_names(_invoked_command(self._context)))

    @cached_property
    def _all(self) -> frozenset[str]:
        return frozenset(_all_option_names(self._context.find_root().command))


def known_options(context: typer.Context) -> Collection[str]:
    """Return the names of all commands' options. Those of the running command are tried first."""
    return OptionNames(context)


class Command(TyperCommand):
    """A command with plain help that names the source of a value in errors.

    It does not leak secrets.
    """

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401 — click's, in Typer
        """Return the parts of the usage line."""
        return [plain_usage(piece) for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 — click's, in Typer
        """Write the arguments and the options, with one notation for types and bounds."""
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            params = [one for one in self.get_params(ctx) if one.param_type_name == kind]
            records = filter(None, (one.get_help_record(ctx) for one in params))
            rows = [(plain_name(name), plain_text(text)) for name, text in records]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 — click's, in Typer
        """Read the options. An error names the variable or file that the value is from."""
        with _naming_source(ctx):
            rest = super().parse_args(ctx, args)
            _require_utf8(ctx)
            return rest

    def invoke(self, ctx: Any) -> object:  # noqa: ANN401 — click's, in Typer
        """Run the command. Raises SettingError if it would send a secret to the wrong place."""
        _check_secrets(ctx)
        with _naming_source(ctx):
            result: object = super().invoke(ctx)
            return result


def use_command_class(app: typer.Typer) -> None:
    """Make every command of a program and its groups a ``Command``."""
    for command in app.registered_commands:
        command.cls = Command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            use_command_class(group.typer_instance)


def load_option_values(context: typer.Context) -> None:
    """Set the command's options from the environment and the settings file.

    Warns on standard error if the file has secrets and others can read it. Commands with their own
    ``--config`` option are skipped. Raises SettingError if the environment or the file has a name
    that is neither an option nor a setting.
    """
    group = context.command
    if isinstance(group, TyperGroup) and context.invoked_subcommand:
        invoked = group.commands[context.invoked_subcommand]
        if "config" not in _all_option_names(invoked):
            found = read_sources(known=known_options(context))
            for warning in exposed_secrets(found):
                typer.echo(f"floorcast: warning: {warning}", err=True)
            context.obj = found
            context.default_map = {context.invoked_subcommand: _defaults(invoked, found)}


@contextmanager
def _naming_source(context: typer.Context) -> Iterator[None]:
    try:
        yield
    except typer.BadParameter as error:
        explain_value_error(error)
        option = _option_in_error(error, context)
        if option is not None:
            name = _setting_name(option)
            if _parameter_source(context, str(option.name)) == FROM_DEFAULT_MAP:
                error.param_hint = _loaded_values(context)[name].where
        raise


def _require_utf8(context: typer.Context) -> None:
    """Raise ``typer.BadParameter`` for text that is not UTF-8. File names can have any bytes."""
    for param in context.command.params:
        if not isinstance(param, TyperArgument | TyperOption):
            continue
        value = context.params.get(str(param.name))
        for text in value if isinstance(value, list | tuple) else [value]:
            if isinstance(text, str) and not is_utf8(text):
                raise typer.BadParameter("must be UTF-8", ctx=context, param=param)


def _option_in_error(error: typer.BadParameter, context: typer.Context) -> TyperOption | None:
    """Return the option that an error is about, or None for an argument."""
    if isinstance(error.param, TyperOption):
        return error.param
    return next(
        (
            option
            for option in context.command.params
            if isinstance(option, TyperOption) and error.param_hint in option.opts
        ),
        None,
    )


def _check_secrets(context: typer.Context) -> None:
    """Refuse to send a secret to a URL from a less explicit source."""
    url = _given_value(context, "url")
    if url is None:  # the program's own default, or a command that sends nothing
        return
    for name in sorted(SECRETS):
        secret = _given_value(context, name)
        if secret is not None and secret.source > url.source:
            raise SettingError(
                f"{secret.where} is not sent to the {url.where}, which may be somebody else's"
                " file: also give --url or set FLOORCAST_URL"
            )


def is_on_command_line(context: typer.Context, name: str) -> bool:
    """Return whether the command line, and not the environment or the file, sets a parameter."""
    return _parameter_source(context, name) == FROM_COMMAND_LINE


def _invoked_command(context: typer.Context) -> object:
    """Return the running command, or None if the context does not know it yet."""
    command = context.command
    if isinstance(command, TyperGroup) and context.invoked_subcommand:
        return command.commands[context.invoked_subcommand]
    return command if isinstance(command, TyperCommand) else None


def _given_value(context: typer.Context, name: str) -> SourcedValue | None:
    source = _parameter_source(context, name)
    if source == FROM_COMMAND_LINE:
        return SourcedValue(context.params[name], f"--{name.replace('_', '-')}", Source.EXPLICIT)
    return _loaded_values(context).get(name) if source == FROM_DEFAULT_MAP else None


def _parameter_source(context: typer.Context, name: str) -> str:
    source = context.get_parameter_source(name)
    return "" if source is None else source.name


def _loaded_values(context: typer.Context) -> Mapping[str, SourcedValue]:
    return context.obj or {}


def _all_option_names(command: object) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        for part in command.commands.values():
            yield from _all_option_names(part)
    elif isinstance(command, TyperCommand):
        for option in _options(command):
            # ``connect livevox --from`` is ``from_url`` in connect.toml
            yield from {_setting_name(option), str(option.name)}


def _options(command: TyperCommand) -> Iterator[TyperOption]:
    return (option for option in command.params if isinstance(option, TyperOption))


def _setting_name(option: TyperOption) -> str:
    """Return an option's name in the environment and the file: ``time_zone`` for ``--time-zone``.

    The name of the function's parameter can differ, because ``from``, for example, is a keyword.
    """
    return max(option.opts, key=len).lstrip("-").replace("-", "_")


def _defaults(command: object, found: Mapping[str, SourcedValue]) -> dict[str, object]:
    if isinstance(command, TyperGroup):
        return {name: _defaults(part, found) for name, part in command.commands.items()}
    if not isinstance(command, TyperCommand):
        return {}
    return {
        str(option.name): _text(found[name].value, option)
        for option in _options(command)
        if (name := _setting_name(option)) in found
        and name not in SETTINGS
        and not (option.is_flag and name in SECRETS)  # ``key new --api-token`` makes one
    }


def _text(value: object, option: TyperOption) -> object:
    # TOML has numbers and dates, but options are parsed from text, as on the command line
    if isinstance(value, list):
        return [str(one) for one in value]
    return [str(value)] if option.multiple else str(value)
