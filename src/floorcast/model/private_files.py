"""Files that only their owner can read, because they hold numbers, names and hashes of secrets."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

__all__ = ["make_private", "open_private"]

_MODE = 0o600


def make_private(path: Path, *beside: Path) -> None:
    """Create a file if it is missing, and let only its owner read it and the files beside it.

    Folders and devices are left as they are. Raises OSError.
    """
    path.touch(mode=_MODE)
    for file in (path, *beside):
        # A file of another user cannot be changed, but its group may have the right to write.
        with suppress(FileNotFoundError, PermissionError):
            mode = file.stat().st_mode
            if stat.S_ISREG(mode) and mode & 0o077:
                file.chmod(_MODE)


def open_private(path: Path, flags: int) -> int:
    """Open a file, and create it for its owner alone. Returns a descriptor. Raises OSError."""
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, _MODE)
