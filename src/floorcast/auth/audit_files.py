"""The files of an audit log, which are renamed while commands read them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

__all__ = ["FILE_NAME", "MAX_OLD_FILES", "OpenFile", "numbered", "opened"]

FILE_NAME = "audit.log"
MAX_OLD_FILES = 9


class OpenFile(NamedTuple):
    """An open file of the audit log, and its path when it was opened."""

    path: Path
    file: BinaryIO


def numbered(path: Path, number: int) -> Path:
    """Return the path of an older file: 1 is the newest of them, and 0 is ``path`` itself."""
    return path.with_name(f"{path.name}.{number}") if number else path


@contextmanager
def opened(folder: Path) -> Iterator[list[OpenFile]]:
    """Open the files of a folder's audit log, oldest first, as they are at one moment.

    Raises OSError if a file cannot be opened.
    """
    while True:
        with ExitStack() as stack:
            found = _open_all(folder / FILE_NAME, stack)
            if found is not None:
                yield found
                return


def _open_all(path: Path, stack: ExitStack) -> list[OpenFile] | None:
    """Open all files, or return None if the log was rotated in the meantime.

    A rotation gives each file the next number, the oldest one first. While it is in progress, no
    file can move past this loop, but one can move to where the loop meets it again.
    """
    found: dict[tuple[int, int], OpenFile] = {}
    before = _identity(path)
    for number in range(MAX_OLD_FILES + 1):
        try:
            file = stack.enter_context(numbered(path, number).open("rb"))
        except FileNotFoundError:
            continue
        status = os.fstat(file.fileno())
        one = OpenFile(numbered(path, number), file)
        found.setdefault((status.st_dev, status.st_ino), one)
    return [*reversed(found.values())] if _identity(path) == before else None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
