"""The limits of connections: how many there may be, and how long each may wait.

Connections are limited in all and per address. A trusted proxy does not count as one address:
behind it, the requests in progress of each address that it names are limited. Some descriptors are
reserved for the log's files, and some connections for loopback, so a full server can still be
inspected.

All connections that wait for the same thing have the same time for it. They are kept in the order
in which they started to wait, so checking for overdue connections costs nothing while there are
none.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Generic, Literal, TypeVar

from floorcast.auth.networks import is_loopback

__all__ = ["ConnectionLimits", "ConnectionTuning", "Deadlines", "Verdict", "Waits", "places_of"]

Verdict = Literal["admitted", "full", "address"]

_FILES_KEPT_BACK = 128  # descriptors for the log, the stores, their workers, and takeovers


class ConnectionLimits:
    """Counts connections: at most ``places``, and ``per_address`` from each; 0: half of all."""

    def __init__(self, places: int, per_address: int, trusted_proxies: Sequence[str] = ()) -> None:
        self.places = places
        self.per_address = per_address or max(1, places // 2)
        self._for_loopback = max(1, places // 16)
        self._networks = tuple(ipaddress.ip_network(proxy) for proxy in trusted_proxies)
        self._counts: Counter[str] = Counter()
        self.total = 0
        self.is_proxy = lru_cache(maxsize=4096)(self._is_proxy)

    def enter(self, address: str) -> Verdict:
        """Count a connection from ``address``, unless there is no room for it."""
        room = self.places + (self._for_loopback if is_loopback(address) else 0)
        if self.total >= room:
            return "full"
        if not self.is_proxy(address) and not self._count(address):
            return "address"
        self.total += 1
        return "admitted"

    def leave(self, address: str) -> None:
        """The connection has ended."""
        self.total -= 1
        if not self.is_proxy(address):
            self._discount(address)

    def enter_request(self, address: str) -> bool:
        """Count a request that a trusted proxy passes on for ``address``; False: too many."""
        return self._count(address)

    def leave_request(self, address: str) -> None:
        """The request, or the stream that it became, has ended."""
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
    """How many connections a process with so many descriptors has room for."""
    return max(16, (descriptors - _FILES_KEPT_BACK) * 15 // 16)


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTuning:
    """How long a connection may take for what, in seconds."""

    head: float = 10.0  # from its beginning, or the head's first byte, to the head's end
    body: float = 30.0  # for each 16 KiB of a body
    answer: float = 60.0  # without taking anything of an answer
    idle: float = 75.0  # between an answer and the next request; longer than pollers usually wait

    linger: float = 5.0  # for the caller to read a refusal and close

    @property
    def sweep(self) -> float:
        """Seconds between two looks for what is overdue."""
        return min(1.0, min(self.head, self.body, self.answer, self.idle) / 4)


class Waits(Generic[T]):
    """What waits for one thing, and has ``seconds`` for it; ``kind`` names it in the log."""

    __slots__ = ("_since", "kind", "seconds")

    def __init__(self, kind: str, seconds: float) -> None:
        self.kind = kind
        self.seconds = seconds
        self._since: dict[T, float] = {}  # the longest first

    def __len__(self) -> int:
        return len(self._since)

    def __contains__(self, one: T) -> bool:
        return one in self._since

    def begin(self, one: T, now: float) -> None:
        """It waits from now on, whether it has waited before or not."""
        self._since.pop(one, None)
        self._since[one] = now

    def end(self, one: T) -> None:
        """It waits no more."""
        self._since.pop(one, None)

    def pop_longest(self, may: Callable[[T], bool] = lambda _one: True) -> T | None:
        """End the wait that has lasted the longest; None if there is none.

        ``may`` says of which; it is asked of the first 256 only, so that looking stays cheap.
        """
        for one in islice(self._since, 256):
            if may(one):
                del self._since[one]
                return one
        return None

    def pop_overdue(self, now: float) -> T | None:
        """End the longest wait if it is overdue; None if it is not."""
        for one, since in self._since.items():
            if now - since < self.seconds:
                return None
            del self._since[one]
            return one
        return None


class Deadlines(Generic[T]):
    """The waits of all connections; ``clock`` in seconds."""

    def __init__(self, tuning: ConnectionTuning, clock: Callable[[], float]) -> None:
        self.tuning = tuning
        self.clock = clock
        self.head: Waits[T] = Waits("head_too_slow", tuning.head)
        self.body: Waits[T] = Waits("body_too_slow", tuning.body)
        self.answer: Waits[T] = Waits("answer_not_read", tuning.answer)
        self.idle: Waits[T] = Waits("idle", tuning.idle)
        self.linger: Waits[T] = Waits("linger", tuning.linger)

    def all(self) -> tuple[Waits[T], ...]:
        """Each kind of wait."""
        return (self.head, self.body, self.answer, self.idle, self.linger)

    def forget(self, one: T) -> None:
        """It has ended."""
        for waits in self.all():
            waits.end(one)

    def overdue(self, most: int, act: Callable[[T, Waits[T]], None]) -> bool:
        """Act on up to ``most`` that are overdue; whether there may be more."""
        now = self.clock()
        for waits in self.all():
            while (one := waits.pop_overdue(now)) is not None:
                act(one, waits)
                most -= 1
                if not most:
                    return True
        return False
