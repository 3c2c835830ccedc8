"""A node's part in a cluster: its link, the shared key-value store and a copy of the log."""

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
from floorcast.cluster.log_messages import stream_name
from floorcast.cluster.newer_events import discard_stale_projections
from floorcast.cluster.node_state import ClusterState, StreamLag
from floorcast.cluster.peer_messages import Peer, PeerPosition
from floorcast.cluster.peers import PeerServer, query_peers
from floorcast.cluster.saved_store import SavedStore, check_store
from floorcast.cluster.streams import (
    KV_STREAM,
    REPAIR,
    LogStreams,
    are_streams_created,
    create_stream,
    find_stream,
    kv_config,
    mark_streams_created,
    new_identity,
    open_log_streams,
    parse_state,
    set_identity,
)
from floorcast.config.settings import Settings
from floorcast.log.appender import CommitObserver
from floorcast.log.data_folder import DataFolder
from floorcast.log.folder_copy import read_contents
from floorcast.model.cancellation import cancel_all
from floorcast.model.errors import SettingError, Unavailable
from floorcast.model.token import TICKS_PER_MS, Now

__all__ = ["ClusterMember", "join"]

RETRY_SECONDS = 1.0  # before an unavailable cluster is tried again

T = TypeVar("T")

_log = structlog.stdlib.get_logger(__name__)


class ClusterMember:
    """A node's parts of a cluster: its link, its copy of the log, and the key-value store."""

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
        """Start following the log.

        Returns when this node has everything that the log had at the start.
        """
        await _retry_until_available(self.log.start)
        self._ready = True

    def positions(self) -> list[PeerPosition]:
        """Return this node's position in each stream."""
        now = self.link.clock()
        return [
            PeerPosition(
                follower.stream,
                follower.seq,
                follower.lag,
                follower.ticks_behind(now) // TICKS_PER_MS,
                follower.position.generation,
            )
            for follower in self.log.followers
        ]

    def state(self) -> ClusterState:
        """Return the state of this node, for the metrics."""
        lags = [
            StreamLag(position.stream, position.lag, position.behind_ms / 1000)
            for position in self.positions()
        ]
        link = self.link
        return ClusterState(
            link.connected, link.quorum, lags, link.leaders, _disk_bytes(self._folder)
        )

    def peer(self, peer_id: str) -> Peer:
        """Return the state of this node, for the other nodes."""
        followed_log = self.log.followed_log
        return Peer(
            id=peer_id,
            name=self._name,
            ready=self._ready,
            log=followed_log.identity,
            clients=followed_log.clients,
            following=self.positions(),
            disk_bytes=_disk_bytes(self._folder),
            byte_order=sys.byteorder,
            halted=self.log.halted,
        )


def _disk_bytes(folder: Path) -> int:
    size = 0
    for file in folder.glob("*.db*"):
        with suppress(FileNotFoundError):  # SQLite deletes some of them
            size += file.stat().st_size
    return size


async def join(
    stack: AsyncExitStack, settings: Settings, now: Now, observer: CommitObserver
) -> ClusterMember:
    """Connect to the cluster, and open the node's parts of it. Waits as long as necessary.

    Raises SettingError if the cluster or the data folder cannot be used.
    """
    folder = stack.enter_context(DataFolder(settings.data))
    name = settings.node or socket.gethostname()
    link = await _retry_until_available(lambda: NatsLink.open(settings.log, name, now))
    stack.push_async_callback(link.close)
    contents = read_contents(folder.path)
    identity = "" if contents is None else contents.followed_log.identity
    followed_log, replicas = await _retry_until_available(
        lambda: _streams(link, settings, identity)
    )
    followed_log = followed_log._replace(clients=",".join(map(str, sorted(settings.clients))))
    await _retry_until_available(lambda: ensure_copy(link, folder.path, followed_log))
    saved = SavedStore(folder.path)
    stack.push_async_callback(saved.close)
    is_current = await _retry_until_available(
        lambda: check_store(link, saved.position, followed_log.identity)
    )
    known = saved.read_values() if is_current else None
    kv = await _retry_until_available(
        lambda: JetStreamKeyValueStore.open(link, replicas, known=known)
    )
    stack.push_async_callback(kv.close)
    await saved.follow(kv)
    await asyncio.to_thread(discard_stale_projections, folder.path)
    log = JetStreamLog(
        folder, link, followed_log, link.clock, observer=observer, store_halted=lambda: kv.halted
    )
    stack.push_async_callback(log.close)
    member = ClusterMember(link, log, kv, name, folder.path)
    server = PeerServer(link, folder.path, member.peer, log.entry)
    await server.open()
    stack.push_async_callback(server.close)
    warning = asyncio.create_task(_warn_of_problems(link, server.id, name))  # nobody waits for it
    stack.push_async_callback(cancel_all, [warning])
    return member


async def _warn_of_problems(link: NatsLink, own_id: str, name: str) -> None:
    """Log problems that an operator should fix early."""
    try:
        others = [peer for peer in await query_peers(link) if peer.id != own_id]
    except Unavailable:
        others = []
    if any(peer.name == name for peer in others):
        _log.warning(
            "node_name_taken", node=name, hint="give each node a different name with --node"
        )
    for problem in await link.check_servers():
        _log.warning("nats_configuration", problem=problem)


async def _streams(link: NatsLink, settings: Settings, folder_identity: str) -> LogStreams:
    """Return the log's streams, creating them if there is no log yet.

    ``folder_identity`` is the identity of the folder's log. Raises SettingError if the cluster has
    lost a part of its log.
    """
    store, first = await find_stream(link, KV_STREAM), await find_stream(link, stream_name(0))
    if store is None:
        if folder_identity or first is not None or await query_peers(link):
            raise SettingError(f"log: the cluster has lost its key-value store: {REPAIR}")
        store = await create_stream(link, kv_config(settings.replicas, new_identity()))
    found = parse_state(store)
    identity = found.identity if first is None else parse_state(first).identity
    if not identity or (
        first is not None and found.identity != identity and not are_streams_created(store)
    ):
        identity = identity or new_identity()  # a store created by an older release
        await set_identity(link, identity)
    elif found.identity != identity:
        raise SettingError(
            f"log: {stream_name(0)} and the key-value store belong to different logs: {REPAIR}"
        )
    if folder_identity and folder_identity != identity:
        raise SettingError(
            f"data folder {settings.data} is a copy of another log than the cluster's: give this "
            f"node another folder with --data; or, if the cluster has lost its log, {REPAIR}"
        )
    streams = await open_log_streams(
        link,
        settings.streams,
        settings.replicas,
        identity,
        create_missing=not folder_identity and not are_streams_created(store),
    )
    await mark_streams_created(link)
    return streams


async def _retry_until_available(operation: Callable[[], Awaitable[T]]) -> T:
    """Repeat ``operation`` until the cluster is available. A node may start before its cluster."""
    while True:
        try:
            return await operation()
        except Unavailable as error:
            _log.warning("waiting_for_the_cluster", why=error.message)
        await asyncio.sleep(RETRY_SECONDS)
