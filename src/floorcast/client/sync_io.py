"""Executes the core's steps with httpx, for threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

import httpx

from floorcast.client.steps import (
    Alone,
    Broken,
    Pause,
    Request,
    Response,
    Send,
    Step,
    Steps,
    Work,
)
from floorcast.client.wire import LIMITS, TIMEOUT, Bounded, request_of, response_of, translated
from floorcast.model.errors import FloorcastError

__all__ = ["Connected", "SyncIo"]

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
        self._alone = threading.Lock()

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
                except (Broken, FloorcastError) as caught:
                    error = caught
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            steps.close()

    def perform(self, step: Step) -> object:
        """Execute one step, and return its outcome."""
        match step:
            case Send(request):
                with translated():
                    return self.read(self.open(request))
            case Pause(seconds):
                return self._sleep(seconds)
            case Alone(steps):
                with self._alone:
                    return self.run(steps())
            case Work(what):
                return what()
            case _:
                raise TypeError(step)

    def open(self, request: Request) -> Bounded:
        """Send a request. The caller must read and close the response."""
        asked = request_of(self.http, self.url, request)
        return Bounded(self.http.send(asked, stream=True), self._max_answer_bytes)

    def read(self, answer: Bounded) -> Response:
        """Read and return the whole answer, and release its connection.

        Raises UnexpectedAnswer.
        """
        try:
            return response_of(answer, answer.read())
        finally:
            answer.close()


class Connected:
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
