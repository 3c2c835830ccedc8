"""A proxy that cuts and freezes connections as networks do."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

__all__ = ["Proxy"]

PIECE = 1 << 12  # bytes; chunks have random sizes up to this, so that events are split
ANSWER = 10.0  # seconds to connect to the server


class Proxy:
    """Forwards connections from clients to a port. ``url`` is the proxy's own URL.

    The proxy cuts a connection after a random number of the server's bytes, which is less than
    ``longest``. If ``longest`` is 0, no connection is cut.
    """

    def __init__(self, port: int, chance: random.Random, longest: int = 0) -> None:
        self._port = port
        self._chance = chance
        self._longest = longest
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._open: set[socket.socket] = set()
        self._held: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept)]
        self.cuts = 0

    def hold(self) -> None:
        """Freeze the current connections, which stay open. New connections work."""
        with self._lock:
            self._held |= self._open

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._port), ANSWER)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            limit = self._chance.randrange(1, self._longest) if self._longest else 0
            with self._lock:
                self._open |= {client, server}
            for ways in ((client, server, 0), (server, client, limit)):
                self._threads.append(threading.Thread(target=self._carry, args=ways))
                self._threads[-1].start()

    def _carry(self, source: socket.socket, target: socket.socket, limit: int) -> None:
        carried = 0
        with suppress(OSError):
            while piece := source.recv(self._chance.randrange(1, PIECE)):
                if source in self._held:
                    continue
                left = limit - carried if limit else len(piece)
                target.sendall(piece[:left])
                carried += len(piece)
                if limit and carried >= limit:
                    self.cuts += 1
                    break
        if source not in self._held:
            self._close(source, target)

    def _close(self, *sockets: socket.socket) -> None:
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # closing the socket alone would not wake the accepting thread
        self._close(self._listening)
        self._threads[0].join(ANSWER)
        with self._lock:
            self._close(*self._open)
        for thread in self._threads:
            thread.join(ANSWER)
        for one in (self._listening, *self._open):
            one.close()
