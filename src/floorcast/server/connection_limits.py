"""Limits on the number of connections, and on how long each connection may wait.

Connections are limited in total and per address. A trusted proxy does not count as one address.
Instead, the requests in progress are limited for each address that the proxy names. Some
descriptors are reserved for the log's files, and some connections for loopback, so that a full
server can still be inspected.

All connections that wait for the same thing have the same time limit. They are kept in the order in
which they started to wait, so checking for overdue connections costs nothing if there are none.

``RequestLimits`` limits what a connection reads: a request's head, its trailers, and the bytes that
arrive in place of a body. ``head_refusal`` makes the checks of a head that the parser omits.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import islice
from typing import Generic, Literal, TypeVar

import httptools

from floorcast.auth.networks import is_loopback
from floorcast.server.protocol_refusals import (
    CONNECT_REFUSED,
    HEAD_TOO_LARGE,
    INVALID_HOST,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    NO_HOST,
    NOT_HTTP,
    SEVERAL_HOSTS,
    UNKNOWN_CODING,
    URL_TOO_LONG,
    ProtocolRefusal,
)

__all__ = [
    "BODY_PROGRESS_BYTES",
    "BODY_SLICE_BYTES",
    "HEAD_SLICE_BYTES",
    "MAX_DISCARDED_BYTES",
    "ConnectionLimits",
    "ConnectionTuning",
    "DeadlineQueue",
    "Deadlines",
    "RequestLimits",
    "RequestPart",
    "Verdict",
    "connection_capacity",
    "head_refusal",
    "head_without_upgrade",
]

HEAD_SLICE_BYTES = 8 * 1024  # bytes of heads parsed at once: at most some hundred requests
BODY_SLICE_BYTES = 32 * 1024  # bytes parsed at once in a body, which other requests may follow
BODY_PROGRESS_BYTES = 16 * 1024  # bytes of a body that must arrive within its deadline
MAX_NON_BODY_BYTES = 64 * 1024  # bytes of a chunked body apart from its data: trailers, extensions
MAX_DISCARDED_BYTES = 64 << 20  # bytes that arrive after a response or a refusal

Verdict = Literal["admitted", "full", "address"]

HTTP_VERSIONS = frozenset({"1.0", "1.1"})  # the parser also accepts "GET / HTTP/2.0"

_HOST = re.compile(rb"[\w.~%!$&'()*+,;=:\[\]-]*")  # also empty, for a target without a host
_UPGRADE_HEADERS = {b"upgrade", b"http2-settings", b"connection"}
RESERVED_DESCRIPTORS = 128  # descriptors for the log, the stores, their workers, and takeovers


class ConnectionLimits:
    """Counts connections: at most ``places``, and ``per_address`` per address (0 means half)."""

    def __init__(self, places: int, per_address: int, trusted_proxies: Sequence[str] = ()) -> None:
        self.places = places
        self.per_address = per_address or max(1, places // 2)
        self._for_loopback = max(1, places // 16)
        self._networks = tuple(ipaddress.ip_network(proxy) for proxy in trusted_proxies)
        self._counts: Counter[str] = Counter()
        self.total = 0
        self.is_proxy = lru_cache(maxsize=4096)(self._is_proxy)

    def enter(self, address: str) -> Verdict:
        """Count a connection from ``address`` if there is room for it."""
        counted = not self.is_proxy(address)
        # checked first, because an address at its limit must not close others' connections
        if counted and self._counts[address] >= self.per_address:
            return "address"
        room = self.places + (self._for_loopback if is_loopback(address) else 0)
        if self.total >= room:
            return "full"
        if counted:
            self._count(address)
        self.total += 1
        return "admitted"

    def leave(self, address: str) -> None:
        """Stop counting a connection that has ended."""
        self.total -= 1
        if not self.is_proxy(address):
            self._uncount(address)

    def enter_request(self, address: str) -> bool:
        """Count a request that a trusted proxy forwards for ``address``.

        Returns False if the address has too many requests.
        """
        return self._count(address)

    def leave_request(self, address: str) -> None:
        """Stop counting the request, or the stream that it became."""
        self._uncount(address)

    def _count(self, address: str) -> bool:
        if self._counts[address] >= self.per_address:
            return False
        self._counts[address] += 1
        return True

    def _uncount(self, address: str) -> None:
        self._counts[address] -= 1
        if self._counts[address] <= 0:
            del self._counts[address]

    def _is_proxy(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def connection_capacity(descriptors: int) -> int:
    """Return how many connections a process with this many descriptors may have."""
    return max(16, (descriptors - RESERVED_DESCRIPTORS) * 15 // 16)


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTuning:
    """A connection's time limits, in seconds."""

    head: float = 10.0  # from the start or the head's first byte to the end of the head
    body: float = 30.0  # for every 16 KiB of a body
    answer: float = 60.0  # for which the caller may read nothing of a response
    idle: float = 75.0  # between a response and the next request; longer than pollers usually wait

    linger: float = 5.0  # for the caller to read a refusal and close the connection

    @property
    def sweep(self) -> float:
        """Seconds between two checks for overdue connections."""
        return min(1.0, min(self.head, self.body, self.answer, self.idle) / 4)


