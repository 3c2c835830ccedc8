"""Opens the log and the key-value store that the settings name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from importlib.util import find_spec
from typing import NamedTuple

import msgspec

from floorcast.cluster.node_state import ClusterState
from floorcast.config.settings import Settings
from floorcast.kv.folder import IN_MEMORY, open_kv
from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.kv.port import Item, KeyValueStore
from floorcast.log.appender import CommitObserver
from floorcast.log.data_folder import DataFolder
from floorcast.log.embedded import EmbeddedLog
from floorcast.log.lost_entries import KnownLog, check_log
from floorcast.log.memory import MemoryLog
from floorcast.log.port import EventLog
from floorcast.model.errors import SettingError
from floorcast.model.token import Now

__all__ = ["LOG_END_KEY", "Stores", "open_stores", "record_log_end", "require_nats"]

LOG_END_KEY = ("log", "known")  # the bucket and key under which admin.db records the end of the log


class Stores(NamedTuple):
    """A log, a key-value store, and their clock, which is the cluster's if there is one.

    ``counts`` stores counters that all nodes share and that a restart may lose. ``catch_up``
    returns once the log has everything that other nodes have appended. ``cluster`` returns the
    node's state in its cluster; it is None without a cluster.
    """

    log: EventLog
    kv: KeyValueStore
    counts: KeyValueStore
    now: Now
    catch_up: Callable[[], Awaitable[None]]
    cluster: Callable[[], ClusterState] | None = None

    @property
    def shared(self) -> bool:
        """Whether other nodes share the stores."""
        return self.cluster is not None


async def open_stores(
    stack: AsyncExitStack,
    settings: Settings,
    now: Now,
    observer: CommitObserver,
    *,
    accept_loss: bool = False,
) -> Stores:
    """Open the stores. ``stack`` closes them. ``observer`` is called for each commit of the log.

    Raises SettingError if the stores cannot be used, or if the log has lost entries and
    ``accept_loss`` is false.
    """
    in_memory = settings.data == IN_MEMORY
    if settings.log != "embedded":
        if in_memory:
            raise SettingError(
                "data: must be a folder, because a cluster node keeps a copy of the log"
            )
        require_nats()
        from floorcast.cluster.membership import join  # noqa: PLC0415 — nats-py is an extra

        member = await join(stack, settings, now, observer)
        shared, clock = member.kv, member.link.clock
        return Stores(member.log, shared, shared, clock, member.catch_up, member.state)
    folder = None if in_memory else stack.enter_context(DataFolder(settings.data))
    kv = open_kv(settings.data)
    stack.push_async_callback(kv.close)
    if folder is None:
        log: EventLog = MemoryLog(now)
    else:
        check_log(folder.path, _recorded_log(kv), accept_loss=accept_loss)
        log = EmbeddedLog(folder, now, observer=observer)
    stack.push_async_callback(log.close)
    return Stores(log, kv, MemoryKeyValueStore(), now, _nothing_to_catch_up)


def _recorded_log(kv: KeyValueStore) -> KnownLog | None:
    recorded = kv.get(*LOG_END_KEY)
    return None if recorded is None else msgspec.json.decode(recorded, type=KnownLog)


async def record_log_end(stores: Stores) -> None:
    """Record the end of the log in ``admin.db``, so that the next start can detect lost entries."""
    log = stores.log
    heads = {client: log.head(client).number for client in log.clients()}
    value = msgspec.json.encode(KnownLog(log.identity, heads))
    if stores.kv.get(*LOG_END_KEY) != value:
        await stores.kv.write([Item(*LOG_END_KEY, value)])


async def _nothing_to_catch_up() -> None:
    """Return immediately, because no other node appends to an embedded log."""


def require_nats() -> None:
    """Raise SettingError if the extra that a cluster needs is not installed."""
    if find_spec("nats") is None:
        raise SettingError("log: a cluster needs nats-py: pip install 'floorcast[cluster]'")
