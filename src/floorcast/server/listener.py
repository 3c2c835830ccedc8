"""Accepts connections, a few in each turn of the event loop, and performs TLS handshakes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from floorcast.server.connection_admission import A, ConnectionAdmission

__all__ = ["Listener"]

MAX_ACCEPTED_PER_TURN = 16  # connections accepted in one turn of the loop


class Listener:
    """Accepts a socket's connections, with TLS if ``admission`` has it.

    uvloop accepts all waiting connections in one turn of the loop: a thousand clients that connect
    at the same time would stop it for tens of milliseconds. It also reports a connection with TLS
    only after its handshake, so connections that send nothing would not count towards any limit.
    Such a connection is admitted here, before its handshake. Others are admitted by the protocol,
    which can send a reason.
    """

    def __init__(
        self,
        sock: socket.socket,
        admission: ConnectionAdmission[A],
        make_protocol: Callable[[], asyncio.Protocol],
    ) -> None:
        self.sockets = (sock,)
        self._admission = admission
        self._make_protocol = make_protocol
        self._beginning: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        sock.setblocking(False)
        self._listen()

    def close(self) -> None:
        """Stop accepting, and cancel handshakes in progress."""
        self._loop.remove_reader(self.sockets[0])
        for beginning in self._beginning:
            beginning.cancel()

    async def wait_closed(self) -> None:
        """Wait until no handshake is in progress."""
        await asyncio.gather(*self._beginning, return_exceptions=True)

    def _listen(self) -> None:
        if self.sockets[0].fileno() >= 0:
            self._loop.add_reader(self.sockets[0], self._accept)

    def _accept(self) -> None:
        for _ in range(MAX_ACCEPTED_PER_TURN):
            try:
                sock, peer = self.sockets[0].accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:  # out of descriptors: the event would recur immediately
                self._admission.notices.note("full", "")
                self._loop.remove_reader(self.sockets[0])
                self._loop.call_later(1, self._listen)
                return
            sock.setblocking(False)
            begin = self._begin if self._admission.tls is None else self._handshake
            beginning = self._loop.create_task(begin(sock, str(peer[0])))
            self._beginning.add(beginning)
            beginning.add_done_callback(self._beginning.discard)

    async def _begin(self, sock: socket.socket, _address: str) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._make_protocol, sock)
        except OSError:  # the caller has already gone
            sock.close()

    async def _handshake(self, sock: socket.socket, address: str) -> None:
        admission = self._admission
        assert admission.tls is not None
        verdict = admission.admit(address)
        if verdict != "admitted":
            sock.close()
            admission.notices.note("full" if verdict == "full" else "address_full", address)
            return
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(
                self._make_protocol,
                sock,
                ssl=admission.tls(),
                ssl_handshake_timeout=admission.deadlines.head.seconds,
                ssl_shutdown_timeout=admission.deadlines.linger.seconds,
            )
        except OSError:  # including ssl's errors, resets and the timeout
            admission.notices.note("tls_failed", address)
            admission.limits.leave(address)
        except asyncio.CancelledError:
            sock.close()
            admission.limits.leave(address)
            raise
