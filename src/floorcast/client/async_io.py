"""Executes the protocol's steps with httpx, on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
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

__all__ = ["AsyncConnectionOwner", "AsyncIo"]

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
        self._exclusive_lock = asyncio.Lock()

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
                except (NoResponse, FloorcastError) as caught:
                    error = caught
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            steps.close()

    async def perform(self, step: Step) -> object:
        """Execute one step, and return its outcome."""
        match step:
            case SendRequest(request):
                with translate_errors():
                    return await self.read(await self.open(request))
            case Sleep(seconds):
                return await self._sleep(seconds)
            case Exclusive(steps):
                async with self._exclusive_lock:
                    return await self.run(steps())
            case RunBlocking(function):
                return await asyncio.to_thread(function)
            case _:
                raise TypeError(step)

    async def open(self, request: HttpRequest) -> BoundedResponse:
        """Send a request. The caller must read and close the response."""
        httpx_request = to_httpx_request(self.http, self.url, request)
        return BoundedResponse(
            await self.http.send(httpx_request, stream=True), self._max_answer_bytes
        )

    async def read(self, answer: BoundedResponse) -> HttpResponse:
        """Read and return the whole answer, and release its connection.

        Raises UnexpectedAnswer.
        """
        try:
            return from_httpx_response(answer, await answer.aread())
        finally:
            await answer.aclose()


class AsyncConnectionOwner:
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
