"""Tests that keys are found by their digests, and that guessing is slowed down."""

from __future__ import annotations

from contextlib import suppress
from itertools import count

import pytest

from floorcast.auth.keys import (
    FREE_WRONG_KEYS,
    KeyThrottle,
    KeyVerifier,
    api_token,
    bearer,
    is_api_token,
)
from floorcast.model.errors import BadCredentials, RateLimited
from floorcast.site.configuration import ScreenKey
from floorcast.site.digests import digest
from floorcast.site.edits import add_screen_key, revoke_key
from floorcast.site.live_site import Site
from tests.auth.auth_node import Clock
from tests.site.sites import run, small_store


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Bearer abc", "abc"),
        ("bearer   abc ", "abc"),
        ("BEARER a.b=", "a.b="),
        ("Basic abc", None),
        ("Bearer", None),
        ("Bearer a b", None),
        ("abc", None),
        ("", None),
        (None, None),
    ],
)
def test_bearer_tokens_are_parsed_as_http_specifies(header: str | None, found: str | None) -> None:
    """The scheme is not case-sensitive, and exactly one token must follow it."""
    assert bearer(header) == found


def test_the_api_token_comes_from_lv_access_or_else_the_bearer_token() -> None:
    """LV-Access takes precedence. A blank header counts as absent."""
    assert api_token("a", "Bearer b") == "a"
    assert api_token(" ", "Bearer b") == "b"
    assert api_token(None, None) is None


def test_an_ingest_key_identifies_its_client_until_it_is_revoked() -> None:
    """Neither an API token nor the digest of a key is accepted."""
    kv = small_store()
    site = Site(kv)
    keys = KeyVerifier(site, KeyThrottle(Clock()))
    assert keys.client_of_ingest_key("ingest-key-of-acme-01") == 1
    for wrong in (
        None,
        "",
        "test-token-of-acme-01",
        "ingest-key-of-acme-02",
        digest("ingest-key-of-acme-01"),
        "\udc80",
    ):
        with pytest.raises(BadCredentials, match="ingest key"):
            keys.client_of_ingest_key(wrong)
    run(revoke_key(kv, 1, digest("ingest-key-of-acme-01")))
    site.reload()
    with pytest.raises(BadCredentials):
        keys.client_of_ingest_key("ingest-key-of-acme-01")


def test_an_api_token_is_matched_only_by_its_digest() -> None:
    """A token belongs to one client. Another client, or an unknown one, is refused."""
    site = Site(small_store())
    assert is_api_token(site.clients[1], digest("test-token-of-acme-01"))
    assert not is_api_token(site.clients[2], digest("test-token-of-acme-01"))
    assert not is_api_token(site.clients[1], "test-token-of-acme-01")
    assert not is_api_token(None, digest("test-token-of-acme-01"))


def test_a_screen_key_identifies_its_client_until_it_is_revoked() -> None:
    """An ingest key is not accepted instead. Wrong screen keys are slowed down like other keys."""
    kv = small_store()
    run(add_screen_key(kv, 2, ScreenKey(digest=digest("a key for a screen"), services=(7,))))
    site = Site(kv)
    keys = KeyVerifier(site, KeyThrottle(Clock()))
    client, screen = keys.screen("a key for a screen")
    assert (client, screen.services, screen.call_centers) == (2, (7,), ())
    for wrong in (None, "", "ingest-key-of-acme-01", digest("a key for a screen")):
        with pytest.raises(BadCredentials, match="screen key"):
            keys.screen(wrong)
    run(revoke_key(kv, 2, digest("a key for a screen")))
    site.reload()
    with pytest.raises(BadCredentials):
        keys.screen("a key for a screen")
    for number in range(20 - 3):
        with pytest.raises(BadCredentials):
            keys.screen(f"guess {number}")
    with pytest.raises(RateLimited):
        keys.screen("one too many")


HERE, THERE = "192.0.2.1", "198.51.100.1"


