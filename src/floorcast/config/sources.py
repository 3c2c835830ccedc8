"""Where settings come from: flags first, then ``FLOORCAST_*``, then ``floorcast.toml``."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from floorcast.config.kinds import PATH
from floorcast.config.settings import SETTINGS, Settings
from floorcast.model.errors import SettingError

__all__ = ["FILE", "Given", "given", "load"]

FILE = "floorcast.toml"
PREFIX = "FLOORCAST_"
CONFIG = "config"  # the file's own name: --config, FLOORCAST_CONFIG


class Given(NamedTuple):
    """A value as somebody gave it, where they did, and the folder it may be relative to."""

    value: object
    where: str
    folder: Path | None = None


def load(
    flags: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    known: Collection[str] = (),
) -> Settings:
    """The settings, from every source.

    ``flags`` are the command's options by their setting's name, None where one was not given;
    ``config`` among them names the file. ``environ`` and ``folder`` default to the process's
    own. ``known`` are the names of other commands' options: allowed, and not looked at here.

    Raises ``SettingError``, saying where the value came from and what it must be, when one is
    unknown or unusable.
    """
    found = given(flags, environ=environ, folder=folder, known=known)
    values = {name: _read(name, found[name]) for name in SETTINGS if name in found}
    return structs.replace(Settings(), **values)


def given(
    flags: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    known: Collection[str] = (),
) -> dict[str, Given]:
    """What every source gives, by name, unread: for commands that have options of their own.

    Takes and raises what ``load`` does, but does not look at the values.
    """
    names = {*SETTINGS, *known, CONFIG}
    found = _from_environment(os.environ if environ is None else environ, names)
    for name, value in (flags or {}).items():
        if value is not None:
            found[name] = Given(value, "--" + name.replace("_", "-"))
    return {**_from_file(_file(found.pop(CONFIG, None), folder or Path()), names), **found}


def _from_environment(environ: Mapping[str, str], names: Collection[str]) -> dict[str, Given]:
    found = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or not value.strip():
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in names or variable != variable.upper():
            near = _near(name, names)
            raise SettingError(
                f"{variable} in the environment: there is no such setting"
                + (f"; did you mean {PREFIX}{near.upper()}?" if near else "")
            )
        found[name] = Given(value, f"{variable} in the environment")
    return found


def _file(named: Given | None, folder: Path) -> tuple[Path, bool]:
    if named is None:
        return folder / FILE, False
    path = _read(CONFIG, named)
    return folder / str(path), True


def _from_file(file: tuple[Path, bool], names: Collection[str]) -> dict[str, Given]:
    path, wanted = file
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if wanted:
            raise SettingError(f"{path}: there is no such file") from None
        return {}
    except (OSError, ValueError) as error:
        raise SettingError(f"{path} cannot be read as TOML: {error}") from error
    for key in table:
        if key not in names or key == CONFIG:
            near = _near(key, names)
            raise SettingError(
                f"{path}: there is no setting {key!r}" + (f"; did you mean {near}?" if near else "")
            )
    return {key: Given(value, f"{key} in {path}", path.parent) for key, value in table.items()}


def _near(name: str, names: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(name.lower(), sorted(names), 1)), "")


def _read(name: str, found: Given) -> object:
    kind = PATH if name == CONFIG else SETTINGS[name].kind
    try:
        value = kind.read(found.value)
    except (ValueError, TypeError, OverflowError):
        shown = repr(found.value)
        but = "" if "@" in shown or len(shown) > 80 else f", not {shown}"  # "@": credentials
        raise SettingError(f"{found.where}: must be {kind.expected}{but}") from None
    if isinstance(value, Path) and found.folder and str(value) != ":memory:":
        return found.folder / value
    return value
