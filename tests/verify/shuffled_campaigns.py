"""Draws campaigns and their calls around a midnight, whose events arrive in a random order."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from floorcast.verify.verification import StoredEntry

__all__ = ["HOUR", "Arrivals", "campaign_arrivals"]

HOUR = 3_600_000
MIDNIGHTS = (
    ("America/New_York", "2026-11-24"),
    ("America/Havana", "2026-03-08"),  # the clocks skip midnight
    ("America/Havana", "2026-11-01"),  # and repeat it
    ("Africa/Cairo", "2026-10-30"),
    ("Asia/Tokyo", "2028-02-29"),
)
SERVICES, CAMPAIGNS = st.sampled_from([10, 20, 30]), st.sampled_from([5, 6])
KINDS = ("start", "start", "update", "update", "end", "queue", "answer", "leave")
PAUSES = st.sampled_from([20_000, 600_000, HOUR])
DELAYS = st.sampled_from([0, 30_000, HOUR, 9 * HOUR])


class Arrivals(NamedTuple):
    """The same events by their own times and by their arrival, and a time (ms) after them all."""

    in_order: list[StoredEntry]
    shuffled: list[StoredEntry]
    now: int


@st.composite
def campaign_arrivals(draw: st.DrawFn) -> Arrivals:
    """About ten events with different times, up to nine hours late."""
    zone, day = draw(st.sampled_from(MIDNIGHTS))
    begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    at = int(begin.timestamp() * 1000) - draw(st.sampled_from([0, 1, HOUR // 2, HOUR, 25 * HOUR]))
    in_order: list[tuple[int, bytes]] = []
    arriving: list[tuple[int, bytes]] = []
    for _ in range(draw(st.integers(4, 12))):
        at += draw(PAUSES)
        kind, data = draw(draw(st.sampled_from([_calls] * 8 + [_reports, _emails]))())
        in_order.append((at, _line(kind, at, data)))
        arriving.append((at + draw(DELAYS), in_order[-1][1]))
    site = {"time_zone": zone, "services": [{"id": 10, "name": "Sales"}]}
    shuffled = sorted(arriving, key=itemgetter(0))
    now = shuffled[-1][0] + draw(st.sampled_from([1, 1, HOUR, 13 * HOUR]))
    return Arrivals(_entries(in_order, site), _entries(shuffled, site), now)


@st.composite
def _calls(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    kind, number = draw(st.sampled_from(KINDS)), draw(st.integers(1, 2))
    data: dict[str, Any] = {"transactionId": number, "sessionId": f"S{number}"}
    if kind == "start":
        data |= {"service": draw(SERVICES), "direction": "OUTBOUND"}
    elif kind in ("queue", "end", "update"):
        data["service"] = draw(st.none() | SERVICES)
    if kind in ("start", "end", "update"):
        data["campaign"] = draw(st.none() | CAMPAIGNS)
    if kind == "leave":
        data["reason"] = "TIMEOUT"
    return f"call.{kind}", {name: one for name, one in data.items() if one is not None}


@st.composite
def _reports(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    data: dict[str, Any] = {"campaign": draw(CAMPAIGNS)}
    data["service"] = draw(st.sampled_from([None, None, None, 30]))
    data["state"] = draw(st.sampled_from([None, "PLAYING", "DEACTIVATED"]))
    data["name"] = draw(st.sampled_from([None, "Spring", "Fall"]))
    data["loaded"] = draw(st.sampled_from([None, 3, 100]))
    return "campaign.update", {name: one for name, one in data.items() if one is not None}


def _emails() -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    attempt = {"service": SERVICES, "campaign": CAMPAIGNS, "eventType": st.just("Attempt")}
    return st.tuples(st.just("email.attempt"), st.fixed_dictionaries(attempt))


def _line(kind: str, at: int, data: dict[str, Any]) -> bytes:
    when = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).isoformat()
    event = {"specversion": "1.0", "id": "x", "source": "s", "type": kind, "time": when}
    return json.dumps({**event, "data": data}).encode()


def _entries(lines: list[tuple[int, bytes]], site: dict[str, Any]) -> list[StoredEntry]:
    """Return a site entry, and an entry per line, recorded at the given time (ms)."""
    entries = [StoredEntry(1, 1, "site", json.dumps(site).encode())]
    for number, (when, line) in enumerate(lines, 2):
        recorded_at = max(when * 10_000, entries[-1].recorded_at + 1)
        entries.append(StoredEntry(number, recorded_at, "events", line))
    return entries
