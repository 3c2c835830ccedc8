"""Compares a floor's statistics with figures that are recomputed from the stored events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from floorcast.floor.calls import Call
from floorcast.floor.floor import Floor
from floorcast.floor.state import FloorState
from floorcast.floor.view import FloorView
from floorcast.projection.refold import FoldLimits, Refold
from floorcast.statistics.agent_averages import agent_averages, averages_answer
from floorcast.statistics.agent_stats import agent_statistics, agent_statistics_ex
from floorcast.statistics.agent_status import agent_status
from floorcast.statistics.campaign_stats import campaign_statistics
from floorcast.statistics.live_connects import live_connects
from floorcast.statistics.requests import CampaignFilter
from floorcast.statistics.service_intervals import IntervalSpan, service_intervals
from floorcast.statistics.service_stats import service_stats
from floorcast.statistics.visibility import Moment, Visibility
from floorcast.statistics.waiting_calls import waiting_calls
from floorcast.verify.agent_pass import AgentPass, add_states_to_calls
from floorcast.verify.call_pass import CallPass, add_answers
from floorcast.verify.campaign_pass import add_campaigns
from floorcast.verify.client_days import ClientDays
from floorcast.verify.expected_rows import ExpectedRows
from floorcast.verify.listed_calls import listed_calls
from floorcast.verify.records import Records
from floorcast.verify.sums import Sums

__all__ = [
    "Difference",
    "StoredEntry",
    "VerificationResult",
    "displayed_rows",
    "recomputed_rows",
    "verify",
]

Rows = list[dict[str, Any]]


class StoredEntry(NamedTuple):
    """An entry as the log stores it.

    ``recorded_at`` is in ticks, and ``kind`` is ``events`` or ``site``.
    """

    number: int
    recorded_at: int
    kind: str
    payload: bytes


class Difference(NamedTuple):
    """A figure that differs, with its method, its row, the shown value and the recomputed value."""

    method: str
    row: str
    figure: str
    shown: object
    recomputed: object


class VerificationResult(NamedTuple):
    """The numbers of entries, rows and figures that were checked, and the differences found."""

    entries: int
    rows: int
    figures: int
    differences: list[Difference]


def verify(
    client: int,
    entries: Iterable[StoredEntry],
    moment: Moment | None = None,
    floor: Floor | None = None,
) -> VerificationResult:
    """Recompute every figure of a client from its stored entries, and compare it with the floor's.

    ``moment`` has the time of the comparison and the limits. If it is absent or its ``now`` is 0,
    the comparison uses the time of the last entry. ``floor`` is the floor to check. If it is
    absent, the function folds the entries and checks the resulting floor.
    """
    limits = moment or Moment(0)
    fold_limits = FoldLimits(limits.quiet_call, limits.quiet_agent, limits.late_state)
    refold = Refold(FloorState(client=client), fold_limits) if floor is None else None
    records = Records(limits.late_state)
    try:
        count = 0
        for entry in entries:
            count += 1
            records.add_entry(entry.recorded_at, entry.kind, entry.payload)
            if refold is not None:
                refold.fold_entry(*entry)
        now = limits.now or records.recorded_at
        limits = limits._replace(now=now)
        checked_floor = floor if refold is None else refold.floor
        assert checked_floor is not None
        expected = recomputed_rows(records, limits)
    finally:
        records.close()
    evicted = () if refold is None else refold.evicted_calls()
    found = displayed_rows(checked_floor, limits, evicted)
    differences = sorted(
        difference
        for method, rows in expected.items()
        for difference in _differences(method, found[method], rows)
    )
    rows = [row for rows in expected.values() for row in rows]
    return VerificationResult(
        count, len(rows), sum(len(list(_flatten(row))) for row in rows), differences
    )


def recomputed_rows(records: Records, moment: Moment) -> dict[str, Rows]:
    """Return every method's rows, recomputed from the records alone."""
    sums, days = Sums(), ClientDays(records.site.time_zone, moment.now)
    for agent, events in records.agents():
        add_states_to_calls(records, agent, events)
    for call_events in records.calls():
        add_answers(records, call_events)
    agents = AgentPass(sums, records, days, moment.now, moment.quiet_agent)
    for agent, events in records.agents():
        agents.add(agent, events)
    calls = CallPass(sums, records, days, moment.now, moment.quiet_call)
    for call_events in records.calls():
        calls.add(call_events)
    add_campaigns(sums, records.campaign_records())
    return ExpectedRows(sums, records.site, days, moment.now).all()


