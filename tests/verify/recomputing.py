"""Recomputes the rows for some events without the fold and its model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from floorcast.statistics.visibility import Moment
from floorcast.verify.records import Records
from floorcast.verify.verification import StoredEntry, recomputed_rows

__all__ = [
    "NOON",
    "NOW",
    "SITE",
    "Event",
    "Rows",
    "Site",
    "agent_of",
    "call",
    "in_call",
    "log_entries",
    "rows_of_events",
    "rows_of_log",
    "service_of",
    "state",
]

NOON = int(datetime(2026, 11, 23, 17, tzinfo=UTC).timestamp() * 1000)  # in New York
NOW = NOON + 3_600_000
Rows = dict[str, list[dict[str, Any]]]
Site = dict[str, Any]
SITE: Site = {
    "time_zone": "America/New_York",
    "services": [
        {"id": 10, "name": "Sales", "sla_seconds": 20},
        {"id": 20, "name": "Support", "short_abandon_seconds": 5},
        {"id": 30, "name": "Care", "service_level": "with_abandons_within_sla"},
    ],
    "agents": [{"id": 7, "login": "ANN", "name": "Ann"}, {"id": 8, "login": "BOB"}],
}


class Event(NamedTuple):
    """An event as it is stored in the log, with its time in ms."""

    at: int
    line: bytes


def event(kind: str, seconds: float, data: dict[str, Any]) -> Event:
    """Return an event ``seconds`` after noon."""
    at = NOON + round(seconds * 1000)
    when = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).isoformat()
    raw = {"specversion": "1.0", "id": "x", "source": "s", "type": kind, "time": when}
    return Event(at, json.dumps({**raw, "data": data}).encode())


def state(kind: str, seconds: float, who: str = "ANN", **data: object) -> Event:
    """Return an event by which an agent enters a state."""
    return event("agent.state", seconds, {"agent": who, "eventType": kind, **data})


def call(kind: str, seconds: float, number: int = 1, **data: object) -> Event:
    """Return an event about call ``number``."""
    return event(f"call.{kind}", seconds, {**_name(number), **data})


def in_call(number: int, **more: object) -> dict[str, Any]:
    """Return the members by which an agent's state names a call."""
    return {"call": {**_name(number), **more}}


def _name(number: int) -> dict[str, Any]:
    return {"transactionId": number, "sessionId": f"S{number}"}


def log_entries(arrivals: Iterable[tuple[int, Event]], site: Site = SITE) -> list[StoredEntry]:
    """Return a site entry and an entry per event.

    Each event is recorded at the given ms, or just after the previous one.
    """
    entries = [StoredEntry(1, 1, "site", json.dumps(site).encode())]
    for number, (when, one) in enumerate(arrivals, 2):
        recorded_at = max(when * 10_000, entries[-1].recorded_at + 1)
        entries.append(StoredEntry(number, recorded_at, "events", one.line))
    return entries


def rows_of_events(events: Sequence[Event], now: int, site: Site = SITE, **limits: int) -> Rows:
    """Return every method's rows at ``now``.

    Events are recorded in order, but not before their own times.
    """
    return rows_of_log(log_entries(((one.at, one) for one in events), site), now, **limits)


def rows_of_log(entries: Iterable[StoredEntry], now: int, **limits: int) -> Rows:
    """Return every method's rows for a log at ``now``."""
    records = Records()
    try:
        for entry in entries:
            records.add_entry(entry.recorded_at, entry.kind, entry.payload)
        return recomputed_rows(records, Moment(now, **limits))
    finally:
        records.close()


def service_of(rows: Rows, number: int) -> dict[str, Any]:
    """Return a service's row."""
    return next(row for row in rows["service/stats"] if row["serviceId"] == str(number))


def agent_of(rows: Rows, name: str) -> dict[str, Any]:
    """Return the row of a logged-in agent."""
    return next(row for row in rows["service/agent/stats"] if row["agentName"] == name)
