"""Changes that administrators make by command.

These changes are stored separately and override the site file. Applying a file therefore never
removes what a command created, and a revoked key stays revoked when the server restarts.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, structs

from floorcast.site.configuration import Id, ScreenKey, SiteClient, User

__all__ = ["LoginOverride", "ManualChanges", "collisions", "prune", "with_manual_changes"]


class LoginOverride(
    Struct, frozen=True, forbid_unknown_fields=True, rename={"declared_hash": "declared"}
):
    """A declared login whose password a command changed, or that a command removed.

    ``declared_hash`` is the hash of the password in the file, or empty for an agent without a
    password. The change applies as long as the file declares this password. ``password_hash`` is
    the new hash, or None if the login was removed.
    """

    name: str
    agent: bool
    declared_hash: str
    password_hash: str | None


class ManualChanges(
    Struct,
    frozen=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"overrides": "declined"},
):
    """The manual changes to one client, with tokens and keys as digests."""

    users: tuple[User, ...] = ()
    overrides: tuple[LoginOverride, ...] = ()
    api_tokens: tuple[str, ...] = ()
    ingest_keys: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()
    screens: tuple[ScreenKey, ...] = ()
    metrics_keys: tuple[str, ...] = ()


def with_manual_changes(declared: SiteClient, manual: ManualChanges) -> SiteClient:
    """Return the effective client: the declared client with the manual changes applied."""
    users = tuple(_effective_users(declared, manual))
    taken = {(user.agent, user.name) for user in users} | {(user.agent, user.id) for user in users}
    own = (user for user in manual.users if not _login_keys(user) & taken)
    revoked = set(manual.revoked)
    return structs.replace(
        declared,
        users=(*users, *own),
        api_tokens=tuple(sorted({*declared.api_tokens, *manual.api_tokens} - revoked)),
        ingest_keys=tuple(sorted({*declared.ingest_keys, *manual.ingest_keys} - revoked)),
        screens=manual.screens,
        metrics_keys=manual.metrics_keys,
    )


def prune(declared: SiteClient, manual: ManualChanges) -> ManualChanges:
    """Return the part of ``manual`` that still has an effect on the declared client."""
    keys = {*declared.api_tokens, *declared.ingest_keys}
    return structs.replace(
        manual,
        overrides=tuple(_effective_overrides(declared, manual)),
        revoked=tuple(sorted(keys.intersection(manual.revoked))),
    )


def collisions(declared: SiteClient, manual: ManualChanges) -> list[User]:
    """Return the manually added users whose name or id the file also declares."""
    taken = set[tuple[bool, int | str]]().union(*map(_login_keys, declared.users))
    return [user for user in manual.users if _login_keys(user) & taken]


def _login_keys(user: User) -> set[tuple[bool, int | str]]:
    return {(user.agent, user.id), (user.agent, user.name)}


def _effective_overrides(declared: SiteClient, manual: ManualChanges) -> Iterator[LoginOverride]:
    hashes = {(user.agent, user.name): user.password_hash for user in declared.users}
    hashes |= {
        (True, agent.login): ""
        for agent in declared.floor_config.agents
        if (True, agent.login) not in hashes
    }
    for one in manual.overrides:
        if hashes.get((one.agent, one.name)) == one.declared_hash:
            yield one


def _effective_users(declared: SiteClient, manual: ManualChanges) -> Iterator[User]:
    changed_hashes = {
        (one.agent, one.name): one.password_hash for one in _effective_overrides(declared, manual)
    }
    for user in declared.users:
        effective_hash = changed_hashes.pop((user.agent, user.name), user.password_hash)
        if effective_hash is not None:
            yield structs.replace(user, password_hash=effective_hash)
    ids: dict[str, Id] = {agent.login: agent.id for agent in declared.floor_config.agents}
    for (_, login), password_hash in sorted(changed_hashes.items()):
        if password_hash is not None:
            yield User(
                id=ids[login], name=login, password_hash=password_hash, role="Agent", agent=True
            )
