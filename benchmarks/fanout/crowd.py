"""A crowd of readers in one process, with plain sockets and one epoll."""

from __future__ import annotations

import resource
import select
import socket
import time
from collections.abc import Callable

__all__ = ["Crowd", "request"]


def request(path: str, session: str, body: str = "{}") -> bytes:
    """Return the bytes of a reader's request."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nLV-Session: {session}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class Crowd:
    """Readers of one server. ``got`` has the data that each received since ``forget``."""

    def __init__(self, port: int) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
        self._port = port
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self.got: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._sockets)

    def enter(self, one_request: bytes, count: int, *, within: float = 0) -> list[int]:
        """Start ``count`` more readers, spread over ``within`` seconds. Returns their numbers."""
        numbers = []
        begun = time.perf_counter()
        for number in range(count):
            time.sleep(max(0.0, begun + within * number / count - time.perf_counter()))
            sock = socket.create_connection(("127.0.0.1", self._port))
            sock.sendall(one_request)
            sock.setblocking(False)
            self._sockets[sock.fileno()] = sock
            self._epoll.register(sock, select.EPOLLIN)
            self.got[sock.fileno()] = b""
            numbers.append(sock.fileno())
        return numbers

    def until(self, whole: Callable[[bytes], bool], numbers: list[int], seconds: float) -> int:
        """Read until ``whole`` is true of these readers' data, or until ``seconds`` have passed.

        Returns the number of readers whose data makes ``whole`` true.
        """
        left = {number for number in numbers if not whole(self.got[number])}
        end = time.perf_counter() + seconds
        while left and time.perf_counter() < end:
            for number, _ in self._epoll.poll(0.1, 4096):
                try:
                    piece = self._sockets[number].recv(65536)
                except BlockingIOError:
                    continue
                self.got[number] += piece
                if not piece:
                    self._epoll.unregister(number)
                if whole(self.got[number]):
                    left.discard(number)
        return len(numbers) - len(left)

    def forget(self) -> None:
        """Discard the received data."""
        self.got = dict.fromkeys(self.got, b"")

    def leave(self) -> None:
        """Close all readers' connections."""
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()
        self.got.clear()
