"""Creates reports on service intervals, agent intervals and calls, sealed or not."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import duckdb
import pyarrow as pa
from msgspec.structs import replace

from floorcast.archive.answers import (
    AgentInterval,
    AgentReport,
    ArchivedCall,
    CallReport,
    MissingHour,
    ServiceReport,
)
from floorcast.archive.gathering import GatheredRows, find_rows, gather
from floorcast.archive.jobs import CallCursor, ClientSpan, ReportJob
from floorcast.archive.schemas import AGENT_CALLS, COUNTERS, REASONS, moved_on_column
from floorcast.archive.storage import Archive
from floorcast.floor.days import Calendar
from floorcast.floor.directory import NO_SERVICE
from floorcast.floor.intervals import COLUMNS, MOVED_ON, SLOT_MS, Column
from floorcast.model.person import SAME_CALL_MS
from floorcast.site.configuration import Service
from floorcast.statistics.agent_stats import ServiceFigures
from floorcast.statistics.interval_rows import ServiceInterval, interval_row

__all__ = ["agent_report", "call_report", "service_report"]

CONFIG: dict[str, str | bool | int | float | list[str]] = {"threads": 2, "memory_limit": "1GB"}

FIRST_CALLS_MS = 2 * 86_400_000  # days that are read first for a page, which may suffice

_SUMS = (*COUNTERS, *(moved_on_column(reason) for reason in MOVED_ON))
_NOT_READY = [f"notReady{reason[0].upper()}{reason[1:]}Ms" for reason in REASONS]
_AGENT_SUMS = (
    *AGENT_CALLS, "readyMs", "wrapUpMs", "inCallMs", "holdMs", "transferringMs", *_NOT_READY
)  # fmt: skip

_JOIN = "FROM rows t JOIN slots b ON epoch_ms(t.start) = b.slot"


def service_report(job: ReportJob, archive: Archive) -> ServiceReport:
    """Return the figures of services by interval. Raises Unavailable."""
    rows: list[ServiceInterval] = []
    missing: list[MissingHour] = []
    for span in job.spans:
        _widen(span, job.interval * 1000)
        gathered = gather(job, span, archive, "service_intervals")
        missing += gathered.missing
        rows += _services(job, span, gathered)
    rows.sort(key=lambda row: (row.start, int(row.service_id)))
    return ServiceReport(rows, missing, job.now)


def _widen(span: ClientSpan, width: int) -> None:
    """Extend the span to whole intervals, or to whole days if ``width`` is 0."""
    calendar = Calendar(span.time_zone)
    begin = calendar.bounds(calendar.day_of(span.start))[0]
    last_begin, last_end = calendar.bounds(calendar.day_of(span.end - 1))
    if width:
        begin += (span.start - begin) // width * width
        last_end = min(last_begin - (last_begin - span.end) // width * width, last_end)
    span.start, span.end = begin, last_end


def _services(job: ReportJob, span: ClientSpan, gathered: GatheredRows) -> list[ServiceInterval]:
    sums = ", ".join(f'sum("{name}")::BIGINT AS "{name}"' for name in _SUMS)
    with _connect(job, span, gathered) as connection:
        counted = _fetch(
            connection,
            f"SELECT serviceId, b.bucket AS bucket, any_value(b.dayEnd) AS dayEnd, {sums},"
            f" max(agentsMax) AS agentsMax, max(queueMax) AS queueMax {_JOIN}"
            " GROUP BY serviceId, bucket ORDER BY bucket, serviceId",
        )
        waits = {
            (row["serviceId"], row["bucket"]): (row["p50"], row["p90"], row["longest"])
            for row in _fetch(
                connection,
                "SELECT serviceId, bucket, quantile_disc(wait, 0.5) AS p50,"  # noqa: S608 -- as above
                " quantile_disc(wait, 0.9) AS p90, max(wait) AS longest FROM"
                f" (SELECT serviceId, b.bucket AS bucket, unnest(t.waits) AS wait {_JOIN})"
                " GROUP BY serviceId, bucket",
            )
        }
    services = {service.id: service for service in span.service_details}
    found = []
    for row in counted:
        service = services.get(row["serviceId"]) or Service(id=row["serviceId"], name="-")
        numbers = [0] * COLUMNS
        for name, column in COUNTERS.items():
            numbers[column] = row[name]
        for index, reason in enumerate(MOVED_ON):
            numbers[Column.MOVED_ON + index] = row[moved_on_column(reason)]
        start, end, complete = _bounds(job, row)
        maxima = (row["agentsMax"], row["queueMax"])
        wait_figures = waits.get((row["serviceId"], row["bucket"]), (0, 0, 0))
        found.append(interval_row(service, (start, end, complete), numbers, wait_figures, maxima))
    return found


def agent_report(job: ReportJob, archive: Archive) -> AgentReport:
    """Return the figures of agents by interval. Raises Unavailable."""
    rows: list[tuple[int, int, AgentInterval]] = []
    missing: list[MissingHour] = []
    for span in job.spans:
        _widen(span, job.interval * 1000)
        gathered = gather(job, span, archive, "agent_intervals")
        missing += gathered.missing
        rows += _agents(job, span, gathered)
    rows.sort(key=lambda row: row[:2])
    return AgentReport([row[2] for row in rows], missing, job.now)


def _agents(
    job: ReportJob, span: ClientSpan, gathered: GatheredRows
) -> list[tuple[int, int, AgentInterval]]:
    sums = ", ".join(f'sum("{name}")::BIGINT AS "{name}"' for name in _AGENT_SUMS)
    with _connect(job, span, gathered) as connection:
        counted = _fetch(
            connection,
            f"SELECT agentId, serviceId, b.bucket AS bucket, any_value(b.dayEnd) AS dayEnd,"
            " arg_max(agentLoginId, t.start) AS login, arg_max(agentName, t.start) AS name,"
            f" {sums} {_JOIN} GROUP BY agentId, serviceId, bucket"
            " ORDER BY bucket, agentId, serviceId NULLS FIRST",
        )
    agents: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for row in counted:
        agents[row["bucket"], row["agentId"]].append(row)
    found = []
    for (start, agent), rows in agents.items():
        services = [_figures(row, span) for row in rows]
        last = rows[-1]
        interval = AgentInterval(
            *_bounds(job, last), services, last["name"] or last["login"], last["login"]
        )
        found.append((start, agent, interval))
    return found


def _figures(row: dict[str, Any], span: ClientSpan) -> ServiceFigures:
    not_ready = [row[name] // 1000 for name in _NOT_READY]
    center = span.call_centers.get(row["serviceId"])
    numbers: tuple[int, ...] = (
        row["inboundCalls"],
        row["outboundCalls"],
        row["readyMs"] // 1000,
        sum(not_ready),
        *not_ready,
        row["wrapUpMs"] // 1000,
        (row["inCallMs"] + row["holdMs"] + row["transferringMs"]) // 1000,
        *(row[name] for name in AGENT_CALLS[2:]),
    )
    return ServiceFigures(row["serviceId"], None if center is None else str(center), *numbers)


def call_report(job: ReportJob, archive: Archive) -> tuple[CallReport, CallCursor | None]:
    """Return a page of calls and, if more follow, the last call's cursor. Raises Unavailable."""
    missing: list[MissingHour] = []
    found: list[tuple[CallCursor, ArchivedCall]] = []
    for span in job.spans:
        after = job.after
        if after is not None:
            span.start = max(span.start, after.ended)
        rows = find_rows(job, span, archive, "calls")
        until = min(span.start + FIRST_CALLS_MS, span.end)
        while True:
            # a call that expired before ``until`` can continue in a later hour
            gathered = rows.read(until + SAME_CALL_MS)
            page_rows = _calls(job, replace(span, end=until), gathered)
            if len(page_rows) > job.count or until == span.end:
                break
            until = min(until + 4 * (until - span.start), span.end)
        missing += gathered.missing
        found += page_rows
    found.sort(key=lambda one: one[0].sort_key())
    page = found[: job.count]
    more = len(found) > job.count
    return CallReport([call for _, call in page], None, missing, job.now), (
        page[-1][0] if more else None
    )


