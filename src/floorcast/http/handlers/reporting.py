"""The handlers of reports, which cover past and present (section 14 of the contract)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import date, datetime, time, tzinfo
from typing import Annotated, ClassVar, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from floorcast.archive.jobs import CallCursor, ClientSpan, ReportJob, ReportReply
from floorcast.archive.work import report
from floorcast.floor.view import NO_SERVICE, FloorView, Service
from floorcast.http.openapi.schemas import one_of, text_or_null, time_or_ms
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Content, Response
from floorcast.model.errors import InvalidParameter, MissingParameter, NotFound
from floorcast.model.filter_parsing import ServiceConditions
from floorcast.model.token import to_ms
from floorcast.statistics.requests import MAX_TIME_MS, read_service_filter, read_time
from floorcast.statistics.visibility import Scope, Visibility

__all__ = ["CallRequest", "ReportRequest", "agents", "calls", "services"]

MAX_DAYS = 31
MAX_REPORT_SERVICES = 150  # from the vendor's Reporting API
REPORT_INTERVALS = (900, 1800, 3600, "day")
DAY_MS = 86_400_000
FIRST_MS = -DAY_MS  # 1970 begins before 0 in the zones east of Greenwich
CLOCK_CHANGE_MS = 2 * 3_600_000  # a month can be this much longer if the clocks change
MAX_CALLS = 1000  # per page
MAX_CHARACTERS = 1024  # characters of a cursor, and of a login id

Outcome = Literal["handled", "abandoned", "movedOn", "open", "none"]
_reply_decoder = msgspec.msgpack.Decoder(ReportReply)
_cursor_decoder = msgspec.json.Decoder(CallCursor)


class SpanRequest(Struct):
    """The services and the span of time to report on.

    Without a filter, the report covers all services that the user can see. ``from`` and ``to`` are
    points in time, or dates in the client's time zone, both inclusive.
    """

    required: ClassVar[tuple[str, ...]] = ("from", "to")

    filter: Annotated[object, one_of(ServiceConditions, None)] = None
    begin: Annotated[object, time_or_ms(MAX_TIME_MS)] = msgspec.field(default=None, name="from")
    to: Annotated[object, time_or_ms(MAX_TIME_MS)] = None


class ReportRequest(SpanRequest):
    """The services, the span of time, and the length of an interval.

    The length is 900, 1800 or 3600 seconds, or ``day``.
    """

    interval: Annotated[object, Meta(extra_json_schema={"enum": list(REPORT_INTERVALS)})] = "day"


class CallRequest(SpanRequest, rename="camel"):
    """The services, the span of time, further conditions, and the previous page's cursor."""

    agent_login_id: Annotated[object, text_or_null(MAX_CHARACTERS)] = None
    outcome: Annotated[object, Meta(extra_json_schema={"enum": [*get_args(Outcome), None]})] = None
    cursor: Annotated[object, text_or_null(MAX_CHARACTERS)] = None


async def services(context: RequestContext) -> Response:
    """Return the services' figures by interval."""
    request = await context.json(ReportRequest)
    job = _job(context, request, "service")
    job.interval = _read_interval(request.interval)
    return await _run_report(context, job)


async def agents(context: RequestContext) -> Response:
    """Return the agents' figures by interval."""
    request = await context.json(ReportRequest)
    job = _job(context, request, "agent")
    job.interval = _read_interval(request.interval)
    return await _run_report(context, job)


async def calls(context: RequestContext) -> Response:
    """Return one page of the calls that ended in the span."""
    request = await context.json(CallRequest)
    job = _job(context, request, "calls")
    job.agent = _read_text(request.agent_login_id, "agentLoginId")
    job.outcome = _read_text(request.outcome, "outcome")
    if job.outcome is not None and job.outcome not in get_args(Outcome):
        raise InvalidParameter("outcome must be handled, abandoned, movedOn, open or none")
    job.count = MAX_CALLS
    job.after = _read_cursor(request.cursor)
    return await _run_report(context, job)


