"""Tests of child clients at any depth."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.site.client_tree import children_of, family, is_own_ancestor

PARENTS = {1: None, 2: 1, 3: 1, 4: 2, 5: None, 6: 99}


def test_a_family_includes_all_descendants() -> None:
    """A family begins with the client itself, followed by its descendants, sorted by id."""
    children = children_of(PARENTS)
    assert family(1, children) == (1, 2, 3, 4)
    assert family(2, children) == (2, 4)
    assert family(5, children) == (5,)
    assert children[1] == (2, 3)


@given(st.dictionaries(st.integers(0, 6), st.none() | st.integers(0, 6)))
def test_cycles_are_detected(parents: dict[int, int | None]) -> None:
    """Searches for ancestors and for descendants terminate, and find the same cycles."""
    children = children_of(parents)
    for client, parent in parents.items():
        below = family(client, children)
        assert len(set(below)) == len(below)
        assert is_own_ancestor(client, parents) is (parent in below)
