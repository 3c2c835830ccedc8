"""The handlers of the long-polled feeds (section 3 of the contract) and of retired methods."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, NamedTuple, get_args

from msgspec import Meta, Struct

from floorcast.auth.session import require_role
from floorcast.feeds.blocks import Page
from floorcast.feeds.feed import Feed
from floorcast.feeds.filters import Filter, InteractionConditions, Matcher, matcher, read_filter
from floorcast.http.bodies import Disconnected
from floorcast.http.openapi.schemas import one_of
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Content, Headers, Response
from floorcast.http.services import Services
from floorcast.model.errors import InvalidParameter, Retired, Unavailable
from floorcast.model.outbound import AgentEvent, CallEvent, InteractionEvent
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.model.wording import whole_number
from floorcast.site.configuration import FeedName

__all__ = [
    "AgentFeedAnswer",
    "AgentFeedRequest",
    "CallFeedAnswer",
    "Count",
    "FeedAnswer",
    "FeedCaller",
    "FeedRequest",
    "agent_feed",
    "call_feed",
    "interaction_feed",
    "read_body_filter",
    "read_count",
    "retired_agent_event",
    "retired_call_event",
]

BodyBuilder = Callable[[str, bytes], bytes]
"""A function that builds a body from a token and comma-separated events."""

_TOKEN_REUSE_TICKS = TICKS_PER_SECOND  # how many ticks a token for the present is reused
MIN_COUNT, MAX_COUNT = 500, 1000  # the fewest and the most events that a request can ask for
Count = Annotated[int, Meta(ge=MIN_COUNT, le=MAX_COUNT, extra_json_schema={"default": MAX_COUNT})]

# 2023-06-05, the latest date in the reference, which already calls the method deprecated
_DEPRECATED: Headers = (
    ("deprecation", "@1685923200"),
    ("link", '</realtime/event/feed>; rel="successor-version"'),
)


class AgentFeedRequest(Struct):
    """The token to start after. If it is absent or empty, the feed starts now."""

    token: str | None = None


class FeedRequest(AgentFeedRequest):
    """The token to start after, and a filter.

    Without a filter, the feed contains all events that the user can see.
    """

    filter: Annotated[object, one_of(InteractionConditions, None)] = None


class AgentFeedAnswer(Struct, rename="camel"):
    """Agent events, oldest first, and the token for the next request."""

    agent_event: list[AgentEvent]
    token: str


class FeedAnswer(Struct):
    """Interaction events, oldest first, and the token for the next request."""

    token: str
    events: list[Annotated[object, one_of(*get_args(InteractionEvent))]]


class CallFeedAnswer(Struct, rename="camel"):
    """Voice events, oldest first, as two equal members, and the token for the next request."""

    token: str
    events: list[Annotated[object, one_of(*get_args(CallEvent))]]
    call_event: list[Annotated[object, one_of(*get_args(CallEvent))]]


class _CachedContent(NamedTuple):
    content: Content
    at: int


async def agent_feed(context: RequestContext) -> Response:
    """Return the agents' state changes."""
    request = await context.json(AgentFeedRequest)
    visibility = matcher(Filter(), *context.session.limits)
    return await _answer(context, "agent", request.token, visibility, _agent_body)


async def interaction_feed(context: RequestContext) -> Response:
    """Return events of calls, emails and SMS."""
    request = await context.json(FeedRequest)
    visibility = matcher(read_body_filter(context, request.filter), *context.session.limits)
    return await _answer(context, "interaction", request.token, visibility, _event_body)


async def call_feed(context: RequestContext) -> Response:
    """Return events of calls only. Deprecated, because the interaction feed includes them."""
    request = await context.json(FeedRequest)
    visibility = matcher(_voice(read_body_filter(context, request.filter)), *context.session.limits)
    answer = await _answer(context, "interaction", request.token, visibility, _call_body)
    answer.headers += _DEPRECATED
    return answer


async def retired_agent_event(_context: RequestContext) -> Response:
    """Raise Retired."""
    raise Retired("Agent Event is retired: use POST /realtime/agentEvent/feed")


async def retired_call_event(_context: RequestContext) -> Response:
    """Raise Retired."""
    raise Retired("Call Event is retired: use POST /realtime/event/feed")


