"""A manager interface that the test controls."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from floorcast.connectors.asterisk.ami_connection import AmiAddress
from floorcast.connectors.asterisk.frames import AmiFrame, AmiFrameReader

__all__ = ["FakeAmi", "encoded", "serving"]

SECRET = "secret"


class FakeAmi:
    """Responds to logins and actions. ``send`` sends events to all logged-in connections."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.started = "12:00:00"
        self.members: list[AmiFrame] = []
        self.entries: list[AmiFrame] = []
        self.channels: list[AmiFrame] = []
        self.denied: set[str] = set()
        self.events_before: dict[
            str, list[AmiFrame]
        ] = {}  # events to send before the reply to an action
        self.queue_status = "TIMEOUT"
        self.actions: list[str] = []
        self.logins = 0
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close all connections."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        self._writers.clear()
        await self._server.wait_closed()

    def address(self, secret: str = SECRET, tls: ssl.SSLContext | None = None) -> AmiAddress:
        return AmiAddress("127.0.0.1", self.port, "floorcast", secret, tls)

    async def send(self, frames: Iterable[AmiFrame]) -> None:
        data = b"".join(encoded(frame) for frame in frames)
        for writer in self._writers:
            writer.write(data)
            await writer.drain()

    async def send_bytes(self, data: bytes) -> None:
        for writer in self._writers:
            writer.write(data)
            await writer.drain()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Asterisk Call Manager/10.0\r\n")
        frames = AmiFrameReader()
        while data := await _read(reader):
            text = data.replace(b"Action:", b"Response: asked\r\nAction:")  # a frame for the reader
            for frame in frames.feed(text):
                assert isinstance(frame, dict)
                self.actions.append(frame["Action"])
                events = self.events_before.get(frame["Action"], [])
                for answer in [*events, *self._answers(frame, writer)]:
                    self._send_answer(writer, answer)
        if writer in self._writers:
            self._writers.remove(writer)
        writer.close()

    def _send_answer(self, writer: asyncio.StreamWriter, answer: AmiFrame) -> None:
        writer.write(encoded(answer))

    def _answers(self, asked: AmiFrame, writer: asyncio.StreamWriter) -> list[AmiFrame]:
        number = {"ActionID": asked["ActionID"]} if "ActionID" in asked else {}
        action = asked["Action"]
        if action == "Login":
            if asked["Secret"] != SECRET:
                return [{"Response": "Error", **number, "Message": "Authentication failed"}]
            self.logins += 1
            self._writers.append(writer)
            return [{"Response": "Success", **number}, {"Event": "FullyBooted"}]
        if action in self.denied:
            return [{"Response": "Error", **number, "Message": "Permission denied"}]
        lists = {
            "QueueStatus": [
                *({"Event": "QueueMember", **one} for one in self.members),
                *({"Event": "QueueEntry", **one} for one in self.entries),
            ],
            "CoreShowChannels": [{"Event": "CoreShowChannel", **one} for one in self.channels],
        }
        if action == "GetVar":
            return [{"Response": "Success", **number, "Value": self.queue_status}]
        if action not in lists:
            return [{"Response": "Success", **number, "CoreStartupTime": self.started}]
        return [
            {"Response": "Success", **number, "EventList": "start"},
            *({**one, **number} for one in lists[action]),
            {"Event": f"{action}Complete", **number, "EventList": "Complete"},
        ]


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(65536)
    except ConnectionError:  # the test closed the connection
        return b""


def encoded(frame: AmiFrame) -> bytes:
    return ("".join(f"{name}: {value}\r\n" for name, value in frame.items()) + "\r\n").encode()


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeAmi]:
    ami = FakeAmi(tls)
    await ami.start()
    try:
        yield ami
    finally:
        await ami.stop()
