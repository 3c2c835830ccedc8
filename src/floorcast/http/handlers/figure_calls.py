"""The handler for the calls behind a service's figure (section 12 of the contract)."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from floorcast.floor.view import FloorView
from floorcast.http.as_of import asks_about_past, past_page
from floorcast.http.openapi.schemas import moment_or_token, one_of, text_or_null, whole_or_null
from floorcast.http.page_cursors import MAX_CURSOR_CHARS, PageCursor, read_cursor, write_cursor
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Response
from floorcast.model.errors import InvalidParameter
from floorcast.model.filter_parsing import MAX_ID, read_id
from floorcast.model.loop_turns import take_turn
from floorcast.model.token import to_ms
from floorcast.statistics.as_of import PageQuestion
from floorcast.statistics.figure_calls import FigureCalls, FigureCallsAnswer, FigureSelection
from floorcast.statistics.figure_days import read_figure_day, read_figure_moment
from floorcast.statistics.requests import (
    FIGURES,
    LIVE_FIGURES,
    MAX_TIME_MS,
    OneService,
    ServiceFilter,
    read_figure,
    read_one_service,
)
from floorcast.statistics.visibility import Moment, Scope, Visibility

__all__ = ["FigureCallsRequest", "calls_behind"]


class FigureCallsRequest(Struct):
    """The service and figure whose calls to list, and the page to return.

    ``start`` and ``end`` are the bounds of an interval. Without them, the figure is today's.
    """

    required: ClassVar[tuple[str, ...]] = ("filter", "figure")

    filter: Annotated[object, one_of(OneService)] = None
    figure: Annotated[object, Meta(extra_json_schema={"anyOf": [{"enum": list(FIGURES)}]})] = None
    start: Annotated[object, whole_or_null(0, MAX_TIME_MS)] = None
    end: Annotated[object, whole_or_null(0, MAX_TIME_MS)] = None
    cursor: Annotated[object, text_or_null(MAX_CURSOR_CHARS)] = None
    client: Annotated[object, whole_or_null(0, MAX_ID)] = None
    at: Annotated[object, moment_or_token(MAX_TIME_MS)] = None


async def calls_behind(context: RequestContext) -> Response:
    """Return one page of the calls that a figure counts."""
    request = await context.json(FigureCallsRequest)
    if asks_about_past(request.at):
        return await _past_calls(context, request)
    async with context.services.answer_limits.building(context.session.client):
        return await _current_calls(context, request)


async def _current_calls(context: RequestContext, request: FigureCallsRequest) -> Response:
    service_filter, figure = read_one_service(request.filter), read_figure(request.figure)
    services, session = context.services, context.session
    scope = _scope(context, service_filter, request.client)
    client, (service,) = scope.view.client, scope.services
    moment = Moment(to_ms(services.now()), services.quiet_call_ms, services.quiet_agent_ms)
    request_key = (client, service, figure, request.start, request.end)
    cursor = read_cursor(request.cursor, request_key, services.token_secret)
    first_day = None if cursor is None else cursor.day
    day = read_figure_day(scope.view, moment, figure, (request.start, request.end), first_day)
    through = services.floor_of(session.client).feeds["interaction"].through
    token = services.token_now(session.client, through)
    live = figure in LIVE_FIGURES
    evicted = None if live else services.floor_of(client).evicted_calls(day.day, service)
    after = None if cursor is None else cursor.sort_key
    page = FigureCalls(scope, moment, FigureSelection(service, figure, *day, after), evicted)
    with closing(page):
        for _ in page:
            await take_turn(session.client, for_answer=True)
    next_cursor = None
    if page.last is not None:
        next_cursor = write_cursor(
            PageCursor(day.day, page.last), request_key, services.token_secret
        )
    answer = FigureCallsAnswer(page.calls, page.total, next_cursor)
    return Response.json(answer, headers=(("feed-token", token),))


async def _past_calls(context: RequestContext, request: FigureCallsRequest) -> Response:
    service_filter, figure = read_one_service(request.filter), read_figure(request.figure)
    client, secret = _client(context, service_filter, request.client), context.services.token_secret
    (service,) = service_filter.services
    start, end = (read_figure_moment(name, getattr(request, name)) for name in ("start", "end"))
    request_key = (client, service, figure, start, end, request.at)
    cursor = read_cursor(request.cursor, request_key, secret)
    day, after = (None, None) if cursor is None else (cursor.day, cursor.sort_key)
    page, headers = await past_page(
        context, PageQuestion(client, service_filter, figure, start, end, day, after), request.at
    )
    if page.last is not None:
        page.answer.cursor = write_cursor(PageCursor(page.day, page.last), request_key, secret)
    return Response.json(page.answer, headers=headers)


def _client(context: RequestContext, service_filter: ServiceFilter, client: object) -> int:
    """Return the client that has the service.

    If the user sees only one client, the service may no longer exist.
    """
    clients = context.session.visible_clients
    if client is None and len(clients) == 1:
        return clients[0]
    return _scope(context, service_filter, client).view.client


def _scope(context: RequestContext, service_filter: ServiceFilter, client: object) -> Scope:
    """Return the scope that has the service. Raises InvalidParameter if several have it."""
    services, session = context.services, context.session
    clients = session.visible_clients
    if client is not None:
        client_id = read_id(client, "client")
        clients = tuple(one for one in clients if one == client_id)
        if not clients:
            raise InvalidParameter(f"client names {client_id}: there is no such client")
    views = [FloorView(services.floor_of(one).floor) for one in clients]
    visibility = Visibility(views, session.call_centers, listed=session.services)
    found = [scope for scope in visibility.scopes(service_filter) if scope.services]
    if len(found) > 1:
        names = " and ".join(str(scope.view.client) for scope in found)
        raise InvalidParameter(f"the clients {names} have this service: name one in client")
    return found[0]
