"""Gathers the rows of a span from sealed hours and, for unsealed hours, from the log."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from math import inf
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds

from floorcast.archive.answers import MissingHour
from floorcast.archive.backfill import backfill_begin
from floorcast.archive.call_rows import Row, call_rows, row_end_ms
from floorcast.archive.coverage import SealedHour, first_sealed_ms, sealed_hours_of, uncovered
from floorcast.archive.hour_fold import EventsRemoved, HourFold, fold_hour
from floorcast.archive.hours import Hour, hours_between
from floorcast.archive.interval_rows import agent_interval_rows, service_interval_rows
from floorcast.archive.jobs import ClientSpan, ReportJob
from floorcast.archive.personal import treatment
from floorcast.archive.schemas import SCHEMAS
from floorcast.archive.storage import Archive
from floorcast.archive.stored_floor import StoredFloor
from floorcast.archive.tables import make_table
from floorcast.floor.days import Calendar
from floorcast.floor.directory import NO_SERVICE
from floorcast.model.errors import Unavailable
from floorcast.model.system_errors import describe_error
from floorcast.model.token import to_ms

__all__ = ["GatheredRows", "SpanRows", "find_rows", "gather"]


class GatheredRows(NamedTuple):
    """The rows of a client's span. Some are in ``files`` on disk, and the others are in ``table``.

    ``missing`` has the hours that are neither in the archive nor in the log.
    """

    files: list[str]
    table: pa.Table
    missing: list[MissingHour]


class SpanRows:
    """A span's rows of the kind ``name``. ``hours`` are its sealed hours.

    ``recent`` has the log's rows, and ``missing`` the hours that are nowhere.
    """

    def __init__(
        self,
        archive: Archive,
        name: str,
        span: ClientSpan,
        hours: Sequence[SealedHour],
        recent: pa.Table,
        missing: list[MissingHour],
    ) -> None:
        self._archive, self._name, self._services = archive, name, span.services
        self._hours = deque(sorted(hours, key=lambda hour: hour.start))
        self._tables = [recent]
        self._files: list[str] = []
        self._missing = missing

    def read(self, until: float = inf) -> GatheredRows:
        """Return the rows of the log and of the sealed hours that begin before ``until`` (ms).

        A bucket's files are read only once. Raises Unavailable.
        """
        archive, hours = self._archive, []
        while self._hours and self._hours[0].start < until:
            hours.append(self._hours.popleft())
        if archive.in_folder:
            self._files += [f"{archive.root}/{hour.path}/{self._name}.parquet" for hour in hours]
        elif hours:
            self._tables.append(_read(archive, hours, self._name, self._services))
        return GatheredRows(self._files, pa.concat_tables(self._tables), self._missing)


def find_rows(job: ReportJob, span: ClientSpan, archive: Archive, name: str) -> SpanRows:
    """Find a span's rows of the kind ``name``, and read those of the log. Raises Unavailable."""
    calendar = Calendar(span.time_zone)
    end = min(span.end, job.now + 1)
    hours = list(hours_between(span.client, span.start, end, calendar))
    sealed = sealed_hours_of(archive, span.client, hours[0].start, hours[-1].end) if hours else []
    unsealed = list(uncovered(hours, ((hour.start, hour.end) for hour in sealed)))
    rows, missing_hours = _rows_from_log(job, span, unsealed, name, archive)
    missing = [MissingHour(span.client, hour.start, hour.end) for hour in missing_hours]
    return SpanRows(archive, name, span, sealed, make_table(name, rows), missing)


def gather(job: ReportJob, span: ClientSpan, archive: Archive, name: str) -> GatheredRows:
    """Return all of a span's rows of the kind ``name``. Raises Unavailable."""
    return find_rows(job, span, archive, name).read()