def _calls(
    job: ReportJob, span: ClientSpan, gathered: GatheredRows
) -> list[tuple[CallCursor, ArchivedCall]]:
    connection = duckdb.connect(config=CONFIG)
    connection.execute("SET TimeZone = 'UTC'")
    _make_rows(connection, span, gathered)
    # A call can expire in a sealed hour and continue afterward, until the hour is corrected.
    query = """
        WITH continued AS (
            SELECT old.transactionId, old.sessionId, old.expired
            FROM rows old JOIN rows new USING (transactionId, sessionId)
            WHERE old.expired IS NOT NULL AND coalesce(new.ended, new.expired) > old.expired
                AND epoch_ms(coalesce(new.ended, new.expired)) < epoch_ms(old.expired) + $same_call
        )
        SELECT * EXCLUDE (started, joined, answered, "left", ended, expired),
            epoch_ms(coalesce(ended, expired)) AS overMs, epoch_ms(ended) AS endedMs,
            epoch_ms(expired) AS expiredMs, epoch_ms(joined) AS joinedMs,
            epoch_ms(answered) AS answeredMs, epoch_ms("left") AS leftMs
        FROM rows
        WHERE overMs >= $start AND overMs < $end
            AND (expired IS NULL
                OR (transactionId, sessionId, expired) NOT IN (SELECT * FROM continued))
            AND ($outcome IS NULL OR outcome = $outcome)
            AND ($agent IS NULL OR agentLoginId = $agent)
            AND ($after IS NULL OR (overMs, $client, transactionId, sessionId, segment)
                > ($after, $after_client, $transaction, $session, $segment))
        ORDER BY overMs, transactionId, sessionId, segment
        LIMIT $count
    """
    after = job.after or CallCursor(0, 0, "", "", 0)
    values = {
        "start": span.start, "end": span.end, "outcome": job.outcome, "agent": job.agent,
        "after": None if job.after is None else after.ended, "client": span.client,
        "after_client": after.client, "transaction": after.transaction,
        "session": after.session, "segment": after.segment, "count": job.count + 1,
        "same_call": SAME_CALL_MS,
    }  # fmt: skip
    rows = _as_dicts(connection.execute(query, values))
    connection.close()
    return [
        (
            CallCursor(
                row["overMs"], span.client, row["transactionId"], row["sessionId"], row["segment"]
            ),
            ArchivedCall(
                row["transactionId"], row["sessionId"], span.client, row["serviceId"],
                row["campaignId"], row["direction"], row["phone"], row["account"],
                row["joinedMs"], row["answeredMs"], row["leftMs"], row["endedMs"],
                row["expiredMs"], row["outcome"],
                _seconds(row["waitMs"]), _seconds(row["talkMs"]), row["agentLoginId"],
                row["lvResult"], row["termCode"],
            ),
        )
        for row in rows
    ]  # fmt: skip


