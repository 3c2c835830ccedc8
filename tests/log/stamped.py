"""A cluster's log whose entries have the times of a test's clock."""

from __future__ import annotations

from typing import Self

from floorcast.cluster.jetstream_log import ClusterLogTuning, JetStreamLog
from floorcast.cluster.link import NatsLink
from floorcast.cluster.streams import open_log_streams
from floorcast.log.data_folder import DataFolder
from floorcast.model.token import Now

__all__ = ["IDENTITY", "STREAMS", "StampedLog"]

STREAMS = 2
IDENTITY = "a log of tests"


class StampedLog(JetStreamLog):
    """The log of one node. Closing it closes its connection, too."""

    link: NatsLink
    clock: Now

    @classmethod
    async def open(
        cls, url: str, folder: DataFolder, clock: Now, tuning: ClusterLogTuning | None = None
    ) -> Self:
        """Connect, create missing streams, and catch up."""
        link = await NatsLink.open(url, "test")
        followed_log, _ = await open_log_streams(link, STREAMS, 1, IDENTITY)
        log = cls(folder, link, followed_log, clock, tuning=tuning)
        log.link, log.clock = link, clock
        await log.start()
        return log

    def catch_up(self) -> None:
        """Use the test's clock at once, without the next check a second later."""
        for follower in self.followers:
            follower.record_newest(follower.seq, self.clock())

    async def close(self) -> None:
        await super().close()
        await self.link.close()
