"""The data folder, which only one process at a time may use."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from floorcast.kv.folder import IN_MEMORY
from floorcast.model.errors import SettingError
from floorcast.model.private_files import open_private

__all__ = ["DataFolder", "flush_folder", "require_folder", "require_log"]

LOCK = "floorcast.lock"


class DataFolder:
    """A data folder, created if necessary, and locked until ``release``.

    The lock belongs to the open file, so it ends with the process, even after a crash. Raises
    SettingError if the folder cannot be used or another process has locked it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            _create_folder(path)
            self._lock = open_private(path / LOCK, os.O_RDWR)
        except OSError as error:
            # the folder is opened only after it has been created
            why = "it is not a folder" if error.errno == errno.EEXIST else error.strerror
            raise SettingError(f"data folder {path} cannot be used: {why}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip()
            os.close(self._lock)
            raise SettingError(
                f"data folder {path} is in use by process {owner or '(unknown)'}: "
                "stop it first, or name another folder with --data"
            ) from error
        try:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
            flush_folder(path)
        except OSError as error:
            self.release()
            raise SettingError(f"data folder {path} cannot be written: {error.strerror}") from error

    def release(self) -> None:
        """Release the folder for other processes. Further calls do nothing."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def flush_folder(path: Path) -> None:
    """Flush a folder, because a new file is durable only when its name is on disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _create_folder(path: Path) -> None:
    """Create the folder if necessary, and flush the names of new folders to the disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in reversed(missing):
        flush_folder(folder.parent)


def require_folder(path: Path) -> None:
    """Raise SettingError if the folder does not exist, cannot be used or is ``:memory:``."""
    if path == IN_MEMORY:
        raise SettingError("--data: must be a folder, because :memory: belongs to a running server")
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        raise SettingError(f"{path} does not exist; did you mean another --data?") from None
    except OSError as error:
        raise SettingError(f"data folder {path} cannot be used: {error.strerror}") from error
    if not is_folder:
        raise SettingError(f"{path} is not a folder; did you mean another --data?")


def require_log(path: Path) -> None:
    """Raise SettingError if the folder does not exist or holds no log."""
    require_folder(path)
    if (path / "log.db").exists():
        return
    if (path / "admin.db").exists():
        raise SettingError(f"no server has run on {path} yet, so it holds no events")
    raise SettingError(f"{path} holds no log: name the data folder with --data")
