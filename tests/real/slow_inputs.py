"""Searches for requests that block the event loop for a long time.

    python -m tests.real.slow_inputs --seconds 1800 [--seed N] [--floor empty|full]

The search mutates small requests, repeats parts of them more often, and keeps the most expensive
requests. A request's bytes pass through a real connection, application, log and floor in this
process. The cost of a request is the CPU time of the event loop's longest turn.

One half of the time, the floor is empty, and most requests send events. In the other half, the
floor has the events of a day, and the requests read it by every method.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import math
import random
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

import structlog
import uvicorn

from floorcast.http.app import Api
from floorcast.http.routes import ROUTES
from floorcast.server.connection_limits import ConnectionLimits, ConnectionTuning, Deadlines
from floorcast.server.uvicorn_internals import (
    ServerConnection,
    SharedServerState,
    tolerate_disconnects,
)
from floorcast.server.uvicorn_server import tune_garbage_collector
from floorcast.server.wallboard_routes import page_routes
from tests.real.nodes import Clock, NodeHarness, temporary_folder, until
from tests.real.sites import SITE
from tests.real.slow_events import large_events
from tests.real.slow_floor import BEGIN, FULL_SITE, fill, recipes_of_routes
from tests.real.slow_recipes import EVENT, LINES, MOST_BYTES, SEEDS, SESSION, Recipe, mutated

__all__ = ["Finding", "Measured", "Search", "search", "search_full_floor"]

ALL_ROUTES = (*ROUTES, *page_routes())
PIECE = 256_000  # bytes that uvloop reads at once
LONGEST = 0.100  # seconds per turn
FLOORS = ("empty", "full")
SILENCE_SECONDS = 5 * 3600  # longer than a call without events stays in memory
LIVES = 60  # requests until a new server is started, because a server's contents grow
_MORE_TRIES = 2
_LONGEST_WAIT = 20.0  # seconds until a response
_IDLE_WAIT = 0.5  # seconds without work, after which a request only waits for an event
_IDLE_WORK = 0.005  # seconds of CPU time in that time, for the server's chores
_TURNS_OF_STREAM = 200


class MeasuredLoop(asyncio.SelectorEventLoop):
    """An event loop that measures the CPU time of its longest turn."""

    longest = 0.0

    def _run_once(self) -> None:
        began = time.thread_time()
        super()._run_once()  # type: ignore[misc]  # a turn has no public method
        self.longest = max(self.longest, time.thread_time() - began)


class _Transport(asyncio.Transport):
    """A transport that accepts all data at once. Streams set an option of its socket."""

    def __init__(self, unused: socket.socket) -> None:
        super().__init__({"peername": ("192.0.2.1", 1), "socket": unused})
        self.closed = self.paused = False
        self.stream: asyncio.BaseProtocol | None = None

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.stream = protocol  # it has taken over the connection


class Measured:
    """A server in this process, which receives bytes as if from a connection."""

    def __init__(
        self,
        harness: NodeHarness,
        loop: MeasuredLoop,
        values: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.harness = harness
        self._loop = loop
        limits = ConnectionLimits(1000, 1000)
        deadlines: Deadlines[ServerConnection] = Deadlines(ConnectionTuning(), time.monotonic)
        self._shared = SharedServerState(None, limits, deadlines)
        self._config = uvicorn.Config(
            cast("Any", tolerate_disconnects(Api(harness.node.server, ALL_ROUTES))),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
        )
        self._config.load()
        self.values = values
        self._session = harness.login().encode()

    def seconds(self, request: bytes) -> float:
        """Send a request. Returns the CPU time of the longest turn until the response."""
        request = request.replace(SESSION.encode(), self._session)
        gc.collect()
        self._loop.longest = 0.0
        try:
            with socket.socket() as unused:
                self.harness.run(self._send(request, _Transport(unused)))
        except TimeoutError:  # a request that hangs is as bad as a slow request
            return math.inf
        return self._loop.longest

    async def _send(self, request: bytes, transport: _Transport) -> None:
        connection = ServerConnection(self._config, self._shared, {}, self._loop)
        connection.connection_made(transport)
        await asyncio.sleep(0)
        for at in range(0, len(request), PIECE):
            await until(lambda: transport.closed or transport.stream or not transport.paused)
            if transport.closed or transport.stream:
                break
            connection.data_received(request[at : at + PIECE])
            await asyncio.sleep(0)
        await self._answered()
        stream = transport.stream
        if isinstance(stream, asyncio.Protocol):
            for _ in range(_TURNS_OF_STREAM):
                await asyncio.sleep(0)
            stream.connection_lost(None)
        connection.connection_lost(None)
        await asyncio.sleep(0)

    async def _answered(self) -> None:
        """Wait until the response, or until the request only waits for an event."""
        end = time.monotonic() + _LONGEST_WAIT
        while self._shared.tasks and time.monotonic() < end:
            worked = time.process_time()  # a thread may work for the request
            await asyncio.wait(self._shared.tasks, timeout=_IDLE_WAIT)
            if time.process_time() - worked < _IDLE_WORK:
                return


@contextmanager
def server(*, full: bool = False) -> Iterator[Measured]:
    """Run a new server until the end of the block, with an empty floor or a ``full`` one."""
    loop = MeasuredLoop()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    with temporary_folder() as folder, asyncio.Runner(loop_factory=lambda: loop) as runner:
        clock = Clock(BEGIN) if full else Clock()
        site = FULL_SITE if full else SITE
        harness = NodeHarness(folder, clock, keeps=full, site=site, runner=runner)
        thresholds = gc.get_threshold()
        gc.freeze()
        tune_garbage_collector()
        try:
            values = fill(harness, clock) if full else {}
            gc.freeze()  # the collections between requests would take most of the time
            yield Measured(harness, loop, values)
        finally:
            gc.set_threshold(*thresholds)
            gc.unfreeze()
            harness.end()
            structlog.reset_defaults()


@dataclass(frozen=True)
class Finding:
    """A request that blocks the event loop for too long."""

    recipe: Recipe
    size: int
    seconds: float

    def __str__(self) -> str:
        cost = f"{self.seconds * 1000:.0f} ms (inf: stuck)"
        return f"{cost} for {self.size:,} bytes: {self.recipe!r:.600}"


class Search:
    """The state of a search: the most expensive requests, and the findings.

    Recipes without a part to repeat come first.
    """

    def __init__(
        self, seed: int, longest: float = LONGEST, recipes: Iterable[Recipe] = SEEDS
    ) -> None:
        self._chance = random.Random(seed)
        self._longest = longest
        self.tried = 0
        self.best: list[tuple[float, int, Recipe]] = []  # most expensive first
        self.findings: list[Finding] = []
        fresh = [(recipe.first, recipe) for recipe in recipes]
        self._fresh = [(size, recipe) for size, recipe in fresh if recipe.unit]
        self._plain = [(size, recipe) for size, recipe in fresh if not recipe.unit]

    @property
    def has_plain(self) -> bool:
        """Whether recipes without a part to repeat are left."""
        return bool(self._plain)

    def try_next(self, measured: Measured) -> None:
        """Send another request: a seed, a larger version of a request, or a mutation."""
        size, recipe = self._next()
        request = recipe.make(size, self._chance)
        if len(request) > MOST_BYTES + (1 << 16):
            return
        seconds = measured.seconds(request)
        self.tried += 1
        for _ in range(_MORE_TRIES):  # the cause may be another process, so try again
            if seconds > self._longest:
                seconds = min(seconds, measured.seconds(recipe.make(size, self._chance)))
        if seconds > self._longest:
            self.findings.append(Finding(recipe, len(request), seconds))
            return
        self._keep(seconds, size, recipe)
        if size < recipe.most and recipe.unit:
            self._fresh.append((min(size * 4, recipe.most), recipe))

    def try_silence(self, measured: Measured) -> None:
        """Send an event after some hours without any, when all calls leave the floor's memory."""
        measured.harness.clock.move(SILENCE_SECONDS)
        recipe = Recipe(LINES, "", EVENT)
        seconds = measured.seconds(recipe.make(1, self._chance))
        self._keep(seconds, 1, recipe)
        if seconds > self._longest:
            self.findings.append(Finding(recipe, 1, seconds))

    def _keep(self, seconds: float, size: int, recipe: Recipe) -> None:
        self.best.append((seconds, size, recipe))
        self.best.sort(key=lambda one: one[0], reverse=True)
        del self.best[40:]

    def _next(self) -> tuple[int, Recipe]:
        if self._plain:
            return self._plain.pop()
        if self._fresh and (self._chance.random() < 0.7 or not self.best):
            return self._fresh.pop(self._chance.randrange(len(self._fresh)))
        _, size, recipe = self.best[min(len(self.best) - 1, int(self._chance.expovariate(0.2)))]
        return size, mutated(recipe, self._chance)


