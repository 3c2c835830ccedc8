"""``shared.db``: a node's copy of the cluster's key-value store on disk.

The store itself is in JetStream, and a running node reads from its copy in memory. The file is a
second, slightly older copy. ``floorcast cluster repair`` restores lost keys from it, and a starting
node uses it to detect that the stream has lost keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from floorcast.auth import sessions
from floorcast.cluster.jetstream_kv import JetStreamKeyValueStore, SavedPosition, StoredValues
from floorcast.cluster.kv_copy import KeyState
from floorcast.cluster.link import NatsLink
from floorcast.cluster.quorum import has_quorum
from floorcast.cluster.streams import KV_STREAM, REPAIR, find_stream, parse_state
from floorcast.kv import token_secret
from floorcast.kv.port import Item
from floorcast.kv.sqlite_kv import SqliteKeyValueStore
from floorcast.model.cancellation import cancel_all
from floorcast.model.errors import FloorcastError, SettingError, Unavailable
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.site.store import DECLARED, FILE, MANUAL

__all__ = ["BUCKETS", "SavedStore", "check_store"]

FILE_NAME: Final = "shared.db"
POSITION: Final = ("saved-position", "position")
BUCKETS: Final = (DECLARED, MANUAL, FILE.bucket, sessions.BUCKET, token_secret.BUCKET)
"""The buckets that move with an installation: site, users and keys, sessions, token secret."""

SAVE_SECONDS: Final = 1.0  # between two writes
GROUP_ITEMS: Final = 1000  # even, so that a value and its message are written together
MESSAGE_BUCKET_PREFIX: Final = (
    "message."  # prefix of the bucket that has the messages of a bucket's keys
)
DELETED_RETENTION: Final = 28 * 3600 * TICKS_PER_SECOND  # how long a deletion is remembered

_log = structlog.stdlib.get_logger(__name__)


class _StoredKeyState(Struct):
    """The message that gave a key its value: its number, its time, and the number of parts."""

    seq: int
    parts: int
    at: int


class SavedStore:
    """The ``shared.db`` of one folder. Raises SettingError if it cannot be opened."""

    def __init__(self, folder: Path) -> None:
        self._file = SqliteKeyValueStore(folder / FILE_NAME)
        self._changed: set[tuple[str, str]] = set()
        self._kv: JetStreamKeyValueStore | None = None
        self._task: asyncio.Task[None] | None = None
        self._failed = False

    @property
    def position(self) -> SavedPosition | None:
        """The position that the file has reached; None if it is empty. Raises Unavailable."""
        raw = self._file.get(*POSITION)
        return None if raw is None else msgspec.json.decode(raw, type=SavedPosition)

    def read_values(self) -> StoredValues | None:
        """Return the stored values of the keys, or None if there are none. Raises Unavailable."""
        position = self.position
        if position is None:
            return None
        found = {}
        for bucket in BUCKETS:
            values = self._file.items(bucket)
            for key, raw in self._file.items(MESSAGE_BUCKET_PREFIX + bucket).items():
                state = msgspec.json.decode(raw, type=_StoredKeyState)
                found[bucket, key] = KeyState(values.get(key), state.seq, state.parts, state.at)
        return StoredValues(found, position.at)

    def buckets(self, names: tuple[str, ...]) -> Mapping[str, Mapping[str, bytes]]:
        """Return the contents of these buckets. Raises Unavailable."""
        return {name: self._file.items(name) for name in names}

    async def follow(self, kv: JetStreamKeyValueStore) -> None:
        """Make the file equal to ``kv``, and keep it equal until this store is closed."""
        self._kv = kv
        kv.on_change(self._record)
        for bucket in {*kv.buckets(), *BUCKETS}:
            new, old = kv.items(bucket), self._file.items(bucket)
            self._changed |= {(bucket, key) for key in {*new, *old}}
        await self._save()
        self._task = asyncio.create_task(self._save_periodically())

    async def close(self) -> None:
        """Write outstanding changes, then close the file."""
        if self._task is not None:
            await cancel_all([self._task])
            await self._save()
        await self._file.close()

    def _record(self, changes: Mapping[tuple[str, str], bytes | None]) -> None:
        self._changed.update(changes)

    async def _save_periodically(self) -> None:
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            await self._save()

    async def _save(self) -> None:
        assert self._kv is not None
        position = self._kv.saved_position()
        changed, self._changed = sorted(self._changed), set()
        items = [item for key in changed for item in self._items(*key)]
        try:
            for at in range(0, len(items), GROUP_ITEMS):
                await self._file.write(items[at : at + GROUP_ITEMS])
            if position is not None and (items or self.position != position):
                await self._file.write([Item(*POSITION, msgspec.json.encode(position))])
            self._failed = False
        except FloorcastError as error:
            self._changed.update(changed)
            if not self._failed:
                _log.error("shared_store_not_saved", why=str(error))
            self._failed = True

    def _items(self, bucket: str, key: str) -> list[Item]:
        """Return what is stored for a key: its value and its message."""
        assert self._kv is not None
        key_state = self._kv.key_state(bucket, key)
        items = (
            []
            if self._file.get(bucket, key) == key_state.value
            else [Item(bucket, key, key_state.value)]
        )
        if bucket in BUCKETS:
            state: bytes | None = msgspec.json.encode(
                _StoredKeyState(key_state.seq, key_state.parts, key_state.at)
            )
            if key_state.value is None and key_state.at < self._kv.now() - DELETED_RETENTION:
                state = None
            if self._file.get(MESSAGE_BUCKET_PREFIX + bucket, key) != state:
                items.append(Item(MESSAGE_BUCKET_PREFIX + bucket, key, state))
        return items


async def check_store(link: NatsLink, known: SavedPosition | None, identity: str) -> bool:
    """Return whether a folder's keys have the current generation of the cluster's store.

    Raises SettingError if the store has lost keys that the folder has, and Unavailable if the
    cluster does not respond.
    """
    info = await find_stream(link, KV_STREAM)
    if info is None:
        raise SettingError(f"log: the cluster has lost its key-value store: {REPAIR}")
    if not has_quorum(info):
        raise Unavailable("the key-value store has no quorum")
    state = parse_state(info)
    if state.identity != identity:
        raise SettingError(f"log: {KV_STREAM} belongs to another log than this folder: {REPAIR}")
    if known is None or state.generation != known.generation:
        return False
    if state.last_seq < known.seq:
        raise SettingError(
            f"log: the key-value store ends at message {state.last_seq}, and this folder has it up "
            f"to {known.seq}: it has lost messages; {REPAIR}"
        )
    return True
