"""Counts the passwords of a site file that are hashed, because thousands take minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from floorcast.site.apply import PasswordHasher
    from floorcast.site.file_schema import FileClient

__all__ = ["FEW_PASSWORDS", "CountedHasher", "count_passwords"]

FEW_PASSWORDS = 50  # hashed in two seconds


def count_passwords(clients: Iterable[FileClient]) -> int:
    """Return the number of passwords that a site file gives in plain text."""
    return sum(login.password is not None for client in clients for login in client.logins())


class CountedHasher:
    """A hasher that passes the number of passwords that are done to ``on_done``.

    A password is done once its stored hash matches, or once it is hashed.
    """

    def __init__(self, hasher: PasswordHasher, on_done: Callable[[int], None]) -> None:
        self._hasher = hasher
        self._on_done = on_done
        self._done = 0

    def hash(self, password: str) -> str:
        """Return the encoded hash."""
        encoded = self._hasher.hash(password)
        self._count()
        return encoded

    def verify(self, password_hash: str, password: str) -> bool:
        """Return whether the hash belongs to this password."""
        matches = self._hasher.verify(password_hash, password)
        if matches:
            self._count()
        return matches

    def _count(self) -> None:
        self._done += 1
        self._on_done(self._done)
