"""Slowing those who guess passwords, without locking out those whose passwords they guess.

Two counts, both of wrong passwords:

- of a user from one address: after 5 a delay, 1 s at first and doubled by each further one up
  to 60 s. It is that address's alone.
- of a user from anywhere: after 20 in close succession a pause between any two tries, of 5 s at
  most. Addresses from which the user has logged in lately are not held up by it.

A count goes down by one for each quiet span since the last wrong password, and room is bounded:
of too many, those without a wrong password for the longest are forgotten.

The counts lie in buckets, which the nodes of a cluster share: a try anywhere counts everywhere.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
from collections.abc import Callable
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from floorcast.kv.port import Conflict, Item, KeyValueStore
from floorcast.model.errors import RateLimited, Unavailable
from floorcast.model.token import TICKS_PER_SECOND, Now

__all__ = ["Attempt", "Throttle"]

FREE = 5  # wrong passwords from one address before its first delay
LONGEST = 60  # seconds, the longest delay of an address
MOST = FREE + 6  # where counting stops: the longest delay is reached
QUIET = 120  # seconds for each of which an address's count goes down by one

FREE_ANYWHERE = 20
LONGEST_ANYWHERE = 5  # seconds, the longest pause for a user's sake
MOST_ANYWHERE = FREE_ANYWHERE + LONGEST_ANYWHERE
QUIET_ANYWHERE = 10  # seconds for each of which a user's count goes down by one

TRUSTED = 30 * 86_400  # seconds after a login for which its address is not held up by others
KEPT = 100_000  # counts of each kind, and as many addresses known as good
GROUP = 250  # of them forgotten in one go
TRIES = 10  # against other nodes that count at the same moment

HERE: Final = "wrong-from-address"
ANYWHERE: Final = "wrong-of-user"
GOOD: Final = "good-address"


class Attempt(NamedTuple):
    """One try to log in, as it is counted."""

    user: str
    here: str


class _Count(Struct, array_like=True):
    wrong: int = 0
    last: int = 0
    until: int = 0


class Throttle:
    """The counts of wrong passwords; that a restart may lose them is to nobody's harm.

    Every method raises ``Unavailable`` when the key-value store cannot be written.
    """

    def __init__(self, kv: KeyValueStore, now: Now, kept: int = KEPT) -> None:
        self._kv = kv
        self._now = now
        self._kept = kept
        self._attempts = 0
        self._turn = asyncio.Lock()  # or this node's own tries would be in each other's way

    async def attempt(
        self, client: str, user: str, address: str, *, agent: bool = False
    ) -> Attempt:
        """Let a try begin; raises ``RateLimited`` when it is too early for one.

        It counts as wrong until ``succeeded`` says otherwise, so that a thousand tries at once
        are no better than one after the other. A refused try does not count.
        """
        whom = _key(client, user, str(agent))
        attempt = Attempt(whom, _key(client, user, str(agent), _network(address)))

        def count() -> list[Item]:
            now = self._now()
            wait = math.ceil((self._until(attempt, now) - now) / TICKS_PER_SECOND)
            if wait > 0:
                raise RateLimited(
                    f"too many wrong passwords: wait {wait} s before the next try",
                    retry_after=wait,
                )
            here = _one_more(self._get(HERE, attempt.here), now, QUIET, MOST)
            here.until = now + _delay(here.wrong) * TICKS_PER_SECOND
            anywhere = self._get(ANYWHERE, whom)
            anywhere = _one_more(anywhere, now, QUIET_ANYWHERE, MOST_ANYWHERE)
            anywhere.until = now + _pause(anywhere.wrong) * TICKS_PER_SECOND
            return [_item(HERE, attempt.here, here), _item(ANYWHERE, whom, anywhere)]

        await self._change(attempt, count)
        self._attempts += 1
        if self._attempts % (self._kept // 100 + 1) == 0:
            await self._forget()
        return attempt

    async def succeeded(self, attempt: Attempt) -> None:
        """The password was right: the address starts anew, and is known as good."""

        def count() -> list[Item]:
            return [
                Item(HERE, attempt.here, None),
                *self._one_less(ANYWHERE, attempt.user),
                _item(GOOD, attempt.here, _Count(last=self._now())),
            ]

        await self._change(attempt, count)

    async def withdrawn(self, attempt: Attempt) -> None:
        """The try came to no answer, for a reason of ours: it does not count."""

        def count() -> list[Item]:
            here = self._one_less(HERE, attempt.here)
            return [*here, *self._one_less(ANYWHERE, attempt.user)]

        await self._change(attempt, count)

    async def _change(self, attempt: Attempt, count: Callable[[], list[Item]]) -> None:
        """Write what ``count`` makes of the counts; again if another node changes them."""
        keys = (HERE, attempt.here), (ANYWHERE, attempt.user)
        async with self._turn:
            for _ in range(TRIES):
                seen = [Item(*key, self._kv.get(*key)) for key in keys]
                try:
                    await self._kv.write(count(), seen)
                except Conflict:
                    continue
                return
        raise Unavailable("too many logins of one user at once; try again in a second")

    def _get(self, bucket: str, key: str) -> _Count:
        raw = self._kv.get(bucket, key)
        return _Count() if raw is None else _read(raw)

    def _until(self, attempt: Attempt, now: int) -> int:
        counts = [self._get(HERE, attempt.here)]
        good = self._get(GOOD, attempt.here)
        if not good.last or now - good.last > TRUSTED * TICKS_PER_SECOND:
            counts.append(self._get(ANYWHERE, attempt.user))
        return max(count.until for count in counts)

    def _one_less(self, bucket: str, key: str) -> list[Item]:
        count = self._get(bucket, key)
        if not count.wrong:
            return []
        return [_item(bucket, key, _Count(count.wrong - 1, count.last, 0))]

    async def _forget(self) -> None:
        """Forget the oldest of too many, and some more, so that it is not for every try."""
        for bucket in (HERE, ANYWHERE, GOOD):
            raw = self._kv.items(bucket)
            if len(raw) <= self._kept:
                continue
            last = {key: _read(one).last for key, one in raw.items()}
            old = sorted(last, key=last.__getitem__)[: len(raw) - self._kept * 9 // 10]
            for at in range(0, len(old), GROUP):
                await self._kv.write([Item(bucket, key, None) for key in old[at : at + GROUP]])


def _one_more(count: _Count, now: int, quiet: int, most: int) -> _Count:
    gone = max(0, now - count.last) // (quiet * TICKS_PER_SECOND)
    return _Count(min(max(0, count.wrong - gone) + 1, most), now)


def _read(raw: bytes) -> _Count:
    return msgspec.msgpack.decode(raw, type=_Count)


def _item(bucket: str, key: str, count: _Count) -> Item:
    return Item(bucket, key, msgspec.msgpack.encode(count))


def _delay(wrong: int) -> int:
    return min(2 ** (wrong - FREE), LONGEST) if wrong >= FREE else 0


def _pause(wrong: int) -> int:
    return min(max(0, wrong - FREE_ANYWHERE), LONGEST_ANYWHERE)


def _key(*parts: str) -> str:
    whole = "\0".join(part.replace("\0", "\0\0") for part in parts)
    return blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


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
