"""A cluster's log whose entries are taken when the test's clock says, not when the server does."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

from floorcast.cluster.jetstream_log import JetStreamLog
from floorcast.cluster.link import PATIENCE, Ack, NatsLink
from floorcast.cluster.log_messages import TAKEN
from floorcast.cluster.log_streams import make_streams
from floorcast.log.data_folder import DataFolder
from floorcast.model.token import Now

__all__ = ["StampedLog"]

STREAMS = 2


class _StampingLink(NatsLink):
    """Gives every message a time, as one that comes from another log has."""

    recorded_at: Now

    async def publish(
        self,
        subject: str,
        payload: bytes,
        headers: Mapping[str, str] = MappingProxyType({}),
        patience: float = PATIENCE,
    ) -> Ack:
        stamped = {**headers, TAKEN: str(self.recorded_at())}
        return await super().publish(subject, payload, stamped, patience)


class StampedLog(JetStreamLog):
    """The log of one node; closing it closes its connection, too."""

    link: NatsLink
    clock: Now

    @classmethod
    async def open(cls, url: str, folder: DataFolder, clock: Now) -> Self:
        """Connect, make the streams where there are none, and catch up."""
        link = await _StampingLink.open(url, "test")
        link.recorded_at = clock
        follows, _ = await make_streams(link, STREAMS, 1)
        log = cls(folder, link, follows, clock)
        log.link, log.clock = link, clock
        await log.start()
        return log

    async def retain(self) -> int:
        for follower in self.followers:  # a quiet stream would say so within a second
            follower.through = max(follower.through, self.clock())
        return await super().retain()

    async def close(self) -> None:
        await super().close()
        await self.link.close()
