"""A Python server that floorcast is compared with. It uses Starlette, sse-starlette and Redis.

The process has one subscription, and each reader has a bounded queue.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio
import uvicorn
from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

queues: set[asyncio.Queue[str]] = set()


async def follow(socket: str) -> None:
    """Pass every message to every reader. A reader that is 10,000 messages behind misses some."""
    subscription = redis.asyncio.Redis(unix_socket_path=socket, decode_responses=True).pubsub()
    await subscription.subscribe("events")
    async for message in subscription.listen():
        if message["type"] == "message":
            for queue in queues:
                if not queue.full():
                    queue.put_nowait(message["data"])


async def stream(_request: Request) -> EventSourceResponse:
    """Return the stream of events to one reader."""
    queue: asyncio.Queue[str] = asyncio.Queue(10_000)

    async def events() -> AsyncIterator[dict[str, str]]:
        queues.add(queue)
        try:
            while True:
                yield {"data": await queue.get()}
        finally:
            queues.discard(queue)

    return EventSourceResponse(events(), ping=10)


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    """Follow Redis while the application runs."""
    following = asyncio.create_task(follow(sys.argv[2]))
    yield
    following.cancel()


if __name__ == "__main__":
    uvicorn.run(
        Starlette(routes=[Route("/events", stream)], lifespan=lifespan),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        backlog=4096,
    )
