"""A client's log in memory, which the archive can read, and random logs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import strategies as st

from floorcast.archive.hours import Hour, hours_of
from floorcast.floor.calls import Key
from floorcast.floor.days import Calendar
from floorcast.floor.floor import Floor
from floorcast.floor.state import (
    FloorState,
    decode_call,
    encode_call,
    from_snapshot,
    snapshot_parts,
)
from floorcast.log.port import Entry, EntryKind
from floorcast.model.inbound import read_lines
from floorcast.model.token import TICKS_PER_MS, position
from floorcast.projection.refold import FoldLimits
from floorcast.site.configuration import FloorConfig
from tests.floor.random_floors import AGENT_KINDS, AGENTS, CALL_KINDS, PLAN, SERVICES

CLIENT = 47415
HOUR_MS = 3_600_000
LIMITS = FoldLimits(4 * HOUR_MS, 16 * HOUR_MS, 15 * 60_000)
DAY_BEGINS = int(datetime(2026, 11, 23, 5, tzinfo=UTC).timestamp()) * 1000  # in New York


class Log:
    """One client's log and store: the entries, snapshots, and calls that have left memory."""

    client = CLIENT

    def __init__(self, plan: FloorConfig = PLAN, begin: int = DAY_BEGINS) -> None:
        self.stored: list[Entry] = []
        self.snapshots: dict[int, list[bytes]] = {}
        self.removed = 0
        self.floor = Floor(FloorState(client=CLIENT), *_limits())
        self.gone: dict[Key, list[tuple[int, bytes]]] = {}
        self._add(begin - 3 * HOUR_MS, "site", msgspec.json.encode(plan), 0)

    def take(self, recorded: int, *events: dict[str, Any]) -> None:
        """Add an entry with these events, recorded at ``recorded`` (ms).

        If that time is not later than the last entry's, the entry is recorded right after the last
        entry.
        """
        lines = b"\n".join(msgspec.json.encode(event) for event in events)
        self._add(recorded, "events", lines, len(events))

    def configure(self, recorded: int, plan: FloorConfig) -> None:
        """Add an entry with a new configuration, recorded at ``recorded`` (ms) or later."""
        self._add(recorded, "site", msgspec.json.encode(plan), 0)

    def snapshot(self) -> None:
        """Store a snapshot of the current floor."""
        entry = self.stored[-1].number
        self.snapshots[entry] = list(snapshot_parts(self.floor.snapshot_state()))

    @property
    def head_at(self) -> int:
        """See ``SealSource``."""
        return self.stored[-1].recorded_at

    def first_at(self) -> int | None:
        """See ``SealSource``."""
        return next((entry.recorded_at for entry in self.entries(self.removed)), None)

    def last_before(self, ticks: int) -> int:
        """See ``Source``."""
        return max((entry.number for entry in self.stored if entry.recorded_at < ticks), default=0)

    def entries(self, after: int) -> Iterator[Entry]:
        """See ``Source``."""
        yield from self.stored[after:]

    def state(self, at_most_entry: int) -> FloorState | None:
        """See ``Source``."""
        usable = [e for e in self.snapshots if self.removed <= e <= at_most_entry]
        if usable:
            return from_snapshot(self.snapshots[max(usable)])
        return None if self.removed else FloorState(client=CLIENT)

    def find_calls(self, keys: Collection[Key], at_position: int) -> dict[Key, bytes]:
        """See ``Source``."""
        found = {}
        for key in keys:
            versions = [blob for place, blob in self.gone.get(key, ()) if place <= at_position]
            if versions:
                found[key] = versions[-1]
        return found

    def _add(self, recorded: int, kind: EntryKind, payload: bytes, count: int) -> None:
        last = self.stored[-1].recorded_at if self.stored else 0
        at = max(recorded * TICKS_PER_MS, last + 1)
        entry = Entry(CLIENT, len(self.stored) + 1, at, kind, count, payload)
        self.stored.append(entry)
        self._fold(entry)

    def _fold(self, entry: Entry) -> None:
        floor = self.floor
        floor.begin_entry(entry.number, entry.recorded_at)
        for call in floor.call_table.evicted:
            versions = self.gone.setdefault(call.key, [])
            versions.append((position(entry.number, 0), encode_call(call)))
        floor.call_table.evicted.clear()
        if entry.kind == "site":
            floor.apply(msgspec.json.decode(entry.payload, type=FloorConfig))
            return
        events = read_lines(entry.payload)
        for key in floor.unloaded_calls(events):
            for blob in self.find_calls([key], position(entry.number, 0)).values():
                floor.call_table.reload(decode_call(blob))
        for event in events:
            floor.fold(event, entry.recorded_at, "id")  # type: ignore[arg-type]  # every event has a known type


