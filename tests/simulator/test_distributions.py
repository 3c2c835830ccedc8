"""Tests of drawn durations, and of the means of distributions."""

from __future__ import annotations

import math
from random import Random
from statistics import fmean, stdev

import pytest

from floorcast.simulator.distributions import Distribution, Exponential, Fixed, Lognormal

DRAWN = 20_000


@pytest.mark.parametrize(
    "one", [Exponential(40.0), Lognormal(4.0, 0.5), Lognormal(4.0, 1.2, 200.0), Fixed(7.0)]
)
def test_the_mean_matches_the_drawn_durations(one: Distribution) -> None:
    """The mean is within four standard errors. This includes a truncated lognormal distribution."""
    chance = Random(1)
    drawn = [one.draw(chance) for _ in range(DRAWN)]
    assert abs(fmean(drawn) - one.mean) <= 4 * stdev(drawn) / math.sqrt(DRAWN)


def test_no_duration_exceeds_the_maximum() -> None:
    """Longer values become the maximum instead of being dropped."""
    chance = Random(1)
    drawn = [Lognormal(4.0, 1.2, 200.0).draw(chance) for _ in range(1_000)]
    assert max(drawn) == 200.0
    assert drawn.count(200.0) > 50
