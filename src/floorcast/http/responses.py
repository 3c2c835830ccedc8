"""Responses, plain or gzip. A response that several readers share is compressed once."""

from __future__ import annotations

import asyncio
import struct
import zlib
from typing import Any, Self

import msgspec
from starlette.types import Send

__all__ = ["Content", "Response", "Status"]

GZIP_LEVEL = 1  # event JSON shrinks tenfold at any level, and higher levels take longer
_MAX_STORED_BYTES = 256  # up to this size in bytes, a body is wrapped in gzip but not deflated
_MAX_INLINE_BYTES = 64 * 1024  # bytes that are compressed within a turn of the loop (about 1 ms)

_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # RFC 1952: no name, no time
_NO_STORE = (b"cache-control", b"no-store")
_JSON = "application/json"

Headers = tuple[tuple[str, str], ...]


class Content:
    """A body's bytes and their gzip form, which is created once."""

    __slots__ = ("_compressed", "plain")

    def __init__(self, plain: bytes | bytearray) -> None:
        self.plain = plain
        self._compressed: bytes | asyncio.Future[bytes] | None = None

    async def compressed(self) -> bytes:
        """Return the gzip form. Large bodies are compressed in a thread."""
        if self._compressed is None:
            if len(self.plain) <= _MAX_INLINE_BYTES:
                self._compressed = _gzip(self.plain)
            else:
                loop = asyncio.get_running_loop()
                self._compressed = loop.run_in_executor(None, _gzip, self.plain)
        if not isinstance(self._compressed, bytes):
            # shielded: a reader that disconnects must not cancel it for the others
            self._compressed = await asyncio.shield(self._compressed)
        return self._compressed


class Response:
    """A status, a body and headers. ``Cache-Control`` is ``no-store`` unless the headers set it."""

    __slots__ = ("content", "headers", "media_type", "status")

    def __init__(
        self,
        status: int,
        content: Content | None = None,
        *,
        headers: Headers = (),
        media_type: str = _JSON,
    ) -> None:
        self.status = status
        self.content = content
        self.headers = headers
        self.media_type = media_type

    @classmethod
    def json(cls, body: object, *, status: int = 200, headers: Headers = ()) -> Self:
        """Return a response with ``body`` as JSON."""
        return cls(status, Content(msgspec.json.encode(body)), headers=headers)

    async def send(self, send: Send, *, gzip: bool, without_body: bool = False) -> int:
        """Send the response, compressed if ``gzip``. Returns the number of body bytes sent."""
        headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers
        ]
        if not any(name == b"cache-control" for name, _ in headers):
            headers.insert(0, _NO_STORE)
        body: bytes | bytearray = b""
        if self.content is not None:
            body = await self.content.compressed() if gzip else self.content.plain
            headers.append((b"content-type", self.media_type.encode("latin-1")))
            headers.append((b"vary", b"accept-encoding"))
            if gzip:
                headers.append((b"content-encoding", b"gzip"))
        if self.status not in (204, 304):
            headers.append((b"content-length", b"%d" % len(body)))
        if without_body:
            body = b""
        start: dict[str, Any] = {"type": "http.response.start", "status": self.status}
        start["headers"] = headers
        await send(start)
        await send({"type": "http.response.body", "body": body})
        return len(body)


def _gzip(plain: bytes | bytearray) -> bytes:
    if len(plain) > _MAX_STORED_BYTES:
        return zlib.compress(plain, GZIP_LEVEL, wbits=31)
    size = len(plain)
    block = struct.pack("<BHH", 1, size, size ^ 0xFFFF)
    return b"".join((_GZIP_HEAD, block, plain, struct.pack("<II", zlib.crc32(plain), size)))


class Status(msgspec.Struct, omit_defaults=True):
    """The result of a health or readiness check.

    ``reason`` names a problem that does not stop all requests.
    """

    status: str
    reason: str = ""
