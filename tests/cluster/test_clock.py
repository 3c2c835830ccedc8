"""The cluster's time, by what its servers tell between two moments of the own clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.cluster.clock import ClusterClock, ticks_of
from floorcast.model.token import TICKS_PER_SECOND

MINUTE = 60 * TICKS_PER_SECOND


@given(
    st.integers(-10 * MINUTE, 10 * MINUTE),
    st.lists(
        st.tuples(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, MINUTE)),
        min_size=1,
        max_size=40,
    ),
)
def test_the_clusters_time_is_as_exact_as_the_quickest_answer(
    difference: int, answers: list[tuple[int, int, int]]
) -> None:
    """However far the own clock is off, and however long other answers take."""
    own = [0]
    clock = ClusterClock(lambda: own[0])
    for there, back, pause in answers:
        sent = own[0]
        theirs = sent + there + difference
        own[0] = came = sent + there + back
        clock.seen(theirs, sent, came)
        own[0] += pause
    quickest = min(there + back for there, back, _ in answers[-16:])
    assert abs(clock() - (own[0] + difference)) <= quickest


def test_a_clock_that_is_set_is_believed_at_once() -> None:
    """Older answers, however quick, no longer count when they cannot be true."""
    own = [0]
    clock = ClusterClock(lambda: own[0])
    clock.seen(0, 0, 10)
    own[0] += MINUTE
    clock.seen(MINUTE // 2, MINUTE, MINUTE + 100)
    assert abs(clock() - MINUTE // 2) <= 100


def test_a_servers_time_is_read_to_the_tick() -> None:
    """RFC 3339 with as many digits of a second as the server cares to give."""
    second = 1_795_530_836 * TICKS_PER_SECOND
    assert ticks_of("2026-11-24T14:33:56Z") == second
    assert ticks_of("2026-11-24T14:33:56.5Z") == second + 5_000_000
    assert ticks_of("2026-11-24T14:33:56.123456789Z") == second + 1_234_567