def _job(
    context: RequestContext, request: SpanRequest, kind: Literal["service", "agent", "calls"]
) -> ReportJob:
    services, session = context.services, context.session
    reporting = services.reporting
    if not reporting.archive or reporting.folder is None:
        raise NotFound("this server keeps no archive: to switch it on, use the setting archive")
    views = [FloorView(services.floor_of(client).floor) for client in session.visible_clients]
    visibility = Visibility(views, session.call_centers, listed=session.services)
    scopes = visibility.scopes(read_service_filter(request.filter))
    count = sum(service != NO_SERVICE for scope in scopes for service in scope.services)
    if count > MAX_REPORT_SERVICES:
        raise InvalidParameter(
            f"the report covers {count:,} services: name at most {MAX_REPORT_SERVICES} in filter"
        )
    now = to_ms(services.now())
    return ReportJob(
        kind=kind,
        folder=str(reporting.folder),
        archive=reporting.archive,
        spans=[_span(context, scope, request) for scope in scopes if scope.services],
        now=now,
        limits=reporting.limits,
        personal=reporting.personal,
        key=reporting.key,
    )


def _span(context: RequestContext, scope: Scope, request: SpanRequest) -> ClientSpan:
    view = scope.view
    zone = context.services.zone(view.client)
    start, end = (
        _read_moment(request.begin, "from", zone),
        _read_moment(request.to, "to", zone, until=True),
    )
    if end <= start:
        raise InvalidParameter("to must be after from")
    if end - start > MAX_DAYS * DAY_MS + CLOCK_CHANGE_MS:
        raise InvalidParameter(f"from and to are more than {MAX_DAYS} days apart")
    centers = {service: view.call_center_of(service) for service in scope.services}
    return ClientSpan(
        client=view.client,
        time_zone=str(zone),
        start=start,
        end=end,
        services=list(scope.services),
        service_details=_service_details(scope.services, view),
        call_centers={service: one for service, one in centers.items() if one is not None},
    )


def _service_details(services: Sequence[int], view: FloorView) -> list[Service]:
    return [view.services[service] for service in services if service in view.services]


def _read_moment(value: object, name: str, zone: tzinfo, *, until: bool = False) -> int:
    """Return a date's first ms (with ``until``, the next day's), or a point in time in ms."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise MissingParameter(f"{name} is missing")
    if isinstance(value, str) and len(value) == len("2026-11-26"):
        moment = _read_date(value, zone, until=until)
    else:
        moment = read_time(value, zone)
    if moment is None or not FIRST_MS <= moment <= MAX_TIME_MS // 100:
        raise InvalidParameter(
            f"{name} must be a date (2026-11-26) or a time from 1970 on: milliseconds, or ISO 8601"
        )
    return moment


def _read_date(value: str, zone: tzinfo, *, until: bool) -> int | None:
    try:
        day = date.fromisoformat(value).toordinal() + until
        return int(datetime.combine(date.fromordinal(day), time(), zone).timestamp() * 1000)
    except (ValueError, OverflowError):
        return read_time(value, zone)


def _read_interval(value: object) -> int:
    if value == "day":
        return 0
    if isinstance(value, int) and value in REPORT_INTERVALS:
        return value
    raise InvalidParameter('interval must be 900, 1800 or 3600 seconds, or "day"')


def _read_text(value: object, name: str) -> str | None:
    if value is None or (isinstance(value, str) and len(value) <= MAX_CHARACTERS):
        return value
    raise InvalidParameter(f"{name} must be a string of at most {MAX_CHARACTERS} characters")


def _read_cursor(cursor: object) -> CallCursor | None:
    if cursor is None:
        return None
    if isinstance(cursor, str) and cursor.isascii() and len(cursor) <= MAX_CHARACTERS:
        try:
            return _cursor_decoder.decode(base64.urlsafe_b64decode(cursor))
        except (binascii.Error, ValueError, msgspec.MsgspecError):
            pass
    raise InvalidParameter("cursor must come from the previous page; omit it for the first page")


async def _run_report(context: RequestContext, job: ReportJob) -> Response:
    pool = context.services.reporting.workers
    client = context.session.client
    reply = _reply_decoder.decode(await pool.run(client, report, msgspec.msgpack.encode(job)))
    body = reply.body
    if reply.last is not None:
        cursor = base64.urlsafe_b64encode(msgspec.json.encode(reply.last)).decode()
        body = msgspec.json.encode({**msgspec.json.decode(body), "cursor": cursor})
    return Response(200, Content(body))
