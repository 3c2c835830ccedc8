"""The statistics over HTTP (sections 6 and 7 of the contract).

A response is valid at one position in the log, given by its ``Feed-Token``: a caller that follows
the feed from there misses no event and counts none twice.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from floorcast.floor.view import FloorView
from floorcast.http.openapi.schemas import one_of, time_or_ms, whole_or_null
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Content, Headers, Response
from floorcast.model.filter_parsing import ServiceConditions
from floorcast.model.token import to_ms
from floorcast.statistics.agent_averages import Totals, agent_averages, averages_answer, summed
from floorcast.statistics.agent_stats import (
    AgentStatisticsAnswer,
    AgentStatisticsExAnswer,
    agent_statistics,
    agent_statistics_ex,
)
from floorcast.statistics.agent_status import AgentStatusAnswer, agent_status
from floorcast.statistics.campaign_stats import CampaignAnswer, campaign_statistics
from floorcast.statistics.consistent_scan import Slices
from floorcast.statistics.live_connects import live_connects
from floorcast.statistics.requests import (
    DEFAULT_INTERVAL,
    FAR,
    INTERVALS,
    MOST_LAST,
    CampaignConditions,
    read_campaign_filter,
    read_changed_after,
    read_interval,
    read_last,
    read_service_filter,
)
from floorcast.statistics.service_intervals import (
    IntervalAnswer,
    IntervalSpan,
    service_intervals,
)
from floorcast.statistics.service_stats import ServiceAnswer, service_stats
from floorcast.statistics.visibility import Moment, Scope, Visibility
from floorcast.statistics.waiting_calls import WaitingCallsAnswer, waiting_calls

__all__ = [
    "CampaignRequest",
    "IntervalRequest",
    "StatisticsRequest",
    "StatusRequest",
    "averages",
    "calls",
    "campaigns",
    "connects",
    "intervals",
    "services",
    "stats",
    "stats_ex",
    "status",
]

R = TypeVar("R")

_encoder = msgspec.json.Encoder()


class StatisticsRequest(Struct):
    """The rows to return. Without a filter, all that the user can see."""

    filter: Annotated[object, one_of(ServiceConditions, None)] = None


class IntervalRequest(StatisticsRequest):
    """The same, the length of an interval, and how far to look back: today, or some seconds."""

    interval: Annotated[object, Meta(extra_json_schema={"enum": list(INTERVALS)})] = (
        DEFAULT_INTERVAL
    )
    last: Annotated[object, whole_or_null(1, MOST_LAST)] = None


class CampaignRequest(Struct):
    """The campaigns to return. Without a filter, all of today's that the user can see."""

    filter: Annotated[object, one_of(CampaignConditions, None)] = None


class StatusRequest(StatisticsRequest, rename="camel"):
    """The same, and the time since which an agent's state must have changed."""

    state_changed_after: Annotated[object, time_or_ms(FAR)] = None


class _Asked:
    """A request at its moment: what its user sees, the present, and the place in the log."""

    def __init__(self, context: RequestContext) -> None:
        services, session = context.services, context.session
        views = [FloorView(services.floor_of(client).floor) for client in session.clients_seen]
        now = services.now()
        self.visibility = Visibility(views, session.call_centers, listed=session.services)
        self.moment = Moment(to_ms(now), services.quiet_call_ms, services.quiet_agent_ms)
        through = services.floor_of(session.client).feeds["interaction"].through
        token = services.token_now(session.client, through)
        self.headers: Headers = (("feed-token", token),)
        newest = max(map(services.newest_event, session.clients_seen))
        if newest:
            self.headers += (("newest-event", str(to_ms(newest))),)


async def services(context: RequestContext) -> Response:
    """Service statistics."""
    asked, scopes = await _services_asked(context)
    return await _rows(asked, ServiceAnswer([]), service_stats(scopes, asked.moment))


async def intervals(context: RequestContext) -> Response:
    """Service statistics by interval."""
    request = await context.json(IntervalRequest)
    span = IntervalSpan(read_interval(request.interval), read_last(request.last))
    wanted = read_service_filter(request.filter)
    asked = _Asked(context)
    rows = service_intervals(asked.visibility.scopes(wanted), asked.moment, span)
    return await _rows(asked, IntervalAnswer([], asked.moment.now), rows)


async def stats(context: RequestContext) -> Response:
    """Agent statistics."""
    asked, scopes = await _services_asked(context)
    return await _rows(asked, AgentStatisticsAnswer([]), agent_statistics(scopes, asked.moment))


async def stats_ex(context: RequestContext) -> Response:
    """Agent statistics, service by service."""
    asked, scopes = await _services_asked(context)
    return await _rows(
        asked, AgentStatisticsExAnswer([]), agent_statistics_ex(scopes, asked.moment)
    )


async def status(context: RequestContext) -> Response:
    """Agent status."""
    request = await context.json(StatusRequest)
    zone = context.services.zone(context.session.client)
    after = read_changed_after(request.state_changed_after, zone)
    wanted = read_service_filter(request.filter)
    asked = _Asked(context)
    rows = agent_status(asked.visibility.scopes(wanted), asked.moment, after)
    return await _rows(asked, AgentStatusAnswer([], asked.moment.now), rows)


async def averages(context: RequestContext) -> Response:
    """Agent averages."""
    asked, scopes = await _services_asked(context)
    totals: list[Totals] = []
    with agent_averages(scopes, asked.moment) as slices:
        for rows in slices:
            totals.append(summed(rows))
            await asyncio.sleep(0)
    return Response.of(averages_answer(totals, asked.moment), headers=asked.headers)


async def calls(context: RequestContext) -> Response:
    """The calls that wait for an agent."""
    asked, scopes = await _services_asked(context)
    empty = WaitingCallsAnswer([], str(asked.moment.now))
    return await _rows(asked, empty, waiting_calls(scopes, asked.moment))


async def connects(context: RequestContext) -> Response:
    """Right-party contacts of the last half hour."""
    asked, scopes = await _services_asked(context)
    return Response.of(live_connects(scopes, asked.moment), headers=asked.headers)


async def campaigns(context: RequestContext) -> Response:
    """Campaign statistics."""
    request = await context.json(CampaignRequest)
    wanted = read_campaign_filter(request.filter)
    asked = _Asked(context)
    rows = campaign_statistics(asked.visibility, wanted, asked.moment)
    return await _rows(asked, CampaignAnswer([]), rows)


async def _services_asked(context: RequestContext) -> tuple[_Asked, list[Scope]]:
    request = await context.json(StatisticsRequest)
    wanted = read_service_filter(request.filter)
    asked = _Asked(context)
    return asked, asked.visibility.scopes(wanted)


async def _rows(asked: _Asked, empty: Struct, slices: Slices[R]) -> Response:
    """The answer that is ``empty`` but for its rows, made a slice a turn of the loop."""
    pieces = []
    with slices:
        for rows in slices:
            if rows:
                pieces.append(_encoder.encode(rows)[1:-1])
            await asyncio.sleep(0)
    head, tail = _encoder.encode(empty).split(b"[]", 1)
    body = b"".join((head, b"[", b",".join(pieces), b"]", tail))
    return Response(200, Content(body), headers=asked.headers)
