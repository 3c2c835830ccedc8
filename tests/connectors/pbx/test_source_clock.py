"""Tests of the source's clock, which may be set while a connector runs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.connectors.pbx.source_clock import SourceClock, steady_clock
from tests.search import tries

START = 1_800_000_000.0


class Local:
    """A local clock that a test sets."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def test_the_source_clock_is_the_local_clock_plus_an_offset() -> None:
    """An event sets the offset exactly. A whole second only corrects a contradicting offset."""
    clock = SourceClock(lambda: 1000.0)
    assert clock.now() == clock.local_now() == 1000.0
    clock.adjust(1100.25, 1000.0)
    assert clock.now() == 1100.25
    for second in (1099, 1100, 1101):
        clock.adjust_to_second(second, 1000.0)
        assert clock.now() == 1100.25


def test_an_invalid_time_does_not_set_the_clock() -> None:
    """A damaged message must not shift the times of later messages."""
    clock = SourceClock(lambda: 100.0)
    clock.adjust(105.0, 100.0)
    for nonsense in (float("nan"), float("inf"), -1.0, 1e300):
        clock.adjust(nonsense, 100.0)
    assert clock.now() == 105.0


@pytest.mark.parametrize("step", [-1800.0, -0.9, 10_800.0, -86_400.0 * 400])
def test_times_continue_when_the_clock_of_the_source_is_set(step: float) -> None:
    """The time on the timeline is the time that has passed, before, in and after the excursion."""
    local = Local()
    clock = SourceClock(local)
    for second in range(0, 600, 20):
        local.now = START + second
        source = local.now + (step if 200 <= second < 400 else 0.0)
        assert clock.adjust(source, local.now) == 0.0
        assert clock.corrected(source) == pytest.approx(local.now, abs=1.0)
        assert clock.now() == pytest.approx(local.now, abs=1.0)


def test_a_wrong_clock_that_is_corrected_moves_the_timeline() -> None:
    """NTP sets a clock that was two hours behind or ahead. What is kept must move by that time."""
    for wrong in (-7200.0, 7200.0):
        local = Local()
        clock = SourceClock(local)
        assert clock.adjust(START + wrong, START) == 0.0
        assert clock.corrected(START + wrong) == START + wrong
        local.now += 20
        assert clock.adjust(local.now, local.now) == pytest.approx(-wrong, abs=0.01)
        assert clock.corrected(local.now) == clock.now() == local.now


def test_a_message_that_was_delayed_does_not_set_the_clock() -> None:
    """While reading stands still, messages wait for minutes. The next ones are not ahead."""
    local = Local()
    clock = SourceClock(local)
    for second in range(0, 3600, 20):
        local.now = max(START + second, START + 2000 if 100 < second < 2000 else 0.0)
        clock.adjust(START + second, local.now)
        assert clock.corrected(START + second) == START + second


def test_small_corrections_end_slowly() -> None:
    """A clock that was set back by a second is followed again, without times that go back."""
    local, latest = Local(), 0.0
    clock = SourceClock(local)
    for second in range(400):
        local.now = START + second
        source = local.now - (0.9 if second > 10 else 0.0)
        clock.adjust(source, local.now)
        assert clock.corrected(source) >= latest
        latest = clock.corrected(source)
    assert latest == source


def test_times_from_before_the_clock_was_set_arrive_later() -> None:
    """The queue log reports the same event later than AMI, and in the time of the old clock."""
    for step in (-1800.0, 10_800.0):
        local = Local()
        clock = SourceClock(local)
        clock.adjust(START, START)
        local.now = START + 1
        clock.adjust(local.now + step, local.now)
        assert clock.corrected(START) == START
        assert clock.corrected(local.now + step) == pytest.approx(local.now)


def test_lists_have_times_from_before_and_after_the_clock_was_set() -> None:
    """Each time of a row is moved to the timeline, if it was taken after the clock was set."""
    local = Local()
    clock = SourceClock(local)
    clock.adjust(START, START)
    local.now += 100
    clock.adjust(local.now - 1800, local.now)
    local.now += 100
    now = int(START)
    rows = [{"before": str(now - 60), "after": str(now + 110 - 1800), "never": "0", "no": "x"}]
    clock.correct_epochs(rows, ("before", "after", "never", "no", "missing"))
    assert rows == [{"before": str(now - 60), "after": str(now + 110), "never": "0", "no": "x"}]


def test_the_next_run_continues_the_timeline() -> None:
    """The correction is in the position. Without an earlier position, the last event's time is."""
    local = Local()
    clock = SourceClock(local)
    assert clock.take_position() is None
    clock.adjust(START, START)
    local.now += 10
    clock.adjust(local.now - 1800, local.now)
    position = clock.take_position()
    assert position is not None
    assert clock.take_position() is None
    again = SourceClock(local, position, local.now)
    local.now += 10
    again.adjust(local.now - 1800, local.now)
    assert again.corrected(local.now - 1800) == pytest.approx(local.now)
    upgraded = SourceClock(local, "", local.now - 10)
    upgraded.adjust(local.now - 1800, local.now)
    assert upgraded.corrected(local.now - 1800) == pytest.approx(local.now)


@settings(max_examples=tries(200))
@given(
    st.lists(
        st.tuples(st.floats(0.0, 400.0), st.floats(0.0, 5.0), st.floats(-1e5, 1e5)),
        min_size=1,
        max_size=30,
    )
)
def test_the_timeline_never_goes_back(messages: list[tuple[float, float, float]]) -> None:
    """However often a clock is set, a message is not before the message before it.

    If the timeline itself moves to the right time, everything that is kept moves with it.
    """
    local, latest = Local(), 0.0
    clock = SourceClock(local)
    for pause, delay, ahead in messages:
        local.now += pause + delay
        at = local.now - delay + ahead
        latest += clock.adjust(at, local.now)
        assert clock.corrected(at) >= latest - 0.6
        latest = max(latest, clock.corrected(at))


def test_a_recording_is_followed_by_its_order_alone() -> None:
    """Only a time before the last one shows that the clock was set."""
    clock = SourceClock(Local())
    for at, expected in ((100.0, 100.0), (99.0, 99.0), (5000.0, 5000.0), (3200.0, 5000.0)):
        clock.follow(at)
        assert clock.corrected(at) == expected
    clock.follow(3260.0)
    assert clock.corrected(3260.0) == 5060.0
    clock.follow(float("nan"))
    assert clock.corrected(3270.0) == 5070.0


def test_an_impossible_recorded_time_is_ignored() -> None:
    """A line from the future does not move the times of later lines."""
    local = Local()
    clock = SourceClock(local)
    clock.follow(local.now - 20)
    clock.follow(8_589_934_591.0)
    assert clock.is_impossible(8_589_934_591.0)
    assert not clock.is_impossible(local.now + 3600)  # the local clock may be wrong
    assert clock.corrected(local.now - 10) == local.now - 10


def test_an_invalid_time_stays_invalid() -> None:
    """A correction does not turn an invalid time into a valid one."""
    local = Local()
    clock = SourceClock(local)
    clock.adjust(local.now, local.now)
    clock.adjust(4_102_444_800.0, local.now)
    assert clock.corrected(8_589_934_592.0) == 8_589_934_592.0


def test_the_steady_clock_has_the_local_time() -> None:
    """It begins with the machine's time."""
    one, other = steady_clock(), steady_clock()
    assert abs(one() - other()) < 60.0
