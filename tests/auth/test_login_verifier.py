"""Tests that valid credentials are accepted, and invalid ones refused with the right error."""

from __future__ import annotations

import asyncio

import pytest

from floorcast.auth.keys import KeyThrottle
from floorcast.auth.login_verifier import LoginCredentials, LoginVerifier, VerifiedLogin
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
from tests.auth.auth_node import CHEAP, Clock
from tests.site.sites import small_store

VALID = LoginCredentials(
    "ACME", "reports", "correct horse", "test-token-of-acme-01", False, "192.0.2.1"
)


class CountingHasher(Hasher):
    """Counts the passwords that it verifies."""

    def __init__(self) -> None:
        super().__init__(memory_kib=8, passes=1)
        self.verified = 0

    def verify(self, password_hash: str, password: str) -> bool:
        """Count the password, and then verify it."""
        self.verified += 1
        return super().verify(password_hash, password)


class CredentialsHarness:
    """Credentials of the small site."""

    def __init__(self, waiting: int = 64) -> None:
        self.clock = Clock()
        self.hasher = CountingHasher()
        self.passwords = Passwords(self.hasher, waiting)
        self.credentials = LoginVerifier(
            Site(small_store()),
            self.passwords,
            Throttle(MemoryKeyValueStore(), self.clock),
            KeyThrottle(self.clock),
        )

    def verify_login(self, **changed: object) -> VerifiedLogin:
        """Try the valid login with some members changed."""
        return asyncio.run(self.credentials.verify_login(VALID._replace(**changed)))  # type: ignore[arg-type]  # by name

    def error_for(self, **changed: object) -> Refusal:
        """Return the error for a changed login."""
        with pytest.raises(Refusal) as caught:
            self.verify_login(**changed)
        return caught.value


def test_valid_credentials_are_accepted() -> None:
    """Users and agents can log in. The client can be named by its name or id."""
    harness = CredentialsHarness()
    proven = harness.verify_login()
    assert (proven.client, proven.user.id, proven.token) == (
        1,
        301,
        digest("test-token-of-acme-01"),
    )
    assert harness.verify_login(client_name="1").client == 1
    agent = harness.verify_login(user_name="ANN", password="ann's own secret", agent=True)
    assert (agent.user.id, agent.user.role) == (201, "Agent")


@pytest.mark.parametrize("name", ["client_name", "user_name", "password"])
@pytest.mark.parametrize("blank", ["", "  "])
def test_a_missing_member_is_named(name: str, blank: str) -> None:
    """The error is 201 and names the request's missing member."""
    member = name.replace("_n", "N")
    error = CredentialsHarness().error_for(**{name: blank})
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
def test_errors_do_not_reveal_whether_the_user_or_the_password_is_wrong(
    changed: dict[str, object],
) -> None:
    """Both cases have the same message and take the same amount of work."""
    harness = CredentialsHarness()
    error = harness.error_for(**{"password": "wrong", **changed})
    if changed.get("password") == "":
        assert isinstance(error, MissingParameter)
        return
    assert isinstance(error, BadCredentials)
    assert error.message == "userName or password is wrong"
    assert harness.hasher.verified == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"api_token": "test-token-of-acme-02"},
        {"client_name": "Nobody"},
        {"api_token": digest("test-token-of-acme-01")},
    ],
)
def test_passwords_are_not_checked_without_a_valid_api_token(
    changed: dict[str, object],
) -> None:
    """A wrong client and a wrong token give the same message.

    Neither causes a hash or is counted.
    """
    harness = CredentialsHarness()
    for _ in range(19):
        error = harness.error_for(**changed)
        assert isinstance(error, BadCredentials)
        assert "LV-Access" in error.message
        assert "clientName" in error.message
    assert harness.hasher.verified == 0
    assert harness.verify_login()


@pytest.mark.parametrize("token", [None, ""])
def test_a_missing_token_has_its_own_error(token: str | None) -> None:
    """The error is 300 and names both accepted headers."""
    error = CredentialsHarness().error_for(api_token=token)
    assert isinstance(error, BadCredentials)
    assert "LV-Access" in error.message
    assert "Bearer" in error.message


def test_guessing_is_throttled_for_existing_and_unknown_users() -> None:
    """After five wrong passwords the next one is refused unverified, even if it is right."""
    for name in ("reports", "nobody"):
        harness = CredentialsHarness()
        for _ in range(5):
            assert isinstance(harness.error_for(user_name=name, password="wrong"), BadCredentials)
        error = harness.error_for(user_name=name)
        assert isinstance(error, RateLimited)
        assert error.retry_after == 1
        assert harness.hasher.verified == 5
        assert harness.verify_login(address="198.51.100.1") if name == "reports" else True
        harness.clock.advance(1)
        assert not isinstance(harness.error_for(user_name=name, password="wrong"), RateLimited)


def test_concurrent_identical_logins_count_as_one_attempt() -> None:
    """The same login sent a hundred times is verified once, and causes no delay."""
    harness = CredentialsHarness(waiting=2)

    async def fleet() -> list[VerifiedLogin]:
        return await asyncio.gather(*(harness.credentials.verify_login(VALID) for _ in range(100)))

    assert len(asyncio.run(fleet())) == 100
    assert harness.hasher.verified == 1


def test_attempts_refused_by_a_busy_server_do_not_count() -> None:
    """The response is 503, and the affected attempts do not count."""
    harness = CredentialsHarness()
    harness.passwords.close()
    for _ in range(20):
        with pytest.raises(Unavailable):
            harness.verify_login()
    harness.credentials._passwords = Passwords(CHEAP)  # noqa: SLF001 - the server is no longer busy
    assert harness.verify_login()


def test_guessing_api_tokens_is_throttled() -> None:
    """After 20 wrong tokens from an address, the next one is not looked up.

    Valid tokens still work.
    """
    harness = CredentialsHarness()
    assert harness.verify_login()
    for number in range(20):
        assert isinstance(harness.error_for(api_token=f"guess {number}"), BadCredentials)
    error = harness.error_for(api_token="guess 21")
    assert isinstance(error, RateLimited)
    assert error.retry_after == 1
    assert harness.verify_login(), "this token was right from here before"
    assert isinstance(harness.error_for(api_token="x", address="198.51.100.1"), BadCredentials)
