"""Executes the core's steps with httpx, on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
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

__all__ = ["AsyncConnected", "AsyncIo"]

T = TypeVar("T")


class AsyncIo:
    """Executes steps against the server at ``url``.

    ``perform`` executes every step except those of streams.
    """

    def __init__(
        self,
        url: str,
        transport: httpx.AsyncBaseTransport | None,
        sleep: Callable[[float], Awaitable[object]],
        max_answer_bytes: int,
    ) -> None:
        self.url = url
        self._max_answer_bytes = max_answer_bytes
        self.http = httpx.AsyncClient(timeout=TIMEOUT, limits=LIMITS, transport=transport)
        self._sleep = sleep
        self._alone = asyncio.Lock()

    async def run(
        self, steps: Steps[T], perform: Callable[[Step], Awaitable[object]] | None = None
    ) -> T:
        """Execute all steps, and return their result."""
        perform = perform or self.perform
        error: Exception | None = None
        outcome: object = None
        try:
            while True:
                step = steps.send(outcome) if error is None else steps.throw(error)
                error = outcome = None
                try:
                    outcome = await perform(step)
                except (Broken, FloorcastError) as caught:
                    error = caught
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            steps.close()

    async def perform(self, step: Step) -> object:
        """Execute one step, and return its outcome."""
        match step:
            case Send(request):
                with translated():
                    return await self.read(await self.open(request))
            case Pause(seconds):
                return await self._sleep(seconds)
            case Alone(steps):
                async with self._alone:
                    return await self.run(steps())
            case Work(what):
                return await asyncio.to_thread(what)
            case _:
                raise TypeError(step)

    async def open(self, request: Request) -> Bounded:
        """Send a request. The caller must read and close the response."""
        asked = request_of(self.http, self.url, request)
        return Bounded(await self.http.send(asked, stream=True), self._max_answer_bytes)

    async def read(self, answer: Bounded) -> Response:
        """Read and return the whole answer, and release its connection.

        Raises UnexpectedAnswer.
        """
        try:
            return response_of(answer, await answer.aread())
        finally:
            await answer.aclose()


class AsyncConnected:
    """An object with connections, which are closed at the end of an ``async with`` block."""

    def __init__(self, io: AsyncIo) -> None:
        self._io = io

    async def aclose(self) -> None:
        """Close all connections. The session stays valid."""
        await self._io.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
