"""The connection to the NATS cluster.

While it is open, the link reconnects after failures and repeats requests that JetStream has not
answered. It raises Unavailable for temporary failures. Once a second, it asks the leader of every
watched stream for the stream's state. From the responses, a node learns whether there is a quorum,
what time it is and how far the node lags. The link leaves a server that cannot reach the quorum.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self

import msgspec
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from floorcast.cluster.clock import ClusterClock, parse_ticks
from floorcast.cluster.jetstream_responses import Ack, RequestRefused, decode_response
from floorcast.cluster.nats_url import connect_options, display_address, parse_url
from floorcast.cluster.quorum import has_quorum
from floorcast.cluster.server_checks import check_servers
from floorcast.model.cancellation import cancel_all
from floorcast.model.errors import FloorcastError, SettingError, Unavailable
from floorcast.model.system_errors import describe_error
from floorcast.model.token import Now, system_now

__all__ = [
    "COMMAND_TIMEOUT_SECONDS",
    "WRITE_TIMEOUT_SECONDS",
    "NatsLink",
    "StreamCheck",
]

CONNECT_SECONDS: Final = 10.0  # for the first connection, or for one that a request needs
COMMAND_TIMEOUT_SECONDS: Final = 5.0  # for the cluster to answer a command
WRITE_TIMEOUT_SECONDS: Final = 12.0  # JetStream takes up to 10 to elect a leader
RESPONSE_SECONDS: Final = 2.0  # seconds to wait for the first response; doubled for each retry
MAX_RESPONSE_SECONDS: Final = 6.0
RETRY_SECONDS: Final = 0.1  # before a request is repeated
CHECK_SECONDS: Final = 1.0  # between two checks of the streams
CLOSE_SECONDS: Final = 3.0  # seconds to send remaining data on closing
SWITCH_SECONDS: Final = 5.0  # seconds without a quorum before another server is tried; grows
MAX_SWITCH_SECONDS: Final = 40.0
MAX_PENDING_BYTES: Final = 64 << 20  # not sent yet; ``request`` sends nothing while disconnected
PING_SECONDS: Final = 2  # seconds between pings; the second unanswered ping ends the connection

_log = structlog.stdlib.get_logger(__name__)


class StreamCheck(NamedTuple):
    """The state of a watched stream, as reported by a leader that has a quorum.

    ``requested_at`` is the time of the request on the cluster's clock. The state includes
    everything that was stored before that time.
    """

    info: Mapping[str, Any]
    requested_at: int


OnStreamCheck = Callable[[StreamCheck], Awaitable[None]]


class NatsLink:
    """A process's connection to the cluster. ``clock`` gives the cluster's time.

    ``leaders`` maps each watched stream to the server that leads it, or to "" if there is no
    quorum. ``client`` is the nats-py client for subscriptions. A reconnect may replace the client,
    so renew subscriptions in a callback of ``on_connect``.
    """

    def __init__(self, url: str, name: str, now: Now = system_now) -> None:
        self._servers, self._login = parse_url(url)
        self._options = connect_options(self._servers, self._login)
        self._name = name
        self._connect_callbacks: list[Callable[[], None]] = []
        self._streams: dict[str, bool] = {}
        self._on_checks: dict[str, OnStreamCheck] = {}
        self._quorum_at = asyncio.get_running_loop().time()
        self._switch_after = SWITCH_SECONDS
        self.leaders: dict[str, str] = {}
        self._checking: asyncio.Task[None] | None = None
        self._reconnecting: asyncio.Task[None] | None = None
        self._closing = False
        self._last_error = "silence"
        self._connected_event = asyncio.Event()
        self.clock = ClusterClock(now)
        self.client = Client()

    @classmethod
    async def open(
        cls, url: str, name: str, now: Now = system_now, patience: float = CONNECT_SECONDS
    ) -> Self:
        """Connect to ``nats://[user:password@]host[:port],…``.

        Raises ``SettingError`` if the servers reject the login, and ``Unavailable`` if no server
        responds within ``patience`` seconds.
        """
        link = cls(url, name, now)
        try:
            await asyncio.wait_for(link._connect(), patience)
        except SettingError:
            await link.close()
            raise
        except TimeoutError as error:
            await link.close()
            raise Unavailable(
                f"no NATS server responds at {', '.join(map(display_address, link._servers))}"
                f" ({link._last_error})"
            ) from error
        link._checking = asyncio.create_task(link._check_streams())
        return link

    @property
    def connected(self) -> bool:
        """Whether the link is connected to a server of the cluster."""
        return self.client.is_connected

    @property
    def quorum(self) -> bool:
        """Whether every watched stream has a leader that reaches most of its replicas."""
        return self.connected and all(self._streams.values())

    @property
    def seconds_without_quorum(self) -> float:
        """The seconds since the quorum was lost; 0 while there is one."""
        return 0.0 if self.quorum else asyncio.get_running_loop().time() - self._quorum_at

    async def check_servers(self) -> list[str]:
        """Return the problems that were found in the servers' configuration."""
        return await check_servers(self._servers, self._login)

    def watch(self, stream: str, on_check: OnStreamCheck | None = None) -> None:
        """Watch a stream that exists.

        While the stream has no quorum, ``quorum`` is False. ``on_check`` is awaited each time a
        check of the stream succeeds.
        """
        self._streams.setdefault(stream, True)
        if on_check is not None:
            self._on_checks[stream] = on_check

    def on_connect(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` after each reconnect."""
        self._connect_callbacks.append(callback)

    async def wait_until_connected(self, patience: float = CONNECT_SECONDS) -> None:
        """Wait for a connection. Raises Unavailable if there is none after ``patience`` seconds."""
        if self.connected:
            return
        try:
            await asyncio.wait_for(self._connected_event.wait(), patience)
        except TimeoutError as error:
            raise Unavailable("no NATS server of the cluster can be reached") from error

    async def api(
        self, request: str, body: object = None, patience: float = WRITE_TIMEOUT_SECONDS
    ) -> dict[str, Any]:
        """Send ``$JS.API.<request>`` and return JetStream's response.

        The request must be safe to repeat. Raises ``RequestRefused`` if the response is a permanent
        error, and ``Unavailable`` if it is a temporary error or if no response arrives.
        """
        payload = b"" if body is None else msgspec.json.encode(body)
        answer, sent, received = await self._request_until_answered(
            f"$JS.API.{request}", payload, {}, patience
        )
        if (stamp := answer.get("ts")) and "config" in answer:  # a stream's or consumer's leader
            leader = (answer.get("cluster") or {}).get("leader", "")
            self.clock.record(leader, parse_ticks(stamp), sent, received)
        return answer

    async def publish(
        self,
        subject: str,
        payload: bytes,
        headers: Mapping[str, str] = MappingProxyType({}),
        patience: float = WRITE_TIMEOUT_SECONDS,
    ) -> Ack:
        """Store a message on a quorum.

        The message is sent again until JetStream acknowledges it, so it needs a ``Nats-Msg-Id``.
        Raises ``Unavailable`` after ``patience`` seconds without an acknowledgment (the message may
        still be stored), and ``RequestRefused`` if JetStream refuses the message.
        """
        answer, _, _ = await self._request_until_answered(subject, payload, headers, patience)
        return Ack.from_response(answer)

    async def publish_once(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> Ack:
        """Do the same as ``publish``, but in a single attempt."""
        answer = decode_response(
            await self.request(subject, payload, headers, MAX_RESPONSE_SECONDS)
        )
        return Ack.from_response(answer)

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        headers: Mapping[str, str] = MappingProxyType({}),
        timeout: float = RESPONSE_SECONDS,  # noqa: ASYNC109 — nats-py's own parameter
    ) -> Msg:
        """Send a request once, and return its response.

        Raises ``Unavailable`` if no response arrives, and ``RequestRefused`` if the request is too
        large.
        """
        if not self.connected:
            raise Unavailable("no NATS server of the cluster can be reached")
        try:
            return await self.client.request(
                subject, payload, timeout=timeout, headers=dict(headers) or None
            )
        except nats.errors.MaxPayloadError as error:
            raise RequestRefused(10054, "message size exceeds maximum allowed") from error
        except (nats.errors.Error, OSError) as error:
            raise Unavailable(f"the NATS cluster does not respond ({_reason(error)})") from error

    async def close(self) -> None:
        """Close the connection. Closing it twice is not an error."""
        self._closing = True
        await cancel_all(task for task in (self._checking, self._reconnecting) if task is not None)
        try:
            await asyncio.wait_for(self.client.close(), CLOSE_SECONDS)
        except (nats.errors.Error, OSError, RuntimeError, TimeoutError) as error:
            # the callers of unsent requests have given up
            _log.debug("nats_closed_roughly", why=_reason(error))

    async def _request_until_answered(
        self, subject: str, payload: bytes, headers: Mapping[str, str], patience: float
    ) -> tuple[dict[str, Any], int, int]:
        loop = asyncio.get_running_loop()
        until = loop.time() + patience
        wait = RESPONSE_SECONDS
        while True:
            left = until - loop.time()
            sent = self.clock.steady()
            try:
                await self.wait_until_connected(left)
                answer = await self.request(
                    subject, payload, headers, min(wait, max(left, RETRY_SECONDS))
                )
                return decode_response(answer), sent, self.clock.steady()
            except Unavailable:
                if loop.time() + RETRY_SECONDS >= until:
                    raise
            wait = min(2 * wait, MAX_RESPONSE_SECONDS)
            await asyncio.sleep(RETRY_SECONDS)

    async def _connect(self) -> None:
        await self.client.connect(
            self._servers,
            name=self._name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            ping_interval=PING_SECONDS,
            pending_size=MAX_PENDING_BYTES,
            flush_timeout=RESPONSE_SECONDS,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnect,
            reconnected_cb=self._on_reconnect,
            closed_cb=self._on_close,
            **self._options,
        )
        self._connected_event.set()

    async def _on_error(self, error: Exception) -> None:
        if self._checking is None and "Authorization" in str(error):
            # raised here, it ends ``connect``, which would otherwise retry forever
            raise SettingError(
                f"log: the NATS servers reject the login: {_reason(error)}"
            ) from error
        self._last_error = _reason(error)
        _log.debug("nats_error", why=self._last_error)

    async def _on_disconnect(self) -> None:
        self._connected_event.clear()
        if not self._closing:
            _log.warning("nats_connection_lost")

    async def _on_reconnect(self) -> None:
        self._connected_event.set()
        _log.info("nats_connected_again")
        for callback in self._connect_callbacks:
            callback()

    async def _on_close(self) -> None:
        """Reconnect, because nats-py stops permanently after a server error."""
        self._connected_event.clear()
        if not self._closing:
            self._reconnecting = asyncio.create_task(self._reconnect())

    async def _reconnect(self) -> None:
        while not self._closing:
            await asyncio.sleep(CHECK_SECONDS)
            self.client = Client()
            try:
                await self._connect()
            except (nats.errors.Error, OSError) as error:
                _log.warning("nats_connection_refused", why=_reason(error))
            else:
                await self._on_reconnect()
                return

    async def _check_streams(self) -> None:
        while True:
            await asyncio.gather(*map(self._check_stream, tuple(self._streams)))
            try:
                await self._leave_if_without_quorum()
            except (nats.errors.Error, OSError) as error:
                _log.warning("nats_server_not_left", why=_reason(error))
            await asyncio.sleep(CHECK_SECONDS)

    async def _check_stream(self, stream: str) -> None:
        sent, info = self.clock.steady(), {}
        try:
            info = await self.api(f"STREAM.INFO.{stream}", patience=RESPONSE_SECONDS)
        except FloorcastError as error:
            _log.debug("stream_not_seen", stream=stream, why=str(error))
        quorum = has_quorum(info)
        if quorum != self._streams[stream]:
            if quorum:
                _log.info("quorum_back", stream=stream)
            else:
                _log.warning("quorum_lost", stream=stream)
        self._streams[stream] = quorum
        self.leaders[stream] = info["cluster"]["leader"] if quorum else ""
        on_check = self._on_checks.get(stream)
        if on_check is not None and quorum:
            age = self.clock.steady() - sent
            try:
                await on_check(StreamCheck(info, self.clock() - age))
            except FloorcastError as error:
                _log.debug("stream_not_compared", stream=stream, why=str(error))
            except Exception:  # noqa: BLE001 — one failed check must not end the loop
                _log.exception("look_failed", stream=stream)

    async def _leave_if_without_quorum(self) -> None:
        """Leave a server that has long been without the quorum, if there are other servers."""
        now = asyncio.get_running_loop().time()
        if self.quorum:
            self._quorum_at, self._switch_after = now, SWITCH_SECONDS
        elif (
            self.connected and now - self._quorum_at > self._switch_after and len(self._servers) > 1
        ):
            self._switch_after += min(2 * self._switch_after, MAX_SWITCH_SECONDS)
            url = self.client.connected_url
            left = "" if url is None else url.netloc.rpartition("@")[2]
            _log.warning("nats_server_without_quorum", left=left)
            await self.client.force_reconnect()


def _reason(error: BaseException) -> str:
    return describe_error(error).removeprefix("nats: ")
