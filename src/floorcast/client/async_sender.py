"""The sender for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import httpx

from floorcast.client.async_io import AsyncConnectionOwner, AsyncIo
from floorcast.client.cloud_event import CloudEvent
from floorcast.client.sender_protocol import SenderProtocol, Verdicts
from floorcast.client.timing import Timing
from floorcast.client.wire import MAX_ANSWER_BYTES

__all__ = ["AsyncSender"]


class AsyncSender(AsyncConnectionOwner):
    """Sends events to a server's intake, for asyncio.

    ``url`` is the server's address. ``key`` is an ingest key, which determines the client that the
    events belong to. Tasks can share the sender. Tests can replace ``transport`` (httpx's) and
    ``sleep``. Reading an answer of more than ``max_answer_bytes`` (uncompressed) raises
    UnexpectedAnswer.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timing: Timing | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._protocol = SenderProtocol(url, key, timing or Timing())
        super().__init__(AsyncIo(self._protocol.url, transport, sleep, max_answer_bytes))

    async def send(self, events: Iterable[CloudEvent]) -> Verdicts:
        """Send events in order, in batches, and return once the server has stored them.

        A batch is retried while the server is unavailable or busy. Raises Unavailable or
        RateLimited if that lasts longer than the patience of ``timing``, Refusal if the batch can
        never be accepted (such as with a wrong key), and UnexpectedAnswer. Sending the same events
        again is always safe.
        """
        return await self._io.run(self._protocol.send(events))

    async def check_key(self) -> None:
        """Send a request without events, and return once the server has accepted the key.

        It is retried like a batch. Raises the errors of ``send``.
        """
        await self._io.run(self._protocol.check_key())