def displayed_rows(floor: Floor, moment: Moment, evicted: Iterable[Call] = ()) -> dict[str, Rows]:
    """Return every method's rows as the statistics show them to a user who may see everything.

    ``evicted`` has the calls that have left the floor's memory.
    """
    visibility = Visibility([FloorView(floor)])
    scopes = visibility.scopes()
    averages = averages_answer(agent_averages(scopes, moment).all(), moment)
    answers: dict[str, Iterable[object]] = {
        "service/stats": service_stats(scopes, moment).all(),
        "service/stats/intervals": service_intervals(scopes, moment, IntervalSpan()).all(),
        "service/calls": listed_calls(floor, evicted, moment),
        "service/calls/status": waiting_calls(scopes, moment).all(),
        "service/liveConnects": live_connects(scopes, moment).live_connects,
        "service/agent/stats": agent_statistics(scopes, moment).all(),
        "service/agent/stats/ex": agent_statistics_ex(scopes, moment).all(),
        "service/agents/status": agent_status(scopes, moment).all(),
        "service/agents/averages": averages.agent_averages,
        "campaign/stats": campaign_statistics(visibility, CampaignFilter(), moment).all(),
    }
    read = {method: _decode(rows) for method, rows in answers.items()}
    for row in read["service/stats/intervals"]:
        # the maxima depend on the order of the log, which the recomputation ignores
        del row["agentsMax"], row["queueMax"]
        row["name"] = f"{row['serviceId']} {row['start']}"
    return read


def _decode(rows: Iterable[object]) -> Rows:
    decoded: Rows = msgspec.json.decode(msgspec.json.encode(list(rows)))
    return decoded


_KEY_MEMBER = {
    "service/stats": "serviceId",
    "service/stats/intervals": "name",
    "service/calls": "name",
    "service/calls/status": "timeStamp",
    "service/liveConnects": "timeStamp",
    "service/agent/stats": "agentName",
    "service/agent/stats/ex": "agentLoginId",
    "service/agents/status": "agentLoginId",
    "service/agents/averages": "timeStamp",
    "campaign/stats": "campaignId",
}


def _by_name(method: str, rows: Rows) -> dict[str, dict[str, Any]]:
    """Return the rows by name. Rows with the same name are numbered."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        name = str(row[_KEY_MEMBER[method]])
        same = sum(known == name or known.startswith(f"{name} #") for known in found)
        found[f"{name} #{same + 1}" if same else name] = row
    return found


def _flatten(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield the path and value of each figure in a row."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _flatten(member, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        yield f"{path}.length", len(value)
        for index, member in enumerate(value):
            yield from _flatten(member, f"{path}[{index}]")
    else:
        yield path, value


def _differences(method: str, found: Rows, expected: Rows) -> Iterator[Difference]:
    shown, recomputed = _by_name(method, found), _by_name(method, expected)
    for row in shown.keys() | recomputed.keys():
        if row not in shown or row not in recomputed:
            yield Difference(method, row, "", row in shown or None, row in recomputed or None)
            continue
        one, other = dict(_flatten(shown[row])), dict(_flatten(recomputed[row]))
        for figure in one.keys() | other.keys():
            if one.get(figure, _ABSENT) != other.get(figure, _ABSENT):
                values = one.get(figure, _ABSENT), other.get(figure, _ABSENT)
                yield Difference(method, row, figure, *values)


_ABSENT = "(not there)"
