"""Compares an hour in the archive with its manifest, and the hour's files with each other.

The agent times computed from ``agent_states`` must equal those in ``agent_intervals`` and
``service_intervals``. Every call in ``calls`` must be counted in ``service_intervals``, which also
counts calls that have not ended yet. An hour that lacks late events is compared with
``calls`` only after its correction. An hour that has late events must not be missing without a
record in its day's manifest.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from hashlib import sha256
from typing import Any, NamedTuple

import pyarrow as pa

from floorcast.archive.call_rows import Row
from floorcast.archive.coverage import late_until
from floorcast.archive.hours import HOUR_MS
from floorcast.archive.manifests import (
    DAY_MANIFEST,
    DayManifest,
    HourManifest,
    late_hours,
    read_day,
)
from floorcast.archive.schemas import FILES, STATE_COLUMNS
from floorcast.archive.storage import Archive
from floorcast.archive.tables import read_parquet
from floorcast.floor.days import Calendar
from floorcast.floor.intervals import SLOT_MS
from floorcast.model.states import STATE_NAMES, State
from floorcast.model.system_errors import describe_error

__all__ = ["Checker", "Finding", "count_calls"]

_Slot = tuple[int | None, int]
"""A service, and the start of a five-minute interval (ms)."""

_TIME_COLUMNS = {
    State.READY: "readyTimeMs",
    State.IN_CALL: "inCallTimeMs",
    State.TRANSFERRING: "inCallTimeMs",
    State.HOLD: "holdTimeMs",
    State.WRAP_UP: "wrapupTimeMs",
    State.NOT_READY: "notReadyTimeMs",
}
_COLUMN_OF_STATE = {STATE_NAMES[state]: name for state, name in STATE_COLUMNS.items()}
_CALL_FIGURES = ("offered", "handled", "abandoned", "talks", "talkMs")


class Finding(NamedTuple):
    """A discrepancy: the hour, the file, and a description."""

    hour: str
    file: str
    what: str


class Checker:
    """Checks the hours of a client, which must be given in order.

    A call that ends in one hour can count in an earlier hour.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._counted: dict[_Slot, Row] = {}
        self._calls: dict[_Slot, Counter[str]] = defaultdict(Counter)
        self._hours: dict[_Slot, str] = {}
        self._checked: list[HourManifest] = []
        self._late: list[HourManifest] = []
        self._settled: dict[str, bool] = {}
        self._spans: list[tuple[int, int]] = []
        self.rows = 0

    def check(self, manifest: HourManifest) -> Iterator[Finding]:
        """Yield the problems found in an hour. Raises Unavailable."""
        tables: dict[str, list[Row]] = {}
        for name in FILES:
            listed = manifest.files.get(name)
            content = self._archive.read(f"{manifest.path}/{name}.parquet")
            if content is None or listed is None:
                yield Finding(manifest.name, name, "the file is missing")
                continue
            if sha256(content).hexdigest() != listed.sha256:
                yield Finding(manifest.name, name, "its SHA-256 differs from the manifest")
                continue
            try:
                table = read_parquet(content)
            except (OSError, pa.ArrowException) as error:
                yield Finding(manifest.name, name, f"it cannot be read: {describe_error(error)}")
                continue
            if table.num_rows != listed.rows:
                yield Finding(manifest.name, name, f"it has {table.num_rows:,} rows")
            self.rows += table.num_rows
            if name != "events":
                tables[name] = _rows(table)
        self._spans.append((manifest.start, manifest.end))
        if manifest.late:
            self._late.append(manifest)
        if len(tables) == len(FILES) - 1:
            self._checked.append(manifest)
            yield from self._compare(manifest, tables)

    def finish(self) -> Iterator[Finding]:
        """Yield a finding for each missing hour, and for each interval that lacks calls.

        Raises Unavailable.
        """
        backfilled = {
            name: (start, manifest)
            for manifest in reversed(self._late)
            for name, start in zip(manifest.late, late_hours(manifest), strict=True)
        }
        for name, (start, manifest) in sorted(backfilled.items()):
            is_there = any(begin < start + HOUR_MS and end > start for begin, end in self._spans)
            if not is_there and self._is_expected(name, manifest):
                yield Finding(
                    name, "manifest", "the hour is missing, but later hours have its events"
                )
        self._checked.sort(key=_start)  # after a change of the time zone, dates can overlap
        for slot, found in sorted(self._calls.items(), key=lambda one: (str(one[0][0]), one[0][1])):
            service, start = slot
            if service is None or not self._is_settled(start):
                continue  # counted in an hour that the archive lacks, or not counted
            counted = self._counted.get(slot, {})
            for name in _CALL_FIGURES:
                if found[name] > counted.get(name, 0):
                    yield Finding(
                        self._hours.get(slot, "?"),
                        "service_intervals",
                        f"service {service}: {name} is {counted.get(name, 0):,}, but"
                        f" {found[name]:,} according to calls",
                    )

    def _is_expected(self, name: str, late_in: HourManifest) -> bool:
        """Return whether an hour was sealed after its late events arrived in ``late_in``.

        The log had the hour if it had all hours of the day on which the events arrived.
        """
        client = f"client={late_in.client}"
        day, number = name.split("/")
        if date.fromisoformat(day).toordinal() < date.fromisoformat(late_in.date).toordinal() - 1:
            return False  # the figures no longer counted this day
        if self._archive.manifest(f"{client}/date={day}/hour={number}") is not None:
            return False
        arrived, own = (self._day(f"{client}/date={one}") for one in (late_in.date, day))
        known_missing = own is not None and int(number) in own.missing
        return arrived is not None and arrived.complete and not known_missing

    def _day(self, path: str) -> DayManifest | None:
        content = self._archive.read(f"{path}/{DAY_MANIFEST}")
        return None if content is None else read_day(content, path)

    def _is_settled(self, start: int) -> bool:
        """Return whether a slot is in an archived hour that includes all of its late events."""
        index = bisect_right(self._checked, start, key=_start) - 1
        if index < 0 or start >= self._checked[index].end:
            return False
        hour = self._checked[index]
        if hour.name not in self._settled:
            late_cut = late_until((hour.start, hour.end), self._late)
            self._settled[hour.name] = late_cut <= hour.cut
        return self._settled[hour.name]

    def _compare(self, manifest: HourManifest, tables: dict[str, list[Row]]) -> Iterator[Finding]:
        agents: Counter[tuple[Any, ...]] = Counter()
        services: Counter[tuple[Any, ...]] = Counter()
        for row in tables["agent_intervals"]:
            for state, name in STATE_COLUMNS.items():
                agents[row["agentId"], row["serviceId"], name] += row[name]
                if row["serviceId"] is not None:
                    column = _TIME_COLUMNS.get(state, "otherTimeMs")
                    services[row["serviceId"], row["start"], column] += row[name]
        states: Counter[tuple[Any, ...]] = Counter()
        for row in tables["agent_states"]:
            name = _COLUMN_OF_STATE[row["state"]]
            states[row["agentId"], row["serviceId"], name] += row["end"] - row["begin"]
        totals: Counter[tuple[Any, ...]] = Counter()
        for row in tables["service_intervals"]:
            for column in {*_TIME_COLUMNS.values(), "otherTimeMs"}:
                totals[row["serviceId"], row["start"], column] += row[column]
            slot = (row["serviceId"], row["start"])
            self._counted[slot] = row
            self._hours[slot] = manifest.name
        for key, spent, expected in _differences(agents, states):
            yield Finding(
                manifest.name,
                "agent_intervals",
                f"agent {key[0]}, service {key[1]}: {key[2]} is {spent:,}, but {expected:,}"
                " according to agent_states",
            )
        for key, spent, expected in _differences(totals, services):
            yield Finding(
                manifest.name,
                "service_intervals",
                f"service {key[0]}: {key[2]} is {spent:,}, but {expected:,}"
                " according to agent_intervals",
            )
        calendar = Calendar(manifest.time_zone)
        for slot, counted in count_calls(tables["calls"], calendar).items():
            self._calls[slot].update(counted)


