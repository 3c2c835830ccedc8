"""Reads the site in the key-value store: the declared clients and the manual changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

import msgspec

from floorcast.kv.port import Item
from floorcast.model.errors import SettingError
from floorcast.site.configuration import Client
from floorcast.site.manual_changes import ByHand

__all__ = ["BY_HAND", "DECLARED", "FILE", "Kept", "kept", "read_by_hand", "read_client"]

DECLARED: Final = "site"  # client id → Client as the site file declares it
BY_HAND: Final = "by-hand"  # client id → ByHand
FILE: Final = Item("site-file", "fingerprint", None)  # Argon2 hash of the last file's digest

T = TypeVar("T")


class Kept(NamedTuple):
    """The declared clients and the manual changes, by client id.

    A client can have manual changes even if it is not declared.
    """

    declared: Mapping[int, Client]
    by_hand: Mapping[int, ByHand]


def kept(declared: Mapping[str, bytes], by_hand: Mapping[str, bytes]) -> Kept:
    """Read the two buckets. Raises ``SettingError`` if they cannot be decoded."""
    return Kept(
        {int(key): read_client(raw) for key, raw in declared.items()},
        {int(key): read_by_hand(raw) for key, raw in by_hand.items()},
    )


def read_client(raw: bytes) -> Client:
    """Read a client from its stored form."""
    return _read(raw, Client)


def read_by_hand(raw: bytes | None) -> ByHand:
    """Read a client's manual changes, which are empty if nothing is stored."""
    return ByHand() if raw is None else _read(raw, ByHand)


def _read(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise SettingError(
            f"the stored site cannot be decoded ({error}); apply the site file again"
        ) from error
