"""Admits connections, and closes overdue connections and those that must make room."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Generic, Protocol, Self, TypeVar

from floorcast.server.connection_limits import ConnectionLimits, DeadlineQueue, Deadlines, Verdict
from floorcast.server.notices import Notices

__all__ = ["AdmittedConnection", "ConnectionAdmission"]

MAX_CLOSED_PER_TURN = 8  # overdue connections closed in one turn of the loop

A = TypeVar("A", bound="AdmittedConnection")


class AdmittedConnection(Protocol):
    """An admitted connection."""

    @property
    def peer(self) -> str:
        """The address at the other end."""
        ...

    def on_deadline(self, queue: DeadlineQueue[Self]) -> None:
        """Handle a missed deadline: close the connection, with a response if possible."""
        ...

    def evict(self) -> None:
        """Close immediately, to make room for another connection."""
        ...


class ConnectionAdmission(Generic[A]):
    """Admits connections within their limits, and closes overdue connections.

    With ``tls``, which returns the context for the next handshake, a connection is admitted before
    its handshake.
    """

    def __init__(
        self,
        limits: ConnectionLimits,
        deadlines: Deadlines[A],
        tls: Callable[[], ssl.SSLContext] | None,
    ) -> None:
        self.limits = limits
        self.deadlines = deadlines
        self.notices = Notices(deadlines.clock)
        self.tls = tls

    def sweep(self) -> None:
        """Close overdue connections, a few per turn of the loop, and log them."""
        if self.deadlines.expire(
            MAX_CLOSED_PER_TURN, lambda connection, queue: connection.on_deadline(queue)
        ):
            asyncio.get_running_loop().call_soon(self.sweep)
        self.notices.log_due()

    def admit(self, address: str) -> Verdict:
        """Count a connection from ``address``, and close another connection if it needs room."""
        verdict = self.limits.enter(address)
        if verdict != "admitted" and self._make_room(address if verdict == "address" else None):
            verdict = self.limits.enter(address)
        return verdict

    def _make_room(self, address: str | None) -> bool:
        """Close the connection that has waited longest for a request.

        Returns False if no connection is waiting. If ``address`` is given, only connections from
        that address count.
        """

        def matches(connection: A) -> bool:
            return address is None or connection.peer == address

        deadlines = self.deadlines
        for queue in (deadlines.linger, deadlines.head, deadlines.idle):
            longest = queue.pop_longest(matches)
            if longest is not None:
                longest.evict()
                return True
        return False
