"""A node's part in a cluster: connected, with the shared buckets and a copy of the shared log."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TypeVar

import structlog

from floorcast.cluster.bootstrap import ensure_copy
from floorcast.cluster.jetstream_kv import JetStreamKeyValueStore
from floorcast.cluster.jetstream_log import JetStreamLog
from floorcast.cluster.link import NatsLink
from floorcast.cluster.log_streams import make_streams
from floorcast.cluster.peers import Following, Peer, PeerServer
from floorcast.cluster.state import ClusterState, Lag
from floorcast.config.settings import Settings
from floorcast.log.appender import Observe
from floorcast.log.data_folder import DataFolder
from floorcast.model.errors import Unavailable
from floorcast.model.token import TICKS_PER_MS, Now

__all__ = ["Share", "join"]

AGAIN = 1.0  # seconds until a cluster that cannot be reached, or has no quorum, is tried again

T = TypeVar("T")

_log = structlog.stdlib.get_logger(__name__)


class Share:
    """What a node has of a cluster."""

    def __init__(
        self,
        link: NatsLink,
        log: JetStreamLog,
        kv: JetStreamKeyValueStore,
        name: str,
        folder: Path,
    ) -> None:
        self.link = link
        self.log = log
        self.kv = kv
        self._name = name
        self._folder = folder
        self._ready = False

    async def catch_up(self) -> None:
        """Follow the log from now on; returns when this node has what the cluster had."""
        await _patiently(self.log.start)
        self._ready = True

    def following(self) -> list[Following]:
        """How far each stream has been followed."""
        now = self.link.clock()
        return [
            Following(each.stream, each.seq, each.lag, each.behind(now) // TICKS_PER_MS)
            for each in self.log.followers
        ]

    def state(self) -> ClusterState:
        """How this node does, for the metrics."""
        lags = [Lag(one.stream, one.lag, one.behind_ms / 1000) for one in self.following()]
        link = self.link
        return ClusterState(link.connected, link.quorum, lags, link.leaders, _size(self._folder))

    def peer(self, peer_id: str) -> Peer:
        """How this node does, for the others."""
        follows = self.log.follows
        return Peer(
            id=peer_id,
            name=self._name,
            ready=self._ready,
            log=follows.identity,
            clients=follows.clients,
            following=self.following(),
            disk_bytes=_size(self._folder),
            byte_order=sys.byteorder,
        )


def _size(folder: Path) -> int:
    size = 0
    for file in folder.glob("*.db*"):
        with suppress(FileNotFoundError):  # SQLite takes some of them away
            size += file.stat().st_size
    return size


async def join(stack: AsyncExitStack, settings: Settings, now: Now, observe: Observe) -> Share:
    """Connect, and open what the node has of the cluster; waits for as long as it takes.

    Raises SettingError when the cluster, or the folder for its log, cannot be used.
    """
    folder = stack.enter_context(DataFolder(settings.data))
    name = settings.node or socket.gethostname()
    link = await _patiently(lambda: NatsLink.open(settings.log, name, now))
    stack.push_async_callback(link.close)
    follows, replicas = await _patiently(
        lambda: make_streams(link, settings.streams, settings.replicas)
    )
    follows = follows._replace(clients=",".join(map(str, sorted(settings.clients))))
    kv = await _patiently(lambda: JetStreamKeyValueStore.open(link, replicas))
    stack.push_async_callback(kv.close)
    await _patiently(lambda: ensure_copy(link, folder.path, follows))
    log = JetStreamLog(folder, link, follows, link.clock, observe=observe)
    stack.push_async_callback(log.close)
    share = Share(link, log, kv, name, folder.path)
    desk = PeerServer(link, folder.path, share.peer)
    await desk.open()
    stack.push_async_callback(desk.close)
    return share


async def _patiently(what: Callable[[], Awaitable[T]]) -> T:
    """Do it as soon as the cluster lets it be done: a node may start before its cluster."""
    while True:
        try:
            return await what()
        except Unavailable as error:
            _log.warning("waiting_for_the_cluster", why=error.message)
        await asyncio.sleep(AGAIN)
