"""Limits on the number of connections, and on how long each connection may wait.

Connections are limited in total and per address. A trusted proxy does not count as one address.
Instead, the requests in progress are limited for each address that the proxy names. Some
descriptors are reserved for the log's files, and some connections for loopback, so that a full
server can still be inspected.

All connections that wait for the same thing have the same time limit. They are kept in the order in
which they started to wait, so checking for overdue connections costs nothing if there are none.

``RequestLimits`` limits what a connection reads: a request's head, its trailers, and the bytes that
arrive in place of a body.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import islice
from typing import Generic, Literal, TypeVar

from floorcast.auth.networks import is_loopback
from floorcast.server.protocol_refusals import (
    HEAD_TOO_LARGE,
    MOST_HEAD_BYTES,
    MOST_HEADERS,
    URL_TOO_LONG,
    ProtocolRefusal,
)

__all__ = [
    "BODY_SLICE_BYTES",
    "HEAD_SLICE_BYTES",
    "MOST_DISCARDED",
    "PROGRESS_BYTES",
    "ConnectionLimits",
    "ConnectionTuning",
    "Deadlines",
    "RequestLimits",
    "RequestPart",
    "Verdict",
    "Waits",
    "places_of",
    "plain_head",
]

HEAD_SLICE_BYTES = 8 * 1024  # bytes of heads parsed at once: at most some hundred requests
BODY_SLICE_BYTES = 32 * 1024  # bytes parsed at once in a body, which other requests may follow
PROGRESS_BYTES = 16 * 1024  # bytes of a body that must arrive within its deadline
MOST_WITHOUT_BODY = 64 * 1024  # bytes of a chunked body apart from its data: trailers, extensions
MOST_DISCARDED = 64 << 20  # bytes that arrive after a response or a refusal

Verdict = Literal["admitted", "full", "address"]

_ASKS = {b"upgrade", b"http2-settings", b"connection"}
_FILES_KEPT_BACK = 128  # descriptors for the log, the stores, their workers, and takeovers


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
            self._discount(address)

    def enter_request(self, address: str) -> bool:
        """Count a request that a trusted proxy forwards for ``address``.

        Returns False if the address has too many requests.
        """
        return self._count(address)

    def leave_request(self, address: str) -> None:
        """Stop counting the request, or the stream that it became."""
        self._discount(address)

    def _count(self, address: str) -> bool:
        if self._counts[address] >= self.per_address:
            return False
        self._counts[address] += 1
        return True

    def _discount(self, address: str) -> None:
        self._counts[address] -= 1
        if self._counts[address] <= 0:
            del self._counts[address]

    def _is_proxy(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def places_of(descriptors: int) -> int:
    """Return how many connections a process with this many descriptors may have."""
    return max(16, (descriptors - _FILES_KEPT_BACK) * 15 // 16)


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


class Waits(Generic[T]):
    """Connections that wait for the same thing, for at most ``seconds``.

    ``kind`` names this kind of wait in the log.
    """

    __slots__ = ("_since", "kind", "seconds")

    def __init__(self, kind: str, seconds: float) -> None:
        self.kind = kind
        self.seconds = seconds
        self._since: dict[T, float] = {}  # the longest wait first

    def __len__(self) -> int:
        return len(self._since)

    def __contains__(self, one: T) -> bool:
        return one in self._since

    def begin(self, one: T, now: float) -> None:
        """Start or restart a connection's wait."""
        self._since.pop(one, None)
        self._since[one] = now

    def end(self, one: T) -> None:
        """End a connection's wait."""
        self._since.pop(one, None)

    def pop_longest(self, may: Callable[[T], bool] = lambda _one: True) -> T | None:
        """End the longest wait and return its connection, or None if no connection waits.

        Only connections for which ``may`` is true count, and only the first 256 are checked.
        """
        for one in islice(self._since, 256):
            if may(one):
                del self._since[one]
                return one
        return None

    def pop_overdue(self, now: float) -> T | None:
        """End the longest wait if it is overdue and return its connection, or None."""
        for one, since in self._since.items():
            if now - since < self.seconds:
                return None
            del self._since[one]
            return one
        return None


