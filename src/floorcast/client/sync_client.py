"""The client for threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

import httpx
from httpx_sse import EventSource, ServerSentEvent

from floorcast.client import feeds, methods
from floorcast.client.api_call import ApiCall
from floorcast.client.client_protocol import ClientProtocol, Credentials
from floorcast.client.feed_protocol import FeedBase, FeedProtocol
from floorcast.client.method_signatures import copy_signature
from floorcast.client.steps import (
    CloseStream,
    HttpRequest,
    HttpResponse,
    NextMessage,
    OpenStream,
    Step,
    Steps,
)
from floorcast.client.sync_io import ConnectionOwner, SyncIo
from floorcast.client.timing import Timing
from floorcast.client.wire import (
    MAX_ANSWER_BYTES,
    STREAM_STATUS,
    BoundedResponse,
    from_httpx_response,
    translate_errors,
)

__all__ = ["Client", "Feed"]

P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E")


class Feed(FeedBase[E]):
    """An endless feed that yields each event once, despite any failure.

    Use ``for event in feed``. As a context manager, the feed closes its stream at the end of the
    block, and saves the token of the last event unless the block ended with an exception.
    """

    def __init__(self, io: SyncIo, protocol: FeedProtocol[E]) -> None:
        super().__init__(protocol)
        self._io = io
        self._response: BoundedResponse | None = None
        self._messages: Iterator[ServerSentEvent] | None = None

    def close(self, *, handled: bool = True) -> None:
        """Close the stream.

        If ``handled`` is true, the current event counts as handled and its token is saved.
        """
        self._io.run(self._protocol.end(handled=handled), self._perform)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> E:
        return self._io.run(self._protocol.next(), self._perform)

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
            case OpenStream(request):
                self._close_stream()
                with translate_errors():
                    return self._open(request)
            case NextMessage():
                assert self._messages is not None
                with translate_errors():
                    message = next(self._messages, None)
                if self._response is not None:
                    self._response.begin_event()
                return message
            case CloseStream():
                self._close_stream()
                return None
            case _:
                return self._io.perform(step)

    def _open(self, request: HttpRequest) -> HttpResponse:
        answer = self._response = self._io.open(request)
        if answer.status_code == STREAM_STATUS:
            self._messages = EventSource(answer).iter_sse()
            return from_httpx_response(answer, b"")
        return self._io.read(answer)

    def _close_stream(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.close()


def _call_method(
    build: Callable[P, ApiCall[T]],
) -> Callable[Concatenate[Client, P], T]:
    """Return the client's method that makes a call and returns the answer."""

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        call = build(*args, **kwargs)
        return self._io.run(self._protocol.exchange(call))

    copy_signature(method, build)
    return method


def _protocol_method(
    say: Callable[Concatenate[ClientProtocol, P], Steps[T]],
) -> Callable[Concatenate[Client, P], T]:
    """Return the client's method that runs one of the protocol's methods."""

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._io.run(say(self._protocol, *args, **kwargs))

    copy_signature(method, say)
    return method


def _feed_method(
    follow: Callable[Concatenate[ClientProtocol, P], FeedProtocol[E]],
) -> Callable[Concatenate[Client, P], Feed[E]]:
    """Return the client's method that follows a feed."""

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Feed[E]:
        return Feed(self._io, follow(self._protocol, *args, **kwargs))

    copy_signature(method, follow)
    return method


class Client(ConnectionOwner):
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
        self._protocol = ClientProtocol(url, credentials, session, timing or Timing())
        super().__init__(SyncIo(self._protocol.url, transport, sleep, max_answer_bytes))

    log_in = _protocol_method(ClientProtocol.log_in)
    log_out = _protocol_method(ClientProtocol.log_out)
    validate = _protocol_method(ClientProtocol.validate)
    change_password = _protocol_method(ClientProtocol.change_password)

    agent_event_feed = _call_method(methods.agent_event_feed)
    interaction_event_feed = _call_method(methods.interaction_event_feed)
    call_event_feed = _call_method(methods.call_event_feed)
    in_call = _call_method(methods.in_call)
    post_call = _call_method(methods.post_call)
    campaign_statistics = _call_method(methods.campaign_statistics)
    agent_averages = _call_method(methods.agent_averages)
    agent_statistics = _call_method(methods.agent_statistics)
    agent_statistics_ex = _call_method(methods.agent_statistics_ex)
    agent_status = _call_method(methods.agent_status)
    waiting_calls = _call_method(methods.waiting_calls)
    live_connects = _call_method(methods.live_connects)
    service_statistics = _call_method(methods.service_statistics)
    service_intervals = _call_method(methods.service_intervals)
    service_calls = _call_method(methods.service_calls)
    alerts = _call_method(methods.alerts)
    acknowledge_alert = _call_method(methods.acknowledge_alert)
    service_report = _call_method(methods.service_report)
    agent_report = _call_method(methods.agent_report)
    call_report = _call_method(methods.call_report)

    agent_events = _feed_method(feeds.agent_events)
    interaction_events = _feed_method(feeds.interaction_events)
    call_events = _feed_method(feeds.call_events)
