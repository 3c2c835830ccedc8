"""Gathers the rows of a span from sealed hours and, for unsealed hours, from the log."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds

from floorcast.archive.answers import MissingHour
from floorcast.archive.call_rows import Row, call_rows, over_ms
from floorcast.archive.hour_fold import Forgotten, HourFold, replay
from floorcast.archive.hours import Hour, hours_between
from floorcast.archive.interval_rows import agent_interval_rows, service_interval_rows
from floorcast.archive.jobs import ClientSpan, ReportJob
from floorcast.archive.personal import treatment
from floorcast.archive.schemas import SCHEMAS
from floorcast.archive.storage import Archive
from floorcast.archive.stored_floor import StoredFloor
from floorcast.archive.tables import table_of
from floorcast.floor.days import Calendar
from floorcast.floor.directory import NO_SERVICE
from floorcast.model.errors import Unavailable

__all__ = ["Gathered", "gather"]


class Gathered(NamedTuple):
    """The rows of a client's span. Some are in ``files`` on disk, and the others are in ``table``.

    ``missing`` has the hours that are neither in the archive nor in the log.
    """

    files: list[str]
    table: pa.Table
    missing: list[MissingHour]


def gather(job: ReportJob, span: ClientSpan, archive: Archive, name: str) -> Gathered:
    """Return a span's rows of the kind ``name``. Raises Unavailable."""
    calendar = Calendar(span.time_zone)
    end = min(span.end, job.now + 1)
    hours = list(hours_between(span.client, span.start, end, calendar))
    dates = set(archive.dates(span.client)) & {hour.date for hour in hours}
    sealed = {hour.path for hour in hours if hour.date in dates} & _sealed(
        archive, span.client, dates
    )
    left = [hour for hour in hours if hour.path not in sealed]
    schema = SCHEMAS[name]
    columns = [field.name for field in schema]
    tables = [schema.empty_table()]
    files = [f"{archive.root}/{path}/{name}.parquet" for path in sorted(sealed)]
    if files and not archive.in_folder:
        tables.append(_read(archive, files, name, columns, span.services))
    rows, gone = _of_log(job, span, left, name)
    tables.append(table_of(name, rows))
    missing = [MissingHour(span.client, hour.start, hour.end) for hour in gone]
    return Gathered(files if archive.in_folder else [], pa.concat_tables(tables), missing)


def _sealed(archive: Archive, client: int, dates: Iterable[str]) -> set[str]:
    return {path for date in sorted(dates) for path in archive.sealed(client, date)}


def _read(
    archive: Archive, files: list[str], name: str, columns: list[str], services: Collection[int]
) -> pa.Table:
    wanted = pa.array(sorted(services), pa.int64())
    chosen = ds.field("serviceId").isin(wanted)
    if NO_SERVICE in services:
        chosen |= ds.field("serviceId").is_null()
    try:
        found = ds.dataset(files, schema=SCHEMAS[name], format="parquet", filesystem=archive.files)
        table: pa.Table = found.to_table(columns=columns, filter=chosen)
    except (OSError, pa.ArrowException) as error:
        raise Unavailable(f"the archive cannot be read: {error}") from error
    return table


def _of_log(
    job: ReportJob, span: ClientSpan, left: list[Hour], name: str
) -> tuple[list[Row], list[Hour]]:
    """Fold unsealed hours from the log in one pass. Returns their rows and the missing hours."""
    gone: list[Hour] = []
    if not left:
        return [], gone
    with StoredFloor(Path(job.folder), span.client) as source:
        first = source.first_at()
        begins = None if first is None or source.removed else first // 10_000
        while left:
            if begins is not None and left[0].end <= begins:
                left = left[1:]  # before the client's first event
                continue
            # states last until now, and calls may end at this very ms
            until = job.now + 1 if name == "calls" else job.now
            whole = left[0]._replace(end=min(left[-1].end, until))
            try:
                done = replay(source, whole, job.now + 1, job.limits, keeps_events=False)
            except Forgotten:
                gone.append(left[0])
                left = left[1:]
                continue
            seen = set(span.services)
            rows = _rows(done, left, name, job)
            return [row for row in rows if row.get("serviceId", NO_SERVICE) in seen], gone
    return [], gone


def _rows(done: HourFold, hours: list[Hour], name: str, job: ReportJob) -> Iterable[Row]:
    wanted = {(hour.start, hour.end) for hour in hours}

    def within(at: int) -> bool:
        return any(start <= at < end for start, end in wanted)

    if name == "service_intervals":
        return (row for hour in hours for row in service_interval_rows(done, hour))
    if name == "agent_intervals":
        return (row for row in agent_interval_rows(done) if within(row["start"]))
    treat = treatment(job.personal, job.key)
    return (row for row in call_rows(done, treat) if within(over_ms(row)))
