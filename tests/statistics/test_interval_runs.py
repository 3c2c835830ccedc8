"""Tests that a run has the same rows as a list that begins with the run's first interval."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.floor.view import Day
from floorcast.statistics.interval_runs import IntervalRun

DAY = Day(7, 1_000_000, 1_000_000 + 86_400_000)
LENGTH = 900_000
ROWS = st.lists(st.binary(max_size=3).map(lambda row: b"{%d}" % len(row) if row else b""))
STEPS = st.lists(
    st.tuples(st.just("add"), ROWS)
    | st.tuples(st.just("add"), st.lists(st.just(b"{}"), min_size=20, max_size=60))
    | st.tuples(st.just("cut"), st.integers(-2, 120)),
    max_size=12,
)


@given(st.integers(0, 20), STEPS, st.integers(0, 90), st.integers(0, 120))
def test_a_run_behaves_like_a_list(
    first: int, steps: list[tuple[str, object]], begin: int, end: int
) -> None:
    """Rows can be added and cut off, and the sizes reflect the memory in use."""
    run, model, empty = (
        IntervalRun(DAY, LENGTH, first),
        list[bytes](),
        IntervalRun(DAY, LENGTH, first).size,
    )
    size = empty
    for kind, value in steps:
        if isinstance(value, list):
            size += run.add(value)
            model += value
        elif isinstance(value, int):
            size -= run.cut(DAY.begin + value * LENGTH + 5)
            del model[max(0, value - first) :]
        assert run.size == size
        assert run.size <= empty + sum(map(len, model)) + 100 * len(model), kind
    assert run.end == first + len(model)
    skipped = min(begin, len(model))
    rows = run.read(end)
    assert rows.since(first + skipped) == model[skipped : max(skipped, end - first)]
