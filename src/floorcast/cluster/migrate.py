"""Moves an embedded data folder into a cluster and back, without losing events or tokens.

The folder becomes the first node's folder and keeps all of its entries. The cluster's streams begin
after these entries, so the other nodes copy the first node. The shared data (site, users, keys and
sessions) moves into the cluster's key-value store, and back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec

from floorcast.cluster.folder_conversion import (
    begin_following,
    end_following,
    read_cluster_folder,
    read_embedded_folder,
)
from floorcast.cluster.jetstream_kv import JetStreamKeyValueStore
from floorcast.cluster.link import COMMAND_TIMEOUT_SECONDS, NatsLink
from floorcast.cluster.peers import query_peers
from floorcast.cluster.saved_store import BUCKETS, SavedStore, check_store
from floorcast.cluster.stream_checks import Mismatch, check_position
from floorcast.cluster.streams import (
    KV_STREAM,
    REPAIR,
    create_stream,
    find_stream,
    kv_config,
    mark_streams_created,
    open_log_streams,
    parse_state,
)
from floorcast.config.settings import Settings
from floorcast.kv.folder import IN_MEMORY, open_kv
from floorcast.kv.port import Item, KeyValueStore
from floorcast.log.data_folder import DataFolder
from floorcast.log.folder_copy import FolderContents
from floorcast.log.log_file import FollowedLog, StreamPosition
from floorcast.model.errors import SettingError

__all__ = [
    "MigrationResult",
    "export_cluster",
    "import_folder",
    "open_folder",
]

IMPORTED = ("cluster", "imported")  # the folder's newest entries at the time of the import
KEYS_PER_WRITE = 250
FIRST_SEQUENCE = 2  # in an imported log; not 1, so that an empty node needs a copy


class MigrationResult(NamedTuple):
    """The number of moved keys, and the number of the log's streams."""

    keys: int
    streams: int


Report = Callable[[int, int], None]
"""Receives the number of moved keys and the total."""


async def import_folder(
    settings: Settings, report: Report = lambda _done, _total: None
) -> MigrationResult:
    """Convert the embedded folder into the folder of a new cluster's first node.

    The import can be repeated after an interruption. Raises SettingError if the folder is in use or
    is not an embedded one, or if the cluster already has another log or site.
    """
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(open_folder(settings))
        log = read_embedded_folder(folder.path)
        link = await _open_link(stack, settings)
        await _find_or_create_kv(link, settings.replicas, log.identity)
        followed_log, replicas = await open_log_streams(
            link, settings.streams, settings.replicas, log.identity, first=FIRST_SEQUENCE
        )
        if any(seq >= FIRST_SEQUENCE for seq in (await _last_seqs(link, followed_log)).values()):
            raise SettingError("log: the cluster has new data since this folder was imported")
        cluster_kv = await JetStreamKeyValueStore.open(link, replicas)
        stack.push_async_callback(cluster_kv.close)
        await _record_import(cluster_kv, msgspec.json.encode(sorted(log.heads.items())))
        folder_kv = open_kv(folder.path)
        stack.push_async_callback(folder_kv.close)
        keys = await _copy(folder_kv, cluster_kv, report)
        await mark_streams_created(link)
        begin_following(
            folder.path, [StreamPosition(name, FIRST_SEQUENCE - 1) for name in followed_log.streams]
        )
        return MigrationResult(keys, len(followed_log.streams))


async def export_cluster(
    settings: Settings, report: Report = lambda _done, _total: None
) -> MigrationResult:
    """Convert the folder of a stopped node into an embedded one, including the nodes' shared data.

    Raises SettingError if a node is running, or if the folder lacks a part of the log.
    """
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(open_folder(settings))
        copy = read_cluster_folder(folder.path)
        link = await _open_link(stack, settings)
        if running := await query_peers(link):
            raise SettingError(
                f"log: stop every node first; still running: {', '.join(p.name for p in running)}"
            )
        await _check_complete(link, folder.path, copy)
        for name, last_seq in (await _last_seqs(link, copy.followed_log)).items():
            missing = last_seq - copy.stream_positions[name].seq
            if missing > 0:
                raise SettingError(
                    f"data: {missing:,} messages of {name} are not in"
                    f" {folder.path}: let this node run until it is ready, while no source sends"
                    " events, or use another node's folder"
                )
        cluster_kv = await JetStreamKeyValueStore.open(
            link, settings.replicas, create_missing=False
        )
        stack.push_async_callback(cluster_kv.close)
        folder_kv = open_kv(folder.path)
        stack.push_async_callback(folder_kv.close)
        keys = await _copy(cluster_kv, folder_kv, report)
        end_following(folder.path, copy.followed_log)
        return MigrationResult(keys, len(copy.followed_log.streams))


