"""The client for threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

import httpx
from httpx_sse import EventSource, ServerSentEvent

from floorcast.client import feeds, methods
from floorcast.client.conversation import Conversation, Credentials
from floorcast.client.following import Followed, Following
from floorcast.client.method_signatures import look_like
from floorcast.client.methods import Call
from floorcast.client.steps import Next, Open, Request, Response, Shut, Step, Steps
from floorcast.client.sync_io import Connected, SyncIo
from floorcast.client.timing import Timing
from floorcast.client.wire import (
    MAX_ANSWER_BYTES,
    STREAM_OPEN,
    Bounded,
    response_of,
    translated,
)

__all__ = ["Client", "Feed"]

P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E")


class Feed(Followed[E]):
    """An endless feed that yields each event once, despite any failure.

    Use ``for event in feed``. As a context manager, the feed closes its stream at the end of the
    block, and saves the token of the last event unless the block ended with an exception.
    """

    def __init__(self, io: SyncIo, following: Following[E]) -> None:
        super().__init__(following)
        self._io = io
        self._response: Bounded | None = None
        self._messages: Iterator[ServerSentEvent] | None = None

    def close(self, *, handled: bool = True) -> None:
        """Close the stream.

        If ``handled`` is true, the current event counts as handled and its token is saved.
        """
        self._io.run(self._following.end(handled=handled), self._perform)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> E:
        return self._io.run(self._following.next(), self._perform)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(handled=error is None)

    def _perform(self, step: Step) -> object:
        match step:
            case Open(request):
                self._shut()
                with translated():
                    return self._open(request)
            case Next():
                assert self._messages is not None
                with translated():
                    message = next(self._messages, None)
                if self._response is not None:
                    self._response.begin_event()
                return message
            case Shut():
                self._shut()
                return None
            case _:
                return self._io.perform(step)

    def _open(self, request: Request) -> Response:
        answer = self._response = self._io.open(request)
        if answer.status_code == STREAM_OPEN:
            self._messages = EventSource(answer).iter_sse()
            return response_of(answer, b"")
        return self._io.read(answer)

    def _shut(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.close()


def _answering(
    build: Callable[P, Call[T]],
) -> Callable[Concatenate[Client, P], T]:
    """Return the client's method that makes a call and returns the answer."""

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        call = build(*args, **kwargs)
        return self._io.run(self._conversation.exchange(call))

    look_like(method, build)
    return method


def _saying(
    say: Callable[Concatenate[Conversation, P], Steps[T]],
) -> Callable[Concatenate[Client, P], T]:
    """Return the client's method that runs one of the conversation's methods."""

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._io.run(say(self._conversation, *args, **kwargs))

    look_like(method, say)
    return method


def _following(
    follow: Callable[Concatenate[Conversation, P], Following[E]],
) -> Callable[Concatenate[Client, P], Feed[E]]:
    """Return the client's method that follows a feed."""

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Feed[E]:
        return Feed(self._io, follow(self._conversation, *args, **kwargs))

    look_like(method, follow)
    return method


class Client(Connected):
    """A client for the Real-Time Reporting API. Threads can share it, but not one of its feeds.

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
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._conversation = Conversation(url, credentials, session, timing or Timing())
        super().__init__(SyncIo(self._conversation.url, transport, sleep, max_answer_bytes))

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
