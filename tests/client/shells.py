"""One interface for both clients, for tests that they share."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Protocol

import httpx

from floorcast.client import AsyncClient, AsyncFeed, Client, Credentials, Feed, Timing
from tests.client.reference import URL, Reference

__all__ = ["AsyncShell", "BlockingShell", "Received", "Shell"]

Found = Any
"""The result of a method, whose type depends on the name."""
Received = list[tuple[bytes, str | None]]


class Shell(Protocol):
    """A client under test. ``paused`` has its pauses."""

    paused: list[float]

    def ask(self, method: str, *given: object, **more: object) -> Found:
        """Return the result of a method."""
        ...

    def ask_at_once(self, method: str, times: int) -> list[Any]:
        """Call a method this many times concurrently, and return the results."""
        ...

    def take(self, feed: Found, count: int) -> Received:
        """Return the next events of a feed, each with the token after it."""
        ...

    def close_feed(self, feed: Found) -> None:
        """Close a feed."""
        ...

    def close(self) -> None:
        """Close the client."""
        ...


class BlockingShell:
    """The client for threads."""

    def __init__(self, server: Reference, who: Credentials | None, session: str | None) -> None:
        self.paused: list[float] = []
        transport = httpx.MockTransport(server)
        timing = Timing(clock=lambda: sum(self.paused), chance=lambda: 0.5)
        self.client = Client(
            URL, who, session=session, timing=timing, transport=transport, sleep=self.paused.append
        )

    def ask(self, method: str, *given: object, **more: object) -> Found:
        return getattr(self.client, method)(*given, **more)

    def ask_at_once(self, method: str, times: int) -> list[Any]:
        together = threading.Barrier(times)

        def one() -> Found:
            together.wait(30)
            return self.ask(method)

        with ThreadPoolExecutor(times) as threads:
            return [future.result() for future in [threads.submit(one) for _ in range(times)]]

    def take(self, feed: Feed[Any], count: int) -> Received:
        return [(feed.json, feed.token) for _ in islice(feed, count)]

    def close_feed(self, feed: Feed[Any]) -> None:
        feed.close()

    def close(self) -> None:
        self.client.close()


class AsyncShell:
    """The client for an event loop, and the loop."""

    def __init__(self, server: Reference, who: Credentials | None, session: str | None) -> None:
        self.paused: list[float] = []
        self._runner = asyncio.Runner()
        transport = httpx.MockTransport(server)
        timing = Timing(clock=lambda: sum(self.paused), chance=lambda: 0.5)
        self.client = AsyncClient(
            URL, who, session=session, timing=timing, transport=transport, sleep=self._sleep
        )

    async def _sleep(self, seconds: float) -> None:
        self.paused.append(seconds)

    def ask(self, method: str, *given: object, **more: object) -> Found:
        found = getattr(self.client, method)(*given, **more)
        return found if isinstance(found, AsyncFeed) else self._runner.run(_done(found))

    def ask_at_once(self, method: str, times: int) -> list[Any]:
        async def all_of_them() -> list[Any]:
            return await asyncio.gather(*(getattr(self.client, method)() for _ in range(times)))

        return self._runner.run(all_of_them())

    def take(self, feed: AsyncFeed[Any], count: int) -> Received:
        async def received() -> Received:
            found: Received = []
            while len(found) < count:
                await anext(feed)
                found.append((feed.json, feed.token))
            return found

        return self._runner.run(received())

    def close_feed(self, feed: AsyncFeed[Any]) -> None:
        self._runner.run(feed.aclose())

    def close(self) -> None:
        self._runner.run(self.client.aclose())
        self._runner.close()


async def _done(work: Found) -> Found:
    return await work
