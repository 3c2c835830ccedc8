"""Sends HTTP requests to a webhook's receiver, one at a time, over a connection that stays open.

The address of each connection has been checked. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import SplitResult

from floorcast.model.connection_errors import describe_connection_error
from floorcast.webhooks.addresses import Resolver, resolve, system_resolver
from floorcast.webhooks.connection import ClosedEarly, ReceiverConnection, Reply, RequestFailed

__all__ = ["HttpClient", "HttpTuning", "tls_context"]

MAX_TRIES = 4  # addresses per name


@dataclass(frozen=True)
class HttpTuning:
    """Time limits in seconds, and a resolver that tests replace."""

    connect: float = 5.0  # for the name lookup, the connection and TLS
    total: float = 15.0  # from the start to the response's head
    body: float = 1.0  # from the head to the end of the body
    age: float = 300.0  # of a connection before it is replaced and its address is checked again
    idle: float = 30.0  # since the last use; after that, a connection is not reused
    resolver: Resolver = system_resolver


@cache  # reading the system's certificates takes 40 ms
def tls_context() -> ssl.SSLContext:
    """Return a TLS context for clients, which verifies certificates and host names.

    Do not change the context, because all callers share it.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class HttpClient:
    """Sends the requests of one webhook, which must not overlap."""

    def __init__(
        self,
        url: SplitResult,
        tls: Callable[[], ssl.SSLContext],
        *,
        allow_private: bool,
        tuning: HttpTuning | None = None,
    ) -> None:
        self._host = url.hostname or ""
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._tls = tls() if url.scheme == "https" else None
        self._allow_private = allow_private
        self._tuning = tuning or HttpTuning()
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        self._head = (
            f"POST {target} HTTP/1.1\r\nhost: {url.netloc}\r\nuser-agent: floorcast\r\n"
        ).encode()
        self._connection: ReceiverConnection | None = None
        self._connected_at = self._used_at = 0.0

    async def post(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send a request and return the response.

        Raises AddressRefused if the host's address is not allowed. Raises RequestFailed if no valid
        HTTP response arrives in time.
        """
        head = self._head + b"".join(
            f"{name}: {value}\r\n".encode() for name, value in headers.items()
        )
        request = b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body)
        try:
            async with asyncio.timeout(self._tuning.total):
                reply = await self._post(request)
        except TimeoutError as error:
            self.close()
            raise RequestFailed(f"no response in {self._tuning.total:g} s") from error
        except asyncio.CancelledError:
            self.close()
            raise
        if self._connection is not None and not await self._connection.read_body(self._tuning.body):
            self.close()
        return reply

    async def _post(self, request: bytes) -> Reply:
        loop = asyncio.get_running_loop()
        connection = self._connection
        if connection is not None and connection.usable and self._is_fresh(loop.time()):
            try:
                return await self._send_request(connection, request)
            except ClosedEarly:  # the receiver closed it during the write: try a new connection
                self.close()
        self.close()
        self._connection = await self._connect()
        self._connected_at = loop.time()
        try:
            return await self._send_request(self._connection, request)
        except ClosedEarly as error:
            raise RequestFailed("the connection was closed before the response") from error

    def _is_fresh(self, now: float) -> bool:
        """Return whether the connection can be used for another request."""
        return (
            now - self._used_at < self._tuning.idle and now - self._connected_at < self._tuning.age
        )

    async def _send_request(self, connection: ReceiverConnection, request: bytes) -> Reply:
        reply = await connection.send_request(request)
        self._used_at = asyncio.get_running_loop().time()
        return reply

    async def _connect(self) -> ReceiverConnection:
        try:
            async with asyncio.timeout(self._tuning.connect):
                addresses = await resolve(
                    self._host,
                    self._port,
                    allow_private=self._allow_private,
                    resolver=self._tuning.resolver,
                )
                return await self._connect_to_any(addresses)
        except TimeoutError as error:
            raise RequestFailed(f"no connection in {self._tuning.connect:g} s") from error
        except (OSError, UnicodeError) as error:
            why = describe_connection_error(error, self._host, self._port)
            raise RequestFailed(why) from error

    async def _connect_to_any(self, addresses: list[str]) -> ReceiverConnection:
        """Connect to the first address that accepts the connection.

        Each address gets an equal share of the time.
        """
        loop = asyncio.get_running_loop()
        server_name = self._host if self._tls else None
        candidates = addresses[:MAX_TRIES]
        for left in range(len(candidates), 0, -1):
            with contextlib.suppress(*(() if left == 1 else (OSError, TimeoutError))):
                async with asyncio.timeout(self._tuning.connect / len(candidates)):
                    _, connection = await loop.create_connection(
                        ReceiverConnection,
                        candidates[-left],
                        self._port,
                        ssl=self._tls,
                        server_hostname=server_name,
                    )
                    return connection
        raise AssertionError("the last address raises")

    def close(self) -> None:
        """Close the connection if one is open."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
