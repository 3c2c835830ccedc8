"""How many connections there may be, altogether and from one address.

A trusted proxy is not one address: behind it, what counts is the requests under way of each
address that it names. Some descriptors are kept back for the log's files, and some places for
loopback, so that a server that is full can still be looked at.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from floorcast.auth.networks import is_loopback

__all__ = ["ConnectionLimits", "Verdict", "places_of"]

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
