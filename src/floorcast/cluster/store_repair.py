"""Repairs a cluster's key-value store from a node's copy."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Final

from floorcast.cluster.jetstream_kv import JetStreamKeyValueStore, LostKeys
from floorcast.cluster.link import NatsLink
from floorcast.cluster.saved_store import BUCKETS, SavedStore
from floorcast.cluster.streams import (
    GENERATION,
    KV_STREAM,
    RESTORED,
    StreamState,
    create_stream,
    find_stream,
    kv_config,
    parse_state,
    update_metadata,
)
from floorcast.config.settings import Settings
from floorcast.kv.port import Item
from floorcast.log.folder_copy import FolderContents
from floorcast.model.errors import SettingError

__all__ = ["repair_store"]

KEYS_PER_WRITE: Final = 250


async def repair_store(
    link: NatsLink, settings: Settings, folder: Path, copy: FolderContents
) -> int:
    """Restore the keys that the key-value store has lost, and return how many were restored."""
    saved = SavedStore(folder)
    try:
        known, info = saved.position, await find_stream(link, KV_STREAM)
        state = None if info is None else parse_state(info)
        if state is not None and state.identity not in {"", copy.followed_log.identity}:
            raise SettingError(
                f"log: {KV_STREAM} belongs to another log than this folder. If it was made after "
                f"the cluster had lost the old one, remove it first: nats stream rm {KV_STREAM}"
            )
        if state is not None and not await _has_lost(link, settings, saved, state):
            return 0
        if known is None and state is None:
            raise SettingError(
                "the cluster has lost its key-value store, and this folder has no copy of it: use "
                "another node's folder, or apply the site file again: floorcast site apply FILE"
            )
        repaired = {GENERATION: uuid.uuid4().hex, RESTORED: str(link.clock())}
        if state is None:
            identity = copy.followed_log.identity
            await create_stream(link, kv_config(settings.replicas, identity, repaired))
        else:
            await update_metadata(link, KV_STREAM, repaired)
        kv = await JetStreamKeyValueStore.open(link, settings.replicas, create_missing=False)
        try:
            return await _restore(kv, saved, 0 if known is None else known.at)
        finally:
            await kv.close()
    finally:
        await saved.close()


async def _has_lost(
    link: NatsLink, settings: Settings, saved: SavedStore, state: StreamState
) -> bool:
    """Return whether the store ends before the saved position, or has lost a key before it."""
    known = saved.position
    if known is None or state.generation != known.generation:
        return False
    if state.last_seq < known.seq:
        return True
    try:
        kv = await JetStreamKeyValueStore.open(
            link, settings.replicas, create_missing=False, known=saved.read_values()
        )
    except LostKeys:
        return True
    await kv.close()
    return False


async def _restore(kv: JetStreamKeyValueStore, saved: SavedStore, at: int) -> int:
    """Restore the saved value of each key that was not written later.

    Returns how many keys changed.
    """
    items = []
    for bucket, saved_items in saved.buckets(BUCKETS).items():
        present = kv.items(bucket)
        for key in {*saved_items, *present}:
            newer = kv.written_at(bucket, key) > at
            if not newer and present.get(key) != saved_items.get(key):
                items.append(Item(bucket, key, saved_items.get(key)))
    for start in range(0, len(items), KEYS_PER_WRITE):
        await kv.write(items[start : start + KEYS_PER_WRITE])
    return len(items)