def _read(
    archive: Archive, hours: Sequence[SealedHour], name: str, services: Collection[int]
) -> pa.Table:
    service_ids = pa.array(sorted(services), pa.int64())
    condition = ds.field("serviceId").isin(service_ids)
    if NO_SERVICE in services:
        condition |= ds.field("serviceId").is_null()
    schema, parquet = SCHEMAS[name], ds.ParquetFileFormat()
    try:
        files = [
            parquet.make_fragment(
                f"{archive.root}/{hour.path}/{name}.parquet",
                archive.files,
                file_size=hour.sizes.get(f"{name}.parquet"),  # saves a request for each file
            )
            for hour in hours
        ]
        found = ds.FileSystemDataset(files, schema, parquet, archive.files)
        columns = [field.name for field in schema]
        table: pa.Table = found.to_table(columns=columns, filter=condition)
    except (OSError, pa.ArrowException) as error:
        raise Unavailable(f"the archive cannot be read: {describe_error(error)}") from error
    return table


def _rows_from_log(
    job: ReportJob, span: ClientSpan, unsealed: list[Hour], name: str, archive: Archive
) -> tuple[list[Row], list[Hour]]:
    """Fold unsealed hours from the log. Returns their rows and the missing hours."""
    found: list[Row] = []
    missing_hours: list[Hour] = []
    services = set(span.services)
    if not unsealed:
        return found, missing_hours
    with StoredFloor(Path(job.folder), span.client) as source:
        first = source.first_at()
        if first is not None and not source.removed:
            missing_hours += _lost_with_an_earlier_log(unsealed, to_ms(first), archive)
            begin = backfill_begin(to_ms(first), Calendar(span.time_zone))
            unsealed = [hour for hour in unsealed if hour.end > begin]
        for hours in _groups(unsealed, job.now, name):
            rows, missing = _fold_rows(job, source, hours, name)
            found += (row for row in rows if row.get("serviceId", NO_SERVICE) in services)
            missing_hours += missing
    return found, missing_hours


def _lost_with_an_earlier_log(unsealed: list[Hour], first_ms: int, archive: Archive) -> list[Hour]:
    """Return the hours between an earlier log, which the archive proves, and this one."""
    before = [hour for hour in unsealed if hour.end <= first_ms]
    if not before:
        return []
    begin = first_sealed_ms(archive, before[0].client)
    return [hour for hour in before if begin is not None and begin < hour.start]


def _groups(hours: list[Hour], now: int, name: str) -> list[list[Hour]]:
    """Return the hours that can be folded in one pass.

    The floor drops a day's intervals at the end of the next day, so older days need passes of their
    own, which end before that time.
    """
    if name != "service_intervals":
        return [hours]
    days = {hour.day: hour.day_after_next <= now for hour in hours}
    recent = [hour for hour in hours if not days[hour.day]]
    old = [day for day, is_old in days.items() if is_old]
    return [*([hour for hour in hours if hour.day == day] for day in old), recent]


def _fold_rows(
    job: ReportJob, source: StoredFloor, hours: list[Hour], name: str
) -> tuple[Iterable[Row], list[Hour]]:
    """Fold hours in one pass. Returns their rows, and the first hours if they are missing."""
    # states last until now, and calls may end at this very ms
    until = job.now + 1 if name == "calls" else job.now
    for number, first in enumerate(hours):
        cut = job.now + 1
        if name == "service_intervals":
            cut = min(cut, hours[-1].day_after_next)
        whole = first._replace(end=min(hours[-1].end, until))
        try:
            fold = fold_hour(source, whole, cut, job.limits, keeps_events=False)
        except EventsRemoved:
            continue
        return _rows(fold, hours[number:], name, job), hours[:number]
    return (), hours


def _rows(fold: HourFold, hours: list[Hour], name: str, job: ReportJob) -> Iterable[Row]:
    bounds = {(hour.start, hour.end) for hour in hours}

    def is_wanted(at: int) -> bool:
        return any(start <= at < end for start, end in bounds)

    if name == "service_intervals":
        return (row for hour in hours for row in service_interval_rows(fold, hour))
    if name == "agent_intervals":
        return (row for row in agent_interval_rows(fold) if is_wanted(row["start"]))
    treat = treatment(job.personal, job.key)
    return (row for row in call_rows(fold, treat) if is_wanted(row_end_ms(row)))
