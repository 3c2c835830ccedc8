"""Options that were not given on the command line: from the environment, or the settings' file.

Every option of every command has one name everywhere: ``--time-zone`` is
``FLOORCAST_TIME_ZONE`` in the environment and ``time_zone`` in ``floorcast.toml``. The server's
own settings are read by ``floorcast.config`` where they are used, and left alone here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from floorcast.config.settings import SETTINGS
from floorcast.config.sources import Given, given

__all__ = ["known", "take"]


def known(context: typer.Context) -> frozenset[str]:
    """The name of every option of every command: what ``config.load`` must not call unknown."""
    return frozenset(_names(context.find_root().command))


def take(context: typer.Context) -> None:
    """Let the command that is about to run find its options in the environment and the file.

    A command with a ``--config`` of its own is let alone: it knows which file it reads. Raises
    SettingError when the environment or the file names what is no option and no setting.
    """
    group = context.command
    if isinstance(group, TyperGroup) and context.invoked_subcommand:
        invoked = group.commands[context.invoked_subcommand]
        if "config" not in _names(invoked):
            found = given(known=known(context))
            context.default_map = {context.invoked_subcommand: _defaults(invoked, found)}


def _names(command: object) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        for part in command.commands.values():
            yield from _names(part)
    elif isinstance(command, TyperCommand):
        yield from _own(command)


def _own(command: TyperCommand) -> Iterator[str]:
    for option in command.params:
        if isinstance(option, TyperOption) and option.name:
            yield option.name


def _defaults(command: object, found: Mapping[str, Given]) -> dict[str, object]:
    if isinstance(command, TyperGroup):
        return {name: _defaults(part, found) for name, part in command.commands.items()}
    if not isinstance(command, TyperCommand):
        return {}
    own = [name for name in _own(command) if name in found and name not in SETTINGS]
    return {name: _text(found[name].value) for name in own}


def _text(value: object) -> object:
    # TOML has numbers and days of its own; an option reads text, as from the command line.
    return [str(one) for one in value] if isinstance(value, list) else str(value)
