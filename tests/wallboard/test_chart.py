"""Tests of the charts' value axis."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page


@pytest.mark.parametrize(
    ("most", "top"), [(0, 4), (4, 4), (5, 6), (9, 10), (10, 10), (33, 40), (61, 80), (2_301, 4_000)]
)
def test_the_top_tick_is_at_or_above_the_peak(scripts: Page, most: int, top: int) -> None:
    """The top tick is a round number, and the tick below it, at half its height, is whole."""
    found = "async (most) => (await import('/wallboard/chart.js')).topOf(most)"
    assert scripts.evaluate(found, most) == top


def test_the_ticks_of_a_low_chart_do_not_overlap(scripts: Page) -> None:
    """A low chart, as on a laptop, has no tick in the middle."""
    found = """async () => {
        const { ticksOf } = await import("/wallboard/chart.js");
        return [ticksOf(0, 40, 5), ticksOf(0, 40, 12)];
    }"""
    assert scripts.evaluate(found) == [[0, 40], [0, 20, 40]]
