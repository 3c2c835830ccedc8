"""Searches for requests that block the event loop for a long time.

    python -m tests.real.slow_inputs --seconds 1800 [--seed N]

The search mutates small requests, repeats parts of them more often, and keeps the most expensive
requests. A request's bytes pass through a real connection, application, log and floor in this
process. The cost of a request is the CPU time of the event loop's longest turn.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import gzip
import math
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from tests.real.nodes import Clock, NodeHarness, temporary_folder, until
from tests.real.sites import KEYS, TOKENS

__all__ = ["MOST_BYTES", "Finding", "Measured", "Recipe", "search"]

MOST_BYTES = 16 << 20  # per request
MOST_REQUESTS_BYTES = 1 << 20  # for all pipelined requests together
FIRST_BYTES = 16 << 10
PIECE = 256_000  # bytes that uvloop reads at once
LONGEST = 0.100  # seconds per turn
LIVES = 60  # requests until a new server is started, because a server's contents grow
_MORE_TRIES = 2
_LONGEST_WAIT = 20.0  # seconds until a response

_INGEST = f"POST /ingest/v1/events HTTP/1.1\r\nAuthorization: Bearer {KEYS['ACME']}\r\n"
_LOGIN = f"POST /session/login HTTP/1.1\r\nLV-Access: {TOKENS['ACME']}\r\n"
_LINES = f"{_INGEST}Content-Type: application/x-ndjson\r\n"
_BATCH = f"{_INGEST}Content-Type: application/cloudevents-batch+json\r\n"


@dataclass(frozen=True)
class Recipe:
    """A recipe for a request with a part, ``unit``, that is repeated in its body or its head.

    In ``unit``, "{n}" is the number of the repetition, "{r}" is a small random number, and "{i}" is
    a number that is new in every request.
    """

    head: str
    before: str
    unit: str
    after: str = ""
    gzip: bool = False
    in_head: bool = False

    def make(self, size: int, chance: random.Random) -> bytes:
        """Return a request with roughly ``size`` bytes."""
        count = max(1, size // max(1, len(self.unit)))
        start = chance.randrange(10**9)
        if "{" in self.unit:
            repeated = "".join(
                self.unit.replace("{n}", str(number))
                .replace("{i}", str(start + number))
                .replace("{r}", str(chance.randrange(8)))
                for number in range(count)
            )
        else:
            repeated = self.unit * count
        text = f"{self.before}{repeated}{self.after}".encode("utf-8", "surrogatepass")
        if self.in_head:
            return self.head.encode() + text + b"\r\n\r\n"
        head = self.head + ("Content-Encoding: gzip\r\n" if self.gzip else "")
        body = gzip.compress(text, 1) if self.gzip else text
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _event(kind: str, data: str, extra: str = "") -> str:
    return (
        '{"specversion":"1.0","id":"{i}","source":"s{r}","type":"'
        + kind
        + '"'
        + extra
        + ',"data":{'
        + data
        + "}}\n"
    )


_CALL = '"transactionId":7,"sessionId":"one"'
_ANY_CALL = '"transactionId":{n},"sessionId":"s{i}"'
SESSION = "{session}"
_FEED = f"POST /realtime/event/feed HTTP/1.1\r\nLV-Session: {SESSION}\r\n"
_STATISTICS = _FEED.replace("event/feed", "service/stats")
_CHUNKED = "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

SEEDS: tuple[Recipe, ...] = (
    Recipe(_LINES, "", _event("call.queue", f'{_CALL},"service":"q{{n}}"')),
    Recipe(_LINES, "", _event("call.queue", f'{_CALL},"service":3805{{r}}')),
    Recipe(_LINES, "", _event("call.start", f'{_ANY_CALL},"service":1,"direction":"INBOUND"')),
    Recipe(_LINES, "", _event("call.end", _CALL)),
    Recipe(_LINES, "", _event("call.disposition", f'{_CALL},"termCode":"c{{n}}"')),
    Recipe(_LINES, "", _event("call.answer", f'{_CALL},"agent":"a{{n}}"')),
    Recipe(_LINES, "", _event("call.leave", f'{_CALL},"reason":"KEY"')),
    Recipe(_LINES, "", _event("agent.state", '"agent":"a{r}","eventType":"READY","service":1')),
    Recipe(
        _LINES, "", _event("agent.state", '"agent":"n{i}","eventType":"LOGON","service":"v{n}"')
    ),
    Recipe(_LINES, "", _event("agent.missed", f'"agent":"a{{r}}",{_CALL},"reason":"BUSY"')),
    Recipe(_LINES, "", _event("campaign.update", '"campaign":"c{n}","timezones":{"ET":{n}}')),
    Recipe(_LINES, "", _event("sms.attempt", '"service":"s{n}","eventType":"Attempt"')),
    Recipe(_LINES, "", "{\n", gzip=True),
    Recipe(_LINES, "", "\n", gzip=True),
    Recipe(_LINES, "", 'x"services":[1,2,3],', gzip=True),
    Recipe(_LINES, "", 'xag"x"ta[texxx', gzip=True),
    Recipe(_LINES, '{"id":"', "\\u0041", '"}'),
    Recipe(_BATCH, "[1", ",1", "]", gzip=True),
    Recipe(_BATCH, "[", "[", "]" * 10, gzip=True),
    Recipe(_BATCH, '[{"id":', "9", "}]"),
    Recipe(_LOGIN, '{"clientName":"', "\\\\", '"}'),
    Recipe(_LOGIN, '{"userName":{', '"a{n}":1,', '"b":1}}'),
    Recipe(_FEED, '{"filter":{"service":[{"id":1}', ',{"id":{n}}', "]}}"),
    Recipe(_FEED, '{"token":"', "0", '"}'),
    Recipe(
        _FEED.replace("event/feed", "service/stats"),
        '{"filter":{"callCenter":[',
        '{"id":1},',
        "]}}",
    ),
    Recipe(_FEED.replace("event/feed", "service/agents/status"), '{"stateChangedAfter":', "9", "}"),
    Recipe("GET /healthz HTTP/1.1\r\n", "Cookie: LV-Session=", "\\", in_head=True),
    Recipe("GET /healthz HTTP/1.1\r\n", "Accept: ", "a/b;q=0.{n},", in_head=True),
    Recipe("GET /healthz HTTP/1.1\r\n", "", "a{n}: x\r\n", in_head=True),
    Recipe("GET /", "", "%41", " HTTP/1.1\r\n", in_head=True),
    Recipe("GET /realtime/event/feed/sse?filter=", "", "%5B", " HTTP/1.1\r\n", in_head=True),
    Recipe("GET /healthz?", "", "a{n}=b&", " HTTP/1.1\r\n", in_head=True),
    Recipe("", "", "GET /healthz HTTP/1.1\r\n\r\n", in_head=True),
    Recipe("", "", "POST /x HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", in_head=True),
    Recipe(
        "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "", "1\r\nx\r\n", in_head=True
    ),
    Recipe(
        "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "", "a: b\r\n", in_head=True
    ),
)

TOKENS_OF_JSON = (
    "[", "]", "{", "}", '"', "\\", "\\u0000", "\\ud800", "9", "-1", "1e9", "0.1", "null", "true",
    '"x"', ",", ":", " ", "\n", "\r", "\t", "é", "\U0001f600", "{n}", "{i}", "{r}",
    '"time":"2026-11-23T',
    "call.start", "call.queue", "call.answer", "call.end", "call.update", "call.leave",
    "agent.state", "READY", "LOGON", "LOGOFF", "IN_CALL", "WRAP_UP", "NOT_READY", "DIALING",
    "AGENT_TRANSFER_INITIATED_AGENT2", '"services":[1,2,3],', "%00", "%", ";", "=", ", ",
    "a: b\r\n",
)  # fmt: skip


def mutated(recipe: Recipe, chance: random.Random) -> Recipe:
    """Return a copy in which one property of the repetition has changed at random."""
    unit = recipe.unit
    at = chance.randrange(len(unit) + 1)
    match chance.randrange(7):
        case 0:
            unit = unit[:at] + chance.choice(TOKENS_OF_JSON) + unit[at:]
        case 1:
            unit = unit[:at] + unit[at + chance.randrange(1, 6) :]
        case 2:
            unit *= 2
        case 3:
            other = chance.choice(SEEDS).unit
            unit = chance.choice((unit + other, other + unit))
        case 4:
            words = [word for word in TOKENS_OF_JSON if len(word) > 4 and word in unit]
            new = chance.choice([word for word in TOKENS_OF_JSON if len(word) > 4])
            unit = unit.replace(chance.choice(words), new) if words else unit + new
        case 5:
            unit = unit.replace("{n}", "{r}") if "{n}" in unit else unit.replace("{r}", "{n}")
        case _:
            return replace(recipe, gzip=not recipe.gzip)
    return replace(recipe, unit=(unit or "x")[:2_000])


class MeasuredLoop(asyncio.SelectorEventLoop):
    """An event loop that measures the CPU time of its longest turn."""

    longest = 0.0

    def _run_once(self) -> None:
        began = time.thread_time()
        super()._run_once()  # type: ignore[misc]  # a turn has no public method
        self.longest = max(self.longest, time.thread_time() - began)


class _Transport(asyncio.Transport):
    """A transport that accepts all data at once."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1)})
        self.closed = self.paused = False

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
        self.closed = True  # a stream has taken over the connection


