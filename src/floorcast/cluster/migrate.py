"""Moves an embedded data folder into a cluster and back, without losing events or tokens.

The folder becomes the first node's folder and keeps all of its entries. The cluster's streams begin
after these entries, so the other nodes copy the first node. The shared data (site, users, keys and
sessions) moves into the cluster's key-value store, and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec

from floorcast.cluster.folder_conversion import begin_following, embedded, end_following, kept_copy
from floorcast.cluster.jetstream_kv import JetStreamKeyValueStore
from floorcast.cluster.link import COMMAND_TIMEOUT_SECONDS, NatsLink
from floorcast.cluster.peers import ask_peers
from floorcast.cluster.saved_store import BUCKETS, SavedStore, check_store
from floorcast.cluster.stream_messages import Mismatch, compare
from floorcast.cluster.streams import (
    KV_STREAM,
    REPAIR,
    create,
    find,
    kv_config,
    make_log_streams,
    mark_whole,
    state_of,
)
from floorcast.config.settings import Settings
from floorcast.kv.folder import IN_MEMORY, open_kv
from floorcast.kv.port import Item, KeyValueStore
from floorcast.log.data_folder import DataFolder
from floorcast.log.folder_copy import FolderContents
from floorcast.log.log_file import Follows, StreamPosition
from floorcast.model.errors import SettingError

__all__ = [
    "Moved",
    "export_cluster",
    "import_folder",
    "open_folder",
]

IMPORTED = ("cluster", "imported")  # the folder's newest entries at the time of the import
KEYS_PER_WRITE = 250  # in one write
FIRST_SEQUENCE = 2  # of an imported log; not 1, so that an empty node needs a copy


class Moved(NamedTuple):
    """The number of moved keys, and the number of the log's streams."""

    keys: int
    streams: int


async def import_folder(settings: Settings) -> Moved:
    """Convert the embedded folder into the folder of a new cluster's first node.

    The import can be repeated after an interruption. Raises SettingError if the folder is in use or
    is not an embedded one, or if the cluster already has another log or site.
    """
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(open_folder(settings))
        log = embedded(folder.path)
        link = await _link(stack, settings)
        await _make_kv(link, settings.replicas, log.identity)
        follows, replicas = await make_log_streams(
            link, settings.streams, settings.replicas, log.identity, first=FIRST_SEQUENCE
        )
        if any(seq >= FIRST_SEQUENCE for seq in (await _ends(link, follows)).values()):
            raise SettingError("log: the cluster has new data since this folder was imported")
        shared = await JetStreamKeyValueStore.open(link, replicas)
        stack.push_async_callback(shared.close)
        await _claim(shared, msgspec.json.encode(sorted(log.heads.items())))
        own = open_kv(folder.path)
        stack.push_async_callback(own.close)
        keys = await _copy(own, shared)
        await mark_whole(link)
        begin_following(
            folder.path, [StreamPosition(name, FIRST_SEQUENCE - 1) for name in follows.streams]
        )
        return Moved(keys, len(follows.streams))


async def export_cluster(settings: Settings) -> Moved:
    """Convert the folder of a stopped node into an embedded one, including the nodes' shared data.

    Raises SettingError if a node is running, or if the folder lacks a part of the log.
    """
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(open_folder(settings))
        copy = kept_copy(folder.path)
        link = await _link(stack, settings)
        if running := await ask_peers(link):
            raise SettingError(
                f"log: stop every node first; still running: {', '.join(p.name for p in running)}"
            )
        await _check_whole(link, folder.path, copy)
        for name, end in (await _ends(link, copy.follows)).items():
            missing = end - copy.stream_positions[name].seq
            if missing > 0:
                raise SettingError(
                    f"data: {missing:,} messages of {name} are not in"
                    f" {folder.path}: let this node run until it is ready, while no source sends"
                    " events, or use another node's folder"
                )
        shared = await JetStreamKeyValueStore.open(link, settings.replicas, make=False)
        stack.push_async_callback(shared.close)
        own = open_kv(folder.path)
        stack.push_async_callback(own.close)
        keys = await _copy(shared, own)
        end_following(folder.path, copy.follows)
        return Moved(keys, len(copy.follows.streams))


async def _make_kv(link: NatsLink, replicas: int, identity: str) -> None:
    found = await find(link, KV_STREAM)
    if found is None:
        found = await create(link, kv_config(replicas, identity))
    if state_of(found).identity != identity:
        raise SettingError(
            "log: the cluster has a different log or site; import into a new cluster"
        )


async def _claim(shared: KeyValueStore, heads: bytes) -> None:
    """Record the imported state of the folder, so that no other state of it can be imported."""
    if shared.get(*IMPORTED) == heads:
        return
    if shared.get(*IMPORTED) is not None:
        raise SettingError("log: a different state of this folder has already been imported")
    if any(shared.items(bucket) for bucket in BUCKETS):
        raise SettingError("log: the cluster already has a site; import into a new cluster")
    await shared.write([Item(*IMPORTED, heads)], [Item(*IMPORTED, None)])


def open_folder(settings: Settings) -> DataFolder:
    """Lock and return the data folder of the settings. Raises SettingError."""
    if settings.log == "embedded":
        raise SettingError("log: name the cluster with --log nats://HOST,HOST,…")
    if settings.data == IN_MEMORY or not settings.data.exists():
        raise SettingError(f"data: there is no folder {settings.data}")
    return DataFolder(settings.data)


async def _link(stack: AsyncExitStack, settings: Settings) -> NatsLink:
    link = await NatsLink.open(settings.log, "floorcast cluster", patience=COMMAND_TIMEOUT_SECONDS)
    stack.push_async_callback(link.close)
    return link


async def _ends(link: NatsLink, follows: Follows) -> Mapping[str, int]:
    """Return the number of each stream's newest message."""
    ends: dict[str, int] = {}
    for name in follows.streams:
        info = await find(link, name)
        if info is None:
            raise SettingError(f"log: the cluster has lost the stream {name}: {REPAIR}")
        ends[name] = state_of(info).last_seq
    return ends


async def _check_whole(link: NatsLink, folder: Path, copy: FolderContents) -> None:
    """Raise SettingError if the cluster has lost anything that the folder has."""
    for name, position in copy.stream_positions.items():
        info = await find(link, name)
        if info is None:
            raise SettingError(f"log: the cluster has lost the stream {name}: {REPAIR}")
        try:
            await compare(link, state_of(info), copy.follows.identity, position)
        except Mismatch as error:
            raise SettingError(f"log: {error.message}") from error
    saved = SavedStore(folder)
    try:
        await check_store(link, saved.position, copy.follows.identity)
    finally:
        await saved.close()


async def _copy(source: KeyValueStore, target: KeyValueStore) -> int:
    """Make the target's buckets equal to the source's, and return the number of keys."""
    keys = 0
    for bucket in BUCKETS:
        wanted, there = source.items(bucket), target.items(bucket)
        items = [Item(bucket, key, None) for key in there if key not in wanted]
        items += [Item(bucket, key, value) for key, value in wanted.items()]
        for at in range(0, len(items), KEYS_PER_WRITE):
            await target.write(items[at : at + KEYS_PER_WRITE])
        keys += len(wanted)
    return keys
