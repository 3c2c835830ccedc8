"""``floorcast backup``: copies a data folder consistently, with or without a running server."""

from __future__ import annotations

import math
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from floorcast.cli.admin import DataOption, audit_author
from floorcast.cli.options import known_options
from floorcast.cli.progress_bar import show_progress
from floorcast.config.sources import load
from floorcast.model.errors import SettingError, Unavailable

__all__ = ["register"]

MIB = 2**20


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("backup")(backup)


def backup(
    context: typer.Context,
    into: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that does not exist yet.")],
    data: DataOption = None,
) -> None:
    """Make a consistent copy of the data folder. The server can keep running.

    DIR can then be used as a data folder: floorcast serve --data DIR. A copy that is killed leaves
    DIR.part, which is incomplete and can be removed.
    """
    import apsw

    from floorcast.auth.audit_log import AuditLog
    from floorcast.log.data_folder import flush_folder, require_log

    folder = load({"data": data}, known=known_options(context)).data
    require_log(folder)
    if os.path.lexists(into):
        raise SettingError(f"{into} already exists: a backup needs a new folder")
    if into.resolve().is_relative_to(folder.resolve()):
        raise SettingError(
            f"{into} is inside the data folder {folder}: choose a folder outside, because a backup"
            " must not be lost together with the data"
        )
    part = into.with_name(f"{into.name}.part")
    try:
        _make_private_folder(part)
        with _removed_on_failure(part):
            size = _copy(folder, part)
            AuditLog(part).record("backup_made", **audit_author(context), source=str(folder))
            flush_folder(part)
            part.rename(into)
        flush_folder(into.parent)
    except (apsw.Error, OSError) as error:
        raise Unavailable(f"the backup failed: {_reason(error)}") from error
    AuditLog(folder).record("backup", **audit_author(context), into=str(into.absolute()))
    print(f"copied {folder} to {into} ({size / MIB:,.1f} MiB)")


def _make_private_folder(part: Path) -> None:
    """Create a folder that only its owner can read.

    An existing folder is refused, because others may be able to read it.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        part.mkdir(mode=0o700)
    except FileExistsError:
        raise SettingError(
            f"{part} already exists: another backup is running, or one was interrupted; remove it, "
            f"or choose another name"
        ) from None


@contextmanager
def _removed_on_failure(part: Path) -> Iterator[None]:
    """Remove the incomplete copy if it fails or is interrupted, also by SIGTERM.

    It would keep a full disk full, and the next backup of a timer would refuse to start.
    """
    before = signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        yield
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _copy(folder: Path, part: Path) -> int:
    from floorcast.auth import audit_files
    from floorcast.log.folder_copy import FILES, copy_file

    # derived data before the log, so that the copy looks like a folder after a crash
    names = [name for name in (*FILES, "admin.db") if (folder / name).exists()]
    total = sum(_readable_bytes(folder / name) for name in names)
    copied = 0

    def more(size: int) -> None:
        nonlocal copied
        copied += size
        progress.update(math.ceil(min(copied, total) / MIB))

    with show_progress(math.ceil(total / MIB), "MiB") as progress:
        for name in names:
            copy_file(folder / name, part / name, more)
            (part / name).chmod(0o600)
    with audit_files.opened(folder) as found:
        for path, file in found:
            with (part / path.name).open("wb") as copy:
                shutil.copyfileobj(file, copy)
            (part / path.name).chmod(0o600)
    return sum(file.stat().st_size for file in part.iterdir())


def _readable_bytes(path: Path) -> int:
    """Return the size of a database. Raises Unavailable, which names the file, unlike SQLite."""
    import apsw

    from floorcast.log.folder_copy import database_bytes

    try:
        return database_bytes(path)
    except apsw.Error as error:
        raise Unavailable(f"the backup failed: {path} cannot be read: {error}") from error


def _reason(error: Exception) -> str:
    import apsw

    if isinstance(error, apsw.FullError):
        return "the disk is full"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
    return str(error)
