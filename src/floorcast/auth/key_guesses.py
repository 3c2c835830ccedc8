"""Slows the addresses that try API tokens or ingest keys.

After 20 different wrong keys from one address there is a delay before another is looked at: 1 s
at first, doubled by each further wrong one, up to 60 s. The same holds for 20 tries of one wrong
key, which delay that key alone. A count goes down by one per 120 s without a wrong key.

So a source with a revoked key does not stop the others behind the same address. A key that was
right from an address before is never held up there.

Each process counts for itself, in memory.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeVar

from floorcast.auth.networks import network_of
from floorcast.model.errors import RateLimited
from floorcast.model.token import TICKS_PER_SECOND, Now

__all__ = ["KeyGuesses"]

FREE = 20  # wrong keys before the first delay
LONGEST_SECONDS = 60
MOST = FREE + 6  # where counting stops: the longest delay is reached
QUIET_SECONDS = 120  # for each of which a count goes down by one
MAX_KEPT = 50_000  # addresses that are counted, and pairs of address and key known as good


T = TypeVar("T")


class _Count(NamedTuple):
    wrong: int
    last: int  # ticks
    until: int  # ticks


class KeyGuesses:
    """The wrong keys of each address, and the right ones."""

    def __init__(self, now: Now, kept: int = MAX_KEPT) -> None:
        self._now = now
        self._kept = kept
        # by network and key, and by network alone ("") for different keys; longest quiet first
        self._wrong: dict[tuple[str, str], _Count] = {}
        self._good: dict[tuple[str, str], None] = {}

    def check(self, address: str, key_digest: str) -> None:
        """Raise ``RateLimited`` if it is too early for another key from this address.

        Costs next to nothing while no address has had a wrong key.
        """
        if not self._wrong or (address, key_digest) in self._good:
            return
        network = network_of(address)
        count = self._wrong.get((network, key_digest)) or self._wrong.get((network, ""))
        now = self._now()
        if count is not None and count.until > now:
            wait = math.ceil((count.until - now) / TICKS_PER_SECOND)
            raise RateLimited(
                f"too many wrong keys from this address: wait {wait} s before the next one",
                retry_after=wait,
            )

    def was_right(self, address: str, key_digest: str) -> None:
        """Note that a key is a good one at this address."""
        pair = address, key_digest
        if pair not in self._good:
            _make_room(self._good, self._kept)
            self._good[pair] = None

    def was_wrong(self, address: str, key_digest: str) -> None:
        """Count a wrong key."""
        network = network_of(address)
        if (network, key_digest) not in self._wrong:
            self._count((network, ""))
        self._count((network, key_digest))

    def _count(self, key: tuple[str, str]) -> None:
        now = self._now()
        wrong, last, _ = self._wrong.pop(key, _Count(0, now, 0))
        gone = max(0, now - last) // (QUIET_SECONDS * TICKS_PER_SECOND)
        wrong = min(max(0, wrong - gone) + 1, MOST)
        delay = min(2 ** (wrong - FREE), LONGEST_SECONDS) if wrong >= FREE else 0
        _make_room(self._wrong, self._kept)
        self._wrong[key] = _Count(wrong, now, now + delay * TICKS_PER_SECOND)


def _make_room(kept: dict[tuple[str, str], T], most: int) -> None:
    while len(kept) >= most:
        del kept[next(iter(kept))]