def search(seconds: float, seed: int, at_least: int = 0) -> Search:
    """Search with an empty floor for this many seconds, but send at least ``at_least`` requests."""
    found = Search(seed, recipes=(*SEEDS, *large_events()))
    end = time.monotonic() + seconds
    while found.tried < at_least or time.monotonic() < end:
        with server() as measured:
            for _ in range(LIVES):
                if found.tried >= at_least and time.monotonic() >= end:
                    break
                found.try_next(measured)
    return found


def search_full_floor(seconds: float, seed: int) -> Search:
    """Search with a full floor for this many seconds, which include the time to fill it.

    Every method gets at least one request.
    """
    end = time.monotonic() + seconds
    with server(full=True) as measured:
        found = Search(seed, recipes=recipes_of_routes(measured.values))
        while found.has_plain or time.monotonic() < end:
            found.try_next(measured)
        found.try_silence(measured)
    return found


def main() -> int:
    """Search, and print the results. The exit code is 1 if a slow request was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--floor", choices=FLOORS)
    arguments = parser.parse_args()
    floors = (arguments.floor,) if arguments.floor else FLOORS
    slow = False
    for floor in floors:
        run = search if floor == "empty" else search_full_floor
        found = run(arguments.seconds / len(floors), arguments.seed)
        for finding in found.findings:
            sys.stdout.write(f"{finding}\n")
        sys.stdout.write(f"seed {arguments.seed}, {floor} floor: {found.tried} requests\n")
        for seconds, size, recipe in found.best[:10]:
            sys.stdout.write(f"{seconds * 1000:6.1f} ms, about {size:,} bytes: {recipe!r:.160}\n")
        slow |= bool(found.findings)
    return slow


if __name__ == "__main__":
    sys.exit(main())
