"""The connections of streams, looked after by one epoll, a few in each turn of the loop.

uvloop writes to all that can take more, and closes all that have gone, in one turn: with
thousands of readers that lasts longer than a source should have to wait. And to it a connection
is a kilobyte; here it is a file and what could not be sent yet, whose bytes all readers share.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import struct
import time

__all__ = ["TURN", "EpollTransport", "Wire"]

TURN = 0.002  # seconds in one turn of the loop of going on with, and closing, connections
FEW = 16  # connections between two looks at the clock
ASIDE = 65536  # bytes read at a time of what a reader says, to which nobody listens

_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: what is unsent is forgotten


class Wire(asyncio.Transport):
    """One connection. It holds its writer up from the first byte on that cannot be sent."""

    __slots__ = ("_closing", "_file", "_protocol", "_rest", "_wires")

    def __init__(self, file: int, protocol: asyncio.Protocol, wires: EpollTransport) -> None:
        super().__init__()
        self._file = file
        self._protocol = protocol
        self._wires = wires
        self._rest: memoryview | None = None
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send what can be sent; the rest is kept, and goes on as the other side takes it."""
        if self._file < 0:  # its protocol is about to be told
            return
        if self._rest is not None:
            self._rest = memoryview(bytes(self._rest) + data)
            return
        sent = self._sent(data)
        if sent < len(data):
            self._rest = memoryview(data)[sent:]
            self._wires.watch(self._file, select.EPOLLIN | select.EPOLLOUT)
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        """Bytes that could not be sent yet."""
        return 0 if self._rest is None else len(self._rest)

    def is_closing(self) -> bool:
        """Whether an end is in sight."""
        return self._closing

    def close(self) -> None:
        """Close once everything is sent."""
        self._closing = True
        if self._rest is None:
            self.abort()

    def abort(self) -> None:
        """Close now; what is not sent yet never is."""
        if self._file < 0:
            return
        self._closing = True
        self._wires.forget(self._file)
        if self._rest is None:
            os.close(self._file)
        else:  # or the kernel would keep it, and offer it for minutes
            with socket.socket(fileno=self._file) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self._file = -1
        asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def ready(self, event: int) -> None:
        """Something happened to it: it can take more, it says something, or it is gone."""
        if event & ~select.EPOLLOUT and self._gone():
            self.abort()
        elif event & select.EPOLLOUT and self._rest is not None:
            self._go_on(self._rest)

    def _sent(self, data: bytes | bytearray | memoryview) -> int:
        """How much of it can be sent now; nothing to who was reset, of which the epoll tells."""
        try:
            return os.write(self._file, data)
        except OSError:
            return 0

    def _gone(self) -> bool:
        try:
            return not os.read(self._file, ASIDE)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _go_on(self, rest: memoryview) -> None:
        sent = self._sent(rest)
        if sent < len(rest):
            self._rest = rest[sent:]
            return
        self._rest = None
        if self._closing:
            self.abort()
            return
        self._wires.watch(self._file, select.EPOLLIN)
        self._protocol.resume_writing()


class EpollTransport:
    """All of them; belongs to the running event loop."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._wires: dict[int, Wire] = {}
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._look)

    def close(self) -> None:
        """Look after them no more."""
        asyncio.get_running_loop().remove_reader(self._epoll.fileno())
        self._epoll.close()

    def take(self, transport: asyncio.Transport, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Have a connection, for a new protocol: what that writes to from now on.

        It is the transport itself if it encrypts, if there is no room for another file, or if
        something that was written to it before is not sent yet.
        """
        stays = transport.get_extra_info("sslcontext") or transport.get_write_buffer_size()
        file = None if stays else _second(transport)
        if file is None:
            transport.set_protocol(protocol)
            return transport
        transport.abort()
        wire = self._wires[file] = Wire(file, protocol, self)
        self._epoll.register(file, select.EPOLLIN)
        return wire

    def watch(self, file: int, events: int) -> None:
        """Wait for these events of a connection."""
        self._epoll.modify(file, events)

    def forget(self, file: int) -> None:
        """Wait for none any more: the connection is about to be closed."""
        self._epoll.unregister(file)
        del self._wires[file]

    def _look(self) -> None:
        until = time.perf_counter() + TURN
        while events := self._epoll.poll(0, FEW):
            for file, event in events:
                wire = self._wires.get(file)
                if wire is not None:
                    wire.ready(event)
            if time.perf_counter() >= until:
                break


def _second(transport: asyncio.Transport) -> int | None:
    """Another file of the same connection, None if there can be none."""
    try:
        return os.dup(transport.get_extra_info("socket").fileno())
    except OSError:
        return None