class Deadlines(Generic[T]):
    """The waits of all connections. ``clock`` returns seconds."""

    def __init__(self, tuning: ConnectionTuning, clock: Callable[[], float]) -> None:
        self.tuning = tuning
        self.clock = clock
        self.head: Waits[T] = Waits("head_too_slow", tuning.head)
        self.body: Waits[T] = Waits("body_too_slow", tuning.body)
        self.answer: Waits[T] = Waits("answer_not_read", tuning.answer)
        self.idle: Waits[T] = Waits("idle", tuning.idle)
        self.linger: Waits[T] = Waits("linger", tuning.linger)

    def all(self) -> tuple[Waits[T], ...]:
        """Return all kinds of waits."""
        return (self.head, self.body, self.answer, self.idle, self.linger)

    def reads_head(self, one: T) -> None:
        """Start the deadline of a request's head if it is not running."""
        self.body.end(one)
        self.idle.end(one)
        if one not in self.head:
            self.head.begin(one, self.clock())

    def reads_body(self, one: T, *, anew: bool) -> None:
        """Start the deadline of a body; ``anew`` restarts it."""
        self.head.end(one)
        if anew:
            self.body.end(one)
        if one not in self.body:
            self.body.begin(one, self.clock())

    def reads_nothing(self, one: T, *, answered: bool) -> None:
        """Start the idle deadline once the previous request is ``answered``."""
        self.head.end(one)
        self.body.end(one)
        if not answered:
            self.idle.end(one)
        elif one not in self.idle:
            self.idle.begin(one, self.clock())

    def forget(self, one: T) -> None:
        """End every wait associated with a connection."""
        for waits in self.all():
            waits.end(one)

    def overdue(self, most: int, act: Callable[[T, Waits[T]], None]) -> bool:
        """Call ``act`` for up to ``most`` overdue connections.

        Returns whether there may be more.
        """
        now = self.clock()
        for waits in self.all():
            while (one := waits.pop_overdue(now)) is not None:
                act(one, waits)
                most -= 1
                if not most:
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
    ``fed`` counts the bytes parsed since the slice with the head or the last part of the body.
    ``fresh`` is true if a head or body began in the current slice.
    """

    __slots__ = ("body", "fed", "fresh", "head", "headers", "reading", "refusal")

    def __init__(self) -> None:
        self.reading = RequestPart.NOTHING
        self.fresh = False
        self.head = self.fed = self.headers = self.body = 0
        self.refusal: ProtocolRefusal | None = None

    def begin_head(self) -> None:
        """Begin a request."""
        self.reading, self.fresh = RequestPart.HEAD, True
        self.head = self.fed = self.headers = 0

    def add_url(self, size: int) -> bool:
        """Count a part of the URL. Returns False if the request is refused."""
        self.head += size
        if self.head > MOST_HEAD_BYTES:
            self.check()
        return self.refusal is None

    def add_header(self, size: int) -> bool:
        """Count a header or trailer. Returns False for a refused header and for any trailer."""
        self.headers += 1
        in_head = self.reading is not RequestPart.BODY
        if in_head:
            self.head += size
        if self.headers > MOST_HEADERS:
            self.refusal = self.refusal or HEAD_TOO_LARGE
        elif in_head:
            self.check()
        return in_head and self.refusal is None

    def begin_body(self) -> None:
        """Begin the body, because the head is complete."""
        self.reading, self.fresh = RequestPart.BODY, True
        self.fed = self.headers = self.body = 0

    def add_body(self, size: int) -> None:
        """Count a part of the body."""
        self.body += size
        self.fed = 0

    def end_slice(self, size: int, body: int) -> None:
        """Count a slice of ``size`` bytes. ``body`` is the body's count when the slice began."""
        if not self.fresh and (self.reading is RequestPart.HEAD or self.body == body):
            self.fed += size
        self.check()

    def check(self) -> None:
        """Refuse a head that is too large, or too many bytes in place of a body."""
        if self.refusal is not None or self.reading is RequestPart.NOTHING:
            return
        if self.reading is RequestPart.BODY:
            if self.fed > MOST_WITHOUT_BODY:
                self.refusal = HEAD_TOO_LARGE
        elif max(self.head, self.fed) > MOST_HEAD_BYTES:
            long_url = not self.headers and self.head > MOST_HEAD_BYTES // 2
            self.refusal = URL_TOO_LONG if long_url else HEAD_TOO_LARGE


def plain_head(
    method: bytes, url: bytes, version: bytes, headers: Sequence[tuple[bytes, bytes]]
) -> bytes:
    """Return a request's head without the headers that ask for another protocol."""
    closes = any(name == b"connection" and b"close" in value.lower() for name, value in headers)
    lines = [b"%b: %b" % header for header in headers if header[0] not in _ASKS]
    lines += [b"connection: close"] if closes else []
    return b"\r\n".join((b"%b %b HTTP/%b" % (method, url, version), *lines, b"", b""))
