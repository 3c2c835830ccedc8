"""Tests that guessing is slowed down, and that nobody is locked out permanently."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.auth.throttle import (
    ADDRESS_BUCKET,
    MAX_COUNTS,
    MAX_TURNS,
    TRUSTED_BUCKET,
    TURN_EXPIRY_SECONDS,
    USER_BUCKET,
    USER_FROM_ADDRESS_BUCKET,
    Throttle,
)
from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.kv.port import Conflict, Item, KeyValueStore
from floorcast.model.errors import RateLimited, Unavailable
from tests.auth.auth_node import Clock
from tests.search import tries

T = TypeVar("T")

HERE, THERE = "192.0.2.1", "198.51.100.1"


def run_now(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, because the store is in memory."""
    try:
        work.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    raise AssertionError("it waits")


def new_throttle(
    clock: Clock, kv: KeyValueStore | None = None, max_counts: int = MAX_COUNTS
) -> Throttle:
    """Return the counts of one process, which are private or shared."""
    return Throttle(kv or MemoryKeyValueStore(), clock, max_counts)


def guess(throttle: Throttle, address: str = HERE, user: str = "reports") -> int:
    """Try a wrong password, and return the seconds to wait, or 0 if the password was verified."""
    try:
        run_now(throttle.attempt("ACME", user, address))
    except RateLimited as error:
        return error.retry_after
    return 0


def log_in(throttle: Throttle, user: str = "reports") -> None:
    """Try the right password."""
    run_now(throttle.record_success(run_now(throttle.attempt("ACME", user, HERE))))


def withdraw_attempt(throttle: Throttle, address: str = HERE) -> None:
    """Start a try whose password is never verified."""
    run_now(throttle.withdraw(run_now(throttle.attempt("ACME", "reports", address))))


def test_delays_grow_after_five_wrong_passwords() -> None:
    """The waits are 1, 2, 4 … 60 s. An attempt that is too early does not extend the wait."""
    clock = Clock()
    throttle = new_throttle(clock)
    assert [guess(throttle) for _ in range(5)] == [0] * 5
    with pytest.raises(RateLimited, match="too many wrong passwords: wait 1 s"):
        run_now(throttle.attempt("ACME", "reports", HERE))
    delays = []
    for _ in range(9):
        wait = guess(throttle)
        delays.append(wait)
        clock.advance(wait - 0.25)
        assert guess(throttle) == 1
        clock.advance(0.25)
        assert guess(throttle) == 0
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_the_right_password_resets_the_count() -> None:
    """After a login, five attempts are free again."""
    clock = Clock()
    throttle = new_throttle(clock)
    for _ in range(4):
        guess(throttle)
    log_in(throttle)
    assert [guess(throttle) for _ in range(6)] == [0] * 5 + [1]


def test_the_count_of_wrong_passwords_decays() -> None:
    """The count decreases by one for every two minutes without a wrong password."""
    clock = Clock()
    throttle = new_throttle(clock)
    for _ in range(5):
        guess(throttle)
    clock.advance(5 * 120)
    assert [guess(throttle) for _ in range(6)] == [0] * 5 + [1]


def test_delays_are_per_user_client_kind_and_address() -> None:
    """Attempts from one address for one user delay neither other users nor other addresses."""
    throttle = new_throttle(Clock())
    while not guess(throttle):
        pass
    assert guess(throttle, THERE) == 0
    assert guess(throttle, user="manager") == 0
    run_now(throttle.attempt("Other", "reports", HERE))
    run_now(throttle.attempt("ACME", "reports", HERE, agent=True))


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
def test_addresses_of_one_party_share_a_count(one: str, other: str, same: bool) -> None:
    """An IPv6 party has a /64 network. An IPv4 address is the same in both notations."""
    throttle = new_throttle(Clock())
    while not guess(throttle, one):
        pass
    assert bool(guess(throttle, other)) is same


def test_pairs_of_client_and_user_are_not_confused() -> None:
    """Two pairs of client and user whose joined names are equal have separate counts."""
    throttle = new_throttle(Clock())
    for _ in range(9):
        with suppress(RateLimited):
            run_now(throttle.attempt("a", "b\0c", HERE))
    run_now(throttle.attempt("a\0b", "c", HERE))


