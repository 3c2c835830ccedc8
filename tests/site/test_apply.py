"""Tests that apply a site file: the changes, the unchanged parts, and the stored form."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from typing import cast

import pytest
from hypothesis import given, settings
from msgspec import structs

from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.kv.port import Conflict, Item, KeyValueStore
from floorcast.model.errors import SettingError, Unavailable
from floorcast.site.apply import apply
from floorcast.site.configuration import SiteClient, User
from floorcast.site.digests import digest
from floorcast.site.edits import add_key, add_user, remove_user, revoke_key, set_password
from floorcast.site.file_reader import SiteFile, parse
from floorcast.site.live_site import Site
from tests.search import tries
from tests.site.sites import CHEAP, SMALL, apply_text, run, site_files, small_store

PASSWORDS = ("password one", "password two", "password three")


def with_plain_passwords(client: SiteClient) -> SiteClient:
    """Return the client with passwords instead of their hashes."""
    users = tuple(
        structs.replace(
            user,
            password_hash=next(
                password for password in PASSWORDS if CHEAP.verify(user.password_hash, password)
            ),
        )
        for user in client.users
    )
    return structs.replace(client, users=users)


def clients_of(kv: KeyValueStore) -> dict[int, SiteClient]:
    """Return the current site."""
    return dict(Site(kv).clients)


@settings(max_examples=tries(40))
@given(site_files())
def test_reapplying_a_file_changes_nothing(site_file: SiteFile) -> None:
    """If a file is applied again, nothing is written, and the password hashes stay the same."""
    kv = MemoryKeyValueStore()
    run(apply(kv, site_file, CHEAP))
    stored, version = kv.items("site"), kv.version("site")
    assert run(apply(kv, site_file, CHEAP)) == []
    edited = site_file._replace(digest="the same tables under another comment")
    assert run(apply(kv, edited, CHEAP)) == []
    assert (kv.items("site"), kv.version("site")) == (stored, version)


@settings(max_examples=tries(60))
@given(site_files(), site_files())
def test_the_applied_site_does_not_depend_on_the_previous_file(
    one: SiteFile, other: SiteFile
) -> None:
    """Applying file A and then file B gives the same site as file B alone.

    Changes are reported only if the two sites differ.
    """
    fresh, changed = MemoryKeyValueStore(), MemoryKeyValueStore()
    run(apply(fresh, other, CHEAP))
    run(apply(changed, one, CHEAP))
    before = clients_with_plain_passwords(changed)
    changes = run(apply(changed, other, CHEAP))
    after = clients_with_plain_passwords(changed)
    assert after == clients_with_plain_passwords(fresh)
    assert bool(changes) == (before != after)


def clients_with_plain_passwords(kv: KeyValueStore) -> dict[int, SiteClient]:
    """Return all clients of the site with passwords instead of hashes."""
    return {number: with_plain_passwords(client) for number, client in clients_of(kv).items()}


@settings(max_examples=tries(40))
@given(site_files(), site_files())
def test_users_and_keys_made_by_command_survive_every_file(one: SiteFile, other: SiteFile) -> None:
    """Users and keys made by command stay after another file with their client is applied."""
    kv, fresh = MemoryKeyValueStore(), MemoryKeyValueStore()
    run(apply(kv, one, CHEAP))
    had = {client.id for client in one.clients}
    for number in had:
        user = User(id=900, name="made", password_hash=CHEAP.hash(PASSWORDS[0]), role="Auditor")
        run(add_user(kv, number, user))
        run(add_key(kv, number, "ingest_keys", digest(f"made {number}")))
    run(apply(kv, other, CHEAP))
    run(apply(fresh, other, CHEAP))
    expected = clients_with_plain_passwords(fresh)
    for number, client in clients_with_plain_passwords(kv).items():
        made = number in had
        assert any(user.name == "made" for user in client.users) is made
        assert (digest(f"made {number}") in client.ingest_keys) is made
        without = structs.replace(
            client,
            users=tuple(user for user in client.users if user.name != "made"),
            ingest_keys=tuple(key for key in client.ingest_keys if key != digest(f"made {number}")),
        )
        assert without == expected[number]


def test_no_secret_is_stored_in_plain_text() -> None:
    """No stored value contains a password, token or key from the file."""
    kv = small_store()
    stored = b"".join(
        value for bucket in ("site", "by-hand", "site-file") for value in kv.items(bucket).values()
    )
    for secret in (
        "test-token-of-acme-01",
        "ingest-key-of-acme-01",
        "ann's own secret",
        "correct horse",
        "battery staple",
    ):
        assert secret.encode() not in stored
    assert digest("test-token-of-acme-01").encode() in stored


def test_a_changed_file_changes_only_the_differences() -> None:
    """Unchanged passwords keep their hashes, and the list of changes has no secrets."""
    kv = small_store()
    before = Site(kv).clients[1]
    text = (
        SMALL.replace("correct horse", "a new secret")
        .replace('name = "Help"', 'name = "Help", sla_seconds = 30')
        .replace("{id = 202, login", "{id = 203, login")
        .replace("test-token-of-acme-01", "test-token-of-acme-03")
    )
    changes = apply_text(text, kv)
    assert [tuple(change) for change in changes] == [
        ("changed", "client 1 ACME, service 102 Help", "sla_seconds 20 → 30"),
        ("removed", "client 1 ACME, agent 202 BOB", ""),
        ("added", "client 1 ACME, agent 203 BOB", ""),
        ("changed", "client 1 ACME, user 301 reports", "password"),
        ("added", f"client 1 ACME, API token {digest('test-token-of-acme-03')[:12]}", ""),
        ("removed", f"client 1 ACME, API token {digest('test-token-of-acme-01')[:12]}", ""),
    ]
    after = Site(kv).clients[1]
    hashes = [
        {user.name: user.password_hash for user in client.users} for client in (before, after)
    ]
    assert {name for name in hashes[0] if hashes[0][name] != hashes[1][name]} == {"reports"}


def test_an_added_or_removed_client_is_listed_as_one_change() -> None:
    """A new or removed client has one line, which summarizes its contents."""
    kv = small_store()
    assert [
        tuple(change) for change in apply_text(SMALL.partition("\n[[client]]\nid = 2")[0], kv)
    ] == [("removed", "client 2 ACME West", "1 call center, 1 API token")]
    assert [change[:2] for change in apply_text(SMALL, kv)] == [("added", "client 2 ACME West")]


def test_hashes_in_the_file_are_stored_unchanged() -> None:
    """A file can have password_hash, api_token_hashes and ingest_key_hashes instead of secrets."""
    kv = MemoryKeyValueStore()
    hashed = CHEAP.hash("secret")
    apply_text(
        f"""
        [[client]]
        id = 1
        name = "ACME"
        api_token_hashes = ["{digest("t").upper()}"]
        ingest_key_hashes = ["{digest("k")}"]
        user = [{{id = 1, name = "u", password_hash = "{hashed}", role = "Auditor"}}]
        """,
        kv,
    )
    client = Site(kv).clients[1]
    assert (client.api_tokens, client.ingest_keys) == ((digest("t"),), (digest("k"),))
    assert client.users[0].password_hash == hashed


def test_a_password_changed_by_its_user_survives_other_file_changes() -> None:
    """The user's own password is valid until the file has a new password for this user."""
    kv = small_store()
    run(set_password(kv, 1, "reports", CHEAP.hash("their own")))
    changes = apply_text(SMALL.replace("Sales", "Sale"), kv)
    assert ("kept", "client 1 ACME, user reports", "with the password by command") in changes
    assert CHEAP.verify(password_of(kv, "reports"), "their own")
    apply_text(SMALL.replace("correct horse", "a new secret"), kv)
    assert CHEAP.verify(password_of(kv, "reports"), "a new secret")
    apply_text(SMALL, kv)
    assert CHEAP.verify(password_of(kv, "reports"), "correct horse")


