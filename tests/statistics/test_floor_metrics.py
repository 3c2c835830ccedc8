"""Tests that the metrics of a floor are the present figures of its services."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.model.inbound import InboundEvent
from floorcast.statistics.floor_metrics import floor_metrics
from floorcast.statistics.service_stats import service_stats
from tests.floor.random_floors import PLAN, agent_events, call_events
from tests.statistics.floors import fold_events, moment_at, scopes

HOURS = 3600


@given(
    st.lists(call_events() | agent_events(), max_size=24),
    st.sampled_from([300, 4 * HOURS, 4 * HOURS + 100, 16 * HOURS, 16 * HOURS + 100, 40 * HOURS]),
)
def test_metrics_are_the_present_figures(events: list[InboundEvent], now: int) -> None:
    """Calls and agents without an event for too long count in neither."""
    floor = fold_events(PLAN, events)
    shown = {row.service_id: row for row in service_stats(scopes(floor), moment_at(now)).all()}
    for row in floor_metrics(scopes(floor), moment_at(now)).all():
        found = (row.in_queue, row.with_agent, row.longest_wait // 1000, sum(row.agents.values()))
        if (stats := shown.get(str(row.service.id))) is None:
            assert found == (0, 0, 0, 0)
        else:
            assert found == (
                stats.total_calls_in_queue,
                stats.calls_with_agent,
                stats.longest_call_in_queue,
                stats.total_agents,
            )
