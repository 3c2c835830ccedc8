"""``floorcast backup``: a consistent copy of a data folder, beside a running server or without."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import apsw
import typer

from floorcast.cli.admin import DataOption
from floorcast.cli.options import known
from floorcast.cli.progress import shown
from floorcast.config.sources import load
from floorcast.log.folder_copy import FILES, copy_file
from floorcast.model.errors import SettingError, Unavailable

__all__ = ["register"]

ALL = (*FILES, "admin.db")  # the log behind what is made of it, as after a crash
MIB = 2**20


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("backup")(backup)


def backup(
    context: typer.Context,
    into: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is not there yet.")],
    data: DataOption = None,
) -> None:
    """Copy the data folder as it is, also while the server runs.

    DIR then is a data folder: floorcast serve --data DIR. An interrupted copy is left as
    DIR.part, and is none.
    """
    folder = load({"data": data}, known=known(context)).data
    if not (folder / "log.db").exists():
        raise SettingError(f"{folder} holds no log: name the data folder with --data")
    if into.exists():
        raise SettingError(f"{into} is there already: a backup goes into a folder of its own")
    part = into.with_name(f"{into.name}.part")
    try:
        part.mkdir(mode=0o700, parents=True, exist_ok=True)
        size = _copy(folder, part)
        part.rename(into)
    except (apsw.Error, OSError) as error:
        raise Unavailable(f"the backup could not be made: {error}") from error
    print(f"{into} holds {folder} as it was ({size / MIB:,.1f} MiB)")


def _copy(folder: Path, part: Path) -> int:
    names = [name for name in ALL if (folder / name).exists()]
    total = sum((folder / name).stat().st_size for name in names)
    copied = 0

    def more(size: int) -> None:
        nonlocal copied
        copied += size
        progress.reached(min(copied, total) // MIB)

    with shown(max(total // MIB, 1), "MiB") as progress:
        for name in names:
            copy_file(folder / name, part / name, more)
            (part / name).chmod(0o600)
    return copied
