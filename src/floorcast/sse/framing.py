"""Encodes server-sent events, in each format that a reader can request.

All readers with the same format and position share the bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

from floorcast.feeds.blocks import Page
from floorcast.sse import deflate

__all__ = ["Chunk", "StreamFormat", "comment", "ending", "events", "framed", "opening"]


class StreamFormat(NamedTuple):
    """Whether a stream has ``id:`` lines, is compressed, and uses HTTP/1.1 chunks."""

    ids: bool = False
    gzip: bool = False
    chunked: bool = True


class Chunk(NamedTuple):
    """Bytes to send and, if they are compressed, the CRC and length that gzip trailers need."""

    wire: bytes
    crc: int = 0
    plain: int = 0


def events(page: Page, stream_format: StreamFormat, token: Callable[[int], str]) -> Chunk:
    """Encode the events of a page. ``token`` returns the id of the event at a position."""
    chunk = page.built.get(stream_format)
    if not isinstance(chunk, Chunk):
        if stream_format.ids:
            positions = (position for piece in page.positions for position in piece)
            plain = _with_ids(page.lines, map(token, positions))
        else:
            plain = b"data: %b\n\n" % page.lines.replace(b"\n", b"\n\ndata: ")
        chunk = page.built[stream_format] = framed(plain, stream_format)
    return chunk


def comment(text: str, token: str = "") -> bytes:
    """Encode a comment, followed by the id to resume from if there is one."""
    identity = f"id: {token}\n\n" if token else ""
    return f": {text}\n\n{identity}".encode()


def framed(plain: bytes, stream_format: StreamFormat) -> Chunk:
    """Encode bytes of a stream in its format."""
    if not stream_format.gzip:
        return Chunk(_chunked(plain, stream_format), 0, len(plain))
    return Chunk(
        _chunked(deflate.compress_block(plain), stream_format), zlib.crc32(plain), len(plain)
    )


def opening(stream_format: StreamFormat, token: str) -> Chunk:
    """Encode the start of a stream, which may be empty. ``token`` is the stream's position."""
    plain = f"id: {token}\n\n".encode() if stream_format.ids else b""
    if not stream_format.gzip:
        return Chunk(_chunked(plain, stream_format), 0, len(plain)) if plain else Chunk(b"")
    body = deflate.HEADER + (deflate.compress_block(plain) if plain else b"")
    return Chunk(_chunked(body, stream_format), zlib.crc32(plain), len(plain))


def ending(stream_format: StreamFormat, crc: int, length: int) -> bytes:
    """Encode the end of a stream of ``length`` uncompressed bytes whose CRC is ``crc``."""
    trailer = _chunked(deflate.trailer(crc, length), stream_format) if stream_format.gzip else b""
    return trailer + (b"0\r\n\r\n" if stream_format.chunked else b"")


def _chunked(body: bytes, stream_format: StreamFormat) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body) if stream_format.chunked else body


def _with_ids(lines: bytes, tokens: Iterable[str]) -> bytes:
    split = lines.split(b"\n")
    return b"".join(
        [
            b"id: %b\ndata: %b\n\n" % (token.encode(), line)
            for token, line in zip(tokens, split, strict=True)
        ]
    )