def password_of(kv: KeyValueStore, name: str) -> str:
    """Return the effective password hash of a user of client 1."""
    user = Site(kv).user(1, name)
    assert user is not None
    return user.password_hash


def test_removals_by_command_are_kept() -> None:
    """Removed users and revoked keys do not return if a file still has them."""
    kv = small_store()
    run(remove_user(kv, 1, "reports"))
    run(revoke_key(kv, 1, digest("ingest-key-of-acme-01")[:8]))
    changes = apply_text(SMALL.replace("Sales", "Sale"), kv)
    assert [change for change in changes if change.action == "kept"] == [
        ("kept", "client 1 ACME, user reports", "removed by command"),
        (
            "kept",
            f"client 1 ACME, key {digest('ingest-key-of-acme-01')[:12]}",
            "revoked by command",
        ),
    ]
    client = Site(kv).clients[1]
    assert "reports" not in {user.name for user in client.users}
    assert client.ingest_keys == ()
    apply_text(SMALL.replace('"ingest-key-of-acme-01"', ""), kv)
    apply_text(SMALL, kv)
    assert Site(kv).clients[1].ingest_keys == (digest("ingest-key-of-acme-01"),)


def test_a_returning_client_keeps_its_users_made_by_command() -> None:
    """Users made by command cannot log in while the file lacks their client, but can afterwards."""
    kv = small_store()
    user = User(id=900, name="made", password_hash=CHEAP.hash(PASSWORDS[0]), role="Auditor")
    run(add_user(kv, 2, user))
    apply_text(SMALL.partition("\n[[client]]\nid = 2")[0], kv)
    assert set(Site(kv).clients) == {1}
    apply_text(SMALL, kv)
    assert Site(kv).user(2, "made") == user


