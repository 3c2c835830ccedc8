"""Guessing is slowed down, and nobody is locked out permanently."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.auth.throttle import (
    ANYWHERE,
    GOOD,
    MAX_COUNTS,
    MAX_TURNS,
    SPRAY,
    TURN_EXPIRY_SECONDS,
    Throttle,
)
from floorcast.auth.throttle import HERE as HERE_BUCKET
from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.kv.port import Conflict, Item, KeyValueStore
from floorcast.model.errors import RateLimited, Unavailable
from tests.auth.door import Clock
from tests.search import tries

T = TypeVar("T")

HERE, THERE = "192.0.2.1", "198.51.100.1"


def done(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, because the store is in memory."""
    try:
        work.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    raise AssertionError("it waits")


def counts(clock: Clock, kv: KeyValueStore | None = None, kept: int = MAX_COUNTS) -> Throttle:
    """Return the counts of one process, which are private or shared."""
    return Throttle(kv or MemoryKeyValueStore(), clock, kept)


def guess(throttle: Throttle, address: str = HERE, user: str = "reports") -> int:
    """Try a wrong password, and return the seconds to wait, or 0 if the password was verified."""
    try:
        done(throttle.attempt("ACME", user, address))
    except RateLimited as error:
        return error.retry_after
    return 0


def get_in(throttle: Throttle, user: str = "reports") -> None:
    """Try the right password."""
    done(throttle.succeeded(done(throttle.attempt("ACME", user, HERE))))


def give_up(throttle: Throttle, address: str = HERE) -> None:
    """Start a try whose password is never verified."""
    done(throttle.withdrawn(done(throttle.attempt("ACME", "reports", address))))


def test_five_wrong_passwords_then_a_growing_delay() -> None:
    """The waits are 1, 2, 4 … 60 s. An attempt that is too early does not extend the wait."""
    clock = Clock()
    throttle = counts(clock)
    assert [guess(throttle) for _ in range(5)] == [0] * 5
    with pytest.raises(RateLimited, match="too many wrong passwords: wait 1 s"):
        done(throttle.attempt("ACME", "reports", HERE))
    delays = []
    for _ in range(9):
        wait = guess(throttle)
        delays.append(wait)
        clock.go(wait - 0.25)
        assert guess(throttle) == 1
        clock.go(0.25)
        assert guess(throttle) == 0
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_the_right_password_starts_anew() -> None:
    """After a login, five attempts are free again."""
    clock = Clock()
    throttle = counts(clock)
    for _ in range(4):
        guess(throttle)
    get_in(throttle)
    assert [guess(throttle) for _ in range(6)] == [0] * 5 + [1]


def test_quiet_makes_good() -> None:
    """The count decreases by one for every two minutes without a wrong password."""
    clock = Clock()
    throttle = counts(clock)
    for _ in range(5):
        guess(throttle)
    clock.go(5 * 120)
    assert [guess(throttle) for _ in range(6)] == [0] * 5 + [1]


def test_delays_are_per_user_client_kind_and_address() -> None:
    """Attempts from one address for one user delay neither other users nor other addresses."""
    throttle = counts(Clock())
    while not guess(throttle):
        pass
    assert guess(throttle, THERE) == 0
    assert guess(throttle, user="manager") == 0
    done(throttle.attempt("Other", "reports", HERE))
    done(throttle.attempt("ACME", "reports", HERE, agent=True))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("unix:", "unix:", True),
        ("", "192.0.2.1", False),
    ],
)
def test_an_address_is_what_one_party_holds(one: str, other: str, same: bool) -> None:
    """An IPv6 party has a /64 network. An IPv4 address is the same in both notations."""
    throttle = counts(Clock())
    while not guess(throttle, one):
        pass
    assert bool(guess(throttle, other)) is same