class DeadlineQueue(Generic[T]):
    """Connections with the same deadline: each may wait for at most ``seconds``.

    ``kind`` names the kind of wait in the log.
    """

    __slots__ = ("_since", "kind", "seconds")

    def __init__(self, kind: str, seconds: float) -> None:
        self.kind = kind
        self.seconds = seconds
        self._since: dict[T, float] = {}  # the longest wait first

    def __len__(self) -> int:
        return len(self._since)

    def __contains__(self, connection: T) -> bool:
        return connection in self._since

    def begin(self, connection: T, now: float) -> None:
        """Start or restart a connection's deadline."""
        self._since.pop(connection, None)
        self._since[connection] = now

    def end(self, connection: T) -> None:
        """Remove a connection, if it is waiting."""
        self._since.pop(connection, None)

    def pop_longest(self, matches: Callable[[T], bool] = lambda _connection: True) -> T | None:
        """Remove and return the connection that has waited longest, or None if none is waiting.

        Only connections for which ``matches`` is true count, and only the first 256 are checked.
        """
        for connection in islice(self._since, 256):
            if matches(connection):
                del self._since[connection]
                return connection
        return None

    def pop_overdue(self, now: float) -> T | None:
        """Remove and return the connection that has waited longest if it is overdue, else None."""
        for connection, since in self._since.items():
            if now - since < self.seconds:
                return None
            del self._since[connection]
            return connection
        return None


class Deadlines(Generic[T]):
    """The deadlines of all connections. ``clock`` returns seconds."""

    def __init__(self, tuning: ConnectionTuning, clock: Callable[[], float]) -> None:
        self.tuning = tuning
        self.clock = clock
        self.head: DeadlineQueue[T] = DeadlineQueue("head_too_slow", tuning.head)
        self.body: DeadlineQueue[T] = DeadlineQueue("body_too_slow", tuning.body)
        self.answer: DeadlineQueue[T] = DeadlineQueue("answer_not_read", tuning.answer)
        self.idle: DeadlineQueue[T] = DeadlineQueue("idle", tuning.idle)
        self.linger: DeadlineQueue[T] = DeadlineQueue("linger", tuning.linger)

    def queues(self) -> tuple[DeadlineQueue[T], ...]:
        """Return the queues of all kinds of waits."""
        return (self.head, self.body, self.answer, self.idle, self.linger)

    def start_head(self, connection: T) -> None:
        """Start the deadline of a request's head if it is not running."""
        self.body.end(connection)
        self.idle.end(connection)
        if connection not in self.head:
            self.head.begin(connection, self.clock())

    def start_body(self, connection: T, *, restart: bool) -> None:
        """Start the deadline of a body if it is not running, or ``restart`` it."""
        self.head.end(connection)
        if restart:
            self.body.end(connection)
        if connection not in self.body:
            self.body.begin(connection, self.clock())

    def start_idle(self, connection: T, *, answered: bool) -> None:
        """Start the idle deadline once the previous request is ``answered``."""
        self.head.end(connection)
        self.body.end(connection)
        if not answered:
            self.idle.end(connection)
        elif connection not in self.idle:
            self.idle.begin(connection, self.clock())

    def forget(self, connection: T) -> None:
        """Remove a connection from all queues."""
        for queue in self.queues():
            queue.end(connection)

    def expire(self, limit: int, action: Callable[[T, DeadlineQueue[T]], None]) -> bool:
        """Call ``action`` for up to ``limit`` overdue connections.

        Returns whether there may be more.
        """
        now = self.clock()
        for queue in self.queues():
            while (connection := queue.pop_overdue(now)) is not None:
                action(connection, queue)
                limit -= 1
                if not limit:
                    return True
        return False


