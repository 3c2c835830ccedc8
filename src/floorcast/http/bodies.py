"""Reading a request's body: bounded, inflated, decoded, and every defect an answer.

What inflates is inflated in steps and never beyond the limit, so a small request cannot fill
the memory; the loop runs on in between.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import TypeVar

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive

from floorcast.model.errors import InvalidParameter, NotAnObject, TooLarge, UnsupportedMedia

__all__ = ["INTAKE_LIMIT", "JSON_LIMIT", "Disconnected", "at_most", "read_body", "read_json"]

T = TypeVar("T", bound=msgspec.Struct)

INTAKE_LIMIT = 16 * 1024 * 1024  # bytes of a request with events, as sent and inflated
JSON_LIMIT = 1024 * 1024  # bytes of any other request
_JSON_TYPES = (
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",  # what curl -d says of any body
)
_CHUNK = 64 * 1024  # compressed bytes looked at together: what is left over is copied each step
_STEP = 256 * 1024  # bytes inflated between two looks at the limit
_TURN = 2 * 1024 * 1024  # bytes inflated in one turn of the loop (about 5 ms)


class Disconnected(Exception):
    """The caller went away before its request was read."""


async def read_body(receive: Receive, headers: Headers, limit: int) -> bytes:
    """The whole body, inflated if it says gzip; at most ``limit`` bytes before and after.

    Raises TooLarge, NotAnObject (broken gzip), UnsupportedMedia (another encoding) and
    Disconnected.
    """
    encoding = _encoding(headers)
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        raise UnsupportedMedia("Content-Encoding must be gzip, or left out")
    declared = _declared(headers)
    if declared is not None and declared > limit:
        raise _too_large(limit)
    body = await _receive_all(receive, limit)
    return await _inflate(body, limit) if encoding.endswith("gzip") and body else body


def at_most(headers: Headers, limit: int) -> int:
    """How many bytes ``read_body`` can come to, as far as the head of the request tells."""
    declared = _declared(headers)
    if declared is None or _encoding(headers).endswith("gzip"):
        return limit
    return min(declared, limit)


def _encoding(headers: Headers) -> str:
    return headers.get("content-encoding", "identity").strip().lower()


def _declared(headers: Headers) -> int | None:
    declared = headers.get("content-length", "")
    return int(declared) if declared.isdigit() and len(declared) < 20 else None


async def _receive_all(receive: Receive, limit: int) -> bytes:
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
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _inflate(packed: bytes, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = turn = 0
    for piece in _pieces(packed):
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        pieces.append(piece)
        if size - turn > _TURN:
            turn = size
            await asyncio.sleep(0)
    return b"".join(pieces)


def _pieces(packed: bytes) -> Iterator[bytes]:
    """Inflate the members of a gzip file (there may be several), a step at a time."""
    member = zlib.decompressobj(wbits=31)
    scope = memoryview(packed)
    for start in range(0, len(packed), _CHUNK):
        rest: bytes | memoryview = scope[start : start + _CHUNK]
        while rest:
            if member.eof:
                rest = bytes(rest).lstrip(b"\0")  # padding is allowed behind a member
                if not rest:
                    break
                member = zlib.decompressobj(wbits=31)
            try:
                yield member.decompress(rest, _STEP)
            except zlib.error:
                raise NotAnObject("the body is not the gzip that Content-Encoding says") from None
            rest = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise NotAnObject("the body's gzip breaks off before its end")


def read_json(body: bytes, shape: type[T], media_type: str = "") -> T:
    """Decode a JSON object; an empty body stands for an empty object.

    Raises NotAnObject when it is not JSON or not an object, InvalidParameter for a member of
    a wrong type, UnsupportedMedia when ``media_type`` says that it is something else.
    """
    if not body or body.isspace():
        return shape()
    named = media_type.partition(";")[0].strip().lower()
    if named and named not in _JSON_TYPES and not named.endswith("+json"):
        raise UnsupportedMedia("Content-Type must be application/json")
    try:
        body.decode()
        decoder: msgspec.json.Decoder[T] = _decoder(shape)
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_type(str(error)) from None
    except RecursionError:
        raise NotAnObject("the body is nested too deeply") from None
    except UnicodeDecodeError:
        raise NotAnObject("the body is not UTF-8") from None
    except msgspec.DecodeError as error:
        raise NotAnObject(f"the body is not JSON: {error}") from None


@lru_cache(maxsize=64)
def _decoder(shape: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(shape)


_MISMATCH = re.compile(r"Expected `(?P<expected>.+?)`, got `(?P<got>.+?)`")
_PATH = re.compile(r" - at `\$\.?(?P<path>.*)`$")
_NAMES = {
    "str": "a string",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "object": "an object",
    "array": "an array",
    "null": "null",
}


def _wrong_type(text: str) -> InvalidParameter | NotAnObject:
    mismatch, at = _MISMATCH.search(text), _PATH.search(text)
    if at is None:
        return NotAnObject("the body must be a JSON object")
    member = at["path"]
    if mismatch is None:
        return InvalidParameter(f"{member}: {text[: at.start()]}")
    expected = mismatch["expected"].removesuffix(" | null")
    return InvalidParameter(
        f"{member} must be {_NAMES.get(expected, expected)}, not {_NAMES.get(mismatch['got'])}"
    )


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit:,} bytes")
