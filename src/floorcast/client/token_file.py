"""Stores a token in a file that stays intact if the process or machine crashes."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from floorcast.model.errors import SettingError
from floorcast.model.private_files import open_private

__all__ = ["TokenFile"]

MAX_TOKEN_BYTES = 4096  # a token has only a few dozen bytes


class TokenFile:
    """A token store in a file. Each reader of a feed needs a separate file."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._saving = threading.Lock()  # a save continues even if its caller is cancelled

    def load(self) -> str | None:
        """Return the token, or None if there is no file yet or it is empty. Raises SettingError."""
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_TOKEN_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SettingError(f"{self._path} cannot be read: {error.strerror}") from error
        token = content.decode("ascii", "replace").strip()
        if len(content) > MAX_TOKEN_BYTES or not token.isprintable() or not token.isascii():
            raise SettingError(f"{self._path} does not hold a token")
        return token or None

    def save(self, token: str) -> None:
        """Replace the stored token and flush it to disk. Raises SettingError."""
        with self._saving:
            self._replace(token)

    def _replace(self, token: str) -> None:
        temporary = self._path.with_name(self._path.name + ".new")
        try:
            # never written in place, because a crash could leave a partial token
            descriptor = open_private(temporary, os.O_WRONLY | os.O_TRUNC)
            with os.fdopen(descriptor, "wb") as file:
                file.write(token.encode("ascii") + b"\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
            self._flush_folder()
        except OSError as error:
            raise SettingError(f"{self._path} cannot be written: {error.strerror}") from error

    def _flush_folder(self) -> None:
        """Make the file's new name durable, if the system supports it."""
        folder = os.open(self._path.parent, os.O_RDONLY)
        with suppress(OSError):
            os.fsync(folder)
        os.close(folder)
