"""Tests of the ids of FreeSWITCH calls."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from floorcast.connectors.freeswitch.dialect import FREESWITCH, dialect_for_replay, transaction_id


@given(st.text())
def test_any_session_has_a_transaction_id(session: str) -> None:
    """A transaction id is reproducible and has 52 bits of a hash."""
    assert 0 <= transaction_id(session) < 2**52
    assert transaction_id(session) == transaction_id(session)


def test_a_session_id_has_the_uuid_and_the_replay_day() -> None:
    """A recording replayed on another day has different call ids."""
    assert (
        FREESWITCH.session_id("u", "pbx") == dialect_for_replay(None).session_id("u", "pbx") == "u"
    )
    assert (
        dialect_for_replay(date(2026, 3, 4)).session_id("u", "pbx/2026-03-04") == "u@pbx/2026-03-04"
    )
