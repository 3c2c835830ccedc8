"""Tests that connections are accepted a few at a time."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from contextlib import ExitStack
from typing import Any, ClassVar

from floorcast.server.connection_admission import ConnectionAdmission
from floorcast.server.connection_limits import ConnectionLimits, ConnectionTuning, Deadlines
from floorcast.server.listener import MAX_ACCEPTED_PER_TURN, Listener

WAITING = 5 * MAX_ACCEPTED_PER_TURN


class Connection(asyncio.Protocol):
    """Counts the connections that begin in each turn of the loop."""

    turn = 0
    begun: ClassVar[Counter[int]] = Counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count one, and close it."""
        Connection.begun[Connection.turn] += 1
        transport.close()


async def accept(listening: socket.socket) -> None:
    """Accept all waiting connections, and count the turns of the loop that this takes."""
    loop = asyncio.get_running_loop()
    deadlines: Deadlines[Any] = Deadlines(ConnectionTuning(), loop.time)
    admission = ConnectionAdmission(ConnectionLimits(WAITING, WAITING), deadlines, None)
    listener = Listener(listening, admission, Connection)
    while Connection.begun.total() < WAITING:
        Connection.turn += 1
        await asyncio.sleep(0)
    listener.close()
    await listener.wait_closed()


def test_connections_that_wait_are_accepted_a_few_per_turn() -> None:
    """Clients that all connect at the same time do not stop the loop for everybody else."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=WAITING))
        for _ in range(WAITING):
            stack.enter_context(socket.create_connection(listening.getsockname()))
        asyncio.run(accept(listening))
    assert Connection.begun.total() == WAITING
    assert max(Connection.begun.values()) <= MAX_ACCEPTED_PER_TURN
