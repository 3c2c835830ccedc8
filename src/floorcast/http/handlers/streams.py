"""The handlers of the streams of server-sent events (section 4 of the contract).

A stream's request is checked like any other request. The stream then takes over the connection from
HTTP, and the feed writes to it until it is closed (see ``floorcast.sse.channels``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import tzinfo
from functools import lru_cache, partial
from typing import cast

import msgspec
from starlette.types import Send

from floorcast.feeds.cursors import local_time
from floorcast.feeds.filters import Filter, Matcher, matcher, read_filter
from floorcast.http.handlers.feeds import (
    AgentFeedRequest,
    FeedCaller,
    FeedRequest,
    read_body_filter,
    read_count,
)
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Response
from floorcast.model.errors import InvalidParameter, Refusal, Unavailable
from floorcast.model.nesting import check_nesting
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.site.configuration import FeedName
from floorcast.sse.channels import Reader, subscribe
from floorcast.sse.framing import StreamFormat
from floorcast.sse.subscription import Subscription

__all__ = [
    "TAKE_OVER",
    "TakeOver",
    "agent_source",
    "agent_stream",
    "alert_source",
    "interaction_source",
    "interaction_stream",
]

TAKE_OVER = "floorcast.take_over"
"""The ASGI extension that takes over a connection from HTTP."""

TakeOver = Callable[[list[tuple[bytes, bytes]], asyncio.Protocol], bool]
"""Writes a response's head and hands the connection to a protocol. Returns False if it is gone."""

_MEDIA_TYPE = "text/event-stream"


async def interaction_stream(context: RequestContext) -> Response:
    """Stream events of calls, emails and SMS."""
    request = await context.json(FeedRequest)
    visibility = matcher(read_body_filter(context, request.filter), *context.session.limits)
    return await _stream(context, "interaction", request.token, visibility)


async def agent_stream(context: RequestContext) -> Response:
    """Stream the agents' state changes."""
    request = await context.json(AgentFeedRequest)
    visibility = matcher(Filter(), *context.session.limits)
    return await _stream(context, "agent", request.token, visibility)


async def interaction_source(context: RequestContext) -> Response:
    """Stream interaction events to an ``EventSource``, which cannot send a body or headers."""
    visibility = matcher(read_filter(_query_filter(context)), *context.session.limits)
    return await _stream(context, "interaction", _resume_token(context), visibility, ids=True)


async def agent_source(context: RequestContext) -> Response:
    """Stream agent events to an ``EventSource``."""
    visibility = matcher(Filter(), *context.session.limits)
    return await _stream(context, "agent", _resume_token(context), visibility, ids=True)


async def alert_source(context: RequestContext) -> Response:
    """Stream the alerts' status changes."""
    visibility = matcher(Filter(), *context.session.limits)
    return await _stream(context, "alerts", _resume_token(context), visibility, ids=True)


class _Stream(Response):
    """A response that does not end. Sending it passes the connection to the feed."""

    __slots__ = ("_begin", "_context", "_ids")

    def __init__(
        self, context: RequestContext, begin: Callable[[StreamFormat], Reader], *, ids: bool
    ) -> None:
        super().__init__(200, media_type=_MEDIA_TYPE)
        self._context = context
        self._begin = begin
        self._ids = ids

    async def send(self, send: Send, *, gzip: bool, without_body: bool = False) -> int:
        """Begin the stream. Returns 0, because streams count the bytes that they send."""
        chunked = self._context.scope.get("http_version") != "1.0"
        headers = [
            (b"content-type", _MEDIA_TYPE.encode()),
            (b"cache-control", b"no-store"),
            (b"vary", b"accept-encoding"),
            (b"x-accel-buffering", b"no"),  # otherwise nginx buffers events
        ]
        headers += [(name.encode(), value.encode("latin-1")) for name, value in self.headers]
        if gzip:
            headers.append((b"content-encoding", b"gzip"))
        if without_body:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return 0
        if chunked:
            headers.append((b"transfer-encoding", b"chunked"))
        headers.append((b"connection", b"close"))
        reader = self._begin(StreamFormat(self._ids, gzip, chunked))
        if not _take_over(self._context)(headers, reader):
            reader.connection_lost(None)
        return 0


class _Caller(FeedCaller):
    """A stream's caller; see ``floorcast.sse.subscription.Caller``."""

    __slots__ = ("_digest", "_matcher", "opening", "token")

    def __init__(self, context: RequestContext, name: FeedName, matcher: Matcher) -> None:
        super().__init__(context, name)
        self._digest = context.session.digest
        self._matcher = matcher
        self.opening = ""
        self.token: Callable[[int], str] = partial(self.services.token_of, self.client)

    def check_limits(self) -> None:
        """Raise RateLimited if the session or the client has too many readers."""
        self.services.reader_limits.check(self.client, self._digest, self._matcher)

    def enter(self) -> None:
        """Count the stream until ``left`` is called."""
        self.services.reader_limits.enter(self.client, self._digest, self._matcher)

    def disconnected(self) -> None:
        """See ``floorcast.sse.subscription.Caller``."""
        self.services.reader_limits.leave(self.client, self._digest, self._matcher)

    def refusal(self) -> str:
        """Return why the stream must end, or an empty string if it can continue."""
        try:
            return "" if self.check() else "what the user may see has changed"
        except (Refusal, Unavailable) as error:
            return error.message

    def local_time(self) -> str:
        """Return the current time in the client's time zone."""
        second = self.services.now() // TICKS_PER_SECOND
        return _moment(second, self.services.zone(self.client))

    def token_now(self, cursor: int) -> str:
        """Return a token with the current time for a reader that has seen everything."""
        return self.services.token_now(self.client, cursor)


async def _stream(
    context: RequestContext,
    name: FeedName,
    token: str | None,
    visibility: Matcher,
    *,
    ids: bool = False,
) -> Response:
    caller = _Caller(context, name, visibility)
    count = read_count(context)
    cursor = caller.feed.through
    token = token.strip() if token is not None else ""
    if token:
        cursor = await context.services.cursor_of(context.session.client, token)
    if ids:
        caller.opening = token or caller.token_now(cursor)
    if context.scope["method"] != "HEAD":
        _take_over(context)
        caller.check_limits()

    def begin(form: StreamFormat) -> Reader:
        caller.enter()
        subscription = Subscription(visibility, count, form)
        return subscribe(context.services.streams, caller.feed, subscription, cursor, caller)

    return _Stream(context, begin, ids=ids)


def _take_over(context: RequestContext) -> TakeOver:
    found = context.scope.get("extensions", {}).get(TAKE_OVER)
    if found is None:
        raise Unavailable("streams need floorcast's own transport: run floorcast serve")
    return cast("TakeOver", found)


def _resume_token(context: RequestContext) -> str | None:
    """Return the token in ``Last-Event-ID``, which is newer, or else in the query."""
    return context.headers.get("last-event-id", "").strip() or context.query.get("token")


def _query_filter(context: RequestContext) -> object:
    text = context.query.get("filter", "").strip()
    if not text:
        return None
    try:
        check_nesting(text.encode())
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise InvalidParameter("filter must be a JSON object, URL-encoded") from None


@lru_cache(maxsize=64)
def _moment(second: int, zone: tzinfo) -> str:
    return local_time(second * TICKS_PER_SECOND, zone)