def _limits() -> tuple[int, int, int]:
    return LIMITS.quiet_call, LIMITS.quiet_agent, LIMITS.late


def hours(zone: str = PLAN.time_zone, begin: int = DAY_BEGINS) -> list[Hour]:
    """Return the hours of the day that begins at ``begin`` (ms)."""
    calendar = Calendar(zone)
    return hours_of(CLIENT, calendar.day_of(begin), calendar)


def event(kind: str, at: int, number: int = 0, **data: object) -> dict[str, Any]:
    """Return an event that happened at ``at`` (ms). A ``number`` identifies its call."""
    time = datetime.fromtimestamp(at / 1000, UTC).isoformat()
    shared = {"specversion": "1.0", "id": f"{kind}-{at}-{number}", "source": "test"}
    call = {"transactionId": number, "sessionId": f"S{number}"} if number else {}
    return {**shared, "type": kind, "time": time, "data": {**call, **data}}


@st.composite
def random_logs(draw: st.DrawFn) -> Log:
    """Draw a log that begins shortly before midnight, with late events and snapshots."""
    log = Log()
    for _ in random_entries(draw, log, DAY_BEGINS - HOUR_MS // 2, draw(st.integers(1, 40)), 20):
        pass
    return log


Draw = Callable[[st.SearchStrategy[Any]], Any]


def random_entries(draw: Draw, log: Log, begin: int, count: int, minutes: int) -> Iterator[int]:
    """Add entries that are up to ``minutes`` apart. Yields each entry's time in ms."""
    recorded = begin
    for _ in range(count):
        recorded += draw(st.integers(0, minutes * 60_000))
        late = draw(st.sampled_from([0, 0, 0, -2 * 60_000, 60_000, 14 * 60_000, 90 * 60_000]))
        log.take(recorded, draw(_events(recorded - late)))
        if draw(st.integers(0, 5)) == 0:
            log.snapshot()
        yield recorded


@st.composite
def _events(draw: st.DrawFn, at: int) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if draw(st.booleans()):
        kind = draw(st.sampled_from(AGENT_KINDS))
        data["agent"] = draw(AGENTS)
        if draw(st.booleans()):
            data["service"] = draw(SERVICES)
        if kind == "NOT_READY":
            data["reason"] = draw(st.sampled_from(["LUNCH", "VOICE_MAIL", "?"]))
        if kind in ("IN_CALL", "WRAP_UP") and draw(st.booleans()):
            number = draw(st.integers(1, 4))
            data["call"] = {"transactionId": number, "sessionId": f"S{number}"}
        return event("agent.state", at, eventType=kind, **data)
    kind = draw(st.sampled_from(CALL_KINDS))
    if kind == "call.start":
        data["service"] = draw(SERVICES)
        data["direction"] = draw(st.sampled_from(["INBOUND", "OUTBOUND"]))
        data["callerId"] = "+1 212 555 0147"
    if kind == "call.queue" and draw(st.booleans()):
        data["service"] = draw(SERVICES)
    if kind in ("call.answer", "call.disposition") and draw(st.booleans()):
        data["agent"] = draw(AGENTS)
    if kind == "call.disposition":
        data["termCode"] = draw(st.sampled_from(["RPC", "x"]))
    return event(kind, at, draw(st.integers(1, 4)), **data)
