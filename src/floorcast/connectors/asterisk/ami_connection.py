"""Connects to AMI: logs in, sends actions, and receives replies and events."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Awaitable, Callable

from floorcast.connectors.asterisk.frames import AmiFrame, AmiFrameReader
from floorcast.connectors.pbx.keepalive import CONNECT_SECONDS, READ_BYTES, read_with_keepalive
from floorcast.connectors.pbx.unreadable import Unreadable
from floorcast.model.connection_errors import describe_connection_error
from floorcast.model.errors import BadCredentials, SettingError, Unavailable
from floorcast.model.system_errors import describe_error

__all__ = ["AmiAddress", "AmiConnection", "OnFrame", "tls_context"]

DEFAULT_PORT, DEFAULT_TLS_PORT = 5038, 5039
REPLY_SECONDS = 30.0

NO_ANSWER_TO_LOGIN = Unreadable("the server does not answer the login as Asterisk's AMI does")

OnFrame = Callable[[AmiFrame | Unreadable], Awaitable[None]]


class AmiAddress:
    """The host, port, user and secret for AMI. ``tls`` is the TLS context, or None for no TLS."""

    def __init__(
        self, host: str, port: int, user: str, secret: str, tls: ssl.SSLContext | None = None
    ) -> None:
        self.host, self.port = host, port
        self.user, self.secret = user, secret
        self.tls = tls

    def __repr__(self) -> str:
        return f"{self.host}:{self.port}"  # never the secret


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return a TLS context that trusts the certificate authorities in a file.

    Without a file, the context trusts the machine's authorities. Host names are verified. Raises
    SettingError if the file cannot be read as certificates.
    """
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise SettingError(
            f"{ca_file} cannot be read as certificates (PEM): {describe_error(error)}"
        ) from None


class AmiConnection:
    """A connection to AMI.

    ``open`` returns the task that reads until the connection is lost. ``on_frame`` is awaited for
    each event and reply, in order. Nothing more is read until it returns.
    """

    def __init__(self, address: AmiAddress, on_frame: OnFrame) -> None:
        self._address = address
        self._on_frame = on_frame
        self._ids = itertools.count(1)
        self._replies: dict[str, asyncio.Future[list[AmiFrame]]] = {}
        self._lists: dict[str, list[AmiFrame]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._is_logged_in = False
        self.has_booted = asyncio.Event()

    async def open(self) -> asyncio.Task[None]:
        """Connect and log in.

        Returns the task that reads from the connection. Raises Unavailable or BadCredentials.
        """
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, self._writer = await asyncio.open_connection(
                    self._address.host,
                    self._address.port,
                    limit=READ_BYTES,
                    ssl=self._address.tls,
                )
        except ConnectionRefusedError:
            raise Unavailable(
                f"AMI at {self._address}: nothing is listening there; check the address, and check"
                " that manager.conf enables the interface"
            ) from None
        except (OSError, UnicodeError) as error:
            why = describe_connection_error(error, self._address.host, self._address.port)
            raise Unavailable(f"AMI at {self._address}: {why}") from None
        read_task = asyncio.create_task(self._read(reader))
        try:
            await self._log_in()
        except BaseException:
            await self.close(read_task)
            raise
        return read_task

    async def send_action(self, action: str, **members: str) -> list[AmiFrame]:
        """Send an action and return its reply and any list events. Raises Unavailable."""
        number = f"fc-{next(self._ids)}"
        future: asyncio.Future[list[AmiFrame]] = asyncio.get_running_loop().create_future()
        self._replies[number] = future
        lines = [f"Action: {action}", f"ActionID: {number}"]
        lines += [f"{name}: {value}" for name, value in members.items()]
        try:
            assert self._writer is not None
            self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            await self._writer.drain()
            async with asyncio.timeout(REPLY_SECONDS):
                return await future
        except (OSError, TimeoutError) as error:
            why = str(error) or f"no reply to {action}"
            raise Unavailable(f"AMI at {self._address}: {why}") from None
        finally:
            self._replies.pop(number, None)
            self._lists.pop(number, None)

    async def close(self, read_task: asyncio.Task[None]) -> None:
        """Close the connection."""
        read_task.cancel()
        await asyncio.gather(read_task, return_exceptions=True)
        if self._writer:
            self._writer.close()

    async def _log_in(self) -> None:
        address = self._address
        reply = await self.send_action(
            "Login", Username=address.user, Secret=address.secret, Events="call,agent,system,user"
        )
        if reply[0].get("Response") != "Success":
            message = reply[0].get("Message", "refused")
            raise BadCredentials(f"AMI at {address} refuses the user {address.user!r}: {message}")
        self._is_logged_in = True

    async def _read(self, reader: asyncio.StreamReader) -> None:
        frames = AmiFrameReader()
        try:
            while data := await read_with_keepalive(reader, self._ping):
                for frame in frames.feed(data):
                    await self._dispatch(frame)
        except OSError:
            pass
        finally:
            for future in self._replies.values():
                if not future.done():
                    future.set_exception(Unavailable(f"AMI at {self._address}: connection lost"))

    def _ping(self) -> None:
        assert self._writer is not None
        self._writer.write(b"Action: Ping\r\n\r\n")

    async def _dispatch(self, frame: AmiFrame | Unreadable) -> None:
        if isinstance(frame, Unreadable):
            # a server that is not Asterisk may return the secret
            await self._on_frame(frame if self._is_logged_in else NO_ANSWER_TO_LOGIN)
            return
        future = self._replies.get(frame.get("ActionID", ""))
        if future is not None and not future.done():
            self._reply(frame, future)
        elif frame.get("Event") == "FullyBooted":
            self.has_booted.set()
        await self._on_frame(frame)

    def _reply(self, frame: AmiFrame, future: asyncio.Future[list[AmiFrame]]) -> None:
        number = frame["ActionID"]
        found = self._lists.setdefault(number, [])
        found.append(frame)
        is_list = found[0].get("EventList") == "start"
        if not is_list or frame.get("EventList") in {"Complete", "Cancelled"}:
            future.set_result(found)
