"""The handlers of the statistics (sections 6, 7 and 11 of the contract), live or of the past.

A response is exact at one position in the log, which its ``Feed-Token`` header gives. A caller that
follows the feed from that token misses no event and counts none twice.
"""

from __future__ import annotations

import time
from typing import Annotated

from msgspec import Meta, Struct

from floorcast.floor.view import FloorView
from floorcast.http.as_of import answer_about_past, asks_about_past, earliest_at
from floorcast.http.openapi.schemas import moment_or_token, one_of, time_or_ms, whole_or_null
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Content, Headers, Response
from floorcast.model.filter_parsing import ServiceConditions
from floorcast.model.loop_turns import SLICE_SECONDS, take_turn
from floorcast.model.token import to_ms
from floorcast.statistics.answers import Method, Question, answer_steps
from floorcast.statistics.requests import (
    DEFAULT_INTERVAL,
    INTERVALS,
    MAX_LAST_SECONDS,
    MAX_TIME_MS,
    CampaignConditions,
    read_campaign_filter,
    read_changed_after,
    read_interval,
    read_last,
    read_service_filter,
)
from floorcast.statistics.visibility import Moment, Visibility

__all__ = [
    "CampaignRequest",
    "IntervalRequest",
    "StatisticsRequest",
    "StatusRequest",
    "alerts",
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


class StatisticsRequest(Struct):
    """The rows to return. Without a filter, the response has all rows that the user can see."""

    filter: Annotated[object, one_of(ServiceConditions, None)] = None
    at: Annotated[object, moment_or_token(MAX_TIME_MS)] = None


class IntervalRequest(StatisticsRequest):
    """The services to return, the length of an interval, and the span of time.

    The span is today, or a number of seconds up to now.
    """

    interval: Annotated[object, Meta(extra_json_schema={"enum": list(INTERVALS)})] = (
        DEFAULT_INTERVAL
    )
    last: Annotated[object, whole_or_null(1, MAX_LAST_SECONDS)] = None


class CampaignRequest(Struct):
    """The campaigns to return.

    Without a filter, the response has all of today's campaigns that the user can see.
    """

    filter: Annotated[object, one_of(CampaignConditions, None)] = None
    at: Annotated[object, moment_or_token(MAX_TIME_MS)] = None


class StatusRequest(StatisticsRequest, rename="camel"):
    """The agents to return, and the time after which an agent must have changed."""

    state_changed_after: Annotated[object, time_or_ms(MAX_TIME_MS)] = None


async def services(context: RequestContext) -> Response:
    """Return service statistics."""
    return await _service_statistics(context, "service/stats")


async def intervals(context: RequestContext) -> Response:
    """Return service statistics by interval."""
    request = await context.json(IntervalRequest)
    question = Question(
        "service/stats/intervals",
        interval=read_interval(request.interval),
        last=read_last(request.last),
        filter=read_service_filter(request.filter),
    )
    return await _answer(context, question, request.at)


async def stats(context: RequestContext) -> Response:
    """Return agent statistics."""
    return await _service_statistics(context, "service/agent/stats")


async def stats_ex(context: RequestContext) -> Response:
    """Return agent statistics by service."""
    return await _service_statistics(context, "service/agent/stats/ex")


async def status(context: RequestContext) -> Response:
    """Return the status of each agent who is logged in."""
    request = await context.json(StatusRequest)
    zone = context.services.zone(context.session.client)
    question = Question(
        "service/agents/status",
        changed_after=read_changed_after(request.state_changed_after, zone),
        filter=read_service_filter(request.filter),
    )
    return await _answer(context, question, request.at)


async def averages(context: RequestContext) -> Response:
    """Return agent averages."""
    return await _service_statistics(context, "service/agents/averages")


async def calls(context: RequestContext) -> Response:
    """Return the calls that are waiting for an agent."""
    return await _service_statistics(context, "service/calls/status")


async def connects(context: RequestContext) -> Response:
    """Return the right-party contacts of the last half hour."""
    return await _service_statistics(context, "service/liveConnects")


async def campaigns(context: RequestContext) -> Response:
    """Return campaign statistics."""
    request = await context.json(CampaignRequest)
    question = Question("campaign/stats", campaigns=read_campaign_filter(request.filter))
    return await _answer(context, question, request.at)


async def _service_statistics(context: RequestContext, method: Method) -> Response:
    request = await context.json(StatisticsRequest)
    question = Question(method, filter=read_service_filter(request.filter))
    return await _answer(context, question, request.at)


async def alerts(context: RequestContext) -> Response:
    """Return the alerts."""
    return await _answer(context, Question("alerts"), context.query.get("at"))


async def _answer(context: RequestContext, question: Question, at: object) -> Response:
    if asks_about_past(at):
        return await answer_about_past(context, question, at)
    async with context.services.answer_limits.building(context.session.client):
        return await _live_answer(context, question)


async def _live_answer(context: RequestContext, question: Question) -> Response:
    """Compute the current answer in slices of the loop's time."""
    services, session = context.services, context.session
    views = [FloorView(services.floor_of(client).floor) for client in session.visible_clients]
    now = services.now()
    visibility = Visibility(views, session.call_centers, listed=session.services)
    moment = Moment(to_ms(now), services.quiet_call_ms, services.quiet_agent_ms)
    through = services.floor_of(session.client).feeds["interaction"].through
    token = services.token_now(session.client, through)
    headers: Headers = (("feed-token", token),)
    newest = max(map(services.newest_event, session.visible_clients))
    if newest:
        headers += (("newest-event", str(to_ms(newest))),)
    earliest = earliest_at(services, session.client)
    if earliest is not None:
        headers += (("earliest-at", str(earliest)),)
    steps = answer_steps(question, visibility, moment, services.interval_cache)
    until = 0.0
    try:
        while True:
            if time.perf_counter() > until:
                await take_turn(session.client, for_answer=True)
                until = time.perf_counter() + SLICE_SECONDS
            next(steps)
    except StopIteration as end:
        return Response(200, Content(end.value), headers=headers)
    finally:
        steps.close()
