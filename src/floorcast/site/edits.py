"""Changes to users and keys that commands make, independently of the site file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import structs

from floorcast.kv.port import Conflict, Item, KeyValueStore
from floorcast.model.errors import InvalidParameter, NotFound, Unavailable
from floorcast.model.undecodable import UNDECODABLE
from floorcast.site.configuration import ScreenKey, SiteClient, User
from floorcast.site.consistency import MAX_API_TOKENS
from floorcast.site.manual_changes import LoginOverride, ManualChanges, prune, with_manual_changes
from floorcast.site.store import DECLARED, MANUAL, read_client, read_manual_changes

__all__ = [
    "KeyKind",
    "add_key",
    "add_screen_key",
    "add_user",
    "remove_user",
    "revoke_key",
    "set_password",
]

KeyKind = Literal["api_tokens", "ingest_keys", "metrics_keys"]
Edit = Callable[[SiteClient, ManualChanges], ManualChanges]

MAX_ATTEMPTS = 5  # when others write at the same time
MAX_SCREEN_KEYS = 1000  # per client
MIN_FINGERPRINT_DIGITS = 6  # number of hexadecimal digits that identify a key


async def add_user(kv: KeyValueStore, client: int, user: User) -> None:
    """Add a user. Raises ``InvalidParameter`` if the name or id is invalid or in use."""

    def edit(declared: SiteClient, manual: ManualChanges) -> ManualChanges:
        for other in (*declared.users, *manual.users):
            if other.agent is user.agent and other.name == user.name:
                raise InvalidParameter(f"client {declared.name} already has a user {user.name}")
            if other.agent is user.agent and other.id == user.id:
                raise InvalidParameter(f"the id {user.id} belongs to user {other.name}")
        return structs.replace(manual, users=(*manual.users, user))

    await _edit(kv, client, edit)


async def remove_user(kv: KeyValueStore, client: int, name: str, *, agent: bool = False) -> None:
    """Remove a login. Raises ``NotFound`` if it does not exist.

    If the site file declares the login, the login stays removed until its password in the file
    changes.
    """

    def edit(declared: SiteClient, manual: ManualChanges) -> ManualChanges:
        _require_login(declared, manual, name, agent)
        return _with_password(declared, manual, name, agent, None)

    await _edit(kv, client, edit)


async def set_password(
    kv: KeyValueStore, client: int, name: str, password_hash: str, *, agent: bool = False
) -> None:
    """Set the password of a user or a declared agent. Raises ``NotFound`` if there is none.

    The new password applies until the login's password in the site file changes.
    """

    def edit(declared: SiteClient, manual: ManualChanges) -> ManualChanges:
        if not agent or name not in {one.login for one in declared.floor_config.agents}:
            _require_login(declared, manual, name, agent)
        return _with_password(declared, manual, name, agent, password_hash)

    await _edit(kv, client, edit)


async def add_key(kv: KeyValueStore, client: int, kind: KeyKind, digest: str) -> None:
    """Add an API token or ingest key by its digest.

    Raises ``InvalidParameter`` if the client has reached its limit of API tokens.
    """

    def edit(declared: SiteClient, manual: ManualChanges) -> ManualChanges:
        tokens = with_manual_changes(declared, manual).api_tokens
        if kind == "api_tokens" and len(tokens) >= MAX_API_TOKENS:
            raise InvalidParameter(
                f"client {declared.name} has {MAX_API_TOKENS} API tokens, which is the limit; "
                f"revoke one first"
            )
        return structs.replace(manual, **{kind: (*getattr(manual, kind), digest)})

    await _edit(kv, client, edit)


async def add_screen_key(kv: KeyValueStore, client: int, key: ScreenKey) -> None:
    """Add a screen key. Raises ``InvalidParameter`` if the client has reached its limit."""

    def edit(declared: SiteClient, manual: ManualChanges) -> ManualChanges:
        if len(manual.screens) >= MAX_SCREEN_KEYS:
            raise InvalidParameter(
                f"client {declared.name} has {MAX_SCREEN_KEYS:,} screen keys, which is the limit; "
                f"revoke one first"
            )
        return structs.replace(manual, screens=(*manual.screens, key))

    await _edit(kv, client, edit)


async def revoke_key(kv: KeyValueStore, client: int, fingerprint: str) -> str:
    """Revoke the key whose digest starts with ``fingerprint``. Returns the whole digest.

    A key that the site file declares stays revoked as long as the file contains it. Raises
    ``NotFound`` if no key matches, and ``InvalidParameter`` if several keys match.
    """
    found = ""

    def edit(declared: SiteClient, manual: ManualChanges) -> ManualChanges:
        nonlocal found
        now = with_manual_changes(declared, manual)
        screens = (screen.digest for screen in now.screens)
        keys = {*now.api_tokens, *now.ingest_keys, *now.metrics_keys, *screens}
        matches = sorted(key for key in keys if key.startswith(fingerprint.lower()))
        if not matches or len(fingerprint) < MIN_FINGERPRINT_DIGITS:
            raise NotFound(
                f"client {declared.name} has no key {fingerprint}; name it by"
                f" {MIN_FINGERPRINT_DIGITS} or more digits of its fingerprint (floorcast key list)"
            )
        if len(matches) > 1:
            raise InvalidParameter(
                f"{len(matches)} keys start with {fingerprint}: give more digits"
            )
        found = matches[0]
        return _without_key(declared, manual, found)

    await _edit(kv, client, edit)
    return found


async def _edit(kv: KeyValueStore, client: int, edit: Edit) -> None:
    key = str(client)
    for _ in range(MAX_ATTEMPTS):
        seen = [Item(name, key, kv.get(name, key)) for name in (DECLARED, MANUAL)]
        raw, manual = seen[0].value, seen[1].value
        if raw is None:
            raise NotFound(f"there is no client {client}")
        after = _encode(edit(read_client(raw), read_manual_changes(manual)))
        try:
            await kv.write([Item(MANUAL, key, after)], seen)
        except Conflict:
            continue
        return
    raise Unavailable("the site is being changed by others; try again")


def _encode(manual: ManualChanges) -> bytes:
    """Encode changes that can be decoded again. Raises ``InvalidParameter`` for any others.

    Stored, such changes would stop every command and the next start of the server.
    """
    try:
        raw = msgspec.json.encode(manual)
        msgspec.json.decode(raw, type=ManualChanges)
    except (*UNDECODABLE, UnicodeEncodeError) as error:
        raise InvalidParameter(f"the change is invalid: {error}") from error
    return raw


def _require_login(declared: SiteClient, manual: ManualChanges, name: str, agent: bool) -> None:
    logins = {(user.agent, user.name) for user in with_manual_changes(declared, manual).users}
    if (agent, name) not in logins:
        what = "agent with a password and the login" if agent else "user"
        raise NotFound(f"client {declared.name} has no {what} {name}")


def _with_password(
    declared: SiteClient, manual: ManualChanges, name: str, agent: bool, password_hash: str | None
) -> ManualChanges:
    """Return ``manual`` with the login's new password, or without the login if the hash is None."""
    other_users = [user for user in manual.users if (user.agent, user.name) != (agent, name)]
    if len(other_users) < len(manual.users):
        kept = [
            structs.replace(user, password_hash=password_hash)
            for user in manual.users
            if (user.agent, user.name) == (agent, name) and password_hash is not None
        ]
        return structs.replace(manual, users=(*other_users, *kept))
    hashes = {(user.agent, user.name): user.password_hash for user in declared.users}
    was = hashes.get((agent, name), "")
    others = [one for one in manual.overrides if (one.agent, one.name) != (agent, name)]
    if was or password_hash is not None:
        others.append(LoginOverride(name, agent, was, password_hash))
    return prune(declared, structs.replace(manual, overrides=tuple(others)))


def _without_key(declared: SiteClient, manual: ManualChanges, key: str) -> ManualChanges:
    revoked = {*manual.revoked, key}
    return prune(
        declared,
        structs.replace(
            manual,
            api_tokens=tuple(one for one in manual.api_tokens if one != key),
            ingest_keys=tuple(one for one in manual.ingest_keys if one != key),
            metrics_keys=tuple(one for one in manual.metrics_keys if one != key),
            screens=tuple(one for one in manual.screens if one.digest != key),
            revoked=tuple(revoked),
        ),
    )
