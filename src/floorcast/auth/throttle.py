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


class DelayPolicy(NamedTuple):
    """The delays for a kind of count.

    There is no delay for the first ``free_failures`` failures, and then one of up to ``max_delay``
    seconds. The count decreases by one per ``decay_seconds``. It never exceeds ``max_count``, at
    which the delay is longest.
    """

    free_failures: int
    max_delay: int
    decay_seconds: int
    max_count: int


USER_FROM_ADDRESS = DelayPolicy(free_failures=5, max_delay=60, decay_seconds=120, max_count=11)
ADDRESS = DelayPolicy(free_failures=30, max_delay=60, decay_seconds=120, max_count=36)
USER = DelayPolicy(free_failures=20, max_delay=5, decay_seconds=10, max_count=25)

MAX_TURNS = 60  # addresses that can wait for a turn with one user
TURN_EXPIRY_SECONDS = 30  # seconds after its start in which a turn must be taken

# how far a stored time may be ahead, because the clocks of a cluster's nodes differ a little
CLOCK_SLACK_SECONDS = 5
TRUST_SECONDS = 30 * 86_400  # seconds for which an address is trusted after a login
MAX_COUNTS = 100_000  # counts of each kind, and as many trusted addresses
COUNTS_PER_WRITE = 250  # counts that one write deletes
MAX_ATTEMPTS = 10  # attempts to write while other nodes change the same counts

USER_FROM_ADDRESS_BUCKET: Final = "wrong-from-address"
ADDRESS_BUCKET: Final = "wrong-of-address"
USER_BUCKET: Final = "wrong-of-user"
TRUSTED_BUCKET: Final = "good-address"


class Attempt(NamedTuple):
    """The keys under which a login attempt is counted, its time, and the waits before it.

    Times are in ticks. The waits apply again if the attempt was not a guess.
    """

    user: str
    user_at_address: str
    address: str
    at: int = 0
    user_until: int = 0
    address_until: int = 0


class _Count(Struct, array_like=True):
    """A count of wrong passwords. Times are in ticks.

    ``turns`` holds the addresses that have a turn, and the start of each turn.
    """

    wrong: int = 0
    last: int = 0
    until: int = 0
    turns: tuple[tuple[str, int], ...] = ()


class _Decision(NamedTuple):
    """The items to write, and how long the attempt must wait, in ticks; 0 if it can start.

    ``attempt`` is the attempt that starts.
    """

    items: list[Item]
    wait: int = 0
    attempt: Attempt | None = None


