"""Executes the protocol's steps with httpx, for threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

import httpx

from floorcast.client.steps import (
    Exclusive,
    HttpRequest,
    HttpResponse,
    NoResponse,
    RunBlocking,
    SendRequest,
    Sleep,
    Step,
    Steps,
)
from floorcast.client.wire import (
    LIMITS,
    TIMEOUT,
    BoundedResponse,
    from_httpx_response,
    to_httpx_request,
    translate_errors,
)
from floorcast.model.errors import FloorcastError

__all__ = ["ConnectionOwner", "SyncIo"]

T = TypeVar("T")


class SyncIo:
    """Executes steps against the server at ``url``.

    ``perform`` executes every step except those of streams.
    """

    def __init__(
        self,
        url: str,
        transport: httpx.BaseTransport | None,
        sleep: Callable[[float], object],
        max_answer_bytes: int,
    ) -> None:
        self.url = url
        self._max_answer_bytes = max_answer_bytes
        self.http = httpx.Client(timeout=TIMEOUT, limits=LIMITS, transport=transport)
        self._sleep = sleep
        self._exclusive_lock = threading.Lock()

    def run(self, steps: Steps[T], perform: Callable[[Step], object] | None = None) -> T:
        """Execute all steps, and return their result."""
        perform = perform or self.perform
        error: Exception | None = None
        outcome: object = None
        try:
            while True:
                step = steps.send(outcome) if error is None else steps.throw(error)
                error = outcome = None
                try:
                    outcome = perform(step)
                except (NoResponse, FloorcastError) as caught:
                    error = caught
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            steps.close()

    def perform(self, step: Step) -> object:
        """Execute one step, and return its outcome."""
        match step:
            case SendRequest(request):
                with translate_errors():
                    return self.read(self.open(request))
            case Sleep(seconds):
                return self._sleep(seconds)
            case Exclusive(steps):
                with self._exclusive_lock:
                    return self.run(steps())
            case RunBlocking(function):
                return function()
            case _:
                raise TypeError(step)

    def open(self, request: HttpRequest) -> BoundedResponse:
        """Send a request. The caller must read and close the response."""
        httpx_request = to_httpx_request(self.http, self.url, request)
        return BoundedResponse(self.http.send(httpx_request, stream=True), self._max_answer_bytes)

    def read(self, answer: BoundedResponse) -> HttpResponse:
        """Read and return the whole answer, and release its connection.

        Raises UnexpectedAnswer.
        """
        try:
            return from_httpx_response(answer, answer.read())
        finally:
            answer.close()


class ConnectionOwner:
    """An object with connections, which are closed at the end of a ``with`` block."""

    def __init__(self, io: SyncIo) -> None:
        self._io = io

    def close(self) -> None:
        """Close all connections. The session stays valid."""
        self._io.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