class RequestPart(Enum):
    """The part of a request that a connection is reading."""

    NOTHING = 0
    HEAD = 1
    BODY = 2


class RequestLimits:
    """Counts the bytes read for a request, and refuses a request that exceeds the limits.

    ``head`` is the size of the URL and the complete headers. ``headers`` is the number of headers,
    and later the number of trailers. ``body`` counts bytes since the body's deadline last started.
    ``parsed`` counts the bytes parsed since the slice with the head or the last part of the body.
    ``part_began`` is true if a head or body began in the current slice.
    """

    __slots__ = ("body", "head", "headers", "parsed", "part_began", "reading", "refusal")

    def __init__(self) -> None:
        self.reading = RequestPart.NOTHING
        self.part_began = False
        self.head = self.parsed = self.headers = self.body = 0
        self.refusal: ProtocolRefusal | None = None

    def begin_head(self) -> None:
        """Begin a request."""
        self.reading, self.part_began = RequestPart.HEAD, True
        self.head = self.parsed = self.headers = 0

    def add_url(self, size: int) -> bool:
        """Count a part of the URL. Returns False if the request is refused."""
        self.head += size
        if self.head > MAX_HEAD_BYTES:
            self.check()
        return self.refusal is None

    def add_header(self, size: int) -> bool:
        """Count a header or trailer. Returns False for a refused header and for any trailer."""
        self.headers += 1
        in_head = self.reading is not RequestPart.BODY
        if in_head:
            self.head += size
        if self.headers > MAX_HEADERS:
            self.refusal = self.refusal or HEAD_TOO_LARGE
        elif in_head:
            self.check()
        return in_head and self.refusal is None

    def begin_body(self) -> None:
        """Begin the body, because the head is complete."""
        self.reading, self.part_began = RequestPart.BODY, True
        self.parsed = self.headers = self.body = 0

    def add_body(self, size: int) -> None:
        """Count a part of the body."""
        self.body += size
        self.parsed = 0

    def end_slice(self, size: int, body: int) -> None:
        """Count a slice of ``size`` bytes. ``body`` is the body's count when the slice began."""
        if not self.part_began and (self.reading is RequestPart.HEAD or self.body == body):
            self.parsed += size
        self.check()

    def check(self) -> None:
        """Refuse a head that is too large, or too many bytes in place of a body."""
        if self.refusal is not None or self.reading is RequestPart.NOTHING:
            return
        if self.reading is RequestPart.BODY:
            if self.parsed > MAX_NON_BODY_BYTES:
                self.refusal = HEAD_TOO_LARGE
        elif max(self.head, self.parsed) > MAX_HEAD_BYTES:
            long_url = not self.headers and self.head > MAX_HEAD_BYTES // 2
            self.refusal = URL_TOO_LONG if long_url else HEAD_TOO_LARGE


def head_refusal(
    method: bytes, url: bytes, version: str, headers: Sequence[tuple[bytes, bytes]]
) -> ProtocolRefusal | None:
    """Return the reason to refuse a request because of its head, or None.

    A proxy may read an ambiguous head in another way, and then route a request that it has not
    checked (RFC 9112, sections 3.2 and 6.1).
    """
    if method == b"CONNECT":
        return CONNECT_REFUSED
    if version not in HTTP_VERSIONS:
        return NOT_HTTP
    if not url.startswith(b"/") and httptools.parse_url(url).path is None:
        return NOT_HTTP
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1:
        return SEVERAL_HOSTS
    if not hosts and version == "1.1":
        return NO_HOST
    if hosts and not _HOST.fullmatch(hosts[0].strip()):
        return INVALID_HOST
    codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    if codings and (codings != [b"chunked"] or version == "1.0"):
        return UNKNOWN_CODING
    return None


def head_without_upgrade(
    method: bytes, url: bytes, version: bytes, headers: Sequence[tuple[bytes, bytes]]
) -> bytes:
    """Return a request's head without the headers that ask for another protocol."""
    closes = any(name == b"connection" and b"close" in value.lower() for name, value in headers)
    lines = [b"%b: %b" % header for header in headers if header[0] not in _UPGRADE_HEADERS]
    lines += [b"connection: close"] if closes else []
    return b"\r\n".join((b"%b %b HTTP/%b" % (method, url, version), *lines, b"", b""))
