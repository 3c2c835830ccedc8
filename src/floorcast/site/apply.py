"""Applies a site file, so that the stored site matches the file.

An Argon2 hash of the file's digest is stored, so one verification recognizes an unchanged file.
Guessing a password from this hash is as slow as guessing it from the password's own hash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from floorcast.kv.port import Conflict, Item, KeyValueStore
from floorcast.model.errors import SettingError, Unavailable
from floorcast.site.changes import Change, differences
from floorcast.site.configuration import SiteClient, User
from floorcast.site.consistency import MAX_API_TOKENS, key_hashes
from floorcast.site.digests import fingerprint
from floorcast.site.file_reader import SiteFile
from floorcast.site.file_schema import DeclaredLogin, FileClient
from floorcast.site.manual_changes import collisions, prune, with_manual_changes
from floorcast.site.store import (
    DECLARED,
    FILE,
    MANUAL,
    StoredSite,
    read_stored_site,
    unreadable_clients,
)

__all__ = ["PasswordHasher", "Proposal", "apply", "stored_client"]

MAX_ATTEMPTS = 5  # when commands write at the same time


class PasswordHasher(Protocol):
    """Hashes passwords. Both methods deliberately take tens of milliseconds."""

    def hash(self, password: str) -> str:
        """Return the encoded Argon2id hash."""
        ...

    def verify(self, password_hash: str, password: str) -> bool:
        """Return whether the hash belongs to this password."""
        ...


class _AbandonableHasher:
    """A hasher that fails after ``abandon``, because a thread cannot be cancelled.

    A process that is told to stop waits for its threads, and thousands of passwords take minutes.
    """

    def __init__(self, hasher: PasswordHasher) -> None:
        self._hasher = hasher
        self._abandoned = False

    def abandon(self) -> None:
        self._abandoned = True

    def hash(self, password: str) -> str:
        self._check()
        return self._hasher.hash(password)

    def verify(self, password_hash: str, password: str) -> bool:
        self._check()
        return self._hasher.verify(password_hash, password)

    def _check(self) -> None:
        if self._abandoned:
            raise asyncio.CancelledError


class _DeclaredSite(NamedTuple):
    declared: dict[int, SiteClient]
    file_hash: bytes


class Proposal(NamedTuple):
    """The changes that a file would make, and the clients and users that it would remove."""

    changes: Sequence[Change]
    removed: Sequence[str]


Approve = Callable[[Proposal], bool]


def _approve_all(_proposal: Proposal) -> bool:
    return True


async def apply(
    kv: KeyValueStore, site_file: SiteFile, hasher: PasswordHasher, approve: Approve = _approve_all
) -> list[Change]:
    """Make the stored site match the file. Returns the changes, sorted by client id.

    Users and keys that commands created stay. Applying the same file again changes nothing. Nothing
    is written unless ``approve`` returns True, and its exceptions are passed on. Raises
    ``SettingError`` if the file conflicts with changes made by command, and ``Unavailable`` if the
    store cannot be written.
    """
    for _ in range(MAX_ATTEMPTS):
        try:
            return await _apply(kv, site_file, hasher, approve)
        except Conflict:
            continue
    raise Unavailable("the site is being changed by others; try again")


async def _apply(
    kv: KeyValueStore, site_file: SiteFile, hasher: PasswordHasher, approve: Approve
) -> list[Change]:
    file_hash = kv.get(FILE.bucket, FILE.key)
    raw = {bucket: kv.items(bucket) for bucket in (DECLARED, MANUAL)}
    lost = unreadable_clients(raw[DECLARED])
    readable = {key: client for key, client in raw[DECLARED].items() if key not in lost}
    old = read_stored_site(readable, raw[MANUAL])
    known_hash = None if lost else file_hash  # the same file repairs what cannot be read
    abandonable = _AbandonableHasher(hasher)
    try:
        new = await asyncio.to_thread(_declare_site, known_hash, site_file, old, abandonable)
    finally:
        abandonable.abandon()
    if new is None:
        return []
    _check_conflicts(new.declared, old)
    changes = list(_changes(old, new.declared))
    if not approve(Proposal(changes, list(_removed_names(old, new.declared)))):
        return changes
    clients = {*map(str, new.declared), *raw[DECLARED], *raw[MANUAL]}
    seen = [Item(bucket, key, raw[bucket].get(key)) for bucket in raw for key in sorted(clients)]
    seen.append(Item(FILE.bucket, FILE.key, file_hash))
    gone = [Item(DECLARED, key, None) for key in lost - set(map(str, new.declared))]
    wanted = [*gone, *_items(new.declared, old), Item(FILE.bucket, FILE.key, new.file_hash)]
    known = set(seen)
    await kv.write([item for item in wanted if item not in known], seen)
    return changes


def _removed_names(old: StoredSite, declared: dict[int, SiteClient]) -> Iterator[str]:
    for number, client in sorted(old.declared.items()):
        now = declared.get(number)
        if now is None:
            yield f"client {number} {client.name}"
            continue
        left = {(user.agent, user.id) for user in now.users}
        for user in client.users:
            if (user.agent, user.id) not in left:
                what = "login of agent" if user.agent else "user"
                yield f"client {number} {client.name}, {what} {user.id} {user.name}"


def _items(declared: dict[int, SiteClient], old: StoredSite) -> Iterator[Item]:
    for client in old.declared:
        if client not in declared:
            yield Item(DECLARED, str(client), None)
    for client, now in declared.items():
        yield Item(DECLARED, str(client), msgspec.json.encode(now))
        if client in old.manual:
            manual = prune(now, old.manual[client])
            yield Item(MANUAL, str(client), msgspec.json.encode(manual))


def _declare_site(
    file_hash: bytes | None, site_file: SiteFile, old: StoredSite, hasher: PasswordHasher
) -> _DeclaredSite | None:
    if file_hash is not None and hasher.verify(file_hash.decode(), site_file.digest):
        return None
    declared = {
        client.id: stored_client(client, old.declared.get(client.id), hasher)
        for client in sorted(site_file.clients, key=lambda one: one.id)
    }
    return _DeclaredSite(declared, hasher.hash(site_file.digest).encode())


def stored_client(client: FileClient, old: SiteClient | None, hasher: PasswordHasher) -> SiteClient:
    """Return the stored form of a client from the file. Unchanged passwords keep their hashes."""
    hashes = {(user.agent, user.id): user.password_hash for user in old.users} if old else {}
    users = tuple(
        User(
            id=login.id,
            name=login.name,
            password_hash=_password(login, hashes.get((login.agent, login.id)), hasher),
            role=login.role,
            call_centers=login.call_centers,
            agent=login.agent,
        )
        for login in client.logins()
    )
    return SiteClient(
        id=client.id,
        name=client.name,
        parent=client.parent,
        api_tokens=key_hashes(client.api_tokens, client.api_token_hashes),
        ingest_keys=key_hashes(client.ingest_keys, client.ingest_key_hashes),
        users=users,
        floor_config=client.floor_config(),
        limits=client.limits,
        webhooks=client.webhooks(),
    )


def _password(login: DeclaredLogin, old: str | None, hasher: PasswordHasher) -> str:
    if login.password is None:
        return login.password_hash or ""
    if old and hasher.verify(old, login.password):
        return old
    return hasher.hash(login.password)


def _check_conflicts(declared: dict[int, SiteClient], old: StoredSite) -> None:
    """Raise ``SettingError`` if the file conflicts with changes made by command."""
    problems: list[str] = []
    for client, made in old.manual.items():
        if client not in declared:
            continue
        where = f"client {client}"
        problems += [
            f"{where}, user {user.id} {user.name}: the id or name belongs to a user that was added "
            f"by command; choose another, or remove that user: floorcast user remove "
            f"{user.name}"
            for user in collisions(declared[client], made)
        ]
        tokens = len(with_manual_changes(declared[client], made).api_tokens)
        if tokens > MAX_API_TOKENS:
            problems.append(
                f"{where}: api_tokens: there are {tokens}, including those made by command; a "
                f"client has"
                f" at most {MAX_API_TOKENS} (floorcast key revoke)"
            )
    if problems:
        raise SettingError("\n".join(problems))


def _changes(old: StoredSite, declared: dict[int, SiteClient]) -> Iterator[Change]:
    for client in sorted({*old.declared, *declared}):
        yield from differences(old.declared.get(client), declared.get(client))
        if client in declared and client in old.manual:
            yield from _kept_changes(declared[client], old)


def _kept_changes(declared: SiteClient, old: StoredSite) -> Iterator[Change]:
    made = prune(declared, old.manual[declared.id])
    where = f"client {declared.id} {declared.name}"
    for one in made.overrides:
        what = "login of agent" if one.agent else "user"
        how = "removed" if one.password_hash is None else "with the password"
        yield Change("kept", f"{where}, {what} {one.name}", f"{how} by command")
    for key in made.revoked:
        yield Change("kept", f"{where}, key {fingerprint(key)}", "revoked by command")
