"""Tests that request bodies are bounded, decompressed and decoded, with clear errors."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from floorcast.http.bodies import MAX_INTAKE_BYTES, Disconnected, read_body, read_json
from floorcast.model.errors import (
    InvalidParameter,
    NotAnObject,
    Refusal,
    TooLarge,
    Unavailable,
    UnsupportedEncoding,
    UnsupportedMedia,
)


class Shape(msgspec.Struct):
    """A body with a member of each type."""

    text: str | None = None
    number: int | None = None
    flag: bool | None = None
    things: list[int] | None = None
    whatever: Any = None


def received(
    chunks: Sequence[bytes],
    headers: dict[str, str] | None = None,
    limit: int = 1000,
    on_bytes: Callable[[int], None] = lambda _size: None,
) -> bytes:
    """Return the result of ``read_body`` for a body in these chunks."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request"})

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    return asyncio.run(read_body(receive, Headers(headers or {}), limit, on_bytes))


def test_a_body_that_is_compressed_twice_is_refused() -> None:
    """Several Content-Encoding headers count as one list."""
    twice = Headers(raw=[(b"content-encoding", b"gzip"), (b"content-encoding", b"gzip")])

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": gzip.compress(gzip.compress(b"x"))}

    with pytest.raises(UnsupportedEncoding):
        asyncio.run(read_body(receive, twice, 1000))


@given(st.lists(st.binary(max_size=60)), st.booleans(), st.booleans())
def test_a_body_is_read_as_sent(chunks: list[bytes], packed: bool, twice: bool) -> None:
    """This applies to any chunks, plain or gzip, with one or several gzip members."""
    body = b"".join(chunks)
    if not packed:
        assert received(chunks, limit=len(body)) == body
        return
    half = len(body) // 2 if twice else 0
    gz = gzip.compress(body[:half]) + gzip.compress(body[half:]) + b"\0" * 7
    pieces = [gz[at : at + 11] for at in range(0, len(gz), 11)]
    assert received(pieces, {"content-encoding": " GZip "}, limit=max(len(gz), len(body))) == body


