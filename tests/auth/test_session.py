"""How a session is written down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from floorcast.auth.session import Session, proof_of, restored, stored

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SESSIONS = st.builds(
    Session,
    id=st.uuids().map(str),
    client=st.integers(0, 2**53),
    name=TEXT,
    agent=st.booleans(),
    token=TEXT,
    proof=TEXT,
    last_used=st.integers(0, 2**60),
)


@given(SESSIONS)
def test_who_it_is_comes_back_and_what_it_may_do_is_asked_again(session: Session) -> None:
    """Rights are not written down: they follow from the site."""
    session.role, session.clients_seen, session.generation = "Sysadmin", (1, 2), 7
    again = restored(stored(session))
    assert again is not None
    session.role, session.clients_seen, session.generation = "Agent", (), -1
    session.written, session.kept = stored(session), session.last_used
    assert structs.asdict(again) == structs.asdict(session)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"{}", b"\xff", b'{"client": "1"}'])
def test_damage_is_no_session(raw: bytes) -> None:
    """What cannot be read back is nobody's."""
    assert restored(raw) is None


def test_a_proof_says_nothing_but_same_or_not() -> None:
    """It is no part of the hash that it was made of."""
    assert proof_of("$argon2id$a") == proof_of("$argon2id$a") != proof_of("$argon2id$b")
    assert "argon2" not in proof_of("$argon2id$a")
