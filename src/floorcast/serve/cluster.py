"""A node's part in a cluster: connected, with the shared buckets and a copy of the shared log."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import NamedTuple, TypeVar

import structlog

from floorcast.buckets.jetstream import JetStreamBuckets
from floorcast.config.settings import Settings
from floorcast.errors import Unavailable
from floorcast.eventlog.appending import Observe
from floorcast.eventlog.datafolder import DataFolder
from floorcast.eventlog.jetstream import JetStreamLog
from floorcast.eventlog.shared_streams import make_streams
from floorcast.nats_link import NatsLink
from floorcast.token import Now

__all__ = ["join"]

AGAIN = 1.0  # seconds until a cluster that cannot be reached, or has no quorum, is tried again

T = TypeVar("T")

_log = structlog.stdlib.get_logger(__name__)


class Share(NamedTuple):
    """What a node has of a cluster; ``now`` is the cluster's clock."""

    link: NatsLink
    log: JetStreamLog
    buckets: JetStreamBuckets
    now: Now

    async def catch_up(self) -> None:
        """Follow the log from now on; returns when this node has what the cluster had."""
        await _patiently(self.log.start)


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
    buckets = await _patiently(lambda: JetStreamBuckets.open(link, replicas))
    stack.push_async_callback(buckets.close)
    clients = settings.clients or None
    log = JetStreamLog(folder, link, follows, link.clock, clients=clients, observe=observe)
    stack.push_async_callback(log.close)
    return Share(link, log, buckets, link.clock)


async def _patiently(what: Callable[[], Awaitable[T]]) -> T:
    """Do it as soon as the cluster lets it be done: a node may start before its cluster."""
    while True:
        try:
            return await what()
        except Unavailable as error:
            _log.warning("waiting_for_the_cluster", why=error.message)
        await asyncio.sleep(AGAIN)
