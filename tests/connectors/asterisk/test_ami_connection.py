"""Tests of the connection to a manager interface."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from floorcast.connectors.asterisk.ami_connection import AmiAddress, AmiConnection, tls_context
from floorcast.connectors.asterisk.frames import AmiFrame
from floorcast.connectors.pbx.unreadable import Unreadable
from floorcast.model.errors import BadCredentials, SettingError, Unavailable
from tests.connectors.asterisk.fake_ami import FakeAmi, serving


class ReceivedFrames:
    """The received items."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[AmiFrame | Unreadable] = asyncio.Queue()

    async def __call__(self, frame: AmiFrame | Unreadable) -> None:
        await self.frames.put(frame)


async def next_event(received: ReceivedFrames, name: str) -> AmiFrame | Unreadable:
    while True:
        frame = await asyncio.wait_for(received.frames.get(), 20)
        if isinstance(frame, Unreadable) or frame.get("Event") == name:
            return frame


def test_a_server_that_returns_the_login_does_not_reveal_the_secret() -> None:
    """The port may be another service's, and what cannot be read is logged."""

    async def main() -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readuntil(b"\r\n\r\n"))
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        received = ReceivedFrames()
        port = server.sockets[0].getsockname()[1]
        connection = AmiConnection(AmiAddress("127.0.0.1", port, "me", "s3cret"), received)
        with pytest.raises(Unavailable) as caught:
            await connection.open()
        assert "s3cret" not in str(received.frames.get_nowait())
        assert "s3cret" not in str(caught.value)
        server.close()

    asyncio.run(main())


def test_events_lists_and_invalid_frames_are_received() -> None:
    """Events arrive in order, an action gets its whole list, and invalid frames are reported."""

    async def main() -> None:
        async with serving() as ami:
            received = ReceivedFrames()
            ami.members = [{"Queue": "sales", "Name": "Anna"}]
            connection = AmiConnection(ami.address(), received)
            read_task = await connection.open()
            reply = await connection.send_action("QueueStatus")
            assert [one.get("Event") for one in reply] == [
                None,
                "QueueMember",
                "QueueStatusComplete",
            ]
            await ami.send([{"Event": "Hangup", "Uniqueid": "1.0"}])
            assert await next_event(received, "Hangup") == {"Event": "Hangup", "Uniqueid": "1.0"}
            await ami.send_bytes(b"what is this\r\n\r\n")
            assert isinstance(await next_event(received, "Never"), Unreadable)
            assert connection.has_booted.is_set()
            await connection.close(read_task)

    asyncio.run(main())


def test_a_wrong_secret_and_an_unreachable_asterisk_raise_different_errors() -> None:
    """A wrong secret raises BadCredentials, and an unreachable Asterisk raises Unavailable.

    Neither error shows the secret.
    """

    async def main() -> None:
        async with serving() as ami:
            with pytest.raises(BadCredentials, match="refuses the user 'floorcast'") as caught:
                await AmiConnection(ami.address("wrong"), ReceivedFrames()).open()
            assert "wrong" not in str(caught.value)
            address = ami.address()
        with pytest.raises(Unavailable, match=r"AMI at 127.*check .*manager\.conf"):
            await AmiConnection(address, ReceivedFrames()).open()
        unknown = AmiAddress("pbx.invalid", 5038, "floorcast", "secret")
        with pytest.raises(Unavailable, match=r"the name pbx\.invalid cannot be resolved"):
            await AmiConnection(unknown, ReceivedFrames()).open()

    asyncio.run(main())


def test_a_broken_connection_ends_pending_actions() -> None:
    """A broken connection ends both the pending actions and the reading task."""

    async def silent(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ami: FakeAmi
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"Response: Success\r\nActionID: fc-1\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def main() -> None:
        ami = FakeAmi()
        server = await asyncio.start_server(lambda r, w: silent(r, w, ami), "127.0.0.1", 0)
        ami.port = server.sockets[0].getsockname()[1]
        connection = AmiConnection(ami.address(), ReceivedFrames())
        read_task = await connection.open()
        with pytest.raises(Unavailable, match="connection lost"):
            await connection.send_action("CoreStatus")
        await asyncio.wait_for(read_task, 100)
        await connection.close(read_task)
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_tls_requires_a_trusted_certificate_for_the_host(tmp_path: Path) -> None:
    """A certificate from an unknown authority or for another host is refused before the login."""
    authority, ca_file = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)

    async def logins(issued: trustme.LeafCert, trusted: ssl.SSLContext) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(context)
        async with serving(context) as ami:
            connection = AmiConnection(ami.address(tls=trusted), ReceivedFrames())
            with suppress(Unavailable):
                await connection.close(await connection.open())
            return ami.logins

    trusted = tls_context(str(ca_file))
    own = authority.issue_cert("127.0.0.1")
    assert asyncio.run(logins(own, trusted)) == 1
    assert asyncio.run(logins(own, tls_context(""))) == 0
    assert asyncio.run(logins(authority.issue_cert("192.0.2.1"), trusted)) == 0
    with pytest.raises(SettingError, match="cannot be read as certificates"):
        tls_context(str(tmp_path / "nowhere.pem"))
