"""What deletes old data doubts a wall clock that leaps ahead."""

from __future__ import annotations

from structlog.testing import capture_logs

from floorcast.log.steady_clock import SteadyClock
from floorcast.model.token import TICKS_PER_SECOND
from tests.log.batches import HOUR, START, Clock


class Clocks:
    """A wall clock and a monotonic one, and the steady clock over both."""

    def __init__(self, newest: int = 0) -> None:
        self.wall = Clock()
        self.seconds = 5000.0
        self.steady = SteadyClock(self.wall, newest, monotonic=lambda: self.seconds)

    def pass_time(self, seconds: int) -> None:
        self.wall.ticks += seconds * TICKS_PER_SECOND
        self.seconds += seconds


def test_it_is_the_wall_clock_while_both_agree() -> None:
    """However long that is, and also where the wall clock is set a little, or back."""
    clocks = Clocks(START - HOUR // 2)
    for seconds in (0, 1, 86_400, 30 * 86_400):
        clocks.pass_time(seconds)
        assert clocks.steady() == clocks.wall.ticks
    for step in (HOUR // 2, -HOUR, HOUR // 3, -40 * HOUR):
        clocks.wall.ticks += step
        assert clocks.steady() == clocks.wall.ticks


def test_a_leap_is_doubted_until_the_clock_is_back() -> None:
    """Meanwhile the time goes on by the monotonic clock; both are told, once."""
    clocks = Clocks()
    assert clocks.steady() == START
    clocks.wall.ticks += 28 * HOUR
    with capture_logs() as logged:
        for _ in range(3):
            clocks.pass_time(1)
            assert clocks.steady() == clocks.wall.ticks - 28 * HOUR
        clocks.wall.ticks -= 28 * HOUR
        for _ in range(3):
            assert clocks.steady() == clocks.wall.ticks
    assert [line["event"] for line in logged] == ["retention_held", "retention_goes_on"]
    assert logged[0]["clock_ahead_hours"] == 28.0


def test_a_leap_that_lasts_is_believed_after_an_hour() -> None:
    """The machine may have been paused; then the old data is old indeed."""
    clocks = Clocks()
    clocks.steady()
    clocks.wall.ticks += 28 * HOUR
    clocks.steady()
    clocks.pass_time(3599)
    assert clocks.steady() == clocks.wall.ticks - 28 * HOUR
    clocks.pass_time(1)
    assert clocks.steady() == clocks.wall.ticks
    clocks.pass_time(60)
    assert clocks.steady() == clocks.wall.ticks


def test_a_start_far_ahead_of_the_newest_entry_is_doubted() -> None:
    """As if the clock had leapt while nothing ran; a log without entries believes any clock."""
    clocks = Clocks(newest=START - 28 * HOUR)
    assert clocks.steady() == START - 28 * HOUR
    clocks.pass_time(3600)
    assert clocks.steady() == clocks.wall.ticks
    assert Clocks(newest=0).steady() == START


def test_a_node_that_follows_nothing_yet_has_no_time() -> None:
    """What it says then is passed on, and is no leap when it knows better."""
    clocks = Clocks(newest=START - HOUR // 2)
    clocks.wall.ticks = 0
    assert clocks.steady() == 0
    clocks.wall.ticks = START
    assert clocks.steady() == START
