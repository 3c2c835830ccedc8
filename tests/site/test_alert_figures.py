"""Tests that alert rules can name every figure that the statistics have."""

from __future__ import annotations

from msgspec import structs

from floorcast.site.alert_figures import FIGURES, INTERVAL, RATES, SILENCE
from floorcast.statistics.interval_rows import ServiceInterval
from floorcast.statistics.service_stats import ServiceStatistics

NOT_FIGURES = {"maxHoldTime", "targetServiceLevel", "targetSeconds", "start", "end"}


def numbers_of(kind: type) -> set[str]:
    """The members of a row that are a number, but ids, targets and moments."""
    return {
        field.encode_name for field in structs.fields(kind) if field.type in (int, int | float)
    } - NOT_FIGURES


def test_every_number_of_the_statistics_is_a_figure() -> None:
    """And nothing else is: a rule never names what has no value."""
    of_day = numbers_of(ServiceStatistics)
    of_interval = {INTERVAL + name for name in numbers_of(ServiceInterval)}
    assert set(FIGURES) == {SILENCE} | of_day | of_interval
    assert len(FIGURES) == len(set(FIGURES))


def test_rates_and_averages_need_calls() -> None:
    """A count, a time of agents, and what is there now do not."""
    assert set(FIGURES) >= RATES
    assert {"serviceLevel", "interval.waitP90", "averageTalkDuration"} <= RATES
    assert not {"totalAgents", "longestCallInQueue", "interval.occupancy", "silence"} & RATES
