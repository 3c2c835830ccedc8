"""An event socket that the test controls. It accepts logins, returns lists and plays events."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from floorcast.connectors.freeswitch.esl_connection import EslAddress

__all__ = [
    "AGENT",
    "MEMBER",
    "NOTICE",
    "PASSWORD",
    "QUEUE",
    "TIER",
    "FakeEsl",
    "Socket",
    "encoded",
    "esl_in_thread",
    "serving",
    "table",
]

PASSWORD = "ClueCon"
Event = dict[str, str]
Row = dict[str, str]

AGENT = {
    "name": "", "instance_id": "single_box", "uuid": "", "type": "callback", "contact": "user/1",
    "status": "Available", "state": "Waiting", "wrap_up_time": "0", "last_bridge_start": "0",
    "last_bridge_end": "0", "last_status_change": "0",
}  # fmt: skip
TIER = {"queue": "", "agent": "", "state": "Ready", "level": "1", "position": "1"}
QUEUE = {"name": "", "strategy": "longest-idle-agent"}
MEMBER = {
    "queue": "", "instance_id": "single_box", "uuid": "", "session_uuid": "", "cid_number": "",
    "cid_name": "", "joined_epoch": "0", "rejoined_epoch": "0", "bridge_epoch": "0",
    "serving_agent": "", "state": "Waiting",
}  # fmt: skip


def table(kind: Row, rows: Iterable[Row]) -> str:
    """Return a list as callcenter_config prints it. An empty list has no header row."""
    found = [{**kind, **row} for row in rows]
    lines = ["|".join(kind), *("|".join(row[name] for name in kind) for row in found)]
    return "\n".join([*(lines if found else []), "+OK\n"])


def encoded(event: Event) -> bytes:
    body = json.dumps(event).encode()
    return f"Content-Length: {len(body)}\nContent-Type: text/event-json\n\n".encode() + body


class FakeEsl:
    """Responds to logins and commands. ``send`` sends events to all subscribers."""

    def __init__(self) -> None:
        self.core = "core-1"
        self.ahead = 0.0  # seconds by which its clock is ahead of the local clock
        self.clock: Callable[[], float] = time.time
        self.agents: list[Row] = []
        self.tiers: list[Row] = []
        self.queues: list[Row] = []
        self.members: list[Row] = []
        self.sessions: set[str] = set()
        self.channels: list[Row] = []
        self.denied: set[str] = set()
        self.has_callcenter = True
        self.is_open = True
        self.chunk = 0  # bytes sent at once; 0 sends all
        self.commands: list[str] = []
        self.logins = 0
        self.port = 0
        self._sent_until = 0.0  # dialogues may play faster than their times
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    @property
    def subscriptions(self) -> int:
        """The number of subscriptions so far. Events sent before the first one reach nobody."""
        return sum(command.startswith("event ") for command in self.commands)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self, notice: bytes = b"") -> None:
        """Close all connections, with or without a notice."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.write(notice)
            writer.close()
        self._writers.clear()
        await self._server.wait_closed()

    def address(self, password: str = PASSWORD, user: str = "") -> EslAddress:
        return EslAddress("127.0.0.1", self.port, password, user)

    async def send(self, events: Iterable[Event]) -> None:
        events = list(events)
        times = [int(event.get("Event-Date-Timestamp", "0")) / 1e6 for event in events]
        self._sent_until = max([self._sent_until, *times])
        await self.send_bytes(
            b"".join(encoded({"Core-UUID": self.core, **event}) for event in events)
        )

    async def send_bytes(self, data: bytes) -> None:
        step = self.chunk or len(data) or 1
        for writer in self._writers:
            for at in range(0, len(data), step):
                writer.write(data[at : at + step])
                await writer.drain()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.is_open:
            body = b"Access Denied, go away.\n"
            writer.write(b"Content-Type: text/rude-rejection\nContent-Length: 24\n\n" + body)
            writer.close()
            return
        self._send_answer(writer, b"Content-Type: auth/request\n\n")
        try:
            while command := (await reader.readuntil(b"\n\n")).decode().strip():
                self.commands.append(command)
                self._send_answer(writer, self._answer(command, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        if writer in self._writers:
            self._writers.remove(writer)
        writer.close()

    def _send_answer(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)

    def _answer(self, command: str, writer: asyncio.StreamWriter) -> bytes:
        name, _, rest = command.partition(" ")
        if name in {"auth", "userauth"}:
            if rest.rpartition(":")[2] != PASSWORD:
                return _reply("-ERR invalid") + _notice()
            self.logins += 1
            return _reply("+OK accepted")
        if any(command.removeprefix("api ").startswith(one) for one in self.denied):
            return _reply("-ERR permission denied")
        if name == "event":
            self._writers.append(writer)
            return _reply("+OK event listener enabled json")
        assert name == "api", command
        body = self._api(rest).encode()
        return f"Content-Type: api/response\nContent-Length: {len(body)}\n\n".encode() + body

    def _api(self, command: str) -> str:
        if command.startswith("callcenter_config") and not self.has_callcenter:
            return f"-ERR {command} Command not found!\n"
        words = command.split()
        if command.startswith("callcenter_config queue list members"):
            return table(MEMBER, [one for one in self.members if one["queue"] == words[-1]])
        if words[0] == "uuid_exists":
            return "true" if words[1] in self.sessions else "false"
        channels = {"row_count": len(self.channels), "rows": self.channels}
        replies = {
            "global_getvar core_uuid": self.core,
            "strepoch": str(int(max(self.clock() + self.ahead, self._sent_until))),
            "show channels as json": json.dumps(channels),
            "callcenter_config agent list": table(AGENT, self.agents),
            "callcenter_config tier list": table(TIER, self.tiers),
            "callcenter_config queue list": table(QUEUE, self.queues),
        }
        return replies.get(command, "-ERR no reply\n")


def _reply(text: str) -> bytes:
    return f"Content-Type: command/reply\nReply-Text: {text}\n\n".encode()


def _notice() -> bytes:
    body = b"Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"
    head = f"Content-Type: text/disconnect-notice\nContent-Length: {len(body)}\n\n"
    return head.encode() + body


NOTICE = _notice()


@asynccontextmanager
async def serving() -> AsyncIterator[FakeEsl]:
    esl = FakeEsl()
    await esl.start()
    try:
        yield esl
    finally:
        await esl.stop()


class Socket:
    """An event socket in its own thread, for connectors that run as separate programs."""

    def __init__(self, esl: FakeEsl, loop: asyncio.AbstractEventLoop) -> None:
        self.esl = esl
        self._loop = loop

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a function on the socket's thread, and wait for it."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def send(self, events: Iterable[Event]) -> None:
        """Send events to all subscribers."""
        self.run(self.esl.send(events))


@contextmanager
def esl_in_thread() -> Iterator[Socket]:
    """Keep a socket open while the block runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    socket = Socket(FakeEsl(), loop)
    try:
        socket.run(socket.esl.start())
        yield socket
        socket.run(socket.esl.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()
