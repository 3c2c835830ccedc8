"""Reads the site in the key-value store: the declared clients and the manual changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from floorcast.kv.port import Item
from floorcast.model.errors import SettingError
from floorcast.model.undecodable import UNDECODABLE
from floorcast.site.configuration import SiteClient, User
from floorcast.site.manual_changes import ManualChanges

__all__ = [
    "DECLARED",
    "FILE",
    "MANUAL",
    "StoredSite",
    "read_client",
    "read_manual_changes",
    "read_stored_site",
    "unreadable_clients",
]

DECLARED: Final = "site"  # client id → SiteClient as the site file declares it
MANUAL: Final = "by-hand"  # client id → ManualChanges
FILE: Final = Item("site-file", "fingerprint", None)  # Argon2 hash of the last file's digest


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


def unreadable_clients(declared: Mapping[str, bytes]) -> set[str]:
    """Return the keys of the declared clients that cannot be decoded."""
    return {key for key, raw in declared.items() if _is_unreadable(raw)}


def _is_unreadable(raw: bytes) -> bool:
    try:
        read_client(raw)
    except SettingError:
        return True
    return False


def read_client(raw: bytes) -> SiteClient:
    """Read a client from its stored form. Raises ``SettingError`` if it cannot be decoded."""
    try:
        return msgspec.json.decode(raw, type=SiteClient)
    except UNDECODABLE as error:
        raise SettingError(
            f"the stored site cannot be decoded ({error}); apply the site file again"
        ) from error


def read_manual_changes(raw: bytes | None) -> ManualChanges:
    """Read a client's manual changes, which are empty if nothing is stored.

    Older releases stored users with an empty name or an impossible id, and could then read nothing
    any more. Such a user has never been able to log in, and is left out here and by the next
    change. Raises ``SettingError`` if anything else cannot be decoded.
    """
    if raw is None:
        return ManualChanges()
    try:
        return msgspec.json.decode(raw, type=ManualChanges)
    except UNDECODABLE as error:
        found = _without_impossible_users(raw)
        if found is None:
            raise SettingError(
                f"the changes made by command cannot be decoded ({error}); restore the data folder"
                " from a backup"
            ) from error
        return found


def _without_impossible_users(raw: bytes) -> ManualChanges | None:
    """Return the changes without the users whose name or id is invalid, or None."""
    try:
        stored = msgspec.json.decode(raw, type=dict[str, object])
        users = msgspec.convert(stored.get("users", []), list[dict[str, object]])
        possible = [user for user in users if not _is_impossible(user)]
        return msgspec.convert({**stored, "users": possible}, ManualChanges)
    except UNDECODABLE:
        return None


def _is_impossible(user: dict[str, object]) -> bool:
    """Return whether a user is only invalid because of the name or the id."""
    try:
        msgspec.convert({**user, "id": 0, "name": "x"}, User)
    except msgspec.MsgspecError:
        return False  # damaged in another way
    try:
        msgspec.convert(user, User)
    except msgspec.MsgspecError:
        return True
    return False
