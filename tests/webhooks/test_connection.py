"""Tests of responses that are truncated, long, slow, invalid or missing."""

from __future__ import annotations

import asyncio

import pytest

from floorcast.webhooks.connection import Reply, RequestFailed
from tests.virtual_time import VirtualLoop, run
from tests.webhooks.receiver import (
    HEADERS,
    Answer,
    Post,
    http_client,
    raw,
    running_receiver,
    send_requests,
)


def test_a_response_with_a_truncated_body_counts_by_its_status() -> None:
    """The status of a response with a truncated body counts. The next request reconnects."""
    replies, receiver = send_requests(raw(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\nhalf"), 2)
    assert replies == [Reply(200)] * 2
    assert receiver.connections == 2


def test_a_huge_response_is_not_read_completely() -> None:
    """The connection is closed after a part of a huge response has been read."""
    sent = 0

    async def endless(_post: Post, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n")
        while not writer.transport.is_closing() and sent < 100_000_000:
            writer.write(bytes(65_536))
            sent += 65_536
            await writer.drain()
            await asyncio.sleep(0)

    replies, _ = send_requests(endless)
    assert replies == [Reply(200)]
    assert sent < 20_000_000


def test_a_slow_body_is_abandoned() -> None:
    """A slow body is abandoned after a second, because the status is already known."""

    async def drip(_post: Post, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n1")
        await asyncio.Event().wait()

    async def scenario(loop: VirtualLoop) -> None:
        async with running_receiver(drip) as receiver:
            assert await http_client(receiver.url).post(HEADERS, b"x") == Reply(200)
            assert loop.elapsed == pytest.approx(1.0)

    run(scenario)


def failure_reason(answer: Answer) -> str:
    """Return the reason why a request to this receiver fails."""
    with pytest.raises(RequestFailed) as failure:
        send_requests(answer)
    return str(failure.value)


async def _never_respond(_post: Post, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def test_invalid_responses_are_failures() -> None:
    """No response, another protocol, an endless head and a closed connection are failures."""
    assert failure_reason(_never_respond) == "no response in 15 s"
    assert failure_reason(raw(b"SSH-2.0-OpenSSH\r\n")) == "the response is not HTTP"
    switching = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nx"
    assert failure_reason(raw(switching, end=False)) == "the response is not HTTP"
    assert "before the response" in failure_reason(raw())
    assert "before the end" in failure_reason(raw(b"HTTP/1.1 200 OK\r\nx: y"))
    many = b"".join(b"x-%d: %b\r\n" % (n, b"y" * 900) for n in range(60))
    assert "head" in failure_reason(raw(b"HTTP/1.1 200 OK\r\n" + many, end=False))


def test_an_interim_response_is_skipped() -> None:
    """An interim response such as 103 is skipped, and the next response counts."""
    early = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    replies, _ = send_requests(
        raw(early, b"HTTP/1.1 202 OK\r\ncontent-length: 0\r\n\r\n", end=False)
    )
    assert replies == [Reply(202)]
