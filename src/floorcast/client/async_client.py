"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx
from httpx_sse import EventSource, ServerSentEvent

from floorcast.client import feeds, methods
from floorcast.client.async_io import AsyncConnected, AsyncIo
from floorcast.client.conversation import Conversation, Credentials
from floorcast.client.following import Followed, Following
from floorcast.client.method_signatures import look_like
from floorcast.client.methods import Call
from floorcast.client.steps import Next, Open, Request, Response, Shut, Step, Steps
from floorcast.client.timing import Timing
from floorcast.client.wire import (
    MAX_ANSWER_BYTES,
    STREAM_OPEN,
    Bounded,
    response_of,
    translated,
)

__all__ = ["AsyncClient", "AsyncFeed"]

P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E")


class AsyncFeed(Followed[E]):
    """An endless feed that yields each event once, despite any failure.

    Use ``async for event in feed``. As a context manager, the feed closes its stream at the end of
    the block, and saves the token of the last event unless the block ended with an exception.
    """

    def __init__(self, io: AsyncIo, following: Following[E]) -> None:
        super().__init__(following)
        self._io = io
        self._response: Bounded | None = None
        self._messages: AsyncIterator[ServerSentEvent] | None = None

    async def aclose(self, *, handled: bool = True) -> None:
        """Close the stream.

        If ``handled`` is true, the current event counts as handled and its token is saved.
        """
        await self._io.run(self._following.end(handled=handled), self._perform)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        return await self._io.run(self._following.next(), self._perform)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose(handled=error is None)

    async def _perform(self, step: Step) -> object:
        match step:
            case Open(request):
                await self._shut()
                with translated():
                    return await self._open(request)
            case Next():
                assert self._messages is not None
                with translated():
                    message = await anext(self._messages, None)
                if self._response is not None:
                    self._response.begin_event()
                return message
            case Shut():
                await self._shut()
                return None
            case _:
                return await self._io.perform(step)

    async def _open(self, request: Request) -> Response:
        answer = self._response = await self._io.open(request)
        if answer.status_code == STREAM_OPEN:
            self._messages = EventSource(answer).aiter_sse()
            return response_of(answer, b"")
        return await self._io.read(answer)

    async def _shut(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            await response.aclose()


def _answering(
    build: Callable[P, Call[T]],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    """Return the client's method that makes a call and returns the answer."""

    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        call = build(*args, **kwargs)
        return await self._io.run(self._conversation.exchange(call))

    look_like(method, build)
    return method


def _saying(
    say: Callable[Concatenate[Conversation, P], Steps[T]],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    """Return the client's method that runs one of the conversation's methods."""

    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._io.run(say(self._conversation, *args, **kwargs))

    look_like(method, say)
    return method


def _following(
    follow: Callable[Concatenate[Conversation, P], Following[E]],
) -> Callable[Concatenate[AsyncClient, P], AsyncFeed[E]]:
    """Return the client's method that follows a feed."""

    def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncFeed[E]:
        return AsyncFeed(self._io, follow(self._conversation, *args, **kwargs))

    look_like(method, follow)
    return method


class AsyncClient(AsyncConnected):
    """A client for the Real-Time Reporting API, for asyncio. Any number of tasks can share it.

    ``url`` is the server's address. The client uses ``session`` while it is valid, and logs in with
    ``credentials`` when necessary. Tests can replace ``transport`` (httpx's) and ``sleep``. Reading
    an answer of more than ``max_answer_bytes`` (uncompressed) raises UnexpectedAnswer.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        *,
        session: str | None = None,
        timing: Timing | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._conversation = Conversation(url, credentials, session, timing or Timing())
        super().__init__(AsyncIo(self._conversation.url, transport, sleep, max_answer_bytes))

    log_in = _saying(Conversation.log_in)
    log_out = _saying(Conversation.log_out)
    validate = _saying(Conversation.validate)
    change_password = _saying(Conversation.change_password)

    agent_event_feed = _answering(methods.agent_event_feed)
    interaction_event_feed = _answering(methods.interaction_event_feed)
    call_event_feed = _answering(methods.call_event_feed)
    in_call = _answering(methods.in_call)
    post_call = _answering(methods.post_call)
    campaign_statistics = _answering(methods.campaign_statistics)
    agent_averages = _answering(methods.agent_averages)
    agent_statistics = _answering(methods.agent_statistics)
    agent_statistics_ex = _answering(methods.agent_statistics_ex)
    agent_status = _answering(methods.agent_status)
    waiting_calls = _answering(methods.waiting_calls)
    live_connects = _answering(methods.live_connects)
    service_statistics = _answering(methods.service_statistics)
    service_intervals = _answering(methods.service_intervals)
    service_calls = _answering(methods.service_calls)
    alerts = _answering(methods.alerts)
    acknowledge_alert = _answering(methods.acknowledge_alert)
    service_report = _answering(methods.service_report)
    agent_report = _answering(methods.agent_report)
    call_report = _answering(methods.call_report)

    agent_events = _following(feeds.agent_events)
    interaction_events = _following(feeds.interaction_events)
    call_events = _following(feeds.call_events)
