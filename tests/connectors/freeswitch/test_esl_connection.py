"""Tests of the connection to an event socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from floorcast.connectors.freeswitch.esl_connection import EslAddress, EslConnection
from floorcast.connectors.freeswitch.frames import EslFrame
from floorcast.connectors.pbx.unreadable import Unreadable
from floorcast.model.errors import BadCredentials, Unavailable
from tests.connectors.freeswitch.dialogues import hangup
from tests.connectors.freeswitch.fake_esl import NOTICE, PASSWORD, FakeEsl, serving


class ReceivedFrames:
    """The received items."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[EslFrame | Unreadable] = asyncio.Queue()

    async def __call__(self, frame: EslFrame | Unreadable) -> None:
        await self.frames.put(frame)

    async def next(self) -> EslFrame | Unreadable:
        return await asyncio.wait_for(self.frames.get(), 20)


def run(main: Callable[[FakeEsl], Awaitable[None]]) -> None:
    async def with_server() -> None:
        async with serving() as esl:
            await main(esl)

    asyncio.run(with_server())


def test_replies_keep_the_order_of_commands_among_events() -> None:
    """Several commands may be pending at once. Invalid frames are reported."""

    async def main(esl: FakeEsl) -> None:
        received = ReceivedFrames()
        esl.sessions, esl.chunk = {"a"}, 3
        connection = EslConnection(esl.address(), received)
        read_task = await connection.open()
        assert (await connection.send_command("event json ALL")).startswith("+OK")
        await esl.send([hangup("x", 1.0)])
        on_reply = [connection.send_command(f"api uuid_exists {one}") for one in "aba"]
        assert await asyncio.gather(*on_reply) == ["true", "false", "true"]
        frame = await received.next()
        assert isinstance(frame, EslFrame)
        assert b"CHANNEL_HANGUP_COMPLETE" in frame.body
        await esl.send_bytes(b"what is this\n\nContent-Type: text/strange\n\n")
        for _ in range(2):
            assert isinstance(await received.next(), Unreadable)
        await connection.close(read_task)

    run(main)


@pytest.mark.parametrize("user", ["", "reader@pbx"])
def test_a_wrong_password_and_an_unreachable_freeswitch_raise_different_errors(user: str) -> None:
    """A wrong password raises BadCredentials, and an unreachable FreeSWITCH raises Unavailable.

    Neither error shows the password.
    """

    async def main(esl: FakeEsl) -> None:
        with pytest.raises(BadCredentials, match=f"refuses .*{user}") as caught:
            await EslConnection(esl.address("wrong", user), ReceivedFrames()).open()
        assert "wrong" not in str(caught.value)
        connection = EslConnection(esl.address(user=user), ReceivedFrames())
        await connection.close(await connection.open())
        assert esl.commands[-1].startswith("userauth reader@pbx:" if user else "auth ")
        await esl.stop()
        with pytest.raises(Unavailable, match=r"ESL at 127.*check .*event_socket\.conf\.xml"):
            await EslConnection(esl.address(), ReceivedFrames()).open()
        unknown = EslAddress("pbx.invalid", 8021, PASSWORD)
        with pytest.raises(Unavailable, match=r"the name pbx\.invalid cannot be resolved"):
            await EslConnection(unknown, ReceivedFrames()).open()
        await esl.start()

    run(main)


def test_the_error_for_a_connection_refused_by_the_acl_names_the_acl() -> None:
    """FreeSWITCH refuses the connection before the login, and the error names the ACL."""

    async def main(esl: FakeEsl) -> None:
        esl.is_open = False
        with pytest.raises(BadCredentials, match="apply-inbound-acl"):
            await EslConnection(esl.address(), ReceivedFrames()).open()

    run(main)


def test_a_disconnect_notice_ends_the_connection_and_pending_commands() -> None:
    """FreeSWITCH sends a notice when it stops, and to readers that are too slow."""

    async def main(esl: FakeEsl) -> None:
        connection = EslConnection(esl.address(), ReceivedFrames())
        read_task = await connection.open()
        await connection.send_command("event json ALL")
        await esl.send_bytes(NOTICE)
        await asyncio.wait_for(read_task, 100)
        assert connection.notice
        with pytest.raises(Unavailable):
            await connection.send_command("api status")
        await connection.close(read_task)

    run(main)


def test_a_connection_without_a_greeting_is_closed() -> None:
    """A connection to another service's port is closed."""

    async def main() -> None:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable, match="connection lost"):
            await EslConnection(EslAddress("127.0.0.1", port, "p"), ReceivedFrames()).open()
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_a_server_that_returns_the_login_does_not_reveal_the_password() -> None:
    """The port may be another service's, and what cannot be read is logged."""

    async def main() -> None:
        received = ReceivedFrames()

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"Content-Type: auth/request\n\n")
            writer.write(await reader.readuntil(b"\n\n"))
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        connection = EslConnection(EslAddress("127.0.0.1", port, "s3cret"), received)
        with pytest.raises(Unavailable) as caught:
            await connection.open()
        assert "s3cret" not in str(received.frames.get_nowait())
        assert "s3cret" not in str(caught.value)
        server.close()

    asyncio.run(main())