class Throttle:
    """The counts of wrong passwords. Restarting a single server resets them.

    ``now`` is a monotonic clock, or the cluster's clock, on which its nodes agree. The cluster's
    clock can be set back. A wait that is then longer than any delay ends at once.

    Every method raises ``Unavailable`` if it cannot write to the key-value store.
    """

    def __init__(self, kv: KeyValueStore, now: Now, max_counts: int = MAX_COUNTS) -> None:
        self._kv = kv
        self._now = now
        self._max_counts = max_counts
        self._attempts = 0
        self._lock = asyncio.Lock()  # otherwise this node's own attempts would conflict

    async def attempt(
        self, client: str, user: str, address: str, *, agent: bool = False
    ) -> Attempt:
        """Start an attempt. Raises ``RateLimited`` if it is too early.

        The attempt counts as failed until ``record_success`` is called, so it is pointless to make
        a thousand attempts at once. A refused attempt does not count.
        """
        network = network_of(address)
        login = (client, user, str(agent))
        attempt = Attempt(_key(*login), _key(*login, network), _key(network))
        decision = await self._change(attempt, lambda: self._decide(attempt))
        if decision.attempt is None:
            seconds = math.ceil(decision.wait / TICKS_PER_SECOND)
            raise RateLimited(
                f"too many wrong passwords: wait {seconds} s before the next attempt",
                retry_after=seconds,
            )
        self._attempts += 1
        if self._attempts % (self._max_counts // 100 + 1) == 0:
            await self._remove_oldest()
        return decision.attempt

    async def record_success(self, attempt: Attempt) -> None:
        """Record a correct password.

        Resets the user's count for the address, undoes the other two counts, and trusts the
        address. The waits of other attempts stay: a user could otherwise try one password for many
        users without waiting, by logging in between two guesses.
        """

        def count() -> _Decision:
            return _Decision(
                [
                    Item(USER_FROM_ADDRESS_BUCKET, attempt.user_at_address, None),
                    *self._undo(USER_BUCKET, attempt.user, attempt.at, attempt.user_until),
                    *self._undo(ADDRESS_BUCKET, attempt.address, attempt.at, attempt.address_until),
                    _item(TRUSTED_BUCKET, attempt.user_at_address, _Count(last=self._now())),
                ]
            )

        await self._change(attempt, count)

    async def withdraw(self, attempt: Attempt) -> None:
        """Undo the counts of an attempt that failed because of the server."""

        def count() -> _Decision:
            at = attempt.at
            return _Decision(
                [
                    *self._undo(USER_FROM_ADDRESS_BUCKET, attempt.user_at_address, at, 0),
                    *self._undo(USER_BUCKET, attempt.user, at, attempt.user_until),
                    *self._undo(ADDRESS_BUCKET, attempt.address, at, attempt.address_until),
                ]
            )

        await self._change(attempt, count)

    async def _change(self, attempt: Attempt, decide: Callable[[], _Decision]) -> _Decision:
        """Decide and write the result. Decide again if another node changes the counts."""
        keys = (
            (USER_FROM_ADDRESS_BUCKET, attempt.user_at_address),
            (USER_BUCKET, attempt.user),
            (ADDRESS_BUCKET, attempt.address),
        )
        async with self._lock:
            for _ in range(MAX_ATTEMPTS):
                seen = [Item(*key, self._kv.get(*key)) for key in keys]
                decision = decide()
                try:
                    if decision.items:
                        await self._kv.write(decision.items, seen)
                except Conflict:
                    continue
                return decision
        raise Unavailable("too many logins of one user at once; try again in a second")

    def _decide(self, attempt: Attempt) -> _Decision:
        now = self._now()
        from_address = _plausible(
            self._get(USER_FROM_ADDRESS_BUCKET, attempt.user_at_address), now, USER_FROM_ADDRESS
        )
        of_user = _plausible(self._get(USER_BUCKET, attempt.user), now, USER)
        of_address = _plausible(self._get(ADDRESS_BUCKET, attempt.address), now, ADDRESS)
        turns = of_user.turns
        trusted_since = self._get(TRUSTED_BUCKET, attempt.user_at_address).last
        if trusted_since and now - trusted_since <= TRUST_SECONDS * TICKS_PER_SECOND:
            if from_address.until > now:
                return _Decision([], from_address.until - now)
        else:
            until = max(from_address.until, of_address.until)
            if until > now:
                return _Decision([], until - now)
            turns = _current_turns(turns, now)
            begins = dict(turns).get(attempt.user_at_address) or max(
                [of_user.until, *(begin + _pause(of_user) for _, begin in turns)]
            )
            if begins > now:
                return self._wait_for_turn(attempt, of_user, turns, begins)
        left = tuple(turn for turn in turns if turn[0] != attempt.user_at_address)
        return _Decision(
            [
                _item(
                    USER_FROM_ADDRESS_BUCKET,
                    attempt.user_at_address,
                    _increment(from_address, now, USER_FROM_ADDRESS),
                ),
                _item(ADDRESS_BUCKET, attempt.address, _increment(of_address, now, ADDRESS)),
                _item(USER_BUCKET, attempt.user, _increment(of_user, now, USER, left)),
            ],
            attempt=attempt._replace(
                at=now, user_until=of_user.until, address_until=of_address.until
            ),
        )

    def _wait_for_turn(
        self, attempt: Attempt, of_user: _Count, turns: tuple[tuple[str, int], ...], begins: int
    ) -> _Decision:
        wait = begins - self._now()
        if attempt.user_at_address in dict(turns) or len(turns) >= MAX_TURNS:
            return _Decision([], wait)
        count = _Count(
            of_user.wrong, of_user.last, of_user.until, (*turns, (attempt.user_at_address, begins))
        )
        return _Decision([_item(USER_BUCKET, attempt.user, count)], wait)

    def _get(self, bucket: str, key: str) -> _Count:
        raw = self._kv.get(bucket, key)
        return _Count() if raw is None else _read(raw)

    def _undo(self, bucket: str, key: str, at: int, until: int) -> list[Item]:
        """Decrease a count that an attempt at ``at`` increased, and restore the wait before it.

        The wait of a later attempt stays.
        """
        count = self._get(bucket, key)
        if not count.wrong:
            return []
        if count.last != at:
            until = count.until
        return [_item(bucket, key, _Count(count.wrong - 1, count.last, until, count.turns))]

    async def _remove_oldest(self) -> None:
        """Remove the oldest counts if there are too many.

        Removes some more than necessary, so that few attempts have to do this work.
        """
        for bucket in (USER_FROM_ADDRESS_BUCKET, ADDRESS_BUCKET, USER_BUCKET, TRUSTED_BUCKET):
            raw = self._kv.items(bucket)
            if len(raw) <= self._max_counts:
                continue
            last = {key: _read(one).last for key, one in raw.items()}
            old = sorted(last, key=last.__getitem__)[: len(raw) - self._max_counts * 9 // 10]
            for at in range(0, len(old), COUNTS_PER_WRITE):
                await self._kv.write(
                    [Item(bucket, key, None) for key in old[at : at + COUNTS_PER_WRITE]]
                )


def _plausible(count: _Count, now: int, policy: DelayPolicy) -> _Count:
    """Return the count without the waits that must be due to a clock that was set back."""
    until = now + (policy.max_delay + CLOCK_SLACK_SECONDS) * TICKS_PER_SECOND
    last_turn = until + MAX_TURNS * policy.max_delay * TICKS_PER_SECOND
    return _Count(
        count.wrong,
        count.last,
        count.until if count.until <= until else 0,
        tuple(turn for turn in count.turns if turn[1] <= last_turn),
    )


def _increment(
    count: _Count, now: int, policy: DelayPolicy, turns: tuple[tuple[str, int], ...] = ()
) -> _Count:
    decayed = max(0, now - count.last) // (policy.decay_seconds * TICKS_PER_SECOND)
    wrong = min(max(0, count.wrong - decayed) + 1, policy.max_count)
    until = now + _delay(wrong, policy) * TICKS_PER_SECOND
    return _Count(wrong, now, until, turns)


def _delay(wrong: int, policy: DelayPolicy) -> int:
    """Return the seconds until the next attempt after this number of wrong passwords."""
    if policy is USER:
        return min(max(0, wrong - policy.free_failures), policy.max_delay)
    return (
        min(2 ** (wrong - policy.free_failures), policy.max_delay)
        if wrong >= policy.free_failures
        else 0
    )


def _pause(of_user: _Count) -> int:
    """Return the ticks between two turns with a user."""
    return max(1, _delay(of_user.wrong, USER)) * TICKS_PER_SECOND


def _current_turns(turns: tuple[tuple[str, int], ...], now: int) -> tuple[tuple[str, int], ...]:
    oldest = now - TURN_EXPIRY_SECONDS * TICKS_PER_SECOND
    return tuple(turn for turn in turns if turn[1] >= oldest)


def _read(raw: bytes) -> _Count:
    return msgspec.msgpack.decode(raw, type=_Count)


def _item(bucket: str, key: str, count: _Count) -> Item:
    return Item(bucket, key, msgspec.msgpack.encode(count))


def _key(*parts: str) -> str:
    whole = "\0".join(part.replace("\0", "\0\0") for part in parts)
    return blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
