"""Tests that joined intervals have the same pieces as a list from the first interval on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.floor.view import Day
from floorcast.statistics.joined_intervals import JoinedIntervals, decompress

DAY = Day(7, 1_000_000, 1_000_000 + 86_400_000)
LENGTH = 900_000
STEPS = st.lists(st.binary(max_size=300) | st.integers(-2, 40), max_size=20)


@given(st.integers(0, 20), STEPS)
def test_joined_intervals_behave_like_a_list(first: int, steps: list[bytes | int]) -> None:
    """Pieces can be added at the end and cut off, and the size reflects the pieces in use."""
    joined, model = JoinedIntervals(range(1, 9), DAY, LENGTH, first), list[bytes]()
    empty = joined.size
    for step in steps:
        if isinstance(step, bytes):
            joined.add(step)
            model.append(step)
        else:
            size = joined.size
            freed = joined.cut(DAY.begin + step * LENGTH + 5)
            del model[max(0, step - first) :]
            assert freed == size - joined.size
        assert joined.end == first + len(model)
        assert list(map(decompress, joined.blocks)) == model
        assert (joined.size == empty) is (not model)
        assert joined.size >= empty + sum(map(len, joined.blocks))
