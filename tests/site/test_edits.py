"""Tests of the commands that change users and keys."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.kv.port import Item
from floorcast.kv.sqlite_kv import SqliteKeyValueStore
from floorcast.model.errors import InvalidParameter, NotFound, Unavailable
from floorcast.site.configuration import User
from floorcast.site.digests import digest
from floorcast.site.edits import add_key, add_user, remove_user, revoke_key, set_password
from floorcast.site.live_site import Site
from tests.site.sites import run, small_store
from tests.site.test_apply import ConflictingStore

MADE = User(id=900, name="made", password_hash="$argon2id$made", role="Auditor")


def test_a_user_can_be_added_and_removed() -> None:
    """A user exists from the time it is added until it is removed."""
    kv = small_store()
    run(add_user(kv, 1, MADE))
    assert Site(kv).user(1, "made") == MADE
    run(set_password(kv, 1, "made", "$argon2id$other"))
    assert Site(kv).user(1, "made") == structs.replace(MADE, password_hash="$argon2id$other")
    run(remove_user(kv, 1, "made"))
    assert Site(kv).user(1, "made") is None
    with pytest.raises(NotFound, match="client ACME has no user made"):
        run(remove_user(kv, 1, "made"))


@pytest.mark.parametrize(
    ("number", "name", "message"),
    [(1, "reports", "already has a user reports"), (301, "new", "id 301 belongs to user reports")],
)
def test_a_name_or_id_in_use_is_refused(number: int, name: str, message: str) -> None:
    """A new user cannot have the name or id of a user in the file, even of a removed user."""
    kv = small_store()
    run(remove_user(kv, 1, "reports"))
    with pytest.raises(InvalidParameter, match=message):
        run(add_user(kv, 1, structs.replace(MADE, id=number, name=name)))


@pytest.mark.parametrize(
    "changes",
    [{"name": ""}, {"name": "x" * 257}, {"name": "\udcff"}, {"id": 2**53 + 1}, {"id": -1}],
)
def test_a_user_that_could_not_be_read_again_is_refused(changes: dict[str, Any]) -> None:
    """Nothing is stored: a site that cannot be decoded would stop every command and start."""
    kv = small_store()
    with pytest.raises(InvalidParameter, match="the change is invalid"):
        run(add_user(kv, 1, structs.replace(MADE, **changes)))
    assert Site(kv).user(1, "reports")


def test_a_users_name_may_be_an_agents_login() -> None:
    """A user and an agent can have the same name, because their names are separate."""
    kv = small_store()
    run(add_user(kv, 1, structs.replace(MADE, id=201, name="ANN")))
    site = Site(kv)
    assert site.user(1, "ANN") != site.user(1, "ANN", agent=True)


def test_an_agents_login_can_be_enabled_and_disabled() -> None:
    """Setting a password enables the login, and removing the user disables it.

    An unknown agent is an error.
    """
    kv = small_store()
    run(set_password(kv, 1, "BOB", "$argon2id$bob", agent=True))
    bob = Site(kv).user(1, "BOB", agent=True)
    assert bob == User(id=202, name="BOB", password_hash="$argon2id$bob", role="Agent", agent=True)
    run(remove_user(kv, 1, "BOB", agent=True))
    assert Site(kv).user(1, "BOB", agent=True) is None
    for agent, name in ((True, "EVE"), (False, "BOB")):
        with pytest.raises(NotFound, match=name):
            run(set_password(kv, 1, name, "$argon2id$x", agent=agent))


def test_a_removed_users_password_cannot_be_set_by_command() -> None:
    """The command fails with an error that says that the user does not exist."""
    kv = small_store()
    run(remove_user(kv, 1, "ANN", agent=True))
    assert Site(kv).user(1, "ANN", agent=True) is None
    run(remove_user(kv, 1, "reports"))
    with pytest.raises(NotFound, match="reports"):
        run(set_password(kv, 1, "reports", "$argon2id$x"))


def test_keys_are_revoked_by_their_fingerprints() -> None:
    """API tokens and ingest keys can be revoked, whether they come from the file or a command.

    A client cannot have a sixth token.
    """
    kv = small_store()
    for number in range(4):
        run(add_key(kv, 1, "api_tokens", digest(f"made {number}")))
    with pytest.raises(InvalidParameter, match="5 API tokens"):
        run(add_key(kv, 1, "api_tokens", digest("one more")))
    run(add_key(kv, 1, "ingest_keys", digest("made")))
    for key in ("made", "made 0", "test-token-of-acme-01", "ingest-key-of-acme-01"):
        assert run(revoke_key(kv, 1, digest(key)[:12].upper())) == digest(key)
    client = Site(kv).clients[1]
    assert set(client.api_tokens) == {digest(f"made {number}") for number in (1, 2, 3)}
    assert client.ingest_keys == ()


def test_a_fingerprint_must_identify_exactly_one_key() -> None:
    """A fingerprint is rejected if it is too short or ambiguous, or if no key has it."""
    kv = small_store()
    for key in ("abcdef0", "abcdef1"):
        run(add_key(kv, 1, "ingest_keys", key * 9))
    for named in ("", digest("ingest-key-of-acme-01")[:5], "123456"):
        with pytest.raises(NotFound, match="has no key"):
            run(revoke_key(kv, 1, named))
    with pytest.raises(InvalidParameter, match="2 keys start with abcdef"):
        run(revoke_key(kv, 1, "abcdef"))


def test_an_unknown_client_is_an_error() -> None:
    """A user cannot be added to a client that no site file declares."""
    with pytest.raises(NotFound, match="no client 9"):
        run(add_user(small_store(), 9, MADE))


def test_concurrent_commands_all_take_effect(tmp_path: Path) -> None:
    """Processes that edit the same client never undo each other's changes."""
    declared = small_store().get("site", "1")

    async def race() -> set[str]:
        kv = [SqliteKeyValueStore(tmp_path / "admin.db") for _ in range(3)]
        await kv[0].write([Item("site", "1", declared)])
        users = [structs.replace(MADE, id=900 + one, name=f"made {one}") for one in range(3)]
        pairs = zip(kv, users, strict=True)
        await asyncio.gather(*(add_user(one, 1, user) for one, user in pairs))
        names = {user.name for user in Site(kv[0]).clients[1].users}
        await asyncio.gather(*(one.close() for one in kv))
        return names

    assert run(race()) >= {"made 0", "made 1", "made 2"}


def test_endless_conflicts_make_the_command_unavailable() -> None:
    """If another process always writes first, the command finally raises ``Unavailable``."""
    kv = ConflictingStore(0)
    run(MemoryKeyValueStore.write(kv, [Item("site", "1", small_store().get("site", "1"))]))
    kv.times = 100
    with pytest.raises(Unavailable, match="changed by others"):
        run(add_user(kv, 1, MADE))
