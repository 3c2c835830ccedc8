"""Writes the uses and ends of sessions to the store, after memory has them.

Several nodes may write the same session. A write therefore has the condition that the store still
has what this node last saw there. Every node's writes arrive in memory by the store's listener.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from floorcast.auth.session import Session, encode_session
from floorcast.kv.port import Conflict, Item, KeyValueStore
from floorcast.model.token import TICKS_PER_SECOND, Now

__all__ = ["MAX_ATTEMPTS", "UnwrittenSessions"]

SESSIONS_PER_WRITE: Final = 250
MAX_ATTEMPTS: Final = 10  # attempts to write while other nodes write at the same time


class UnwrittenSessions:
    """The sessions whose last use or end is not in the store's ``bucket`` yet.

    ``used`` has the sessions by digest. ``ended`` has what the bucket stores of the sessions, by
    key.
    """

    def __init__(self, kv: KeyValueStore, bucket: str, now: Now) -> None:
        self._kv = kv
        self._bucket = bucket
        self._now = now
        self.used: dict[str, Session] = {}
        self.ended: dict[str, bytes] = {}

    async def write_ends(self) -> None:
        """Delete the ended sessions. Raises Unavailable on failure."""
        conflicts = 0
        while self.ended and conflicts < MAX_ATTEMPTS:
            ended = dict(islice(self.ended.items(), SESSIONS_PER_WRITE))
            try:
                await self._kv.write(
                    [Item(self._bucket, key, None) for key in ended],
                    [Item(self._bucket, key, raw) for key, raw in ended.items()],
                )
            except Conflict:  # other nodes' writes have arrived and have left ``ended``
                conflicts += 1

    async def write_uses(self, age: int) -> None:
        """Write the uses of sessions that were last written at least ``age`` seconds ago.

        Raises Unavailable on failure.
        """
        due = list(self.used.values())
        for at in range(0, len(due), SESSIONS_PER_WRITE):
            conflicts = 0
            while conflicts < MAX_ATTEMPTS and not await self._write_some(
                due[at : at + SESSIONS_PER_WRITE], age
            ):
                conflicts += 1

    async def _write_some(self, sessions: list[Session], age: int) -> bool:
        """Write the uses that are still due; return False if another node has just written one."""
        now = self._now()
        before = now - age * TICKS_PER_SECOND
        due = [
            (session, session.written, session.written_at)
            for session in sessions
            if session.digest in self.used and not before < session.written_at <= now
        ]
        seen = [Item(self._bucket, session.key, written) for session, written, _ in due]
        for session, _, _ in due:
            session.written, session.written_at = encode_session(session), session.last_used
        items = [Item(self._bucket, session.key, session.written) for session, _, _ in due]
        if not items:
            return True
        try:
            await self._kv.write(items, seen)
        except BaseException as error:
            for (session, written, written_at), item in zip(due, items, strict=True):
                if session.written is item.value:
                    session.written, session.written_at = written, written_at
            if isinstance(error, Conflict):
                return False
            raise
        for session, _, _ in due:
            if session.last_used <= session.written_at:
                self.used.pop(session.digest, None)
        return True