@pytest.mark.parametrize("size", [1001, 5000])
def test_a_body_that_is_too_large_is_refused(size: int) -> None:
    """The declared size, the received size and the decompressed size are checked."""
    with pytest.raises(TooLarge, match="1,000"):
        received([], {"content-length": str(size)})
    with pytest.raises(TooLarge):
        received([b"x" * 500] * (size // 500 + 1))
    with pytest.raises(TooLarge):
        received([gzip.compress(b"x" * size)], {"content-encoding": "gzip"})


def test_a_bodys_memory_is_counted_as_it_arrives() -> None:
    """Received and inflated bytes are counted. The counter may refuse more bytes."""
    on_bytes: list[int] = []
    packed = gzip.compress(b"x" * 900)
    assert received(
        [packed[:5], packed[5:]], {"content-encoding": "gzip"}, on_bytes=on_bytes.append
    )
    assert [on_bytes[0], sum(on_bytes)] == [5, len(packed) + 900]

    def full(_size: int) -> None:
        raise Unavailable("full")

    with pytest.raises(Unavailable, match="full"):
        received([b"x"], on_bytes=full)


EMPTY = gzip.compress(b"", mtime=0)  # a time here would create different tests in each worker


@pytest.mark.parametrize("member", [EMPTY, EMPTY + b"\0" * 3], ids=["bare", "padded"])
def test_empty_gzip_members_take_linear_time_and_let_others_run(member: bytes) -> None:
    """Twice as many members take about twice as long, because none is copied repeatedly."""

    def seconds(count: int) -> float:
        began = time.process_time()
        assert received([member * count], {"content-encoding": "gzip"}, MAX_INTAKE_BYTES) == b""
        return time.process_time() - began

    few = min(seconds(1_000) for _ in range(5))
    assert min(seconds(8_000) for _ in range(3)) < 8 * few * 3
    with pytest.raises(TooLarge, match="members"):
        received([member * 10_001], {"content-encoding": "gzip"}, MAX_INTAKE_BYTES)
    assert turns_while(member * 9_000) > 15


def test_gzip_padding_is_skipped_in_turns() -> None:
    """This holds for any amount."""
    assert turns_while(gzip.compress(b"") + bytes(MAX_INTAKE_BYTES - 1000)) > 5


def turns_while(packed: bytes) -> int:
    """Return the number of times that other tasks run during decompression."""
    turns = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": packed}

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def work() -> None:
        counting = asyncio.create_task(count())
        await read_body(receive, Headers({"content-encoding": "gzip"}), MAX_INTAKE_BYTES)
        counting.cancel()

    asyncio.run(work())
    return turns


def test_a_gzip_bomb_is_refused_at_the_limit() -> None:
    """A gzip bomb of 16 MB that expands to 16 GB is refused at the limit."""
    member = gzip.compress(b"\0" * (1 << 24))
    bomb = member * (MAX_INTAKE_BYTES // len(member))
    began = time.process_time()
    with pytest.raises(TooLarge):
        received([bomb], {"content-encoding": "gzip"}, MAX_INTAKE_BYTES)
    assert time.process_time() - began < 1


def test_decompression_lets_other_tasks_run() -> None:
    """A large body is decompressed in many turns of the loop."""
    packed = gzip.compress(os.urandom(1 << 20) * 15, 1)
    turns = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": packed}

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def work() -> None:
        counting = asyncio.ensure_future(count())
        body = await read_body(receive, Headers({"content-encoding": "gzip"}), MAX_INTAKE_BYTES)
        counting.cancel()
        assert len(body) == 15 << 20

    asyncio.run(work())
    assert turns >= 6


@pytest.mark.parametrize("cut", [0, 1, 9, 10, 15, 25, -9, -8, -1])
def test_truncated_gzip_is_refused(cut: int) -> None:
    """The gzip data may be truncated anywhere. An empty body is valid."""
    packed = gzip.compress(b"some text to be cut off")
    if cut == 0:
        assert received([b""], {"content-encoding": "gzip"}) == b""
        return
    with pytest.raises(NotAnObject, match="truncated"):
        received([packed[:cut]], {"content-encoding": "gzip"})


@given(st.binary(min_size=1, max_size=200), st.booleans())
def test_invalid_gzip_is_refused(garbage: bytes, headed: bool) -> None:
    """Any invalid gzip is refused."""
    body = gzip.compress(b"")[:10] + garbage if headed else garbage
    with contextlib.suppress(NotAnObject, TooLarge):
        received([body], {"content-encoding": "gzip"})


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd", "gzip2"])
def test_other_encodings_are_refused(encoding: str) -> None:
    """The error names the accepted encoding."""
    with pytest.raises(UnsupportedEncoding, match="gzip"):
        received([b"x"], {"content-encoding": encoding})


def test_reading_stops_when_the_caller_disconnects() -> None:
    """Nobody would receive a response."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(Disconnected):
        asyncio.run(read_body(receive, Headers({}), 10))


@pytest.mark.parametrize("empty", [b"", b" \r\n\t", b"{}", b' { "unknown": [1, {"x": 1e999}] } '])
def test_an_empty_body_is_an_empty_object(empty: bytes) -> None:
    """An object with only unknown members counts as empty, too."""
    assert read_json(empty, Shape) == Shape()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'"x"', "must be a JSON object"),
        (b"7", "must be a JSON object"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"{'text': 1}", "not JSON"),
        (b'{"text": NaN}', "not JSON"),
        (b'{"text": "a\0b"}', "not JSON"),
        (b"\0", "not JSON"),
        (b'{"text": "\\ud800"}', "not JSON"),
        (b'{"text": "\xff"}', "not UTF-8"),
        (b'{"unknown": "\xff"}', "not UTF-8"),
        (b"\xff\xfe{\0}\0", "not UTF-8"),
        (b'{"whatever": ' + b"[" * 200_000, "nested too deeply"),
        (b'{"unknown": ' + b'{"a":' * 200_000, "nested too deeply"),
        (b'{"unknown": [' + b"[]," * 50_000 + b"1]}", "too many brackets: .* 100,000 brackets"),
    ],
)
def test_a_body_that_is_not_an_object_is_refused(body: bytes, said: str) -> None:
    """The error says what is wrong with the body."""
    with pytest.raises(NotAnObject, match=said):
        read_json(body, Shape)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"text": 5}', "text must be a string, not a whole number"),
        (b'{"number": "5"}', "number must be a whole number, not a string"),
        (b'{"number": 1.5}', "number must be a whole number, not a number"),
        (b'{"flag": "true"}', "flag must be true or false, not a string"),
        (b'{"things": [1, "x"]}', "things[1] must be a whole number, not a string"),
        (b'{"number": 1e999}', "number"),
        (b'{"whatever": [1e999]}', "whatever"),
        (b'{"number": ' + b"9" * 5000 + b"}", "number"),
        (b'{"whatever": ' + b"9" * 5000 + b"}", "whatever"),
    ],
)
def test_a_member_of_the_wrong_type_is_named(body: bytes, said: str) -> None:
    """The error names the expected type."""
    with pytest.raises(InvalidParameter) as refusal:
        read_json(body, Shape)
    assert refusal.value.message.startswith(said)


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/x+json",
        "application/x-www-form-urlencoded",
    ],
)
def test_json_content_types_are_accepted(media_type: str) -> None:
    """The server also accepts a missing content type, and curl's default."""
    assert read_json(b'{"text":"x"}', Shape, media_type).text == "x"


def test_other_content_types_are_refused() -> None:
    """An empty body may have any content type."""
    with pytest.raises(UnsupportedMedia, match="application/json"):
        read_json(b"{}", Shape, "text/xml")
    assert read_json(b"", Shape, "text/plain") == Shape()


@given(st.binary(max_size=80) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Any bytes either decode or cause a refusal."""
    with contextlib.suppress(Refusal):
        assert isinstance(read_json(body, Shape), Shape)