def read_body_filter(context: RequestContext, value: object) -> Filter:
    """Read the filter in a body. Raises InvalidParameter.

    A filter in the query is also an error: if it were ignored, the response would contain more than
    the caller asked for.
    """
    if "filter" in context.query:
        raise InvalidParameter("filter belongs in the body of a POST; a GET takes it in the query")
    return read_filter(value)


def read_count(context: RequestContext) -> int:
    """Return the maximum number of events that the caller wants. Raises InvalidParameter."""
    text = context.query.get("count")
    if text is None:
        return MAX_COUNT
    if text.isascii() and text.isdigit() and len(text) < 9 and MIN_COUNT <= int(text) <= MAX_COUNT:
        return int(text)
    raise InvalidParameter(f"count must be {whole_number(MIN_COUNT, MAX_COUNT)}")


class FeedCaller:
    """A feed's caller. Its rights are checked again after a wait."""

    __slots__ = (
        "_methods",
        "_rights",
        "_session",
        "_visibility",
        "client",
        "feed",
        "name",
        "services",
        "session_id",
    )

    def __init__(self, context: RequestContext, name: FeedName) -> None:
        session = context.session
        self.services = context.services
        self.client = session.client
        self.session_id = session.id
        self._methods = context.methods
        self._session = session
        self._rights = session.generation
        self._visibility = session.limits
        self.name: FeedName = name
        self.feed = self.services.feed_of(session.client, name)

    def check(self) -> bool:
        """Return whether the caller still sees the same events. Raises if access is now refused.

        While the floor is being rebuilt, the feed has no new events and its readers wait.
        """
        session = self.services.sessions.find(self.session_id)
        same = session is self._session and session.generation == self._rights
        if not same and self._methods is not None:  # the site has changed
            require_role(self._methods, session.role)
        with suppress(Unavailable):
            self.services.feed_of(self.client, self.name)
        return same or session.limits == self._visibility


async def _answer(
    context: RequestContext,
    name: FeedName,
    token: str | None,
    visibility: Matcher,
    build_body: BodyBuilder,
) -> Response:
    caller = FeedCaller(context, name)
    services, client, feed = caller.services, caller.client, caller.feed
    count = read_count(context)
    if token is None or not token.strip():
        page = Page(b"", 0, feed.through, at_head=True)
    else:
        cursor = await services.cursor_of(client, token.strip())
        page = await feed.page(cursor, visibility, count)
        if not page.count:
            with services.reader_limits.hold(client, context.session.digest, visibility):
                page = await _wait(context, feed, page, visibility, count)
        if not caller.check():  # the next request applies the new limits
            return Response(200, Content(build_body(token.strip(), b"")))
    return Response(200, _content(services, client, page, build_body))


def _content(services: Services, client: int, page: Page, build_body: BodyBuilder) -> Content:
    """Return a page's body. Readers that request it at about the same time share the body."""
    now = services.now()
    cached = page.built.get(build_body.__name__)
    if isinstance(cached, _CachedContent) and (
        now - cached.at < _TOKEN_REUSE_TICKS or not page.at_head
    ):
        return cached.content
    token = services.token_now(client, page.cursor, at_head=page.at_head)
    content = Content(build_body(token, page.lines.replace(b"\n", b",")))
    page.built[build_body.__name__] = _CachedContent(content, now)
    return content


async def _wait(
    context: RequestContext, feed: Feed, page: Page, visibility: Matcher, count: int
) -> Page:
    gone = context.disconnected()
    try:
        page = await feed.poll(page, visibility, count, gone)
        if gone.done():
            raise Disconnected
        return page
    finally:
        gone.cancel()


def _voice(conditions: Filter) -> Filter:
    voice = frozenset({"VOICE"})
    return conditions._replace(
        kinds=voice if conditions.kinds is None else conditions.kinds & voice
    )


def _agent_body(token: str, events: bytes) -> bytes:
    return b"".join((b'{"agentEvent":[', events, b'],"token":"', token.encode(), b'"}'))


def _event_body(token: str, events: bytes) -> bytes:
    return b"".join((b'{"token":"', token.encode(), b'","events":[', events, b"]}"))


def _call_body(token: str, events: bytes) -> bytes:
    start = _event_body(token, events)[:-1]
    return b"".join((start, b',"callEvent":[', events, b"]}"))
