"""Admission of requests with events: how many at once, and how much memory for their bodies.

A request counts what it has sent, not what it says that it will send, so unfinished uploads
reserve nothing. No client has more than half of what there is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from floorcast.model.errors import Unavailable

__all__ = ["MAX_BODIES_BYTES", "Admission", "AdmittedRequest", "Busy", "ClientTurns"]

MAX_BODIES_BYTES = 512 << 20  # bytes of all bodies in memory at once
_SHARE = 2  # a client may have one half


class Busy(Unavailable):
    """The maximum number of requests with events is in progress."""


@dataclass(slots=True)
class _Used:
    requests: int = 0
    size: int = 0  # bytes


class AdmittedRequest:
    """An admitted request. ``hold`` counts the bytes of its body as they arrive."""

    __slots__ = ("_all", "_client", "_most", "size")

    def __init__(self, everything: _Used, client: _Used, most: int) -> None:
        self._all = everything
        self._client = client
        self._most = most
        self.size = 0

    def hold(self, size: int) -> None:
        """Count ``size`` more bytes. Raises Busy, without counting, if there is no room."""
        room = min(self._most - self._all.size, self._most // _SHARE - self._client.size)
        if size > room:
            raise _busy()
        self.size += size
        self._all.size += size
        self._client.size += size


class Admission:
    """Admits ``limit`` requests and ``most`` bytes of bodies at once, half of them per client.

    ``pressed`` returns whether the projections are too far behind the log to accept more.
    """

    def __init__(
        self,
        limit: int,
        pressed: Callable[[], bool] = lambda: False,
        most: int = MAX_BODIES_BYTES,
    ) -> None:
        self._limit = limit
        self._most = most
        self._pressed = pressed
        self._all = _Used()
        self._clients: dict[int, _Used] = {}

    @property
    def requests(self) -> int:
        """The number of admitted requests."""
        return self._all.requests

    @property
    def size(self) -> int:
        """The size of their bodies in bytes."""
        return self._all.size

    @contextmanager
    def admit(self, client: int) -> Iterator[AdmittedRequest]:
        """Admit one request, from before its body is read until its response.

        Raises Busy, without reading or storing anything, if there is no room.
        """
        used = self._clients.get(client, _Used())
        share = max(1, self._limit // _SHARE)
        if self._all.requests >= self._limit or used.requests >= share or self._pressed():
            raise _busy()
        self._clients[client] = used
        self._all.requests += 1
        used.requests += 1
        request = AdmittedRequest(self._all, used, self._most)
        try:
            yield request
        finally:
            self._all.requests -= 1
            self._all.size -= request.size
            used.requests -= 1
            used.size -= request.size
            if not used.requests:
                del self._clients[client]


def _busy() -> Busy:
    return Busy("too many events are being processed: send this again in a second")


class ClientTurns:
    """Lets ``at_once`` requests of each client work at a time, first come, first served.

    However many requests a client sends at once, each turn of the event loop has at most this many
    slices of its work. More would only take turns with each other and delay other clients.
    """

    def __init__(self, at_once: int = 1) -> None:
        self._at_once = at_once
        self._waiting: dict[int, deque[asyncio.Future[None]]] = {}  # of the clients at work
        self._free: dict[int, int] = {}

    def waiting(self, client: int) -> int:
        """The number of the client's requests that are waiting for a turn."""
        return len(self._waiting.get(client, ()))

    @asynccontextmanager
    async def of(self, client: int) -> AsyncIterator[None]:
        """A turn of the client."""
        queue = self._waiting.setdefault(client, deque())
        free = self._free.setdefault(client, self._at_once)
        if free:
            self._free[client] = free - 1
        else:
            await self._turn(client, queue)
        try:
            yield
        finally:
            self._pass_on(client, queue)

    async def _turn(self, client: int, queue: deque[asyncio.Future[None]]) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given to a caller that was cancelled
                self._pass_on(client, queue)
            raise

    def _pass_on(self, client: int, queue: deque[asyncio.Future[None]]) -> None:
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free[client] += 1
        if self._free[client] == self._at_once:
            del self._free[client], self._waiting[client]
