"""Tests of the charts' value axis."""

from __future__ import annotations

import pytest

from tests.wallboard.screen import Screen


@pytest.mark.parametrize(
    ("most", "top"), [(0, 4), (4, 4), (5, 6), (9, 10), (10, 10), (33, 40), (61, 80), (2_301, 4_000)]
)
def test_the_top_tick_is_at_or_above_the_peak(wall: Screen, most: int, top: int) -> None:
    """The top tick is a round number, and the tick below it, at half its height, is whole."""
    wall.open()
    found = "async (most) => (await import('/wallboard/chart.js')).topOf(most)"
    assert wall.page.evaluate(found, most) == top


def test_the_ticks_of_a_low_chart_do_not_overlap(wall: Screen) -> None:
    """A low chart, as on a laptop, has no tick in the middle."""
    wall.open()
    found = """async () => {
        const { ticksOf } = await import("/wallboard/chart.js");
        return [ticksOf(0, 40, 5), ticksOf(0, 40, 12)];
    }"""
    assert wall.page.evaluate(found) == [[0, 40], [0, 20, 40]]
