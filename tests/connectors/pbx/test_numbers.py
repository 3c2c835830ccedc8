"""Tests of numbers that a PBX sends as text."""

from __future__ import annotations

import pytest

from floorcast.connectors.pbx.numbers import MAX_DURATION_SECONDS, duration, whole_number
from tests.connectors.absurd_values import ABSURD


def test_whole_numbers_are_read() -> None:
    """Digits are a number, and every other text is 0."""
    assert whole_number("1795813658") == 1_795_813_658.0
    assert {whole_number(text) for text in ABSURD if not text.isdecimal()} == {0.0}


@pytest.mark.parametrize(("text", "seconds"), [("20", 20.0), ("604800", 604_800.0), ("0", 0.0)])
def test_durations_are_read(text: str, seconds: float) -> None:
    """A duration can be in seconds or in smaller units."""
    assert duration(text) == seconds
    assert duration(f"{text}000", per_second=1000) == seconds


def test_no_duration_is_longer_than_a_week() -> None:
    """A longer duration is unknown, because a time calculated from it could be before 1970."""
    assert all(0.0 <= duration(text) <= MAX_DURATION_SECONDS for text in ABSURD)
    assert duration("999999999999999") == 0.0
