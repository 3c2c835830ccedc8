"""Tests of the cluster's time, which comes from the servers' times and a steady clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from floorcast.cluster.clock import HOLD_TICKS, ClusterClock, parse_ticks
from floorcast.model.token import TICKS_PER_SECOND

MINUTE = 60 * TICKS_PER_SECOND
HOUR = 60 * MINUTE


class FakeSteadyClock:
    """A steady clock that the test sets."""

    def __init__(self) -> None:
        self.ticks = 0

    def __call__(self) -> int:
        return self.ticks


def clock_of(steady: FakeSteadyClock, wall: int = 0) -> ClusterClock:
    """Return the clock of a machine whose own clock shows ``wall``."""
    return ClusterClock(lambda: wall, steady)


def report_times(clock: ClusterClock, steady: FakeSteadyClock, **offsets: int) -> None:
    """Have every server report its time with this uncertainty."""
    steady.ticks += TICKS_PER_SECOND
    for server, offset in offsets.items():
        clock.record(server, steady.ticks + offset, steady.ticks, steady.ticks)


@given(
    st.integers(-10 * MINUTE, 10 * MINUTE),
    st.lists(
        st.tuples(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, MINUTE)),
        min_size=1,
        max_size=40,
    ),
)
def test_cluster_time_is_as_exact_as_the_fastest_response(
    difference: int, answers: list[tuple[int, int, int]]
) -> None:
    """Neither the machine's clock nor slow responses affect it."""
    steady = FakeSteadyClock()
    clock = clock_of(steady)
    for there, back, pause in answers:
        sent = steady.ticks
        theirs = sent + there + difference
        steady.ticks = came = sent + there + back
        clock.record("a", theirs, sent, came)
        steady.ticks += pause
    quickest = min(there + back for there, back, _ in answers[-16:])
    assert abs(clock() - (steady.ticks + difference)) <= quickest


def test_machine_clock_is_read_once() -> None:
    """Setting the machine's clock while the node runs has no effect."""
    steady, walls = FakeSteadyClock(), iter([5 * MINUTE, 8 * HOUR, -HOUR])
    clock = ClusterClock(lambda: next(walls), steady)
    assert clock() == 5 * MINUTE
    steady.ticks += MINUTE
    assert clock() == 6 * MINUTE


@given(st.integers(-48 * HOUR, 48 * HOUR), st.integers(0, 2))
def test_server_with_a_wrong_clock_is_outvoted(step: int, which: int) -> None:
    """The time stays within the range of the other two servers."""
    steady = FakeSteadyClock()
    clock = clock_of(steady)
    right = {"a": 100, "b": 300, "c": 200}
    report_times(clock, steady, **right)
    wrong = {**right, "abc"[which]: step}
    for _ in range(200):
        report_times(clock, steady, **wrong)
        assert 100 <= clock() - steady.ticks <= 300


def test_clock_step_on_all_servers_is_accepted_after_a_delay() -> None:
    """A step that is undone before the end of the waiting time has no effect."""
    steady = FakeSteadyClock()
    clock = clock_of(steady)
    report_times(clock, steady, a=0)
    with capture_logs() as logs:
        for _ in range(30):
            report_times(clock, steady, a=3 * HOUR)
        assert clock() == steady.ticks
        report_times(clock, steady, a=0)
        assert (clock(), len(logs)) == (steady.ticks, 1)
        for _ in range(HOLD_TICKS // TICKS_PER_SECOND + 2):
            report_times(clock, steady, a=-HOUR)
        assert clock() == steady.ticks - HOUR
    assert [(one["event"], one["believed"]) for one in logs] == [
        ("cluster_clock_stepped", False),
        ("cluster_clock_stepped", False),
        ("cluster_clock_stepped", True),
    ]


def test_server_time_is_parsed_to_the_tick() -> None:
    """The time is RFC 3339 with any number of fractional digits."""
    second = 1_795_530_836 * TICKS_PER_SECOND
    assert parse_ticks("2026-11-24T14:33:56Z") == second
    assert parse_ticks("2026-11-24T14:33:56.5Z") == second + 5_000_000
    assert parse_ticks("2026-11-24T14:33:56.123456789Z") == second + 1_234_567
