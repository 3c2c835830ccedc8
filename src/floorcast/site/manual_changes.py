"""Changes that administrators make by command.

These changes are stored separately and override the site file. Applying a file therefore never
removes what a command created, and a revoked key stays revoked when the server restarts.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, structs

from floorcast.site.configuration import Client, Id, ScreenKey, User

__all__ = ["ByHand", "Declined", "collisions", "laid_over", "prune"]


class Declined(Struct, frozen=True, forbid_unknown_fields=True):
    """A declared login whose password a command changed, or that a command removed.

    ``declared`` is the hash of the password in the file, or empty for an agent without a password.
    The change applies as long as the file declares this password. ``password_hash`` is the new
    hash, or None if the login was removed.
    """

    name: str
    agent: bool
    declared: str
    password_hash: str | None


class ByHand(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The manual changes to one client, with tokens and keys as digests."""

    users: tuple[User, ...] = ()
    declined: tuple[Declined, ...] = ()
    api_tokens: tuple[str, ...] = ()
    ingest_keys: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()
    screens: tuple[ScreenKey, ...] = ()
    metrics_keys: tuple[str, ...] = ()


def laid_over(declared: Client, by_hand: ByHand) -> Client:
    """Return the effective client: the declared client with the manual changes applied."""
    users = tuple(_logins(declared, by_hand))
    recorded_at = {(user.agent, user.name) for user in users} | {
        (user.agent, user.id) for user in users
    }
    own = (user for user in by_hand.users if not _keys(user) & recorded_at)
    revoked = set(by_hand.revoked)
    return structs.replace(
        declared,
        users=(*users, *own),
        api_tokens=tuple(sorted({*declared.api_tokens, *by_hand.api_tokens} - revoked)),
        ingest_keys=tuple(sorted({*declared.ingest_keys, *by_hand.ingest_keys} - revoked)),
        screens=by_hand.screens,
        metrics_keys=by_hand.metrics_keys,
    )


def prune(declared: Client, by_hand: ByHand) -> ByHand:
    """Return the part of ``by_hand`` that still has an effect on the declared client."""
    keys = {*declared.api_tokens, *declared.ingest_keys}
    return structs.replace(
        by_hand,
        declined=tuple(_holding(declared, by_hand)),
        revoked=tuple(sorted(keys.intersection(by_hand.revoked))),
    )


def collisions(declared: Client, by_hand: ByHand) -> list[User]:
    """Return the manually added users whose name or id the file also declares."""
    recorded_at = set[tuple[bool, int | str]]().union(*map(_keys, declared.users))
    return [user for user in by_hand.users if _keys(user) & recorded_at]


def _keys(user: User) -> set[tuple[bool, int | str]]:
    return {(user.agent, user.id), (user.agent, user.name)}


def _holding(declared: Client, by_hand: ByHand) -> Iterator[Declined]:
    hashes = {(user.agent, user.name): user.password_hash for user in declared.users}
    hashes |= {
        (True, agent.login): ""
        for agent in declared.plan.agents
        if (True, agent.login) not in hashes
    }
    for one in by_hand.declined:
        if hashes.get((one.agent, one.name)) == one.declared:
            yield one


def _logins(declared: Client, by_hand: ByHand) -> Iterator[User]:
    instead = {(one.agent, one.name): one.password_hash for one in _holding(declared, by_hand)}
    for user in declared.users:
        counts = instead.pop((user.agent, user.name), user.password_hash)
        if counts is not None:
            yield structs.replace(user, password_hash=counts)
    ids: dict[str, Id] = {agent.login: agent.id for agent in declared.plan.agents}
    for (_, login), password_hash in sorted(instead.items()):
        if password_hash is not None:
            yield User(
                id=ids[login], name=login, password_hash=password_hash, role="Agent", agent=True
            )
