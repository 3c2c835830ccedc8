"""Reads, inflates and decodes request bodies. Every defect becomes a refusal.

A gzip body is inflated in steps and never beyond the limit, so a small request cannot fill the
memory. The event loop runs between the steps.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TypeVar

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive

from floorcast.model.errors import (
    InvalidParameter,
    NotAnObject,
    TooLarge,
    UnsupportedEncoding,
    UnsupportedMedia,
)
from floorcast.model.loop_turns import take_turn
from floorcast.model.nesting import TOO_NESTED, check_nesting
from floorcast.model.wording import TYPE_WORDS

__all__ = ["MAX_INTAKE_BYTES", "MAX_JSON_BYTES", "Disconnected", "read_body", "read_json"]

T = TypeVar("T", bound=msgspec.Struct)

MAX_INTAKE_BYTES = 16 * 1024 * 1024  # bytes of a request with events, both as sent and inflated
MAX_JSON_BYTES = 1024 * 1024  # bytes of any other request
_JSON_TYPES = (
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",  # curl -d sends it with any body
)
_FIRST_INPUT = 256  # compressed bytes passed to a new gzip member, because zlib copies the rest
_MAX_INPUT = 64 * 1024  # the most compressed bytes passed to a long gzip member
_STEP = 256 * 1024  # bytes inflated between two checks of the limit
_SLICE = 1024 * 1024  # bytes inflated in one turn of the event loop: about 2 ms of work
_NO_CLIENT = 0  # the client of a request that names none
_PADDING = 4096  # bytes of padding skipped at a time
_MEMBER_COST = 4096  # the cost of a new gzip member, in bytes inflated
_MAX_MEMBERS = 10_000  # gzip members in a body: one for each event of the largest request


class Disconnected(Exception):
    """The caller disconnected before its request was read or answered."""


async def read_body(
    receive: Receive,
    headers: Headers,
    limit: int,
    on_bytes: Callable[[int], None] = lambda _size: None,
    client: int = _NO_CLIENT,
) -> bytes:
    """Return the complete body, inflated if it is gzip.

    The body has at most ``limit`` bytes, both before and after inflating. Whenever the body takes
    more memory, ``on_bytes`` is called with the number of additional bytes, and may raise. A large
    body is inflated in turns of ``client``.

    Raises TooLarge, NotAnObject (broken gzip), UnsupportedEncoding and Disconnected.
    """
    encoding = _encoding(headers)
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        raise UnsupportedEncoding("Content-Encoding must be gzip or absent")
    declared = _declared_length(headers)
    if declared is not None and declared > limit:
        raise _too_large(limit)
    body = await _receive_all(receive, limit, on_bytes)
    return (
        await _inflate(body, limit, on_bytes, client)
        if encoding.endswith("gzip") and body
        else body
    )


def _encoding(headers: Headers) -> str:
    return ",".join(headers.getlist("content-encoding")).strip().lower()


def _declared_length(headers: Headers) -> int | None:
    declared = headers.get("content-length", "")
    return int(declared) if declared.isdigit() and len(declared) < 20 else None


async def _receive_all(receive: Receive, limit: int, on_bytes: Callable[[int], None]) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        on_bytes(len(chunk))
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _inflate(
    compressed: bytes, limit: int, on_bytes: Callable[[int], None], client: int
) -> bytes:
    pieces: list[bytes] = []
    size = work = 0
    for piece, cost in _inflate_pieces(compressed):
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        if piece:
            on_bytes(len(piece))
            pieces.append(piece)
        work += len(piece) + cost
        if work > _SLICE:
            work = 0
            await take_turn(client)
    return b"".join(pieces)


def _inflate_pieces(compressed: bytes) -> Iterator[tuple[bytes, int]]:
    """Inflate the members of a gzip file step by step. Yields each piece and its additional cost.

    zlib copies the input that a member does not use. A member therefore gets little input at first,
    and twice as much in each later step. Otherwise, thousands of empty members would copy the body
    thousands of times.
    """
    member, members = zlib.decompressobj(wbits=31), 1
    view, at, max_input = memoryview(compressed), 0, _FIRST_INPUT
    while at < len(compressed):
        if member.eof and not compressed[at]:  # padding is allowed after a member
            ahead = compressed[at : at + _PADDING]
            at += len(ahead) - len(ahead.lstrip(b"\0"))
            yield b"", _PADDING
            continue
        if member.eof:
            members += 1
            if members > _MAX_MEMBERS:
                raise TooLarge(f"the body's gzip has more than {_MAX_MEMBERS:,} members")
            member, max_input = zlib.decompressobj(wbits=31), _FIRST_INPUT
            yield b"", _MEMBER_COST
        chunk = view[at : at + max_input]
        try:
            piece = member.decompress(chunk, _STEP)
        except zlib.error:
            raise NotAnObject("Content-Encoding is gzip, but the body is not valid gzip") from None
        left = member.unused_data if member.eof else member.unconsumed_tail
        at += len(chunk) - len(left)
        max_input = min(max_input * 2, _MAX_INPUT)
        yield piece, len(chunk)
    while not member.eof:  # output that zlib still holds
        piece = member.decompress(b"", _STEP)
        if not piece:
            raise NotAnObject("the body's gzip data is truncated")
        yield piece, 0


def read_json(body: bytes, shape: type[T], media_type: str = "") -> T:
    """Decode a JSON object. An empty body means an empty object.

    Raises NotAnObject if the body is not JSON or not an object, InvalidParameter if a member has
    the wrong type, and UnsupportedMedia if ``media_type`` is not a JSON type.
    """
    if not body or body.isspace():
        return shape()
    content_type = media_type.partition(";")[0].strip().lower()
    if content_type and content_type not in _JSON_TYPES and not content_type.endswith("+json"):
        raise UnsupportedMedia("Content-Type must be application/json")
    try:
        body.decode()
        check_nesting(body)
        decoder: msgspec.json.Decoder[T] = _decoder(shape)
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_type(str(error)) from None
    except RecursionError:
        raise NotAnObject(f"the body is {TOO_NESTED}") from None
    except UnicodeDecodeError:
        raise NotAnObject("the body is not UTF-8") from None
    except msgspec.DecodeError as error:
        raise NotAnObject(f"the body is not JSON: {error}") from None


@lru_cache(maxsize=64)
def _decoder(shape: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(shape)


_MISMATCH = re.compile(r"Expected `(?P<expected>.+?)`, got `(?P<got>.+?)`")
_PATH = re.compile(r" - at `\$\.?(?P<path>.*)`$")


def _wrong_type(text: str) -> InvalidParameter | NotAnObject:
    mismatch, at = _MISMATCH.search(text), _PATH.search(text)
    if at is None:
        return NotAnObject("the body must be a JSON object")
    member = at["path"]
    if mismatch is None:
        return InvalidParameter(f"{member}: {text[: at.start()]}")
    expected = mismatch["expected"].removesuffix(" | null")
    return InvalidParameter(
        f"{member} must be {TYPE_WORDS.get(expected, expected)}, "
        f"not {TYPE_WORDS.get(mismatch['got'])}"
    )


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit:,} bytes")
