"""How those who guess are slowed, and nobody is locked out for good."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.auth.lockout import Lockout
from floorcast.errors import RateLimited
from tests.auth.door import Clock

HERE, THERE = "192.0.2.1", "198.51.100.1"


def guess(lockout: Lockout, address: str = HERE, user: str = "reports") -> int:
    """One wrong password; how many seconds it has to wait instead, 0 when it was looked at."""
    try:
        lockout.attempt("ACME", user, address)
    except RateLimited as error:
        return error.retry_after
    return 0


def test_five_wrong_passwords_then_a_growing_delay() -> None:
    """1, 2, 4 … 60 s, and a try made too early neither counts nor lengthens it."""
    clock = Clock()
    lockout = Lockout(clock)
    assert [guess(lockout) for _ in range(5)] == [0] * 5
    with pytest.raises(RateLimited, match="too many wrong passwords: wait 1 s"):
        lockout.attempt("ACME", "reports", HERE)
    delays = []
    for _ in range(9):
        wait = guess(lockout)
        delays.append(wait)
        clock.go(wait - 0.25)
        assert guess(lockout) == 1
        clock.go(0.25)
        assert guess(lockout) == 0
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_the_right_password_starts_anew() -> None:
    """After a login there are five tries again."""
    clock = Clock()
    lockout = Lockout(clock)
    for _ in range(4):
        guess(lockout)
    lockout.succeeded(lockout.attempt("ACME", "reports", HERE))
    assert [guess(lockout) for _ in range(6)] == [0] * 5 + [1]


def test_quiet_makes_good() -> None:
    """The count goes down by one every two minutes without a wrong password."""
    clock = Clock()
    lockout = Lockout(clock)
    for _ in range(5):
        guess(lockout)
    clock.go(5 * 120)
    assert [guess(lockout) for _ in range(6)] == [0] * 5 + [1]


def test_delays_are_per_user_client_kind_and_address() -> None:
    """What one address does to one user holds up nobody else, and it nowhere else."""
    lockout = Lockout(Clock())
    while not guess(lockout):
        pass
    assert guess(lockout, THERE) == 0
    assert guess(lockout, user="manager") == 0
    lockout.attempt("Other", "reports", HERE)
    lockout.attempt("ACME", "reports", HERE, agent=True)


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
    """Of IPv6 that is a network of 64 bits; IPv4 is the same written either way."""
    lockout = Lockout(Clock())
    while not guess(lockout, one):
        pass
    assert bool(guess(lockout, other)) is same


def test_names_cannot_be_joined_into_others() -> None:
    """A client and user that read the same one after the other are still two."""
    lockout = Lockout(Clock())
    for _ in range(9):
        with suppress(RateLimited):
            lockout.attempt("a", "b\0c", HERE)
    lockout.attempt("a\0b", "c", HERE)


def test_a_crowd_slows_a_user_a_little_and_never_where_it_is_at_home() -> None:
    """From 21 wrong passwords in a row on, tries pause for 1 to 5 s; a good address has none."""
    clock = Clock()
    lockout = Lockout(clock)
    lockout.succeeded(lockout.attempt("ACME", "reports", HERE))
    crowd = (f"203.0.{number // 250}.{number % 250}" for number in range(10_000))
    assert [guess(lockout, next(crowd)) for _ in range(22)] == [0] * 21 + [1]
    for pause in (1, 2, 3, 4, 5, 5, 5):
        assert guess(lockout, next(crowd)) == pause
        clock.go(pause)
        assert guess(lockout, next(crowd)) == 0
    assert guess(lockout, THERE) == 5
    lockout.succeeded(lockout.attempt("ACME", "reports", HERE))
    clock.go(31 * 86_400)
    assert guess(lockout, THERE) == 0


def test_one_attacker_never_holds_up_another_address() -> None:
    """Trying as often as it may for a day, it does not bring about the pause for everybody."""
    clock = Clock()
    lockout = Lockout(clock)
    for _ in range(24 * 3600 // 60):
        clock.go(max(guess(lockout), 60))
        assert guess(lockout) == 0
        lockout.withdrawn(lockout.attempt("ACME", "reports", THERE))


def test_many_tries_at_once_are_not_better_than_one_after_the_other() -> None:
    """A try counts from its beginning, so a thousand under way are refused from the sixth on."""
    lockout = Lockout(Clock())
    assert [bool(guess(lockout)) for _ in range(1000)] == [False] * 5 + [True] * 995


def test_a_try_that_came_to_no_answer_does_not_count() -> None:
    """A server too busy to look at a password is nobody's wrong password."""
    lockout = Lockout(Clock())
    for _ in range(100):
        lockout.withdrawn(lockout.attempt("ACME", "reports", HERE))
    assert [guess(lockout) for _ in range(6)] == [0] * 5 + [1]


def test_memory_is_bounded() -> None:
    """Of too many counts, the ones without a wrong password for the longest go."""
    clock = Clock()
    lockout = Lockout(clock, kept=10)
    while not guess(lockout):
        pass
    for number in range(9):
        guess(lockout, user=str(number))
        lockout.succeeded(lockout.attempt("ACME", f"good {number}", HERE))
    assert guess(lockout, user="last") == 0
    assert guess(lockout) == 0
    for counts in (lockout._here, lockout._anywhere, lockout._good):  # noqa: SLF001 - their size
        assert len(counts) <= 10


ADDRESSES = st.integers(0, 40).map(lambda number: f"203.0.113.{number}")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(ADDRESSES, st.floats(0, 90)), max_size=200))
def test_whatever_others_do_a_user_is_kept_waiting_for_seconds(
    guesses: list[tuple[str, float]],
) -> None:
    """From an address of its own the user waits 5 s at most, from one known as good not at all."""
    clock = Clock()
    lockout = Lockout(clock)
    lockout.succeeded(lockout.attempt("ACME", "reports", HERE))
    for address, pause in guesses:
        guess(lockout, address)
        clock.go(pause)
        lockout.succeeded(lockout.attempt("ACME", "reports", HERE))
    assert guess(lockout, THERE) <= 5
