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
from floorcast.site.configuration import Client, User
from floorcast.site.consistency import MAX_API_TOKENS, hashed
from floorcast.site.digests import fingerprint
from floorcast.site.file_reader import SiteFile
from floorcast.site.file_schema import FileClient, Login
from floorcast.site.manual_changes import collisions, laid_over, prune
from floorcast.site.store import BY_HAND, DECLARED, FILE, Kept, kept

__all__ = ["Hashing", "Proposal", "apply", "declare"]

TRIES = 5  # when commands write at the same time


class Hashing(Protocol):
    """Hashes passwords. Both methods deliberately take tens of milliseconds."""

    def hash(self, password: str) -> str:
        """Return the encoded Argon2id hash."""
        ...

    def verify(self, password_hash: str, password: str) -> bool:
        """Return whether the hash belongs to this password."""
        ...


class _Plan(NamedTuple):
    declared: dict[int, Client]
    mark: bytes


class Proposal(NamedTuple):
    """The changes that a file would make, and the clients and users that it would remove."""

    changes: Sequence[Change]
    removed: Sequence[str]


Approve = Callable[[Proposal], bool]


def _always(_proposal: Proposal) -> bool:
    return True


async def apply(
    kv: KeyValueStore, site_file: SiteFile, hashing: Hashing, approve: Approve = _always
) -> list[Change]:
    """Make the stored site match the file. Returns the changes, sorted by client id.

    Users and keys that commands created stay. Applying the same file again changes nothing. Nothing
    is written unless ``approve`` returns True, and its exceptions are passed on. Raises
    ``SettingError`` if the file conflicts with changes made by command, and ``Unavailable`` if the
    store cannot be written.
    """
    for _ in range(TRIES):
        try:
            return await _apply(kv, site_file, hashing, approve)
        except Conflict:
            continue
    raise Unavailable("the site is being changed by others; try again")


async def _apply(
    kv: KeyValueStore, site_file: SiteFile, hashing: Hashing, approve: Approve
) -> list[Change]:
    mark = kv.get(FILE.bucket, FILE.key)
    raw = {bucket: kv.items(bucket) for bucket in (DECLARED, BY_HAND)}
    old = kept(raw[DECLARED], raw[BY_HAND])
    new = await asyncio.to_thread(_plan, mark, site_file, old, hashing)
    if new is None:
        return []
    _fits(new.declared, old)
    changes = list(_told(old, new.declared))
    if not approve(Proposal(changes, list(_removed(old, new.declared)))):
        return changes
    clients = {*map(str, new.declared), *raw[DECLARED], *raw[BY_HAND]}
    seen = [Item(bucket, key, raw[bucket].get(key)) for bucket in raw for key in sorted(clients)]
    seen.append(Item(FILE.bucket, FILE.key, mark))
    wanted = [*_items(new.declared, old), Item(FILE.bucket, FILE.key, new.mark)]
    known = set(seen)
    await kv.write([item for item in wanted if item not in known], seen)
    return changes


def _removed(old: Kept, declared: dict[int, Client]) -> Iterator[str]:
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


def _items(declared: dict[int, Client], old: Kept) -> Iterator[Item]:
    for client in old.declared:
        if client not in declared:
            yield Item(DECLARED, str(client), None)
    for client, now in declared.items():
        yield Item(DECLARED, str(client), msgspec.json.encode(now))
        if client in old.by_hand:
            by_hand = prune(now, old.by_hand[client])
            yield Item(BY_HAND, str(client), msgspec.json.encode(by_hand))


def _plan(mark: bytes | None, site_file: SiteFile, old: Kept, hashing: Hashing) -> _Plan | None:
    if mark is not None and hashing.verify(mark.decode(), site_file.digest):
        return None
    declared = {
        client.id: declare(client, old.declared.get(client.id), hashing)
        for client in sorted(site_file.clients, key=lambda one: one.id)
    }
    return _Plan(declared, hashing.hash(site_file.digest).encode())


def declare(client: FileClient, old: Client | None, hashing: Hashing) -> Client:
    """Return the stored form of a client from the file. Unchanged passwords keep their hashes."""
    hashes = {(user.agent, user.id): user.password_hash for user in old.users} if old else {}
    users = tuple(
        User(
            id=login.id,
            name=login.name,
            password_hash=_password(login, hashes.get((login.agent, login.id)), hashing),
            role=login.role,
            call_centers=login.call_centers,
            agent=login.agent,
        )
        for login in client.logins()
    )
    return Client(
        id=client.id,
        name=client.name,
        parent=client.parent,
        api_tokens=hashed(client.api_tokens, client.api_token_hashes),
        ingest_keys=hashed(client.ingest_keys, client.ingest_key_hashes),
        users=users,
        plan=client.plan(),
        limits=client.limits,
        webhooks=client.webhooks(),
    )


def _password(login: Login, old: str | None, hashing: Hashing) -> str:
    if login.password is None:
        return login.password_hash or ""
    if old and hashing.verify(old, login.password):
        return old
    return hashing.hash(login.password)


def _fits(declared: dict[int, Client], old: Kept) -> None:
    """Raise ``SettingError`` if the file conflicts with changes made by command."""
    problems: list[str] = []
    for client, made in old.by_hand.items():
        if client not in declared:
            continue
        where = f"client {client}"
        problems += [
            f"{where}, user {user.id} {user.name}: the id or name belongs to a user that was added "
            f"by command; choose another, or remove that user: floorcast user remove "
            f"{user.name}"
            for user in collisions(declared[client], made)
        ]
        tokens = len(laid_over(declared[client], made).api_tokens)
        if tokens > MAX_API_TOKENS:
            problems.append(
                f"{where}: api_tokens: there are {tokens}, including those made by command; a "
                f"client has"
                f" at most {MAX_API_TOKENS} (floorcast key revoke)"
            )
    if problems:
        raise SettingError("\n".join(problems))


def _told(old: Kept, declared: dict[int, Client]) -> Iterator[Change]:
    for client in sorted({*old.declared, *declared}):
        yield from differences(old.declared.get(client), declared.get(client))
        if client in declared and client in old.by_hand:
            yield from _stays(declared[client], old)


def _stays(declared: Client, old: Kept) -> Iterator[Change]:
    made = prune(declared, old.by_hand[declared.id])
    where = f"client {declared.id} {declared.name}"
    for one in made.declined:
        what = "login of agent" if one.agent else "user"
        how = "removed" if one.password_hash is None else "with the password"
        yield Change("kept", f"{where}, {what} {one.name}", f"{how} by command")
    for key in made.revoked:
        yield Change("kept", f"{where}, key {fingerprint(key)}", "revoked by command")