async def _find_or_create_kv(link: NatsLink, replicas: int, identity: str) -> None:
    found = await find_stream(link, KV_STREAM)
    if found is None:
        found = await create_stream(link, kv_config(replicas, identity))
    if parse_state(found).identity != identity:
        raise SettingError(
            "log: the cluster has a different log or site; import into a new cluster"
        )


async def _record_import(cluster_kv: KeyValueStore, heads: bytes) -> None:
    """Record the imported state of the folder, so that no other state of it can be imported."""
    if cluster_kv.get(*IMPORTED) == heads:
        return
    if cluster_kv.get(*IMPORTED) is not None:
        raise SettingError("log: a different state of this folder has already been imported")
    if any(cluster_kv.items(bucket) for bucket in BUCKETS):
        raise SettingError("log: the cluster already has a site; import into a new cluster")
    await cluster_kv.write([Item(*IMPORTED, heads)], [Item(*IMPORTED, None)])


def open_folder(settings: Settings) -> DataFolder:
    """Lock and return the data folder of the settings. Raises SettingError."""
    if settings.log == "embedded":
        raise SettingError("name the cluster with --log nats://HOST,HOST,…")
    if settings.data == IN_MEMORY or not settings.data.exists():
        raise SettingError(f"{settings.data} does not exist; did you mean another --data?")
    return DataFolder(settings.data)


async def _open_link(stack: AsyncExitStack, settings: Settings) -> NatsLink:
    link = await NatsLink.open(settings.log, "floorcast cluster", patience=COMMAND_TIMEOUT_SECONDS)
    stack.push_async_callback(link.close)
    return link


async def _last_seqs(link: NatsLink, followed_log: FollowedLog) -> Mapping[str, int]:
    """Return the number of each stream's newest message."""
    last_seqs: dict[str, int] = {}
    for name in followed_log.streams:
        info = await find_stream(link, name)
        if info is None:
            raise SettingError(f"log: the cluster has lost the stream {name}: {REPAIR}")
        last_seqs[name] = parse_state(info).last_seq
    return last_seqs


async def _check_complete(link: NatsLink, folder: Path, copy: FolderContents) -> None:
    """Raise SettingError if the cluster has lost anything that the folder has."""
    for name, position in copy.stream_positions.items():
        info = await find_stream(link, name)
        if info is None:
            raise SettingError(f"log: the cluster has lost the stream {name}: {REPAIR}")
        try:
            await check_position(link, parse_state(info), copy.followed_log.identity, position)
        except Mismatch as error:
            raise SettingError(f"log: {error.message}") from error
    saved = SavedStore(folder)
    try:
        await check_store(link, saved.position, copy.followed_log.identity)
    finally:
        await saved.close()


async def _copy(source: KeyValueStore, target: KeyValueStore, report: Report) -> int:
    """Make the target's buckets equal to the source's, and return the number of keys."""
    keys, items = 0, list[Item]()
    for bucket in BUCKETS:
        source_items, present = source.items(bucket), target.items(bucket)
        items += [Item(bucket, key, None) for key in present if key not in source_items]
        items += [Item(bucket, key, value) for key, value in source_items.items()]
        keys += len(source_items)
    report(0, len(items))
    for at in range(0, len(items), KEYS_PER_WRITE):
        moved = items[at : at + KEYS_PER_WRITE]
        await target.write(moved)
        report(at + len(moved), len(items))
    return keys
