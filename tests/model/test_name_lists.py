"""Tests that packed names read like the list that they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.model.name_lists import PackedNames

NAMES = st.lists(st.integers(0, 2**63 - 1) | st.text(st.characters(codec="utf-8"), max_size=256))


@given(NAMES)
def test_packed_names_are_the_same_names(names: list[int | str]) -> None:
    """Their number, their order, their types, each of them and parts of them."""
    packed = PackedNames(names)
    assert list(packed) == names
    assert len(packed) == len(names)
    assert packed[1:] == names[1:]
    assert [packed[number] for number in range(len(names))] == names
    assert [type(name) for name in packed] == [type(name) for name in names]


def test_there_is_no_name_after_the_last() -> None:
    """An index beyond the end is an error, as for a list."""
    with pytest.raises(IndexError):
        PackedNames(["a"])[1]