@pytest.mark.parametrize(("number", "name"), [(900, "other"), (7, "made")])
def test_a_file_cannot_take_over_a_user_made_by_command(number: int, name: str) -> None:
    """A user in the file with the same id or name is rejected. The message explains the fix."""
    kv = small_store()
    user = User(id=900, name="made", password_hash=CHEAP.hash(PASSWORDS[0]), role="Auditor")
    run(add_user(kv, 1, user))
    stored = kv.items("site")
    text = SMALL.replace('{id = 301, name = "reports"', f'{{id = {number}, name = "{name}"')
    with pytest.raises(SettingError, match=r"client 1, user 900 made: .*user remove made"):
        apply_text(text, kv)
    assert kv.items("site") == stored


def test_tokens_made_by_command_count_towards_the_limit() -> None:
    """Four tokens in the file and two by command exceed the limit by one."""
    kv = small_store()
    run(add_key(kv, 1, "api_tokens", digest("a")))
    run(add_key(kv, 1, "api_tokens", digest("b")))
    four = ", ".join(f'"test-token-of-acme-1{number}"' for number in range(4))
    with pytest.raises(SettingError, match=r"client 1: api_tokens: there are 6, .*at most 5"):
        apply_text(SMALL.replace('"test-token-of-acme-01"', four), kv)


class ConflictingStore(MemoryKeyValueStore):
    """A store in which another process writes first during the next ``times`` writes."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def write(self, items: Iterable[Item], seen: Iterable[Item] = ()) -> None:
        """Write, or raise ``Conflict`` because the other process was first."""
        if self.times:
            self.times -= 1
            raise Conflict("somebody was first")
        await super().write(items, seen)


def test_write_conflicts_are_retried() -> None:
    """After a conflict, the work starts again. Endless conflicts raise ``Unavailable``."""
    kv = ConflictingStore(3)
    assert apply_text(SMALL, kv)
    assert set(Site(kv).clients) == {1, 2}
    with pytest.raises(Unavailable, match="changed by others"):
        apply_text(SMALL, ConflictingStore(100))


class InterruptedHasher:
    """Cancels ``task`` while the first password is hashed, and counts the passwords."""

    def __init__(self, task: asyncio.Task[object]) -> None:
        self._task = task
        self._loop = task.get_loop()
        self.passwords = 0

    def hash(self, password: str) -> str:
        """Hash after the task has ended."""
        self.passwords += 1
        ended = threading.Event()
        self._task.add_done_callback(lambda _task: ended.set())
        self._loop.call_soon_threadsafe(self._task.cancel)
        ended.wait()
        return CHEAP.hash(password)

    def verify(self, password_hash: str, password: str) -> bool:
        """See ``PasswordHasher``."""
        return CHEAP.verify(password_hash, password)


def test_no_more_passwords_are_hashed_once_applying_is_cancelled() -> None:
    """The process waits for the thread, and thousands of passwords take minutes."""
    kv = MemoryKeyValueStore()
    hashers: list[InterruptedHasher] = []

    async def applying() -> None:
        hashers.append(InterruptedHasher(cast("asyncio.Task[object]", asyncio.current_task())))
        await apply(kv, parse(SMALL), hashers[0])

    with pytest.raises(asyncio.CancelledError):
        run(applying())
    assert hashers[0].passwords == 1
    assert kv.items("site") == {}


def test_an_empty_file_empties_the_site() -> None:
    """A file without clients removes all clients. The removals are listed and can be undone."""
    kv = small_store()
    assert [change.action for change in apply_text("", kv)] == ["removed", "removed"]
    assert not Site(kv).clients
    assert run(apply(kv, parse(SMALL), CHEAP))


def test_applying_the_file_again_repairs_an_undecodable_site() -> None:
    """The message about it gives this advice. An undecodable client that is not in the file goes.

    The same file is applied in full, although its fingerprint is known.
    """
    kv = small_store()
    before = Site(kv).clients
    run(kv.write([Item("site", "1", b"{"), Item("site", "9", b"[]")]))
    run(revoke_and_keep(kv))
    apply_text(SMALL, kv)
    after = Site(kv).clients
    assert set(after) == set(before)
    assert [user.name for user in after[1].users] == [user.name for user in before[1].users]
    assert after[2].api_tokens == ()
    assert apply_text(SMALL, kv) == []


async def revoke_and_keep(kv: KeyValueStore) -> None:
    """Revoke the token of the client that can be decoded."""
    await revoke_key(kv, 2, digest("test-token-of-acme-02"))
