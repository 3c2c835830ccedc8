"""Tests of the source's clock."""

from __future__ import annotations

from floorcast.connectors.pbx.source_clock import SourceClock


def test_the_source_clock_is_the_local_clock_plus_an_offset() -> None:
    """An event sets the offset exactly. A whole second only corrects a contradicting offset."""
    clock = SourceClock(lambda: 1000.0)
    assert clock.now() == clock.local_now() == 1000.0
    clock.adjust(1100.25, 1000.0)
    assert clock.now() == 1100.25
    for second in (1099, 1100, 1101):
        clock.adjust_to_second(second, 1000.0)
        assert clock.now() == 1100.25
    clock.adjust_to_second(900, 1000.0)
    assert clock.now() == 900.5


def test_an_invalid_time_does_not_set_the_clock() -> None:
    """A damaged message must not shift the times of later messages."""
    clock = SourceClock(lambda: 100.0)
    clock.adjust(105.0, 100.0)
    for nonsense in (float("nan"), float("inf"), -1.0, 1e300):
        clock.adjust(nonsense, 100.0)
    assert clock.now() == 105.0
