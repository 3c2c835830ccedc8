"""Tests that means and rates are rounded exactly."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from hypothesis import given
from hypothesis import strategies as st

from floorcast.statistics.rounding import mean_seconds, rate


def test_a_mean_is_rounded_half_up() -> None:
    """A mean of 499 ms is zero, and a mean of 500 ms is a second."""
    assert [mean_seconds(ms, 1) for ms in (0, 499, 500, 1499, 1500)] == [0, 0, 1, 1, 2]
    assert mean_seconds(134_850 * 7, 7) == 135


def test_the_mean_and_rate_of_nothing_are_0() -> None:
    """A mean or rate of nothing is 0, without a division by zero."""
    assert mean_seconds(0, 0) == 0
    assert rate(0, 0) == 0


def test_whole_rates_are_printed_as_whole_numbers() -> None:
    """Whole rates have no decimals, because the API reference prints 0 and 100."""
    assert [str(rate(*shares)) for shares in ((0, 3), (3, 3), (1, 3), (1, 4))] == [
        "0",
        "100",
        "33.33",
        "25",
    ]


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_rate_has_two_decimals_rounded_half_up(part: int, whole: int) -> None:
    """Rates are exact where floats would not be."""
    exact = (Decimal(100) * part / whole).quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert Decimal(str(rate(part, whole))) == exact
