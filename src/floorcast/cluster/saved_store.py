"""What a node keeps of the cluster's key-value store in its folder: ``shared.db``.

The store lies in JetStream, and a running node reads its own copy in memory. The file is a second
copy, a moment old: from it ``floorcast cluster repair`` restores what the stream has lost, and a
node that starts sees that the stream has lost something.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog

from floorcast.auth import sessions
from floorcast.cluster.ending import ended
from floorcast.cluster.jetstream_kv import JetStreamKeyValueStore, SavedPosition
from floorcast.cluster.link import NatsLink, reached
from floorcast.cluster.streams import KV_STREAM, REPAIR, find, state_of
from floorcast.kv import token_secret
from floorcast.kv.port import Item
from floorcast.kv.sqlite_kv import SqliteKeyValueStore
from floorcast.model.errors import FloorcastError, SettingError, Unavailable
from floorcast.site.store import BY_HAND, DECLARED, FILE

__all__ = ["BUCKETS", "SavedStore", "check_store"]

NAME: Final = "shared.db"
POSITION: Final = ("saved-position", "position")
BUCKETS: Final = (DECLARED, BY_HAND, FILE.bucket, sessions.BUCKET, token_secret.BUCKET)
"""What moves with an installation: the site, users and keys, sessions, the tokens' secret."""

PAUSE: Final = 1.0  # seconds between two writes
GROUP_KEYS: Final = 1000

_log = structlog.stdlib.get_logger(__name__)


class SavedStore:
    """The file of one folder. Raises SettingError when it cannot be opened."""

    def __init__(self, folder: Path) -> None:
        self._file = SqliteKeyValueStore(folder / NAME)
        self._changes: dict[tuple[str, str], bytes | None] = {}
        self._kv: JetStreamKeyValueStore | None = None
        self._task: asyncio.Task[None] | None = None
        self._failed = False

    @property
    def position(self) -> SavedPosition | None:
        """How far it goes; None while it holds nothing. Raises Unavailable."""
        raw = self._file.get(*POSITION)
        return None if raw is None else msgspec.json.decode(raw, type=SavedPosition)

    def buckets(self, names: tuple[str, ...]) -> Mapping[str, Mapping[str, bytes]]:
        """What it holds in these buckets. Raises Unavailable."""
        return {name: self._file.items(name) for name in names}

    async def follow(self, kv: JetStreamKeyValueStore) -> None:
        """Make it what ``kv`` is now, and keep it so until it is closed."""
        self._kv = kv
        kv.on_change(self._note)
        for bucket in {*kv.buckets(), *BUCKETS}:
            now, before = kv.items(bucket), self._file.items(bucket)
            self._changes |= {(bucket, key): None for key in before if key not in now}
            self._changes |= {
                (bucket, key): value for key, value in now.items() if before.get(key) != value
            }
        await self._save()
        self._task = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Write down what is missing, then let go of the file."""
        if self._task is not None:
            await ended([self._task])
            await self._save()
        await self._file.close()

    def _note(self, changes: Mapping[tuple[str, str], bytes | None]) -> None:
        self._changes.update(changes)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(PAUSE)
            await self._save()

    async def _save(self) -> None:
        assert self._kv is not None
        position = self._kv.saved_position()
        changes, self._changes = self._changes, {}
        items = [Item(bucket, key, value) for (bucket, key), value in changes.items()]
        try:
            for at in range(0, len(items), GROUP_KEYS):
                await self._file.write(items[at : at + GROUP_KEYS])
            if position is not None and (items or self.position != position):
                await self._file.write([Item(*POSITION, msgspec.json.encode(position))])
            self._failed = False
        except FloorcastError as error:
            self._changes = {**changes, **self._changes}
            if not self._failed:
                _log.error("shared_store_not_saved", why=str(error))
            self._failed = True


async def check_store(link: NatsLink, known: SavedPosition | None, identity: str) -> None:
    """Raise SettingError when the cluster's store has less than a folder knows of it.

    Raises Unavailable when the cluster cannot be asked.
    """
    info = await find(link, KV_STREAM)
    if info is None:
        raise SettingError(f"log: the cluster has lost its key-value store: {REPAIR}")
    if not reached(info):
        raise Unavailable("the key-value store has no quorum")
    state = state_of(info)
    if state.identity != identity:
        raise SettingError(f"log: {KV_STREAM} belongs to another log than this folder: {REPAIR}")
    if known is None or state.generation != known.generation:
        return
    if state.last_seq < known.seq:
        raise SettingError(
            f"log: the key-value store ends at message {state.last_seq}, and this folder has it up "
            f"to {known.seq}: it has lost messages; {REPAIR}"
        )
