"""Tests of changes by command, which apply on top of the file."""

from __future__ import annotations

import msgspec
from msgspec import structs

from floorcast.site.configuration import Agent, FloorConfig, SiteClient, User
from floorcast.site.manual_changes import (
    LoginOverride,
    ManualChanges,
    collisions,
    prune,
    with_manual_changes,
)

REPORTS = User(id=1, name="reports", password_hash="file's", role="Sysadmin")
MADE = User(id=2, name="made", password_hash="made", role="Auditor")
ACME = SiteClient(
    id=7,
    name="ACME",
    api_tokens=("a",),
    ingest_keys=("k",),
    users=(REPORTS,),
    floor_config=FloorConfig(agents=(Agent(id=5, login="BOB"),)),
)
CHANGED = ManualChanges(
    users=(MADE,),
    overrides=(
        LoginOverride("reports", False, "file's", "own"),
        LoginOverride("BOB", True, "", "bob's"),
    ),
    api_tokens=("b",),
    ingest_keys=("l",),
    revoked=("a",),
)


def test_a_client_without_manual_changes_is_as_declared() -> None:
    """A client that no command has changed equals the client in the file."""
    assert with_manual_changes(ACME, ManualChanges()) == ACME
    assert prune(ACME, ManualChanges()) == ManualChanges()


def test_manual_changes_are_applied() -> None:
    """Commands add users and keys, replace passwords, enable agents' logins, and revoke keys."""
    client = with_manual_changes(ACME, CHANGED)
    assert client.users == (
        structs.replace(REPORTS, password_hash="own"),
        User(id=5, name="BOB", password_hash="bob's", role="Agent", agent=True),
        MADE,
    )
    assert (client.api_tokens, client.ingest_keys) == (("b",), ("k", "l"))
    assert prune(ACME, CHANGED) == CHANGED


def test_a_changed_declaration_replaces_the_manual_change() -> None:
    """A change by command ends when the file has a new password, or lacks the token or agent."""
    other = structs.replace(
        ACME,
        users=(structs.replace(REPORTS, password_hash="new"),),
        api_tokens=("c",),
        floor_config=FloorConfig(),
    )
    assert prune(other, CHANGED) == ManualChanges(
        users=(MADE,), api_tokens=("b",), ingest_keys=("l",)
    )
    assert with_manual_changes(other, CHANGED).users == (*other.users, MADE)


def test_a_declared_user_takes_precedence_over_a_manual_one() -> None:
    """If two users share a name or an id, this is reported, and only the file's user exists."""
    for twin in (structs.replace(MADE, id=1), structs.replace(MADE, name="reports")):
        manual = ManualChanges(users=(twin,))
        assert collisions(ACME, manual) == [twin]
        assert with_manual_changes(ACME, manual).users == (REPORTS,)
    assert collisions(ACME, CHANGED) == []


def test_stored_form_keeps_its_names() -> None:
    """Earlier releases wrote it, and nodes of a cluster may run an earlier release."""
    stored = b'{"declined":[{"name":"a","agent":false,"declared":"b","password_hash":null}]}'
    manual = ManualChanges(overrides=(LoginOverride("a", False, "b", None),))
    assert msgspec.json.encode(manual) == stored
    assert msgspec.json.decode(stored, type=ManualChanges) == manual
