"""Throttles attempts with wrong passwords without locking out the affected users.

There are three counts of wrong passwords:

- For one user from one address: after 5 wrong passwords, the next attempt must wait 1 s. Each
further wrong password doubles this delay, up to 60 s. Other addresses are not delayed.
- For all users from one address: after 30 wrong passwords, the same delay applies. This also slows
  down a caller that tries one password for many users.
- For one user from all addresses: after 20 wrong passwords in quick succession, there is a pause of
  up to 5 s between any two attempts. An attempt that comes too early gets a reserved turn, which no
  other address can take. Attackers can therefore make a user wait, but cannot lock the user out
  unless they take all turns.

An address from which the user has logged in recently is delayed only by the first count. A count
decreases by one for each period without a wrong password. The number of counts is limited: the
counts that have been unchanged the longest are forgotten first.

The counts are kept in a key-value store shared by the nodes of a cluster, so an attempt on any
node counts on all of them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from floorcast.auth.networks import network_of
from floorcast.kv.port import Conflict, Item, KeyValueStore
from floorcast.model.errors import RateLimited, Unavailable
from floorcast.model.token import TICKS_PER_SECOND, Now

__all__ = ["Attempt", "Throttle"]


class Limit(NamedTuple):
    """The delays for a kind of count: none for ``free`` failures, then up to ``longest`` seconds.

    The count decreases by one per ``quiet`` seconds. It never exceeds ``most``, at which the delay
    is longest.
    """

    free: int
    longest: int
    quiet: int
    most: int


USER_FROM_ADDRESS = Limit(free=5, longest=60, quiet=120, most=11)
ADDRESS = Limit(free=30, longest=60, quiet=120, most=36)
USER = Limit(free=20, longest=5, quiet=10, most=25)

MAX_TURNS = 60  # addresses that can wait for a turn with one user
TURN_EXPIRY_SECONDS = 30  # seconds after its start in which a turn must be taken

TRUSTED = 30 * 86_400  # seconds for which an address is trusted after a login
MAX_COUNTS = 100_000  # counts of each kind, and as many trusted addresses
COUNTS_PER_WRITE = 250  # counts that one write deletes
TRIES = 10  # attempts to write while other nodes change the same counts

HERE: Final = "wrong-from-address"
SPRAY: Final = "wrong-of-address"
ANYWHERE: Final = "wrong-of-user"
GOOD: Final = "good-address"


class Attempt(NamedTuple):
    """The keys under which a login attempt is counted."""

    user: str
    here: str
    address: str


class _Count(Struct, array_like=True):
    """A count of wrong passwords. Times are in ticks.

    ``turns`` holds the addresses that have a turn, and the start of each turn.
    """

    wrong: int = 0
    last: int = 0
    until: int = 0
    turns: tuple[tuple[str, int], ...] = ()


class _Decision(NamedTuple):
    """The items to write, and how long the attempt must wait, in ticks; 0 if it can start."""

    items: list[Item]
    wait: int = 0


class Throttle:
    """The counts of wrong passwords. Restarting a single server resets them.

    Every method raises ``Unavailable`` if it cannot write to the key-value store.
    """

    def __init__(self, kv: KeyValueStore, now: Now, kept: int = MAX_COUNTS) -> None:
        self._kv = kv
        self._now = now
        self._kept = kept
        self._attempts = 0
        self._one_at_a_time = asyncio.Lock()  # otherwise this node's own attempts would conflict

    async def attempt(
        self, client: str, user: str, address: str, *, agent: bool = False
    ) -> Attempt:
        """Start an attempt. Raises ``RateLimited`` if it is too early.

        The attempt counts as failed until ``succeeded`` is called, so it is pointless to make a
        thousand attempts at once. A refused attempt does not count.
        """
        network = network_of(address)
        whom = (client, user, str(agent))
        attempt = Attempt(_key(*whom), _key(*whom, network), _key(network))
        wait = await self._change(attempt, lambda: self._decide(attempt))
        if wait:
            seconds = math.ceil(wait / TICKS_PER_SECOND)
            raise RateLimited(
                f"too many wrong passwords: wait {seconds} s before the next attempt",
                retry_after=seconds,
            )
        self._attempts += 1
        if self._attempts % (self._kept // 100 + 1) == 0:
            await self._forget()
        return attempt

    async def succeeded(self, attempt: Attempt) -> None:
        """Record a correct password.

        Resets the user's count for the address, decreases the other two counts by one, and trusts
        the address.
        """

        def count() -> _Decision:
            return _Decision(
                [
                    Item(HERE, attempt.here, None),
                    *self._one_less(ANYWHERE, attempt.user),
                    *self._one_less(SPRAY, attempt.address),
                    _item(GOOD, attempt.here, _Count(last=self._now())),
                ]
            )

        await self._change(attempt, count)

    async def withdrawn(self, attempt: Attempt) -> None:
        """Undo the counts of an attempt that failed because of the server."""

        def count() -> _Decision:
            here = self._one_less(HERE, attempt.here)
            everywhere = self._one_less(ANYWHERE, attempt.user)
            return _Decision([*here, *everywhere, *self._one_less(SPRAY, attempt.address)])

        await self._change(attempt, count)

    async def _change(self, attempt: Attempt, decide: Callable[[], _Decision]) -> int:
        """Decide and write the result. Decide again if another node changes the counts meanwhile.

        Returns the time to wait, in ticks.
        """
        keys = (HERE, attempt.here), (ANYWHERE, attempt.user), (SPRAY, attempt.address)
        async with self._one_at_a_time:
            for _ in range(TRIES):
                seen = [Item(*key, self._kv.get(*key)) for key in keys]
                items, wait = decide()
                try:
                    if items:
                        await self._kv.write(items, seen)
                except Conflict:
                    continue
                return wait
        raise Unavailable("too many logins of one user at once; try again in a second")

    def _decide(self, attempt: Attempt) -> _Decision:
        now = self._now()
        here, anywhere = self._get(HERE, attempt.here), self._get(ANYWHERE, attempt.user)
        spray = self._get(SPRAY, attempt.address)
        turns = anywhere.turns
        good = self._get(GOOD, attempt.here).last
        if good and now - good <= TRUSTED * TICKS_PER_SECOND:
            if here.until > now:
                return _Decision([], here.until - now)
        else:
            until = max(here.until, spray.until)
            if until > now:
                return _Decision([], until - now)
            turns = _running(turns, now)
            begins = dict(turns).get(attempt.here) or max(
                [anywhere.until, *(begin + _pause(anywhere) for _, begin in turns)]
            )
            if begins > now:
                return self._wait_for_turn(attempt, anywhere, turns, begins)
        left = tuple(turn for turn in turns if turn[0] != attempt.here)
        return _Decision(
            [
                _item(HERE, attempt.here, _one_more(here, now, USER_FROM_ADDRESS)),
                _item(SPRAY, attempt.address, _one_more(spray, now, ADDRESS)),
                _item(ANYWHERE, attempt.user, _one_more(anywhere, now, USER, left)),
            ]
        )

    def _wait_for_turn(
        self, attempt: Attempt, anywhere: _Count, turns: tuple[tuple[str, int], ...], begins: int
    ) -> _Decision:
        wait = begins - self._now()
        if attempt.here in dict(turns) or len(turns) >= MAX_TURNS:
            return _Decision([], wait)
        count = _Count(
            anywhere.wrong, anywhere.last, anywhere.until, (*turns, (attempt.here, begins))
        )
        return _Decision([_item(ANYWHERE, attempt.user, count)], wait)

    def _get(self, bucket: str, key: str) -> _Count:
        raw = self._kv.get(bucket, key)
        return _Count() if raw is None else _read(raw)

    def _one_less(self, bucket: str, key: str) -> list[Item]:
        count = self._get(bucket, key)
        if not count.wrong:
            return []
        return [_item(bucket, key, _Count(count.wrong - 1, count.last, 0, count.turns))]

    async def _forget(self) -> None:
        """Remove the oldest counts if there are too many.

        Removes some more than necessary, so that few attempts have to do this work.
        """
        for bucket in (HERE, SPRAY, ANYWHERE, GOOD):
            raw = self._kv.items(bucket)
            if len(raw) <= self._kept:
                continue
            last = {key: _read(one).last for key, one in raw.items()}
            old = sorted(last, key=last.__getitem__)[: len(raw) - self._kept * 9 // 10]
            for at in range(0, len(old), COUNTS_PER_WRITE):
                await self._kv.write(
                    [Item(bucket, key, None) for key in old[at : at + COUNTS_PER_WRITE]]
                )


def _one_more(
    count: _Count, now: int, limit: Limit, turns: tuple[tuple[str, int], ...] = ()
) -> _Count:
    gone = max(0, now - count.last) // (limit.quiet * TICKS_PER_SECOND)
    wrong = min(max(0, count.wrong - gone) + 1, limit.most)
    until = now + _delay(wrong, limit) * TICKS_PER_SECOND
    return _Count(wrong, now, until, turns)


def _delay(wrong: int, limit: Limit) -> int:
    """Return the seconds until the next attempt after this number of wrong passwords."""
    if limit is USER:
        return min(max(0, wrong - limit.free), limit.longest)
    return min(2 ** (wrong - limit.free), limit.longest) if wrong >= limit.free else 0


def _pause(anywhere: _Count) -> int:
    """Return the ticks between two turns with a user."""
    return max(1, _delay(anywhere.wrong, USER)) * TICKS_PER_SECOND


def _running(turns: tuple[tuple[str, int], ...], now: int) -> tuple[tuple[str, int], ...]:
    oldest = now - TURN_EXPIRY_SECONDS * TICKS_PER_SECOND
    return tuple(turn for turn in turns if turn[1] >= oldest)


def _read(raw: bytes) -> _Count:
    return msgspec.msgpack.decode(raw, type=_Count)


def _item(bucket: str, key: str, count: _Count) -> Item:
    return Item(bucket, key, msgspec.msgpack.encode(count))


def _key(*parts: str) -> str:
    whole = "\0".join(part.replace("\0", "\0\0") for part in parts)
    return blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
