"""The sender for threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import httpx

from floorcast.client.cloud_event import CloudEvent
from floorcast.client.sending import Sending, Verdicts
from floorcast.client.sync_io import Connected, SyncIo
from floorcast.client.timing import Timing
from floorcast.client.wire import MAX_ANSWER_BYTES

__all__ = ["Sender"]


class Sender(Connected):
    """Sends events to a server's intake.

    ``url`` is the server's, and ``key`` an ingest key, which determines the client of the events.
    Threads may share the sender. ``transport`` (httpx's) and ``sleep`` are replaceable. An answer
    larger than ``max_answer_bytes`` (uncompressed) raises UnexpectedAnswer while it is read.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timing: Timing | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._sending = Sending(url, key, timing or Timing())
        super().__init__(SyncIo(self._sending.url, transport, sleep, max_answer_bytes))

    def send(self, events: Iterable[CloudEvent]) -> Verdicts:
        """Send events in order, in batches; returns once the server has stored them.

        A batch is repeated while the server is away or busy. Raises Refusal when it will never
        be taken (a wrong key), Unavailable or RateLimited when the server stayed away for
        longer than the patience of ``timing``, and UnexpectedAnswer. Sending the same events
        again is always safe.
        """
        return self._io.run(self._sending.send(events))
