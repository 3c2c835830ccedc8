"""Valid credentials are accepted, and all others are refused with the right error."""

from __future__ import annotations

import asyncio

import pytest

from floorcast.auth.credentials import Claim, Credentials, Proven
from floorcast.auth.keys import KeyGuesses
from floorcast.auth.passwords import Hasher, Passwords
from floorcast.auth.throttle import Throttle
from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.model.errors import (
    BadCredentials,
    MissingParameter,
    RateLimited,
    Refusal,
    Unavailable,
)
from floorcast.site.digests import digest
from floorcast.site.live_site import Site
from tests.auth.door import CHEAP, Clock
from tests.site.sites import small

RIGHT = Claim("ACME", "reports", "correct horse", "test-token-of-acme-01", False, "192.0.2.1")


class Counted(Hasher):
    """Counts the passwords that it verifies."""

    def __init__(self) -> None:
        super().__init__(memory_kib=8, passes=1)
        self.verified = 0

    def verify(self, password_hash: str, password: str) -> bool:
        """Count the password, and then verify it."""
        self.verified += 1
        return super().verify(password_hash, password)


class Doors:
    """Credentials of the small site."""

    def __init__(self, waiting: int = 64) -> None:
        self.clock = Clock()
        self.hasher = Counted()
        self.passwords = Passwords(self.hasher, waiting)
        self.credentials = Credentials(
            Site(small()),
            self.passwords,
            Throttle(MemoryKeyValueStore(), self.clock),
            KeyGuesses(self.clock),
        )

    def prove(self, **changed: object) -> Proven:
        """Try the valid claim with some members changed."""
        return asyncio.run(self.credentials.prove(RIGHT._replace(**changed)))  # type: ignore[arg-type]  # by name

    def refused(self, **changed: object) -> Refusal:
        """Return the error for a changed claim."""
        with pytest.raises(Refusal) as caught:
            self.prove(**changed)
        return caught.value


def test_the_right_claim_is_proven() -> None:
    """Users and agents can log in. The client can be named by its name or id."""
    doors = Doors()
    proven = doors.prove()
    assert (proven.client, proven.user.id, proven.token) == (
        1,
        301,
        digest("test-token-of-acme-01"),
    )
    assert doors.prove(client_name="1").client == 1
    agent = doors.prove(user_name="ANN", password="ann's own secret", agent=True)
    assert (agent.user.id, agent.user.role) == (201, "Agent")


@pytest.mark.parametrize("name", ["client_name", "user_name", "password"])
@pytest.mark.parametrize("blank", ["", "  "])
def test_what_is_missing_is_named(name: str, blank: str) -> None:
    """The error is 201 and names the request's missing member."""
    member = name.replace("_n", "N")
    error = Doors().refused(**{name: blank})
    assert isinstance(error, MissingParameter)
    assert error.message == f"{member} is required"


@pytest.mark.parametrize(
    "changed",
    [
        {"user_name": "nobody"},
        {"password": "wrong"},
        {"password": "x" * 100_000},
        {"user_name": "REPORTS"},
        {"user_name": "ANN", "password": "ann's own secret"},
        {"agent": True},
        {"user_name": "BOB", "password": "", "agent": True},
        {"user_name": "BOB", "password": "x", "agent": True},
    ],
)
def test_nobody_hears_whether_it_was_the_user_or_the_password(changed: dict[str, object]) -> None:
    """Both give the same message after the same amount of work."""
    doors = Doors()
    error = doors.refused(**{"password": "wrong", **changed})
    if changed.get("password") == "":
        assert isinstance(error, MissingParameter)
        return
    assert isinstance(error, BadCredentials)
    assert error.message == "userName or password is wrong"
    assert doors.hasher.verified == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"api_token": "test-token-of-acme-02"},
        {"client_name": "Nobody"},
        {"api_token": digest("test-token-of-acme-01")},
    ],
)
def test_without_a_token_of_the_client_no_password_is_looked_at(
    changed: dict[str, object],
) -> None:
    """A wrong client and a wrong token give the same message.

    Neither causes a hash or is counted.
    """
    doors = Doors()
    for _ in range(19):
        error = doors.refused(**changed)
        assert isinstance(error, BadCredentials)
        assert "LV-Access" in error.message
        assert "clientName" in error.message
    assert doors.hasher.verified == 0
    assert doors.prove()


@pytest.mark.parametrize("token", [None, ""])
def test_a_missing_token_is_told_as_that(token: str | None) -> None:
    """The error is 300 and names both accepted headers."""
    error = Doors().refused(api_token=token)
    assert isinstance(error, BadCredentials)
    assert "LV-Access" in error.message
    assert "Bearer" in error.message


def test_guessing_is_slowed_for_users_who_exist_and_who_do_not() -> None:
    """After five wrong passwords the next one is refused unverified, even if it is right."""
    for name in ("reports", "nobody"):
        doors = Doors()
        for _ in range(5):
            assert isinstance(doors.refused(user_name=name, password="wrong"), BadCredentials)
        error = doors.refused(user_name=name)
        assert isinstance(error, RateLimited)
        assert error.retry_after == 1
        assert doors.hasher.verified == 5
        assert doors.prove(address="198.51.100.1") if name == "reports" else True
        doors.clock.go(1)
        assert not isinstance(doors.refused(user_name=name, password="wrong"), RateLimited)


def test_a_fleet_that_logs_in_at_once_is_one_try() -> None:
    """The same claim sent a hundred times is verified once, and delays nobody."""
    doors = Doors(waiting=2)

    async def fleet() -> list[Proven]:
        return await asyncio.gather(*(doors.credentials.prove(RIGHT) for _ in range(100)))

    assert len(asyncio.run(fleet())) == 100
    assert doors.hasher.verified == 1


def test_being_too_busy_is_nobodys_wrong_password() -> None:
    """The response is 503, and the affected attempts do not count."""
    doors = Doors()
    doors.passwords.close()
    for _ in range(20):
        with pytest.raises(Unavailable):
            doors.prove()
    doors.credentials._passwords = Passwords(CHEAP)  # noqa: SLF001 - the crowd has gone
    assert doors.prove()


def test_guessing_an_api_token_is_slowed() -> None:
    """After 20 wrong tokens from an address, the next one is not looked up.

    Valid tokens still work.
    """
    doors = Doors()
    assert doors.prove()
    for number in range(20):
        assert isinstance(doors.refused(api_token=f"guess {number}"), BadCredentials)
    error = doors.refused(api_token="guess 21")
    assert isinstance(error, RateLimited)
    assert error.retry_after == 1
    assert doors.prove(), "this token was right from here before"
    assert isinstance(doors.refused(api_token="x", address="198.51.100.1"), BadCredentials)
