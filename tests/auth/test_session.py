"""Tests of a session: its id, its stored form, and the methods that its role may call."""

from __future__ import annotations

import uuid
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from floorcast.auth.session import (
    ALLOWED_ROLES,
    MINUTE_TICKS,
    MethodGroup,
    Session,
    SessionRateLimit,
    decode_session,
    derive_session_id,
    encode_session,
    password_fingerprint,
    require_role,
)
from floorcast.model.errors import RateLimited, RoleNotAllowed
from floorcast.site.configuration import Role
from floorcast.site.digests import digest

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SESSIONS = st.builds(
    Session,
    digest=st.uuids().map(str).map(digest),
    nonce=st.just("") | st.uuids().map(str),
    client=st.integers(0, 2**53),
    name=TEXT,
    agent=st.booleans(),
    token=TEXT,
    password_fingerprint=TEXT,
    last_used=st.integers(0, 2**60),
)


@given(SESSIONS)
def test_identity_is_stored_but_rights_are_not(session: Session) -> None:
    """Rights are not stored. They follow from the site."""
    session.role, session.visible_clients, session.generation = "Sysadmin", (1, 2), 7
    again = decode_session(encode_session(session))
    assert again is not None
    session.role, session.visible_clients, session.generation = "Agent", (), -1
    session.written, session.written_at = encode_session(session), session.last_used
    assert structs.asdict(again) == structs.asdict(session)


def test_a_session_stored_by_an_earlier_release_keeps_its_id() -> None:
    """Earlier releases stored the id itself, without a nonce."""
    old = b'{"id":"u-1","client":1,"name":"reports","agent":false,"token":"t","proof":"p","used":5}'
    session = decode_session(old)
    assert session is not None
    assert (session.id, session.digest, session.nonce) == ("u-1", digest("u-1"), "")
    assert b"u-1" not in encode_session(session)


@given(st.uuids().map(str), TEXT)
def test_an_id_is_a_uuid_derived_from_the_nonce_and_the_token(nonce: str, api_token: str) -> None:
    """The same token and nonce give the same id. A different token or nonce gives another id."""
    made = derive_session_id(nonce, api_token)
    assert uuid.UUID(made).version == 4
    assert made == derive_session_id(nonce, api_token)
    assert made not in {
        derive_session_id(nonce, api_token + "x"),
        derive_session_id(nonce + "x", api_token),
    }


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"{}", b"\xff", b'{"id": "\xff"}', b'{"client": "1"}']
)
def test_a_damaged_record_gives_no_session(raw: bytes) -> None:
    """A damaged record is ignored."""
    assert decode_session(raw) is None


def test_a_proof_reveals_only_whether_the_hash_is_the_same() -> None:
    """The proof contains no part of the hash that it was made from."""
    assert (
        password_fingerprint("$argon2id$a")
        == password_fingerprint("$argon2id$a")
        != password_fingerprint("$argon2id$b")
    )
    assert "argon2" not in password_fingerprint("$argon2id$a")


TABLE = {
    "feeds": {"Sysadmin", "Manager"},
    "call data": {"Sysadmin", "Superuser", "Report Admin"},
    "campaign statistics": {"Sysadmin", "Superuser", "IT User", "Auditor", "Manager"},
    "service methods": {"Sysadmin", "Superuser", "Manager"},
    "acknowledgement of alerts": {"Sysadmin", "Superuser", "Manager"},
    "reports": {"Sysadmin", "Superuser", "Manager", "Auditor", "Report Admin"},
}


@pytest.mark.parametrize("methods", get_args(MethodGroup))
@pytest.mark.parametrize("role", get_args(Role))
def test_allowed_roles_match_the_contract(methods: MethodGroup, role: Role) -> None:
    """Allowed calls pass. Others are refused with the list of roles that may call the method."""
    if role in TABLE[methods]:
        require_role(methods, role)
        return
    with pytest.raises(RoleNotAllowed) as caught:
        require_role(methods, role)
    assert f"the role {role} may not use the {methods}" in caught.value.message
    assert all(allowed in caught.value.message for allowed in ALLOWED_ROLES[methods])


def test_new_sessions_are_limited_per_user_and_per_client() -> None:
    """Others are not affected, the limit ends after a minute, and idle users take no memory."""
    now = [0]
    new = SessionRateLimit(lambda: now[0], per_user=2, per_client=3)
    new.count(1, "ann", agent=False)
    new.count(1, "ann", agent=False)
    with pytest.raises(RateLimited, match="the user has opened 2 sessions in a minute") as refusal:
        new.count(1, "ann", agent=False)
    assert refusal.value.retry_after == 60
    new.count(1, "ann", agent=True)
    with pytest.raises(RateLimited, match="the client has opened 3 sessions"):
        new.count(1, "bob", agent=False)
    new.count(2, "ann", agent=False)
    now[0] = MINUTE_TICKS
    for _ in range(2):
        new.count(1, "ann", agent=False)
