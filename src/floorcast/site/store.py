"""Reads the site in the key-value store: the declared clients and the manual changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

import msgspec

from floorcast.kv.port import Item
from floorcast.model.errors import SettingError
from floorcast.model.undecodable import UNDECODABLE
from floorcast.site.configuration import SiteClient
from floorcast.site.manual_changes import ManualChanges

__all__ = [
    "DECLARED",
    "FILE",
    "MANUAL",
    "StoredSite",
    "read_client",
    "read_manual_changes",
    "read_stored_site",
]

DECLARED: Final = "site"  # client id → SiteClient as the site file declares it
MANUAL: Final = "by-hand"  # client id → ManualChanges
FILE: Final = Item("site-file", "fingerprint", None)  # Argon2 hash of the last file's digest

T = TypeVar("T")


class StoredSite(NamedTuple):
    """The declared clients and the manual changes, by client id.

    A client can have manual changes even if it is not declared.
    """

    declared: Mapping[int, SiteClient]
    manual: Mapping[int, ManualChanges]


def read_stored_site(declared: Mapping[str, bytes], manual: Mapping[str, bytes]) -> StoredSite:
    """Read the two buckets. Raises ``SettingError`` if they cannot be decoded."""
    return StoredSite(
        {int(key): read_client(raw) for key, raw in declared.items()},
        {int(key): read_manual_changes(raw) for key, raw in manual.items()},
    )


def read_client(raw: bytes) -> SiteClient:
    """Read a client from its stored form."""
    return _read(raw, SiteClient)


def read_manual_changes(raw: bytes | None) -> ManualChanges:
    """Read a client's manual changes, which are empty if nothing is stored."""
    return ManualChanges() if raw is None else _read(raw, ManualChanges)


def _read(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except UNDECODABLE as error:
        raise SettingError(
            f"the stored site cannot be decoded ({error}); apply the site file again"
        ) from error
