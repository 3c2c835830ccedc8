"""Connects to ESL: logs in, sends commands, and receives replies and events."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from floorcast.connectors.freeswitch.frames import EslFrame, EslFrameReader
from floorcast.connectors.pbx.keepalive import CONNECT_SECONDS, READ_BYTES, read_with_keepalive
from floorcast.connectors.pbx.unreadable import Unreadable
from floorcast.model.connection_errors import describe_connection_error
from floorcast.model.errors import BadCredentials, Unavailable

__all__ = ["DEFAULT_PORT", "EslAddress", "EslConnection", "OnFrame"]

DEFAULT_PORT = 8021
REPLY_SECONDS = 30.0
PING = "api echo floorcast"

NO_ANSWER_TO_LOGIN = Unreadable("the server does not answer the login as FreeSWITCH's ESL does")

OnFrame = Callable[[EslFrame | Unreadable], Awaitable[None]]


class EslAddress:
    """The host, port and password for ESL.

    ``user`` (``name@domain``) is the user to whom the password belongs, if there is one.
    """

    def __init__(self, host: str, port: int, password: str, user: str = "") -> None:
        self.host, self.port = host, port
        self.password, self.user = password, user

    def __repr__(self) -> str:
        return f"{self.host}:{self.port}"  # never the password


class EslConnection:
    """A connection to ESL.

    ``open`` returns the task that reads until the connection is lost. ``on_frame`` is awaited for
    each event, in order. Nothing more is read until it returns. A command may be sent before
    earlier commands are answered, because FreeSWITCH answers them in order.
    """

    def __init__(self, address: EslAddress, on_frame: OnFrame) -> None:
        self._address = address
        self._on_frame = on_frame
        self._replies: deque[asyncio.Future[str]] = deque()
        self._writer: asyncio.StreamWriter | None = None
        self._is_logged_in = False
        self.notice = ""  # why FreeSWITCH ended the connection, if known

    async def open(self) -> asyncio.Task[None]:
        """Connect and log in.

        Returns the task that reads from the connection. Raises Unavailable or BadCredentials.
        """
        greeting: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._replies.append(greeting)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, self._writer = await asyncio.open_connection(
                    self._address.host, self._address.port, limit=READ_BYTES
                )
        except ConnectionRefusedError:
            raise self._unavailable(
                "nothing is listening there; check the address, and 'listen-ip' and 'listen-port'"
                " in event_socket.conf.xml"
            ) from None
        except (OSError, UnicodeError) as error:
            host, port = self._address.host, self._address.port
            raise self._unavailable(describe_connection_error(error, host, port)) from None
        read_task = asyncio.create_task(self._read(reader))
        try:
            await self._log_in(greeting)
        except BaseException:
            await self.close(read_task)
            raise
        return read_task

    async def send_command(self, command: str) -> str:
        """Send a command and return its reply. Raises Unavailable."""
        assert self._writer is not None
        reply: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._replies.append(reply)
        try:
            self._writer.write(f"{command}\n\n".encode())
            await self._writer.drain()
            async with asyncio.timeout(REPLY_SECONDS):
                return await reply
        except (OSError, TimeoutError) as error:
            # a late reply would be mistaken for the reply to the next command
            self._writer.close()
            raise self._unavailable(
                str(error) or f"no reply to {command.split(maxsplit=1)[0]}"
            ) from None

    async def close(self, read_task: asyncio.Task[None]) -> None:
        """Close the connection."""
        read_task.cancel()
        await asyncio.gather(read_task, return_exceptions=True)
        if self._writer:
            self._writer.close()

    async def _log_in(self, greeting: asyncio.Future[str]) -> None:
        address = self._address
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await greeting
        except TimeoutError:
            raise self._unavailable(
                "no greeting was received; check that this is the ESL port"
            ) from None
        if address.user:
            reply = await self.send_command(f"userauth {address.user}:{address.password}")
        else:
            reply = await self.send_command(f"auth {address.password}")
        if not reply.startswith("+OK"):
            who = f"the user {address.user!r}" if address.user else "the password"
            raise BadCredentials(f"ESL at {address} refuses {who}: {reply}")
        self._is_logged_in = True

    def _unavailable(self, why: str) -> Unavailable:
        return Unavailable(f"ESL at {self._address}: {why}")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        assert self._writer is not None
        frames = EslFrameReader()
        try:
            while not self.notice and (data := await read_with_keepalive(reader, self._ping)):
                for frame in frames.feed(data):
                    await self._dispatch(frame)
        except OSError:
            pass
        finally:
            self._writer.close()
            for reply in self._replies:
                if not reply.done():
                    reply.set_exception(self._unavailable(self.notice or "connection lost"))
                    reply.exception()  # marks it as retrieved, because nobody may be waiting

    def _ping(self) -> None:
        assert self._writer is not None
        self._replies.append(asyncio.get_running_loop().create_future())
        self._writer.write(f"{PING}\n\n".encode())

    async def _dispatch(self, frame: EslFrame | Unreadable) -> None:
        if isinstance(frame, Unreadable):
            # a server that is not FreeSWITCH may return the password
            await self._on_frame(frame if self._is_logged_in else NO_ANSWER_TO_LOGIN)
            return
        match frame.kind:
            case "text/event-json":
                await self._on_frame(frame)
            case "api/response":
                self._reply(frame.body.decode("utf-8", "replace"))
            case "command/reply":
                self._reply(frame.headers.get("Reply-Text", ""))
            case "auth/request":
                self._reply("")
            case "text/rude-rejection":
                self._refuse(frame.body.decode("utf-8", "replace").strip())
            case "text/disconnect-notice":
                self.notice = "FreeSWITCH ended the connection"
            case _:
                await self._on_frame(Unreadable(f"a frame of type {frame.kind[:100]!r}"))

    def _reply(self, text: str) -> None:
        # a command that nobody waits for still has its place in the order
        if self._replies:
            reply = self._replies.popleft()
            if not reply.done():
                reply.set_result(text)

    def _refuse(self, message: str) -> None:
        reply = self._replies.popleft() if self._replies else None
        if reply is not None and not reply.done():
            reply.set_exception(
                BadCredentials(
                    f"ESL at {self._address} refuses this machine ({message}): add its address to"
                    " the list named by apply-inbound-acl in event_socket.conf.xml"
                )
            )
