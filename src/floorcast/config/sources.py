"""The sources of settings: flags first, then ``FLOORCAST_*``, then ``floorcast.toml``.

A file in the current folder may belong to another user, so the source of each value is recorded.
A secret is sent only to a URL from the same source or from a more explicit one.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Collection, Iterable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from floorcast.config.kinds import PATH
from floorcast.config.settings import SETTINGS, Settings
from floorcast.model.errors import SettingError
from floorcast.model.text import is_utf8, read_text

__all__ = [
    "FILE_NAME",
    "SECRETS",
    "Source",
    "SourcedValue",
    "exposed_secrets",
    "load",
    "read_sources",
]

FILE_NAME = "floorcast.toml"
VARIABLE_PREFIX = "FLOORCAST_"
SECRETS = frozenset({"key", "password", "api_token"})
"""The command options that have secret values."""

CONFIG = "config"  # the option that names the file: --config, FLOORCAST_CONFIG


class Source(IntEnum):
    """The origin of a value. A higher source is more explicit."""

    IMPLICIT = 0  # in a file in the current folder, which another user may own
    EXPLICIT = 1  # by a flag, in the environment, or in a file named by one of these


class SourcedValue(NamedTuple):
    """An unparsed value and its source. ``file`` is the file that contains the value, if any."""

    value: object
    where: str
    source: Source
    file: Path | None = None


def load(
    flags: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    known: Collection[str] = (),
) -> Settings:
    """Read the settings from all sources.

    ``flags`` maps settings to the command's options, or to None for options that were not given.
    Its ``config`` is the path of the file. ``environ`` and ``folder`` default to the environment
    and current folder of the process. ``known`` has the names of other commands' options, which are
    allowed but not read.

    Raises ``SettingError`` for an unknown or invalid setting, with its source and the valid values.
    """
    found = read_sources(flags, environ=environ, folder=folder, known=known)
    values = {name: _read(name, found[name]) for name in SETTINGS if name in found}
    return structs.replace(Settings(), **values)


def read_sources(
    flags: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    known: Collection[str] = (),
) -> dict[str, SourcedValue]:
    """Return the unparsed values from all sources by name, for commands with further options.

    Takes the same arguments and raises the same errors as ``load``, but does not check values.
    """
    found = _from_environment(os.environ if environ is None else environ, known)
    for name, value in (flags or {}).items():
        if value is not None:
            found[name] = SourcedValue(value, "--" + name.replace("_", "-"), Source.EXPLICIT)
    return {**_from_file(found.pop(CONFIG, None), folder or Path(), known), **found}


def exposed_secrets(found: Mapping[str, SourcedValue]) -> list[str]:
    """Return a warning for each settings file that contains a secret and that others can read."""
    files = {one.file for name, one in found.items() if one.file and _is_secret(name, one.value)}
    return [
        f"{file} holds secrets and can be read by others: chmod 600 {file}"
        for file in sorted(files)
        if file.exists() and file.stat().st_mode & 0o077
    ]


def _is_secret(name: str, value: object) -> bool:
    return name in SECRETS or (name == "log" and "@" in str(value))


def _from_environment(
    environ: Mapping[str, str], known: Collection[str]
) -> dict[str, SourcedValue]:
    found = {}
    for variable, value in environ.items():
        if not variable.startswith(VARIABLE_PREFIX) or not value.strip():
            continue
        name = variable.removeprefix(VARIABLE_PREFIX).lower()
        if not _is_known(name, known) or variable != variable.upper():
            closest = _closest_name(name, known)
            raise SettingError(
                f"{variable} in the environment: there is no such setting"
                + (f"; did you mean {VARIABLE_PREFIX}{closest.upper()}?" if closest else "")
            )
        found[name] = SourcedValue(value, f"{variable} in the environment", Source.EXPLICIT)
    return found


def _from_file(
    named: SourcedValue | None, folder: Path, known: Collection[str]
) -> dict[str, SourcedValue]:
    path = folder / (FILE_NAME if named is None else str(_read(CONFIG, named)))
    source = Source.IMPLICIT if named is None else Source.EXPLICIT
    try:
        table = tomllib.loads(read_text(path))
    except FileNotFoundError:
        if named is not None:
            raise SettingError(f"{path}: there is no such file") from None
        return {}
    except OSError as error:
        if named is None and not os.access(folder, os.X_OK):
            return {}  # such as root's home, in which an administrator runs a command as our user
        raise SettingError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise SettingError(f"{path} cannot be read as TOML: {error}") from error
    for key in table:
        if not _is_known(key, known) or key == CONFIG:
            closest = _closest_name(key, known)
            raise SettingError(
                f"{path}: there is no setting {key!r}"
                + (f"; did you mean {closest}?" if closest else "")
            )
    return {
        key: SourcedValue(value, f"{key} in {path}", source, path) for key, value in table.items()
    }


def _is_known(name: str, known: Collection[str]) -> bool:
    return name in SETTINGS or name == CONFIG or name in known


def _closest_name(name: str, known: Iterable[str]) -> str:
    names = sorted({*SETTINGS, *known, CONFIG})
    return next(iter(difflib.get_close_matches(name.lower(), names, 1)), "")


def _read(name: str, found: SourcedValue) -> object:
    kind = PATH if name == CONFIG else SETTINGS[name].kind
    if not is_utf8(str(found.value)):  # a database cannot have such a name, for example
        raise SettingError(f"{found.where}: must be UTF-8")
    try:
        value = kind.read(found.value)
    except (ValueError, TypeError, OverflowError):
        shown = repr(found.value)
        but = "" if "@" in shown or len(shown) > 80 else f", not {shown}"  # "@": may be a secret
        but = but if str(found.value).strip() else ", and is empty"
        raise SettingError(f"{found.where}: must be {kind.expected}{but}") from None
    if isinstance(value, Path) and found.file and str(value) != ":memory:":
        return found.file.parent / value
    return value
