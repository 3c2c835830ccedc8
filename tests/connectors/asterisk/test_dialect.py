"""Tests of the ids of Asterisk calls."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.connectors.asterisk.dialect import transaction_id


def test_a_transaction_id_is_a_safe_integer_in_javascript() -> None:
    """A transaction id has the epoch and the counter, without any prefix.

    Other texts are hashed.
    """
    assert transaction_id("1530022819.2433") == 1530022819_002433
    assert transaction_id("host-a-1530022819.12002433") == 1530022819_002433
    assert 0 < transaction_id("a-b.c") < 2**53


@given(st.text())
def test_any_text_has_a_transaction_id(text: str) -> None:
    """Any text has a reproducible transaction id below 2**53."""
    assert 0 <= transaction_id(text) < 2**53
    assert transaction_id(text) == transaction_id(text)
