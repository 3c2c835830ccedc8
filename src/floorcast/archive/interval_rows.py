"""Makes the rows for an hour's agent states and five-minute intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from floorcast.archive.call_rows import Row, service_columns
from floorcast.archive.hour_fold import HourFold
from floorcast.archive.hours import Hour
from floorcast.archive.schemas import (
    AGENT_CALLS,
    COUNTERS,
    REASONS,
    STATE_COLUMNS,
    VISIT_COLUMNS,
    moved_on_column,
)
from floorcast.floor.counters import CATEGORIES
from floorcast.floor.directory import NO_SERVICE, Directory
from floorcast.floor.intervals import (
    COLUMNS,
    MOVED_ON,
    SLOT_MS,
    Column,
    ServiceIntervals,
)
from floorcast.model.states import STATE_NAMES, State
from floorcast.statistics.running_counts import RunningCounts, counts_before

__all__ = ["agent_interval_rows", "agent_state_rows", "service_interval_rows"]


def agent_state_rows(fold: HourFold) -> Iterator[Row]:
    """Yield the agents' states, limited to the hour's bounds and sorted by agent and time."""
    directory = fold.floor.state.directory
    for period in fold.times.periods():
        yield {
            **_agent(period.agent, directory),
            **service_columns(period.service, directory),
            "state": STATE_NAMES[State(period.state)],
            "reason": period.reason,
            "begin": period.begin,
            "end": period.end,
        }


def agent_interval_rows(fold: HourFold) -> Iterator[Row]:
    """Yield each agent's figures at each service, per five-minute interval."""
    _count_calls(fold)
    directory, hour = fold.floor.state.directory, fold.hour
    for (start, service, agent), day in fold.times.figures():
        calls = (day.inbound, day.outbound, *day.dispositions)
        yield {
            **_agent(agent, directory),
            "agentName": directory.agents[agent].name,
            **service_columns(service, directory),
            "start": start,
            "end": min(start + SLOT_MS, hour.end),
            **dict(zip(AGENT_CALLS, calls, strict=True)),
            **{name: day.time[state] for state, name in STATE_COLUMNS.items()},
            **{
                f"notReady{reason[0].upper()}{reason[1:]}Ms": day.reasons[index]
                for index, reason in enumerate(REASONS)
            },
            **{name: day.visits[state] for state, name in VISIT_COLUMNS.items()},
        }


def _count_calls(fold: HourFold) -> None:
    """Count the calls that agents answered, once per service and day, and their dispositions."""
    day_of = fold.floor.calendar.day_of
    for call in fold.calls():
        credited: dict[tuple[int, int, int], int] = {}
        for segment in call.segments:
            for agent, at in segment.answers():
                key = (day_of(at), segment.service, agent)
                credited[key] = min(at, credited.get(key, at))
        for (_, service, agent), at in credited.items() if call.direction is not None else ():
            figures = fold.times.slot(at, service, agent)
            if figures is not None and call.direction == "INBOUND":
                figures.inbound += 1
            elif figures is not None:
                figures.outbound += 1
        disposition = call.disposition
        if disposition is not None and disposition.agent is not None:
            figures = fold.times.slot(disposition.at, disposition.service, disposition.agent)
            if figures is not None:
                figures.dispositions[CATEGORIES.index(disposition.category)] += 1


def service_interval_rows(fold: HourFold, hour: Hour | None = None) -> Iterator[Row]:
    """Yield each service's figures per five-minute interval, including states in progress.

    If the fold covers more than one hour, ``hour`` selects the hour. It can be in two days, if it
    was sealed before the client's time zone was changed.
    """
    hour, calendar = hour or fold.hour, fold.floor.calendar
    for day in range(calendar.day_of(hour.start), calendar.day_of(hour.end - 1) + 1):
        begin, end = calendar.bounds(day)
        part = hour._replace(day=day, start=max(hour.start, begin), end=min(hour.end, end))
        yield from _rows_of_day(fold, part)


def _rows_of_day(fold: HourFold, hour: Hour) -> Iterator[Row]:
    floor = fold.floor
    first = (hour.start - floor.calendar.bounds(hour.day)[0]) // SLOT_MS
    slots = range(first, first + -((hour.start - hour.end) // SLOT_MS))
    counted = floor.ledger.intervals_on(hour.day)
    before = floor.ledger.intervals_on(hour.day - 1)
    added = _in_progress(fold, hour)
    agents, waiting = _present(fold)
    rows = []
    for service in sorted({*counted, *added} - {NO_SERVICE}):
        known = {
            day: intervals[service]
            for day, intervals in ((hour.day - 1, before), (hour.day, counted))
            if service in intervals
        }
        present = (agents[service], waiting[service])
        running_counts = RunningCounts(known, counts_before(known, present, hour.day))
        running_counts.largest(hour.day, range(first))
        for slot in slots:
            maxima = running_counts.largest(hour.day, range(slot, slot + 1))
            parts = [part for part in (known.get(hour.day), added.get(service)) if part is not None]
            numbers = [sum(row) for row in zip(*(part.row(slot) for part in parts), strict=True)]
            if not any(numbers[: Column.AGENTS_MOST]) and not any(numbers[Column.MOVED_ON :]):
                continue
            start = hour.start + (slot - first) * SLOT_MS
            rows.append(
                {
                    **service_columns(service, floor.state.directory),
                    "start": start,
                    "end": min(start + SLOT_MS, hour.end),
                    **_numbers(numbers),
                    "agentsMax": maxima[0],
                    "queueMax": maxima[1],
                    "waits": [wait for part in parts for wait in part.waits_of(slot, slot + 1)],
                }
            )
    rows.sort(key=lambda row: (row["start"], row["serviceId"]))
    yield from rows


def _numbers(numbers: list[int]) -> Row:
    assert len(numbers) == COLUMNS
    return {
        **{name: numbers[column] for name, column in COUNTERS.items()},
        **{moved_on_column(r): numbers[Column.MOVED_ON + i] for i, r in enumerate(MOVED_ON)},
    }


def _in_progress(fold: HourFold, hour: Hour) -> Mapping[int, ServiceIntervals]:
    """Return counts for states in progress and calls that have waited since before midnight."""
    floor = fold.floor
    midnight = floor.calendar.bounds(hour.day)[0]
    added: dict[int, ServiceIntervals] = {}
    for agent, since, until in fold.present:
        begin, end = max(since, hour.start), min(until, hour.end)
        if begin < end:
            slots = added.setdefault(agent.service, ServiceIntervals())
            slots.add_time(agent.state, begin - midnight, end - midnight, 1)
    if hour.start == midnight:
        for service, calls in floor.call_table.in_progress.items():
            count = sum(
                call.waited_at_midnight(midnight, fold.quiet_call) for call in calls.values()
            )
            if count:
                slots = added.setdefault(service, ServiceIntervals())
                slots.add(0, Column.OFFERED, count)
    return added


def _present(fold: HourFold) -> tuple[Counter[int], Counter[int]]:
    """Return each service's number of agents and number of waiting calls at the cut."""
    agents: Counter[int] = Counter()
    for agent in fold.floor.state.agents.values():
        if agent.logged_in:
            agents.update(agent.logged_in_to)
    waiting: Counter[int] = Counter()
    for service, calls in fold.floor.call_table.in_progress.items():
        waiting[service] = sum(call.waiting for call in calls.values())
    return agents, waiting


def _agent(number: int, directory: Directory) -> Row:
    return {"agentId": number, "agentLoginId": directory.agents[number].login}