class Measured:
    """A server in this process, which receives bytes as if from a connection."""

    def __init__(self, harness: NodeHarness, loop: MeasuredLoop) -> None:
        self.harness = harness
        self._loop = loop
        limits = ConnectionLimits(1000, 1000)
        deadlines: Deadlines[ServerConnection] = Deadlines(ConnectionTuning(), time.monotonic)
        self._shared = SharedServerState(None, limits, deadlines)
        self._config = uvicorn.Config(
            cast("Any", tolerate_disconnects(Api(harness.node.server, ROUTES))),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
        )
        self._config.load()
        self.session = harness.login()

    def seconds(self, request: bytes) -> float:
        """Send a request. Returns the CPU time of the longest turn until the response."""
        request = request.replace(b"{session}", self.session.encode())
        gc.collect()
        self._loop.longest = 0.0
        try:
            self.harness.run(self._send(request))
        except TimeoutError:  # a request that hangs is as bad as a slow request
            return math.inf
        return self._loop.longest

    async def _send(self, request: bytes) -> None:
        transport = _Transport()
        connection = ServerConnection(self._config, self._shared, {}, self._loop)
        connection.connection_made(transport)
        await asyncio.sleep(0)
        for at in range(0, len(request), PIECE):
            await until(lambda: transport.closed or not transport.paused)
            if transport.closed:
                break
            connection.data_received(request[at : at + PIECE])
            await asyncio.sleep(0)
        if self._shared.tasks:
            await asyncio.wait(self._shared.tasks, timeout=_LONGEST_WAIT)
        connection.connection_lost(None)
        await asyncio.sleep(0)


