"""Tests that the rows of an hour's intervals and agent states add up to the day's figures."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from hypothesis import HealthCheck, given, settings

from floorcast.archive.hour_fold import HourFold, fold_hour
from floorcast.archive.interval_rows import (
    agent_interval_rows,
    agent_state_rows,
    service_interval_rows,
)
from floorcast.archive.schemas import AGENT_CALLS, COUNTERS, STATE_COLUMNS, VISIT_COLUMNS
from floorcast.floor.directory import NO_SERVICE
from floorcast.floor.intervals import Column
from floorcast.model.states import STATE_NAMES, State
from floorcast.model.token import to_ms
from tests.archive.sources import DAY_BEGINS, LIMITS, Log, hours, random_logs
from tests.search import tries

PATIENT = settings(
    max_examples=tries(30),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def replays(log: Log) -> list[HourFold]:
    """Return the folds of the day's hours, from the whole log."""
    cut = to_ms(log.stored[-1].recorded_at) + 1
    return [fold_hour(log, hour, cut, LIMITS) for hour in hours()]


def still_present(log: Log, until: int) -> dict[tuple[int, int, int], int]:
    """Return the time (ms) in states that no event has ended, by service, agent and state."""
    found = {}
    for agent in log.floor.state.agents.values():
        if agent.state:
            begin = max(agent.last_event, DAY_BEGINS)
            end = min(until, agent.last_event + LIMITS.quiet_agent)
            if begin < end:
                found[agent.service, agent.id, int(agent.state)] = end - begin
    return found


@PATIENT
@given(random_logs())
def test_the_rows_of_services_sum_to_the_day(log: Log) -> None:
    """A counter's sum over all hours equals the fold's counter for the day."""
    summed: dict[int, Counter[str]] = defaultdict(Counter)
    for done in replays(log):
        for row in service_interval_rows(done):
            summed[row["serviceId"]].update({name: row[name] for name in COUNTERS})
            assert row["serviceName"] == log.floor.state.directory.services[row["serviceId"]].name
    floor = log.floor
    day = hours()[0].day
    for service, counted in floor.ledger.services_on(day).items():
        if service == NO_SERVICE:
            continue
        row = summed[service]
        assert row["handled"] == counted.handled
        assert row["abandoned"] == counted.abandoned
        assert row["talkMs"] == counted.talk
        assert row["wrapupMs"] == counted.wrap_up
        assert row["waitMs"] == counted.handled_wait
        waiting_over = sum(
            call.waited_at_midnight(DAY_BEGINS, LIMITS.quiet_call)
            for call in floor.call_table.in_progress.get(service, {}).values()
        )
        assert row["offered"] == counted.offered + waiting_over


@PATIENT
@given(random_logs())
def test_the_rows_of_agents_sum_to_the_day(log: Log) -> None:
    """The sums of times, visits and calls over all hours equal the fold's counters for the day."""
    summed: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for done in replays(log):
        for row in agent_interval_rows(done):
            numbers = {name: row[name] for name in (*AGENT_CALLS, *STATE_COLUMNS.values())}
            summed[row.get("serviceId", NO_SERVICE), row["agentId"]].update(numbers)
    day = hours()[0].day
    more = still_present(log, hours()[-1].end)
    expected = {
        (service, agent): counted
        for service in log.floor.state.counters.agent_days.get(day, {})
        for agent, counted in log.floor.ledger.agents_on(day, service).items()
    }
    for place, counted in expected.items():
        row = summed[place]
        assert row["inboundCalls"] == counted.inbound
        assert row["outboundCalls"] == counted.outbound
        assert [row[name] for name in AGENT_CALLS[2:]] == counted.dispositions
        for state, name in STATE_COLUMNS.items():
            assert row[name] == counted.time[state] + more.get((*place, int(state)), 0)


@PATIENT
@given(random_logs())
def test_an_hour_is_the_same_from_any_snapshot(log: Log) -> None:
    """Folding from the beginning of the log gives the same rows as folding from a snapshot."""
    cut = to_ms(log.stored[-1].recorded_at) + 1
    for hour in hours()[:4]:
        from_snapshot = _all_rows(fold_hour(log, hour, cut, LIMITS))
        kept, log.snapshots = log.snapshots, {}
        assert _all_rows(fold_hour(log, hour, cut, LIMITS)) == from_snapshot
        log.snapshots = kept


@PATIENT
@given(random_logs())
def test_the_files_of_an_hour_agree(log: Log) -> None:
    """States, agent intervals and service intervals have the same total times."""
    columns = {STATE_NAMES[state]: name for state, name in STATE_COLUMNS.items()}
    for done in replays(log):
        by_states: Counter[tuple[Any, ...]] = Counter()
        for row in agent_state_rows(done):
            place = (row["agentId"], row.get("serviceId"), columns[row["state"]])
            by_states[place] += row["end"] - row["begin"]
        by_agents: Counter[tuple[Any, ...]] = Counter()
        by_service: Counter[int] = Counter()
        for row in agent_interval_rows(done):
            for name in STATE_COLUMNS.values():
                by_agents[row["agentId"], row.get("serviceId"), name] += row[name]
                by_service[row.get("serviceId", NO_SERVICE)] += row[name]
        assert +by_states == +by_agents
        of_services: Counter[int] = Counter()
        for row in service_interval_rows(done):
            of_services[row["serviceId"]] += sum(
                row[name] for name in COUNTERS if name.endswith("TimeMs")
            )
        del by_service[NO_SERVICE]
        assert +of_services == +by_service


def _all_rows(done: HourFold) -> list[list[dict[str, Any]]]:
    return [
        list(service_interval_rows(done)),
        list(agent_interval_rows(done)),
        list(agent_state_rows(done)),
    ]


def test_every_counter_of_the_floor_has_a_column() -> None:
    """Every counter has a column, so a new counter must get one."""
    kept = {column for column in Column if column < Column.AGENTS_MOST}
    assert set(COUNTERS.values()) == kept
    assert set(VISIT_COLUMNS) == {state for state in State if state}
