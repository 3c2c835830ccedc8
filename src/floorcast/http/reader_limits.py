"""How many streams and waiting polls a session, and a client, may have at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from floorcast.model.errors import RateLimited

__all__ = ["ReaderLimits"]

RETRY_SECONDS = 10  # as long as a poll waits


class ReaderLimits:
    """Counts the readers that wait or stream; a session is known by its digest.

    Memory is per reader that is there: what has left leaves nothing behind.
    """

    def __init__(self, per_session: int = 100, per_client: int = 20_000) -> None:
        self._per_session = per_session
        self._per_client = per_client
        self._sessions: Counter[str] = Counter()
        self._clients: Counter[int] = Counter()

    def check(self, client: int, session: str) -> None:
        """Raise RateLimited unless there is room for one more reader."""
        if self._sessions[session] >= self._per_session:
            raise RateLimited(
                f"the session has {self._per_session:,} streams and waiting polls: close some, "
                "or log in with another API token",
                RETRY_SECONDS,
            )
        if self._clients[client] >= self._per_client:
            raise RateLimited(
                f"the client has {self._per_client:,} streams and waiting polls: close some",
                RETRY_SECONDS,
            )

    def enter(self, client: int, session: str) -> None:
        """Count one more reader."""
        self._sessions[session] += 1
        self._clients[client] += 1

    def leave(self, client: int, session: str) -> None:
        """Count one reader less."""
        self._sessions[session] -= 1
        self._clients[client] -= 1
        if not self._sessions[session]:
            del self._sessions[session]
        if not self._clients[client]:
            del self._clients[client]

    @contextmanager
    def held(self, client: int, session: str) -> Iterator[None]:
        """One reader, for as long as the block runs; raises RateLimited."""
        self.check(client, session)
        self.enter(client, session)
        try:
            yield
        finally:
            self.leave(client, session)