def _seconds(ms: int | None) -> int | None:
    return None if ms is None else ms // 1000


def _connect(job: ReportJob, span: ClientSpan, gathered: GatheredRows) -> duckdb.DuckDBPyConnection:
    """Return a database with the ``rows`` of a span and the ``slots`` of its intervals."""
    slots = _slots(job, span)
    connection = duckdb.connect(config=CONFIG)
    connection.execute("SET TimeZone = 'UTC'")
    _make_rows(connection, span, gathered)
    connection.register("slots", slots)
    return connection


def _slots(job: ReportJob, span: ClientSpan) -> pa.Table:
    """Return the span's five-minute slots, with the interval's start and the end of the day."""
    calendar, width = Calendar(span.time_zone), job.interval * 1000
    found: dict[str, list[int]] = {"slot": [], "bucket": [], "dayEnd": []}
    last = max(min(span.end, job.now + 1) - 1, span.start)
    for day in range(calendar.day_of(span.start), calendar.day_of(last) + 1):
        begin, end = calendar.bounds(day)
        for slot in range(begin, end, SLOT_MS):
            if span.start <= slot < span.end:
                found["slot"].append(slot)
                found["bucket"].append(begin + (slot - begin) // width * width if width else begin)
                found["dayEnd"].append(end)
    return pa.table({name: pa.array(values, pa.int64()) for name, values in found.items()})


def _make_rows(
    connection: duckdb.DuckDBPyConnection, span: ClientSpan, gathered: GatheredRows
) -> None:
    """Create the view ``rows``, with the files' rows that the user may see and the log's rows."""
    connection.register("recent", gathered.table)
    union = ""
    if gathered.files:
        connection.read_parquet(gathered.files).create_view("sealed")
        service_ids = ", ".join(str(int(service)) for service in span.services)
        unknown = " OR serviceId IS NULL" if NO_SERVICE in span.services else ""
        union = (
            f" UNION ALL BY NAME SELECT * FROM sealed WHERE serviceId IN ({service_ids}){unknown}"  # noqa: S608 -- numbers
        )
    connection.execute(f"CREATE VIEW rows AS SELECT * FROM recent{union}")  # noqa: S608 -- ours


def _fetch(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    return _as_dicts(connection.execute(query))


def _as_dicts(result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _bounds(job: ReportJob, row: dict[str, Any]) -> tuple[int, int, bool]:
    start, end = row["bucket"], row["dayEnd"]
    if job.interval:
        end = min(start + job.interval * 1000, end)
    return start, end, end <= job.now