def _differences(
    found: Counter[tuple[Any, ...]], expected: Counter[tuple[Any, ...]]
) -> Iterator[tuple[tuple[Any, ...], int, int]]:
    for key in {*found, *expected}:
        if found[key] != expected[key]:
            yield key, found[key], expected[key]


def _rows(table: pa.Table) -> list[Row]:
    """Return the table's rows, with times in ms."""
    columns = {}
    for field in table.schema:
        column = table.column(field.name)
        if pa.types.is_timestamp(field.type):
            column = column.cast(pa.int64())
        columns[field.name] = column.to_pylist()
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _by_call(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield the segments of each call, which are adjacent in a file."""
    segments: list[Row] = []
    for row in rows:
        key = row["transactionId"], row["sessionId"]
        if segments and key != (segments[0]["transactionId"], segments[0]["sessionId"]):
            yield segments
            segments = []
        segments.append(row)
    if segments:
        yield segments


def _start(manifest: HourManifest) -> int:
    return manifest.start


def count_calls(rows: Iterable[Row], calendar: Calendar) -> dict[_Slot, Counter[str]]:
    """Return the figures for rows of ``calls``, by service and five-minute interval."""
    found: dict[_Slot, Counter[str]] = defaultdict(Counter)
    for segments in _by_call(rows):
        _count(segments, calendar, found)
    return found


def _count(segments: list[Row], calendar: Calendar, counts: dict[_Slot, Counter[str]]) -> None:
    """Count one call at each of its services, once per day (``docs/metrics.md``)."""
    offered: dict[tuple[int, int | None], int] = {}
    answered: dict[tuple[int, int | None], Row] = {}
    abandoned: dict[tuple[int, int | None], Row] = {}
    for row in segments:
        if row["outcome"] == "none":
            continue
        service = row.get("serviceId")
        began = row["answered"] if row["joined"] is None else row["joined"]
        end = _wait_end(row)
        for day in range(calendar.day_of(began), calendar.day_of(end) + 1):
            at = max(began, calendar.bounds(day)[0])
            offered[day, service] = min(at, offered.get((day, service), at))
        by_outcome = {"handled": answered, "abandoned": abandoned}.get(row["outcome"])
        if by_outcome is not None:
            by_outcome.setdefault((calendar.day_of(end), service), row)
    for (_, service), at in offered.items():
        counts[_slot(service, at, calendar)]["offered"] += 1
    for (_, service), row in answered.items():
        counts[_slot(service, row["answered"], calendar)]["handled"] += 1
        if row["left"] is not None:
            slot = counts[_slot(service, row["left"], calendar)]
            slot["talks"] += 1
            slot["talkMs"] += row["talkMs"]
    for (day, service), row in abandoned.items():
        if (day, service) not in answered:
            counts[_slot(service, row["left"], calendar)]["abandoned"] += 1


def _wait_end(row: Row) -> int:
    end: int | None = row["left"] if row["answered"] is None else row["answered"]
    if end is None:  # the call expired in the queue
        end = row["expired"] - 1
    return end


def _slot(service: int | None, at: int, calendar: Calendar) -> _Slot:
    midnight = calendar.bounds(calendar.day_of(at))[0]
    return service, midnight + (at - midnight) // SLOT_MS * SLOT_MS