def many_addresses() -> Iterator[str]:
    """Yield an endless supply of addresses."""
    return (f"203.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in count())


def test_guesses_from_many_addresses_delay_only_unknown_addresses() -> None:
    """After 20 wrong passwords in a row, there are pauses of 1 to 5 s between attempts.

    Known addresses have no pause.
    """
    clock = Clock()
    throttle = new_throttle(clock)
    log_in(throttle)
    addresses = many_addresses()
    assert [guess(throttle, next(addresses)) for _ in range(21)] == [0] * 21
    for pause in (1, 2, 3, 4, 5, 5, 5):
        address = next(addresses)
        assert guess(throttle, address) == pause
        clock.advance(pause)
        assert guess(throttle, address) == 0
    assert guess(throttle, THERE) == 5
    log_in(throttle)
    clock.advance(31 * 86_400)
    assert guess(throttle, THERE) == 0


def test_guesses_from_many_addresses_do_not_take_a_users_turn() -> None:
    """The user gets in after the announced wait, however often others try."""
    clock = Clock()
    throttle = new_throttle(clock)
    addresses = [
        address for address, _ in zip(many_addresses(), range(MAX_TURNS - 1), strict=False)
    ]

    def guess_everywhere() -> None:
        for address in addresses:
            guess(throttle, address)

    for _ in range(10):
        guess_everywhere()
        clock.advance(5)
    wait = guess(throttle, THERE)
    assert 0 < wait <= 5 * MAX_TURNS
    assert guess(throttle, THERE) == wait, "asking again does not lose the turn"
    for _ in range(wait):
        guess_everywhere()
        clock.advance(1)
    run_now(throttle.record_success(run_now(throttle.attempt("ACME", "reports", THERE))))


def test_an_unused_turn_expires() -> None:
    """The turn delays no other address, and expires half a minute after it began."""
    clock = Clock()
    throttle = new_throttle(clock)
    addresses = many_addresses()
    while not guess(throttle, next(addresses)):
        pass
    wait = guess(throttle, THERE)
    assert wait
    clock.advance(wait + TURN_EXPIRY_SECONDS + 1)
    assert guess(throttle, HERE) == 0


def test_the_list_of_turns_is_bounded() -> None:
    """A user without a turn gets a wait until after the last turn."""
    clock = Clock()
    kv = MemoryKeyValueStore()
    throttle = new_throttle(clock, kv)
    addresses = many_addresses()
    waits = [guess(throttle, next(addresses)) for _ in range(MAX_TURNS + 50)]
    assert max(waits) <= 5 * (MAX_TURNS + 1)
    assert waits[-1] == waits[-2]
    assert all(len(raw) < 100 + 45 * MAX_TURNS for raw in kv.items(USER_BUCKET).values())


def test_password_spraying_is_throttled() -> None:
    """After 30 wrong passwords from an address, further attempts must wait, for any user."""
    clock = Clock()
    throttle = new_throttle(clock)
    waits = [guess(throttle, user=f"user {number}") for number in range(31)]
    assert waits == [0] * 30 + [1]
    delays = []
    for number in range(7):
        wait = guess(throttle, user=f"other {number}")
        delays.append(wait)
        clock.advance(wait)
        assert guess(throttle, user=f"another {number}") == 0
    assert delays == [1, 2, 4, 8, 16, 32, 60]
    assert guess(throttle, THERE, user="user 0") == 0, "another address is not held up"


def test_spraying_does_not_delay_known_users_of_the_address() -> None:
    """Other users of an address continue to log in while one of them guesses."""
    clock = Clock()
    throttle = new_throttle(clock)
    log_in(throttle, user="at home")
    for number in range(40):
        guess(throttle, user=f"user {number}")
    assert guess(throttle, user="a newcomer") > 0
    log_in(throttle, user="at home")


def test_one_attacker_does_not_delay_other_addresses() -> None:
    """An attacker that tries as often as allowed for a day does not trigger the pause for all."""
    clock = Clock()
    throttle = new_throttle(clock)
    for _ in range(24 * 3600 // 60):
        clock.advance(max(guess(throttle), 60))
        assert guess(throttle) == 0
        withdraw_attempt(throttle, THERE)


def test_concurrent_attempts_count_like_sequential_ones() -> None:
    """An attempt counts from its start, so only five of a thousand concurrent ones are verified."""
    throttle = new_throttle(Clock())
    assert [bool(guess(throttle)) for _ in range(1000)] == [False] * 5 + [True] * 995


def test_an_unverified_attempt_does_not_count() -> None:
    """An attempt that is refused because the server is busy does not count as wrong."""
    throttle = new_throttle(Clock())
    for _ in range(100):
        withdraw_attempt(throttle)
    assert [guess(throttle) for _ in range(6)] == [0] * 5 + [1]


def test_memory_is_bounded() -> None:
    """If there are too many counts, those without a wrong password the longest are dropped."""
    clock = Clock()
    kv = MemoryKeyValueStore()
    throttle = new_throttle(clock, kv, max_counts=10)
    while not guess(throttle):
        pass
    for number in range(9):
        guess(throttle, user=str(number))
        log_in(throttle, user=f"good {number}")
    assert guess(throttle, user="last") == 0
    assert guess(throttle) == 0
    assert {
        len(kv.items(bucket)) <= 10
        for bucket in (USER_FROM_ADDRESS_BUCKET, ADDRESS_BUCKET, USER_BUCKET, TRUSTED_BUCKET)
    } == {True}


class RacingStore(MemoryKeyValueStore):
    """Before each of the next writes, another node counts a wrong password."""

    def __init__(self, clock: Clock, times: int) -> None:
        super().__init__()
        self._other = new_throttle(clock, self)
        self._times = times

    async def write(self, items: Iterable[Item], seen: Iterable[Item] = ()) -> None:
        if self._times:
            self._times -= 1
            times, self._times = self._times, 0
            await self._other.attempt("ACME", "reports", HERE)
            self._times = times
        await super().write(items, seen)


class ConflictingStore(MemoryKeyValueStore):
    """Another node always writes first."""

    async def write(self, items: Iterable[Item], seen: Iterable[Item] = ()) -> None:
        raise Conflict


def test_nodes_share_the_counts() -> None:
    """An attempt on one node counts on all nodes, even if others are made at the same time."""
    clock = Clock()
    kv = RacingStore(clock, times=1)
    one, two = new_throttle(clock, kv), new_throttle(clock, kv)
    assert [guess(one), guess(two), guess(one), guess(two)] == [0] * 4
    assert [guess(one), guess(two)] == [1, 1]
    clock.advance(1)
    log_in(two)
    assert [guess(one) for _ in range(6)] == [0] * 5 + [1]


def test_endless_write_conflicts_make_the_login_unavailable() -> None:
    """The user is neither logged in without being counted nor kept waiting forever."""
    kv = ConflictingStore()
    with pytest.raises(Unavailable, match="too many logins of one user"):
        run_now(new_throttle(Clock(), kv).attempt("ACME", "reports", HERE))
    assert not kv.items(USER_FROM_ADDRESS_BUCKET)


ADDRESSES = st.integers(0, 40).map(lambda number: f"203.0.113.{number}")


@settings(max_examples=tries(50))
@given(st.lists(st.tuples(ADDRESSES, st.floats(0, 90)), max_size=200))
def test_a_user_can_always_log_in_after_the_announced_wait(
    guesses: list[tuple[str, float]],
) -> None:
    """A new address can log in after one announced wait, and a known address at once."""
    clock = Clock()
    throttle = new_throttle(clock)
    log_in(throttle)
    for address, pause in guesses:
        guess(throttle, address)
        clock.advance(pause)
        log_in(throttle)
    wait = guess(throttle, THERE)
    assert wait <= 5 * (len({address for address, _ in guesses}) + 1)
    clock.advance(wait)
    assert not wait or guess(throttle, THERE) == 0


@pytest.mark.parametrize("hours", [1, 1000])
def test_a_cluster_clock_that_is_set_back_locks_nobody_out(hours: int) -> None:
    """One attempt of each caller succeeds, and then the delays are the same as before."""
    clock = Clock()
    throttle = new_throttle(clock)
    while not guess(throttle):
        pass
    for number in range(40):
        guess(throttle, f"198.51.100.{number}")
    assert guess(throttle, THERE)
    clock.advance(-3600 * hours)
    assert guess(throttle) == 0
    assert 0 < guess(throttle) <= 60
    assert guess(throttle, THERE) <= 5
    clock.advance(60)
    assert guess(throttle) == 0


def test_own_logins_do_not_speed_up_guesses_for_other_users() -> None:
    """A user who tries one password for many others waits, despite logging in in between."""
    clock = Clock()
    throttle = new_throttle(clock)
    log_in(throttle, "insider")
    tried = 0
    for number in range(300):
        tried += guess(throttle, user=f"user {number}") == 0
        log_in(throttle, "insider")
        clock.advance(1)
    assert tried < 30 + 300 // 60 + 10
