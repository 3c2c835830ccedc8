"""Tests of plain and compressed responses."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from floorcast.http.responses import Content, Response


def sent(
    answer: Response, *, gzip: bool, without_body: bool = False
) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a response as sent."""
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    asyncio.run(answer.send(send, gzip=gzip, without_body=without_body))
    start, body = messages
    assert start["status"] == answer.status
    return {name.decode(): value.decode() for name, value in start["headers"]}, body["body"]


@given(st.binary(max_size=600) | st.integers(60_000, 70_000).map(lambda size: b"ab" * size))
def test_bodies_of_any_size_survive_compression(plain: bytes) -> None:
    """Small bodies are stored, and larger ones are deflated.

    The largest are deflated off the loop.
    """
    headers, body = sent(Response(200, Content(plain)), gzip=True)
    assert headers["content-encoding"] == "gzip"
    assert int(headers["content-length"]) == len(body)
    assert gzip.decompress(body) == plain
    assert len(body) <= len(plain) + 30


def test_responses_have_the_default_headers() -> None:
    """Responses have ``no-store``, ``Vary``, and the body's length."""
    answer = Response.json({"a": 1}, status=201, headers=(("x-y", "z"),))
    assert sent(answer, gzip=False) == (
        {
            "cache-control": "no-store",
            "x-y": "z",
            "content-type": "application/json",
            "vary": "accept-encoding",
            "content-length": "7",
        },
        b'{"a":1}',
    )
    assert sent(Response(204), gzip=True) == ({"cache-control": "no-store"}, b"")


def test_a_response_can_override_cache_control() -> None:
    """The response's ``Cache-Control`` replaces the default. A 304 has no body and no length."""
    kept = (("cache-control", "no-cache"),)
    assert sent(Response(304, headers=kept), gzip=True) == (dict(kept), b"")


def test_head_responses_have_only_headers() -> None:
    """The length is that of the omitted body."""
    headers, body = sent(Response.json({"a": 1}), gzip=False, without_body=True)
    assert headers["content-length"] == "7"
    assert body == b""


def test_a_body_is_compressed_once_for_all_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """This applies even if the first request is cancelled before the compression is done."""
    done = 0

    async def work() -> None:
        nonlocal done
        loop = asyncio.get_running_loop()
        running: asyncio.Future[bytes] = loop.create_future()

        def run_in_executor(*_: object) -> asyncio.Future[bytes]:
            nonlocal done
            done += 1
            return running

        monkeypatch.setattr(loop, "run_in_executor", run_in_executor)
        content = Content(b"x" * 1_000_000)
        readers = [asyncio.ensure_future(content.compressed()) for _ in range(5)]
        await asyncio.sleep(0)
        readers[0].cancel()
        await asyncio.sleep(0)
        running.set_result(b"packed")
        assert await asyncio.gather(*readers[1:]) == [b"packed"] * 4
        assert await content.compressed() == b"packed"

    asyncio.run(work())
    assert done == 1
