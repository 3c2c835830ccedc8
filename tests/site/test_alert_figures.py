"""Tests that alert rules can use every figure in the statistics."""

from __future__ import annotations

from msgspec import structs

from floorcast.site.alert_figures import FIGURES, INTERVAL, RATES, SILENCE
from floorcast.statistics.interval_rows import ServiceInterval
from floorcast.statistics.service_stats import ServiceStatistics

NOT_FIGURES = {"maxHoldTime", "targetServiceLevel", "targetSeconds", "start", "end"}


def numbers_of(kind: type) -> set[str]:
    """Return the names of a row's numeric members, except ids, targets and times."""
    return {
        field.encode_name for field in structs.fields(kind) if field.type in (int, int | float)
    } - NOT_FIGURES


def test_every_numeric_statistic_is_a_figure() -> None:
    """The names of figures are the numeric members of the statistics and of their intervals."""
    of_day = numbers_of(ServiceStatistics)
    of_interval = {INTERVAL + name for name in numbers_of(ServiceInterval)}
    assert set(FIGURES) == {SILENCE} | of_day | of_interval
    assert len(FIGURES) == len(set(FIGURES))


def test_rates_and_averages_need_calls() -> None:
    """A rate or an average needs calls. Counts, agents' times and current figures do not."""
    assert set(FIGURES) >= RATES
    assert {"serviceLevel", "interval.waitP90", "averageTalkDuration"} <= RATES
    assert not {"totalAgents", "longestCallInQueue", "interval.occupancy", "silence"} & RATES
