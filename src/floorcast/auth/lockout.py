"""Slowing those who guess passwords, without locking out those whose passwords they guess.

Two counts, both of wrong passwords:

- of a user from one address: after 5 a delay, 1 s at first and doubled by each further one up
  to 60 s. It is that address's alone.
- of a user from anywhere: after 20 in close succession a pause between any two tries, of 5 s at
  most. Addresses from which the user has logged in lately are not held up by it.

A count goes down by one for each quiet span since the last wrong password, and memory is
bounded: of too many, those without a wrong password for the longest are forgotten.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from hashlib import blake2b
from typing import NamedTuple

from msgspec import Struct

from floorcast.errors import RateLimited
from floorcast.token import TICKS_PER_SECOND, Now

__all__ = ["Attempt", "Lockout"]

FREE = 5  # wrong passwords from one address before its first delay
LONGEST = 60  # seconds, the longest delay of an address
MOST = FREE + 6  # where counting stops: the longest delay is reached
QUIET = 120  # seconds for each of which an address's count goes down by one

FREE_ANYWHERE = 20
LONGEST_ANYWHERE = 5  # seconds, the longest pause for a user's sake
MOST_ANYWHERE = FREE_ANYWHERE + LONGEST_ANYWHERE
QUIET_ANYWHERE = 10  # seconds for each of which a user's count goes down by one

TRUSTED = 30 * 86_400  # seconds after a login for which its address is not held up by others
KEPT = 100_000  # counts, and as many addresses known as good


class Attempt(NamedTuple):
    """One try to log in, as it is counted."""

    user: bytes
    here: bytes


class _Count(Struct):
    wrong: int = 0
    last: int = 0
    until: int = 0


class Lockout:
    """The counts of wrong passwords. Lost with the process, which is to nobody's harm."""

    def __init__(self, now: Now, kept: int = KEPT) -> None:
        self._now = now
        self._kept = kept
        self._here: OrderedDict[bytes, _Count] = OrderedDict()
        self._anywhere: OrderedDict[bytes, _Count] = OrderedDict()
        self._good: OrderedDict[bytes, int] = OrderedDict()

    def attempt(self, client: str, user: str, address: str, *, agent: bool = False) -> Attempt:
        """Let a try begin; raises ``RateLimited`` when it is too early for one.

        It counts as wrong until ``succeeded`` says otherwise, so that a thousand tries at once
        are no better than one after the other. A refused try does not count.
        """
        whom = _key(client, user, str(agent))
        attempt = Attempt(whom, _key(client, user, str(agent), _network(address)))
        now = self._now()
        wait = math.ceil((self._until(attempt, now) - now) / TICKS_PER_SECOND)
        if wait > 0:
            raise RateLimited(
                f"too many wrong passwords: wait {wait} s before the next try", retry_after=wait
            )
        here = self._count(self._here, attempt.here, QUIET, MOST)
        here.until = now + _delay(here.wrong) * TICKS_PER_SECOND
        anywhere = self._count(self._anywhere, whom, QUIET_ANYWHERE, MOST_ANYWHERE)
        anywhere.until = now + _pause(anywhere.wrong) * TICKS_PER_SECOND
        return attempt

    def succeeded(self, attempt: Attempt) -> None:
        """The password was right: the address starts anew, and is known as good."""
        self.withdrawn(attempt)
        self._here.pop(attempt.here, None)
        self._good[attempt.here] = self._now()
        self._good.move_to_end(attempt.here)
        if len(self._good) > self._kept:
            self._good.popitem(last=False)

    def withdrawn(self, attempt: Attempt) -> None:
        """The try came to no answer, for a reason of ours: it does not count."""
        for counts, key in ((self._here, attempt.here), (self._anywhere, attempt.user)):
            if count := counts.get(key):
                count.wrong = max(0, count.wrong - 1)
                count.until = 0

    def _until(self, attempt: Attempt, now: int) -> int:
        counts = [self._here.get(attempt.here)]
        good = self._good.get(attempt.here)
        if good is None or now - good > TRUSTED * TICKS_PER_SECOND:
            counts.append(self._anywhere.get(attempt.user))
        return max((count.until for count in counts if count), default=0)

    def _count(
        self, counts: OrderedDict[bytes, _Count], key: bytes, quiet: int, most: int
    ) -> _Count:
        now = self._now()
        count = counts.setdefault(key, _Count(last=now))
        counts.move_to_end(key)
        gone = max(0, now - count.last) // (quiet * TICKS_PER_SECOND)
        count.wrong = min(max(0, count.wrong - gone) + 1, most)
        count.last = now
        if len(counts) > self._kept:
            counts.popitem(last=False)
        return count


def _delay(wrong: int) -> int:
    return min(2 ** (wrong - FREE), LONGEST) if wrong >= FREE else 0


def _pause(wrong: int) -> int:
    return min(max(0, wrong - FREE_ANYWHERE), LONGEST_ANYWHERE)


def _key(*parts: str) -> bytes:
    whole = "\0".join(part.replace("\0", "\0\0") for part in parts)
    return blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _network(address: str) -> str:
    """The part of an address that one party holds: of IPv6, a network of 64 bits."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed.packed, 64), strict=False))
