"""Connections for streams, whose peers read as many bytes as a test tells them to."""

from __future__ import annotations

import asyncio
import re
import zlib
from dataclasses import dataclass, field

from floorcast.sse.framing import StreamFormat

__all__ = ["Caller", "Connection", "messages", "stream_text"]

HIGH, LOW = 65536, 16384  # bytes, as in asyncio's own transports


class Connection(asyncio.Transport):
    """A transport whose data stays in ``unsent`` until the peer reads it into ``got``.

    ``window`` is the number of bytes that the peer will read, or None if it reads all.
    """

    def __init__(self, protocol: asyncio.Protocol, window: int | None = None) -> None:
        super().__init__()
        self.protocol = protocol
        self.window = window
        self.got = bytearray()
        self.unsent = bytearray()
        self.writes = 0
        self.most = 0  # the highest number of unsent bytes so far
        self.closing = self.lost = self.paused = False
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Deliver as much as the window allows. Above the high-water mark, pause the writer.

        Raises RuntimeError once the connection is lost, as uvloop does.
        """
        if self.lost:
            raise RuntimeError("the handler is closed")
        self.writes += 1
        self.unsent += data
        self._deliver()
        self.most = max(self.most, len(self.unsent))
        if len(self.unsent) > HIGH and not self.paused:
            self.paused = True
            self.protocol.pause_writing()

    def take(self, size: int) -> None:
        """Let the peer read this many more bytes."""
        self.window = size if self.window is None else self.window + size
        self._deliver()

    def take_all(self) -> None:
        """Let the peer read everything from now on."""
        self.window = None
        self._deliver()

    def _deliver(self) -> None:
        size = len(self.unsent) if self.window is None else min(self.window, len(self.unsent))
        if self.window is not None:
            self.window -= size
        self.got += self.unsent[:size]
        del self.unsent[:size]
        if self.paused and len(self.unsent) <= LOW:
            self.paused = False
            self.protocol.resume_writing()
        if self.closing and not self.unsent:
            self.abort()

    def get_write_buffer_size(self) -> int:
        """Return the number of unsent bytes."""
        return len(self.unsent)

    def is_closing(self) -> bool:
        """Return whether the transport is closing."""
        return self.closing

    def close(self) -> None:
        """Close once everything has been read."""
        self.closing = True
        self._deliver()

    def abort(self) -> None:
        """Close immediately."""
        self.closing = True
        if not self.lost:
            self.lost = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


@dataclass
class Caller:
    """A caller whose tokens are plain positions."""

    why: str = ""
    opening: str = "0"
    checks: int = field(default=0)
    departures: int = field(default=0)

    def refusal(self) -> str:
        """Count the check, and return the value that the test has set."""
        self.checks += 1
        return self.why

    def disconnected(self) -> None:
        """Count the call."""
        self.departures += 1

    def local_time(self) -> str:
        """Return the loop's time."""
        return f"{asyncio.get_running_loop().time():.2f}"

    def token(self, position: int) -> str:
        """Return the position."""
        return str(position)

    def token_now(self, cursor: int) -> str:
        """Return the cursor."""
        return str(cursor)


def stream_text(got: bytes | bytearray, form: StreamFormat) -> bytes:
    """Return the text of a stream, decoded as far as it has arrived."""
    body = bytes(got)
    if form.chunked:
        body = _unchunked(body)
    if form.gzip:
        body = zlib.decompressobj(wbits=31).decompress(body)
    return body


def _unchunked(body: bytes) -> bytes:
    pieces = []
    while (line := re.match(rb"([0-9a-f]+)\r\n", body)) is not None:
        size, begin = int(line[1], 16), line.end()
        pieces.append(body[begin : begin + size])
        body = body[begin + size + 2 :]
    return b"".join(pieces)


def messages(text: bytes) -> list[bytes]:
    """Return the complete messages of a stream."""
    return text.split(b"\n\n")[:-1]
