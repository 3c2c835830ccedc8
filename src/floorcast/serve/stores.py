"""Where a server keeps what it must not lose: its log and its buckets, by what the settings say."""

from __future__ import annotations

from contextlib import AsyncExitStack
from importlib.util import find_spec
from typing import NamedTuple

from floorcast.buckets.folder import IN_MEMORY, open_buckets
from floorcast.buckets.port import Buckets
from floorcast.config.settings import Settings
from floorcast.errors import SettingError
from floorcast.eventlog.appending import Observe
from floorcast.eventlog.datafolder import DataFolder
from floorcast.eventlog.memory import MemoryLog
from floorcast.eventlog.port import EventLog
from floorcast.eventlog.sqlite import SqliteLog
from floorcast.token import Now

__all__ = ["Stores", "open_stores"]


class Stores(NamedTuple):
    """A log and buckets, and the clock that goes with them: a cluster has one of its own."""

    log: EventLog
    buckets: Buckets
    now: Now


async def open_stores(
    stack: AsyncExitStack, settings: Settings, now: Now, observe: Observe
) -> Stores:
    """Open them; ``stack`` closes them. ``observe`` is told of every commit of the log.

    Raises SettingError when they cannot be used.
    """
    in_memory = settings.data == IN_MEMORY
    if settings.log != "embedded":
        if in_memory:
            raise SettingError("data: a node of a cluster keeps a copy of the log, in a folder")
        if find_spec("nats") is None:
            raise SettingError("log: a cluster needs nats-py: pip install 'floorcast[cluster]'")
        from floorcast.serve.cluster import join  # noqa: PLC0415 — nats-py is an extra

        return Stores(*await join(stack, settings, now, observe))
    folder = None if in_memory else stack.enter_context(DataFolder(settings.data))
    buckets = open_buckets(settings.data)
    stack.push_async_callback(buckets.close)
    log = MemoryLog(now) if folder is None else SqliteLog(folder, now, observe=observe)
    stack.push_async_callback(log.close)
    return Stores(log, buckets, now)