def test_names_cannot_be_joined_into_others() -> None:
    """Two pairs of client and user whose joined names are equal have separate counts."""
    throttle = counts(Clock())
    for _ in range(9):
        with suppress(RateLimited):
            done(throttle.attempt("a", "b\0c", HERE))
    done(throttle.attempt("a\0b", "c", HERE))


def crowd() -> Iterator[str]:
    """Yield an endless supply of addresses."""
    return (f"203.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in count())


def test_a_crowd_slows_a_user_a_little_and_never_where_it_is_at_home() -> None:
    """After 20 wrong passwords in a row, there are pauses of 1 to 5 s between attempts.

    Known addresses have no pause.
    """
    clock = Clock()
    throttle = counts(clock)
    get_in(throttle)
    addresses = crowd()
    assert [guess(throttle, next(addresses)) for _ in range(21)] == [0] * 21
    for pause in (1, 2, 3, 4, 5, 5, 5):
        address = next(addresses)
        assert guess(throttle, address) == pause
        clock.go(pause)
        assert guess(throttle, address) == 0
    assert guess(throttle, THERE) == 5
    get_in(throttle)
    clock.go(31 * 86_400)
    assert guess(throttle, THERE) == 0


def test_a_crowd_cannot_take_the_turn_of_a_user_at_a_new_address() -> None:
    """The user gets in after the announced wait, however often others try."""
    clock = Clock()
    throttle = counts(clock)
    addresses = [address for address, _ in zip(crowd(), range(MAX_TURNS - 1), strict=False)]

    def storm() -> None:
        for address in addresses:
            guess(throttle, address)

    for _ in range(10):
        storm()
        clock.go(5)
    wait = guess(throttle, THERE)
    assert 0 < wait <= 5 * MAX_TURNS
    assert guess(throttle, THERE) == wait, "asking again does not lose the turn"
    for _ in range(wait):
        storm()
        clock.go(1)
    done(throttle.succeeded(done(throttle.attempt("ACME", "reports", THERE))))


def test_a_turn_that_nobody_takes_is_given_up() -> None:
    """The turn delays nobody else, and expires half a minute after it began."""
    clock = Clock()
    throttle = counts(clock)
    addresses = crowd()
    while not guess(throttle, next(addresses)):
        pass
    wait = guess(throttle, THERE)
    assert wait
    clock.go(wait + TURN_EXPIRY_SECONDS + 1)
    assert guess(throttle, HERE) == 0


def test_a_full_list_of_turns_takes_no_more_room() -> None:
    """A user without a turn is told to return after the last one."""
    clock = Clock()
    kv = MemoryKeyValueStore()
    throttle = counts(clock, kv)
    addresses = crowd()
    waits = [guess(throttle, next(addresses)) for _ in range(MAX_TURNS + 50)]
    assert max(waits) <= 5 * (MAX_TURNS + 1)
    assert waits[-1] == waits[-2]
    assert all(len(raw) < 100 + 45 * MAX_TURNS for raw in kv.items(ANYWHERE).values())


def test_one_password_tried_on_many_users_is_slowed() -> None:
    """After 30 wrong passwords from an address, further attempts must wait, for any user."""
    clock = Clock()
    throttle = counts(clock)
    waits = [guess(throttle, user=f"user {number}") for number in range(31)]
    assert waits == [0] * 30 + [1]
    delays = []
    for number in range(7):
        wait = guess(throttle, user=f"other {number}")
        delays.append(wait)
        clock.go(wait)
        assert guess(throttle, user=f"another {number}") == 0
    assert delays == [1, 2, 4, 8, 16, 32, 60]
    assert guess(throttle, THERE, user="user 0") == 0, "another address is not held up"


def test_spraying_does_not_hold_up_who_logged_in_from_there() -> None:
    """Other users of an address continue to log in while one of them guesses."""
    clock = Clock()
    throttle = counts(clock)
    get_in(throttle, user="at home")
    for number in range(40):
        guess(throttle, user=f"user {number}")
    assert guess(throttle, user="a newcomer") > 0
    get_in(throttle, user="at home")


def test_one_attacker_never_holds_up_another_address() -> None:
    """An attacker that tries as often as allowed for a day does not trigger the pause for all."""
    clock = Clock()
    throttle = counts(clock)
    for _ in range(24 * 3600 // 60):
        clock.go(max(guess(throttle), 60))
        assert guess(throttle) == 0
        give_up(throttle, THERE)


def test_many_tries_at_once_are_not_better_than_one_after_the_other() -> None:
    """An attempt counts from its start, so only five of a thousand concurrent ones are verified."""
    throttle = counts(Clock())
    assert [bool(guess(throttle)) for _ in range(1000)] == [False] * 5 + [True] * 995


def test_a_try_that_came_to_no_answer_does_not_count() -> None:
    """An attempt that is refused because the server is busy does not count as wrong."""
    throttle = counts(Clock())
    for _ in range(100):
        give_up(throttle)
    assert [guess(throttle) for _ in range(6)] == [0] * 5 + [1]


def test_memory_is_bounded() -> None:
    """If there are too many counts, those without a wrong password the longest are dropped."""
    clock = Clock()
    kv = MemoryKeyValueStore()
    throttle = counts(clock, kv, kept=10)
    while not guess(throttle):
        pass
    for number in range(9):
        guess(throttle, user=str(number))
        get_in(throttle, user=f"good {number}")
    assert guess(throttle, user="last") == 0
    assert guess(throttle) == 0
    assert {len(kv.items(bucket)) <= 10 for bucket in (HERE_BUCKET, SPRAY, ANYWHERE, GOOD)} == {
        True
    }


class Raced(MemoryKeyValueStore):
    """Before each of the next writes, another node counts a wrong password."""

    def __init__(self, clock: Clock, times: int) -> None:
        super().__init__()
        self._other = counts(clock, self)
        self._times = times

    async def write(self, items: Iterable[Item], seen: Iterable[Item] = ()) -> None:
        if self._times:
            self._times -= 1
            times, self._times = self._times, 0
            await self._other.attempt("ACME", "reports", HERE)
            self._times = times
        await super().write(items, seen)


class Torn(MemoryKeyValueStore):
    """Another node always writes first."""

    async def write(self, items: Iterable[Item], seen: Iterable[Item] = ()) -> None:
        raise Conflict


def test_nodes_that_share_the_buckets_share_the_counts() -> None:
    """An attempt on one node counts on all nodes, even if others are made at the same time."""
    clock = Clock()
    kv = Raced(clock, times=1)
    one, two = counts(clock, kv), counts(clock, kv)
    assert [guess(one), guess(two), guess(one), guess(two)] == [0] * 4
    assert [guess(one), guess(two)] == [1, 1]
    clock.go(1)
    get_in(two)
    assert [guess(one) for _ in range(6)] == [0] * 5 + [1]


def test_who_is_always_counted_against_is_told_to_try_again() -> None:
    """The user is neither logged in without being counted nor kept waiting forever."""
    kv = Torn()
    with pytest.raises(Unavailable, match="too many logins of one user"):
        done(counts(Clock(), kv).attempt("ACME", "reports", HERE))
    assert not kv.items(HERE_BUCKET)


ADDRESSES = st.integers(0, 40).map(lambda number: f"203.0.113.{number}")


@settings(max_examples=tries(50))
@given(st.lists(st.tuples(ADDRESSES, st.floats(0, 90)), max_size=200))
def test_whatever_others_do_a_user_gets_in(guesses: list[tuple[str, float]]) -> None:
    """A new address can log in after one announced wait, and a known address at once."""
    clock = Clock()
    throttle = counts(clock)
    get_in(throttle)
    for address, pause in guesses:
        guess(throttle, address)
        clock.go(pause)
        get_in(throttle)
    wait = guess(throttle, THERE)
    assert wait <= 5 * (len({address for address, _ in guesses}) + 1)
    clock.go(wait)
    assert not wait or guess(throttle, THERE) == 0
