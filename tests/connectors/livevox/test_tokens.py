"""Tests that convert tokens to times and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.connectors.livevox.tokens import token_for_time, token_time
from floorcast.model.token import TICKS_PER_SECOND, decode, encode


@given(st.integers(0, 4_000_000_000))
def test_the_time_is_read_from_another_programs_token(seconds: int) -> None:
    """floorcast reads the right time from a token that another program has created."""
    token = token_for_time(seconds)
    assert token_time(token) == seconds
    assert decode(1, token).ticks == seconds * TICKS_PER_SECOND


def test_a_token_within_a_page_has_the_time_of_the_page() -> None:
    """A token within a page has the time of the page's token."""
    token = encode(1, 5 * TICKS_PER_SECOND, 9)
    assert token_time(f"{token}+cid=1:aid=2") == 5


@pytest.mark.parametrize("token", ["", "x", "00000000-0000-4000-8000-000000000000"])
def test_invalid_tokens_have_no_time(token: str) -> None:
    """Tokens that are not UUIDs, and UUIDs of other versions, have no time."""
    assert token_time(token) is None