@contextmanager
def server() -> Iterator[Measured]:
    """Run a new server in memory, with an empty floor, until the end of the block."""
    loop = MeasuredLoop()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    with temporary_folder() as folder, asyncio.Runner(loop_factory=lambda: loop) as runner:
        harness = NodeHarness(folder, Clock(), keeps=False, runner=runner)
        thresholds = gc.get_threshold()
        gc.freeze()
        gc.set_threshold(10_000, 500, 100)  # as in a real server
        try:
            yield Measured(harness, loop)
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
    """The state of a search: the most expensive requests, and the findings."""

    def __init__(self, seed: int, longest: float = LONGEST) -> None:
        self._chance = random.Random(seed)
        self._longest = longest
        self.tried = 0
        self.best: list[tuple[float, int, Recipe]] = []  # most expensive first
        self.findings: list[Finding] = []
        self._fresh = [(FIRST_BYTES, recipe) for recipe in SEEDS]

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
        self.best.append((seconds, size, recipe))
        self.best.sort(key=lambda one: one[0], reverse=True)
        del self.best[40:]
        most = MOST_REQUESTS_BYTES if recipe.in_head else MOST_BYTES
        if size < most:
            self._fresh.append((min(size * 4, most), recipe))

    def _next(self) -> tuple[int, Recipe]:
        if self._fresh and (self._chance.random() < 0.7 or not self.best):
            return self._fresh.pop(self._chance.randrange(len(self._fresh)))
        _, size, recipe = self.best[min(len(self.best) - 1, int(self._chance.expovariate(0.2)))]
        return size, mutated(recipe, self._chance)


def search(seconds: float, seed: int, at_least: int = 0) -> Search:
    """Search for this many seconds, but send at least ``at_least`` requests."""
    found = Search(seed)
    end = time.monotonic() + seconds
    while found.tried < at_least or time.monotonic() < end:
        with server() as measured:
            for _ in range(LIVES):
                if found.tried >= at_least and time.monotonic() >= end:
                    break
                found.try_next(measured)
    return found


def main() -> int:
    """Search, and print the results. The exit code is 1 if a slow request was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    found = search(arguments.seconds, arguments.seed)
    for finding in found.findings:
        sys.stdout.write(f"{finding}\n")
    sys.stdout.write(f"seed {arguments.seed}: {found.tried} requests; the longest turns:\n")
    for seconds, size, recipe in found.best[:10]:
        sys.stdout.write(f"{seconds * 1000:6.1f} ms, about {size:,} bytes: {recipe!r:.160}\n")
    return bool(found.findings)


if __name__ == "__main__":
    sys.exit(main())
