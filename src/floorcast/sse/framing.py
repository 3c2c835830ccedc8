"""Server-sent events as bytes, in each of the forms in which a reader may want them.

What is built here is shared by all readers of the same form that are at the same place.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

from floorcast.feeds.blocks import Page
from floorcast.sse import deflate

__all__ = ["Chunk", "StreamFormat", "comment", "ending", "events", "framed", "opening"]


class StreamFormat(NamedTuple):
    """How a reader wants its stream: with ``id:`` lines, compressed, in HTTP/1.1's chunks."""

    ids: bool = False
    gzip: bool = False
    chunked: bool = True


class Chunk(NamedTuple):
    """Bytes as they go out, and, where they are compressed, what a reader's gzip must know."""

    wire: bytes
    crc: int = 0
    plain: int = 0


def events(page: Page, form: StreamFormat, token: Callable[[int], str]) -> Chunk:
    """The events of a page; ``token`` makes the id of the event at a place."""
    chunk = page.built.get(form)
    if not isinstance(chunk, Chunk):
        if form.ids:
            positions = (position for piece in page.positions for position in piece)
            plain = _with_ids(page.lines, map(token, positions))
        else:
            plain = b"data: %b\n\n" % page.lines.replace(b"\n", b"\n\ndata: ")
        chunk = page.built[form] = framed(plain, form)
    return chunk


def comment(text: str, token: str = "") -> bytes:
    """A comment, and behind it, if there is one, the id to go on from."""
    identity = f"id: {token}\n\n" if token else ""
    return f": {text}\n\n{identity}".encode()


def framed(plain: bytes, form: StreamFormat) -> Chunk:
    """Bytes of a stream as they go out."""
    if not form.gzip:
        return Chunk(_chunked(plain, form), 0, len(plain))
    return Chunk(_chunked(deflate.block(plain), form), zlib.crc32(plain), len(plain))


def opening(form: StreamFormat, token: str) -> Chunk:
    """What a stream begins with, if anything; ``token`` is where."""
    plain = f"id: {token}\n\n".encode() if form.ids else b""
    if not form.gzip:
        return Chunk(_chunked(plain, form), 0, len(plain)) if plain else Chunk(b"")
    body = deflate.HEAD + (deflate.block(plain) if plain else b"")
    return Chunk(_chunked(body, form), zlib.crc32(plain), len(plain))


def ending(form: StreamFormat, crc: int, length: int) -> bytes:
    """What ends a stream of ``length`` plain bytes."""
    tail = _chunked(deflate.tail(crc, length), form) if form.gzip else b""
    return tail + (b"0\r\n\r\n" if form.chunked else b"")


def _chunked(body: bytes, form: StreamFormat) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body) if form.chunked else body


def _with_ids(lines: bytes, tokens: Iterable[str]) -> bytes:
    split = lines.split(b"\n")
    return b"".join(
        [
            b"id: %b\ndata: %b\n\n" % (token.encode(), line)
            for token, line in zip(tokens, split, strict=True)
        ]
    )