NUMBERS = count()


def guess(key_throttle: KeyThrottle, address: str = HERE, key: str = "") -> int:
    """Try one wrong key, by default a different one each time.

    Returns the seconds to wait if the key was refused unseen, or 0 if it was looked up.
    """
    tried = key or f"wrong {next(NUMBERS)}"
    try:
        key_throttle.check(address, tried)
    except RateLimited as error:
        return error.retry_after
    key_throttle.record_wrong(address, tried)
    return 0


def test_an_address_must_wait_after_twenty_wrong_keys() -> None:
    """The waits are 1, 2, 4 … 60 s. A key that is sent too early does not extend the wait."""
    clock = Clock()
    key_throttle = KeyThrottle(clock)
    assert [guess(key_throttle) for _ in range(FREE_WRONG_KEYS)] == [0] * FREE_WRONG_KEYS
    delays = []
    for _ in range(8):
        delays.append(guess(key_throttle))
        assert guess(key_throttle) == delays[-1]
        clock.advance(delays[-1])
        assert guess(key_throttle) == 0
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60]
    assert guess(key_throttle, THERE) == 0


def test_an_hour_of_guessing_checks_fewer_than_a_hundred_keys() -> None:
    """Without the limit, 6,775 keys per second were looked up."""
    clock = Clock()
    key_throttle = KeyThrottle(clock)
    looked_at = 0
    for _ in range(36_000):
        looked_at += not guess(key_throttle)
        clock.advance(0.1)
    assert looked_at < 100


def test_a_key_accepted_earlier_from_the_address_is_not_throttled() -> None:
    """Other sources can still send from the address of a source with a revoked key."""
    key_throttle = KeyThrottle(Clock())
    key_throttle.record_valid(HERE, "good")
    while not guess(key_throttle):
        pass
    key_throttle.check(HERE, "good")
    with pytest.raises(RateLimited, match="too many wrong keys from this address: wait 1 s"):
        key_throttle.check(HERE, "another")
    key_throttle.check(THERE, "another")


def test_the_count_of_wrong_keys_decays() -> None:
    """The count decreases by one for every two minutes without a wrong key."""
    clock = Clock()
    key_throttle = KeyThrottle(clock)
    for _ in range(FREE_WRONG_KEYS):
        guess(key_throttle)
    clock.advance(120 * FREE_WRONG_KEYS)
    assert [guess(key_throttle) for _ in range(FREE_WRONG_KEYS)] == [0] * FREE_WRONG_KEYS


def test_memory_is_bounded() -> None:
    """If there are too many addresses, the one that has been quiet the longest is dropped."""
    key_throttle = KeyThrottle(Clock(), max_counts=10)
    while not guess(key_throttle):
        pass
    for number in range(10):
        guess(key_throttle, f"203.0.113.{number}")
        key_throttle.record_valid(HERE, f"key {number}")
    assert guess(key_throttle) == 0
    for number in range(10, 20):
        key_throttle.record_valid(HERE, f"key {number}")
    while not guess(key_throttle):
        pass
    with suppress(RateLimited):
        key_throttle.check(HERE, "key 0")
        raise AssertionError("the oldest good key is still known")
    key_throttle.check(HERE, "key 19")


def test_a_repeated_wrong_key_delays_only_itself() -> None:
    """A source with a revoked key does not block a new source at the same address."""
    clock = Clock()
    key_throttle = KeyThrottle(clock)
    assert [guess(key_throttle, key="revoked") for _ in range(FREE_WRONG_KEYS + 1)] == [
        0
    ] * FREE_WRONG_KEYS + [1]
    key_throttle.check(HERE, "new")
    clock.advance(1)
    assert guess(key_throttle, key="revoked") == 0
    assert guess(key_throttle, key="revoked") == 2
    assert [guess(key_throttle) for _ in range(FREE_WRONG_KEYS - 1)] == [0] * (FREE_WRONG_KEYS - 1)
