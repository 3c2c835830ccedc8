"""Publishes a node's batches, and waits until the node has followed the stream up to them."""

from __future__ import annotations

import asyncio
import uuid
from typing import Final, NamedTuple

import structlog

from floorcast.cluster import log_messages
from floorcast.cluster.jetstream_responses import RequestRefused, StorageFull
from floorcast.cluster.link import NatsLink
from floorcast.cluster.log_messages import MessageKind, subject
from floorcast.log.port import Appended, Batch
from floorcast.model.errors import Unavailable
from floorcast.model.token import Now

__all__ = ["NO_ROOM_MESSAGE", "Published", "Publisher"]

NO_ROOM_MESSAGE: Final = "the NATS servers have no room left: free their disks, or raise max_file"

_log = structlog.stdlib.get_logger(__name__)


class Published(NamedTuple):
    """A message that this node has published: its events, and the result that its sender awaits."""

    batch: Batch
    result: asyncio.Future[Appended]


class Publisher:
    """Publishes to a log with this number of streams. ``full`` is true while NATS has no room.

    ``published`` has the messages whose result is not known yet, by id. Whoever follows the stream
    sets their results. ``patience`` is the time in seconds for an append, and ``short_patience``
    the time for an append when there has been no quorum for long.
    """

    def __init__(
        self, link: NatsLink, streams: int, now: Now, patience: float, short_patience: float
    ) -> None:
        self.published: dict[str, Published] = {}
        self.full = False
        self._link = link
        self._streams = streams
        self._now = now
        self._patience = patience
        self._short_patience = short_patience
        self._quorum_seen_at = 0.0

    def start(self) -> None:
        """Count the time without a quorum from now on."""
        self._quorum_seen_at = asyncio.get_running_loop().time()

    async def publish(self, kind: MessageKind, batch: Batch, payload: bytes) -> Appended:
        """Publish a message, wait until this node has followed it, and return its result.

        Raises Unavailable, and StorageFull if the servers have no room. The entry may still become
        readable.
        """
        loop = asyncio.get_running_loop()
        name = uuid.uuid4().hex
        result = loop.create_future()
        self.published[name] = Published(batch, result)
        if self._link.quorum:
            self._quorum_seen_at = loop.time()
        until = max(self._quorum_seen_at + self._patience, loop.time() + self._short_patience)
        headers = {
            log_messages.KIND: kind,
            log_messages.ID: name,
            log_messages.TIME: str(self._now()),
        }
        try:
            await self._link.publish(
                subject(batch.client, self._streams), payload, headers, until - loop.time()
            )
            self._quorum_seen_at = loop.time()
            self._note_free_space(available=True)
            async with asyncio.timeout(self._patience):
                appended: Appended = await result
        except TimeoutError as error:
            raise Unavailable("this node is behind the cluster's log: send this again") from error
        except StorageFull:
            self._note_free_space(available=False)
            raise
        except RequestRefused as error:
            raise Unavailable(f"the cluster rejects the events: {error}") from error
        finally:
            del self.published[name]
        return appended

    def close(self) -> None:
        """Fail all publications in progress."""
        for one in self.published.values():
            if not one.result.done():
                one.result.set_exception(Unavailable("the log is closed"))

    def _note_free_space(self, *, available: bool) -> None:
        if available == self.full:
            self.full = not available
            tell = _log.info if available else _log.error
            tell("nats_has_room_again" if available else "nats_storage_full", hint=NO_ROOM_MESSAGE)
