"""Tests of requests to receivers that work, fail, are slow, or do not respond."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine

import pytest
import trustme
import uvloop

from floorcast.webhooks.addresses import AddressRefused
from floorcast.webhooks.connection import Reply, RequestFailed
from floorcast.webhooks.http_client import tls_context
from tests.virtual_time import VirtualLoop, run
from tests.webhooks.receiver import (
    HEADERS,
    Receiver,
    http_client,
    ok,
    raw,
    running_receiver,
    send_requests,
    status,
)


def test_a_connection_is_reused() -> None:
    """Three requests use one connection, with the right headers and bodies."""
    replies, receiver = send_requests(status(200, body=b"thanks"), 3)
    assert replies == [Reply(200)] * 3
    assert receiver.connections == 1
    assert [post.body for post in receiver.posts] == [b"body"] * 3
    assert receiver.posts[0].headers["content-type"] == "text/plain"
    assert receiver.posts[0].headers["host"] == f"127.0.0.1:{receiver.port}"


def test_a_redirect_is_not_followed() -> None:
    """The redirect's status is the result, and the redirect's target gets no request."""

    async def scenario(_loop: VirtualLoop) -> None:
        async with running_receiver() as elsewhere:
            moved = status(307, f"location: {elsewhere.url}\r\n")
            async with running_receiver(moved) as receiver:
                assert await http_client(receiver.url).post(HEADERS, b"x") == Reply(307)
            assert elsewhere.posts == []

    run(scenario)


def test_retry_after_is_returned_as_received() -> None:
    """The reply has the value of Retry-After, as received."""
    replies, _ = send_requests(status(429, "Retry-After: 17\r\n"))
    assert replies == [Reply(429, "17")]


def test_a_closed_connection_is_replaced() -> None:
    """After the receiver has closed the connection, the next request uses another connection."""

    async def scenario(loop: VirtualLoop) -> None:
        async with running_receiver() as receiver:
            one = http_client(receiver.url)
            await one.post(HEADERS, b"1")
            receiver.writers[0].close()
            await one.post(HEADERS, b"2")
            await loop.passing(60)
            await one.post(HEADERS, b"3")
            assert [post.body for post in receiver.posts] == [b"1", b"2", b"3"]
            assert receiver.connections == 3
            one.close()

    run(scenario)


def test_a_name_that_becomes_private_is_refused() -> None:
    """Every new connection resolves the name again, and none uses a private address."""
    answers = [["8.8.8.8"], ["127.0.0.1"]]
    asked_for: list[str] = []

    async def resolver(host: str, _port: int) -> list[str]:
        asked_for.append(host)
        return answers[min(len(asked_for), len(answers)) - 1]

    async def scenario(_loop: VirtualLoop) -> None:
        async with running_receiver() as receiver:
            url = f"http://hook.test:{receiver.port}/"
            one = http_client(url, private=False, resolver=resolver, connect=0.01)
            with pytest.raises(RequestFailed):  # 8.8.8.8 is unreachable
                await one.post(HEADERS, b"x")
            with pytest.raises(AddressRefused):
                await one.post(HEADERS, b"x")
            assert receiver.connections == 0
            assert asked_for == ["hook.test"] * 2

    run(scenario)


def test_the_name_of_a_busy_connection_is_checked_again() -> None:
    """A name that resolves to a private address later is refused even on an open connection."""
    address = "127.0.0.1"

    async def resolver(_host: str, _port: int) -> list[str]:
        if address == "private":
            raise AddressRefused("it is private now")
        return [address]

    async def scenario(loop: VirtualLoop) -> None:
        nonlocal address
        async with running_receiver() as receiver:
            one = http_client(f"http://hook.test:{receiver.port}/", resolver=resolver)
            for turn in range(30):
                await one.post(HEADERS, b"x")
                address = "private" if turn else address
                await loop.passing(10)
            with pytest.raises(AddressRefused):
                await one.post(HEADERS, b"x")
            assert receiver.connections == 1

    run(scenario)


def test_the_connection_uses_the_checked_address() -> None:
    """The client connects to the address that it checked, without resolving the name again."""
    calls = 0

    async def resolver(_host: str, _port: int) -> list[str]:
        nonlocal calls
        calls += 1
        assert calls == 1, "resolved again"
        return ["127.0.0.1"]

    async def scenario(_loop: VirtualLoop) -> None:
        async with running_receiver() as receiver:
            one = http_client(f"http://hook.test:{receiver.port}/", resolver=resolver)
            assert await one.post(HEADERS, b"x") == Reply(204)
            assert receiver.posts[0].headers["host"] == f"hook.test:{receiver.port}"
            one.close()

    run(scenario)


def unused_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port


@pytest.mark.parametrize("run_loop", [asyncio.run, uvloop.run])
def test_a_refused_connection_is_described_in_words(
    run_loop: Callable[[Coroutine[None, None, None]], None],
) -> None:
    """If nothing listens on the receiver's port, the message names the receiver and no errno."""
    port = unused_port()

    async def scenario() -> None:
        with pytest.raises(RequestFailed) as failure:
            await http_client(f"http://hook.test:{port}/", resolver=_loopback).post(HEADERS, b"x")
        assert str(failure.value) == f"connection refused by hook.test:{port}"

    run_loop(scenario())


def test_the_client_works_on_uvloop() -> None:
    """The client works on uvloop, which the server uses. Its transports differ from asyncio's."""

    async def scenario() -> None:
        async with running_receiver() as receiver:
            one = http_client(receiver.url)
            assert await one.post(HEADERS, b"x" * 500_000) == Reply(204)
            receiver.answer = raw(b"HTTP/1.1 500 X\r\ncontent-length: 9\r\n\r\n1")
            assert await one.post(HEADERS, b"x") == Reply(500)
            receiver.answer = raw(b"no")
            with pytest.raises(RequestFailed):
                await one.post(HEADERS, b"x")
            assert [len(post.body) for post in receiver.posts] == [500_000, 1, 1]

    uvloop.run(scenario())


def over_tls(name: str, work: Callable[[str, trustme.CA], Awaitable[None]]) -> None:
    """Run ``work`` with a receiver whose certificate is for ``name``."""

    async def scenario() -> None:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        receiver = Receiver(answer=ok)
        server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        await work(f"https://hook.test:{port}/", authority)
        server.close()

    asyncio.run(scenario())


async def _loopback(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


def tls_context_trusting(authority: trustme.CA) -> Callable[[], ssl.SSLContext]:
    """Return a function that returns the usual TLS context, which also trusts this authority."""
    context = tls_context.__wrapped__()
    authority.configure_trust(context)
    return lambda: context


def test_a_certificate_is_verified_against_the_name() -> None:
    """A certificate for another name or from an unknown authority is refused."""

    async def right(url: str, authority: trustme.CA) -> None:
        one = http_client(url, tls_context_trusting(authority), resolver=_loopback)
        assert await one.post(HEADERS, b"x") == Reply(204)
        one.close()

    async def unknown(url: str, _authority: trustme.CA) -> None:
        with pytest.raises(RequestFailed, match=r"certificate of .* is not valid"):
            await http_client(url, resolver=_loopback).post(HEADERS, b"x")

    async def misnamed(url: str, authority: trustme.CA) -> None:
        with pytest.raises(RequestFailed, match=r"certificate of .* is not valid"):
            await http_client(url, tls_context_trusting(authority), resolver=_loopback).post(
                HEADERS, b"x"
            )

    over_tls("hook.test", right)
    over_tls("hook.test", unknown)
    over_tls("other.test", misnamed)
