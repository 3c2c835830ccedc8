"""Tests of the nesting depth of JSON."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.model.nesting import MAX_DEPTH, _brackets_outside_strings, check_nesting

VALUES = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(VALUES)
def test_ordinary_json_passes(value: object) -> None:
    """Adjacent brackets and brackets in strings do not add depth."""
    check_nesting(json.dumps([value, "[{" * 700, r"\"[" * 700]).encode())


@pytest.mark.parametrize(("opener", "closer"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_the_limit_is_exact(opener: bytes, closer: bytes) -> None:
    """On every Python version, the maximum depth passes and one more level does not."""
    check_nesting(opener * MAX_DEPTH + b"1" + closer * MAX_DEPTH)
    with pytest.raises(RecursionError):
        check_nesting(opener * (MAX_DEPTH + 1) + b"1" + closer * (MAX_DEPTH + 1))


def test_the_number_of_adjacent_brackets_is_limited() -> None:
    """More brackets than are checked one by one are refused, however shallow they are."""
    check_nesting(b"[" + b"[]," * 40_000 + b"1]")
    with pytest.raises(RecursionError):
        check_nesting(b"[" + b"[]," * 60_000 + b"1]")


def test_malformed_json_is_left_to_the_decoder() -> None:
    """Unterminated strings and unmatched brackets raise no error here."""
    check_nesting(b'["' + b"[" * 60)
    check_nesting(b"]" * 10_000)


ESCAPES = st.text(alphabet='[]{}"\\ab\n')


@given(st.recursive(ESCAPES, lambda inner: st.lists(inner) | st.dictionaries(ESCAPES, inner)))
def test_brackets_in_strings_do_not_count(value: object) -> None:
    """The brackets outside strings are those of the values, whatever the strings contain."""
    text = json.dumps(value)
    expected = "".join(mark for mark in re.sub(r'"(?:[^"\\]|\\.)*"', "", text) if mark in "[]{}")
    assert _brackets_outside_strings(text.encode()) == expected.encode()


def test_brackets_between_strings_with_brackets_are_limited() -> None:
    """A bracket inside each string does not change how many are allowed outside."""
    check_nesting(b"[" + b'["["],' * 49_999 + b"1]")
    with pytest.raises(RecursionError):
        check_nesting(b"[" + b'["["],' * 50_000 + b"1]")
    with pytest.raises(RecursionError):
        check_nesting(b"[" + b'["["],' * 200_000 + b"1]")
