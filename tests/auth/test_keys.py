"""API tokens and ingest keys, read from headers and known by their digests."""

from __future__ import annotations

import pytest

from floorcast.auth.key_guesses import KeyGuesses
from floorcast.auth.keys import Keys, api_token, bearer, is_api_token
from floorcast.model.errors import BadCredentials
from floorcast.site.digests import digest
from floorcast.site.edits import revoke_key
from floorcast.site.live_site import Site
from tests.auth.door import Clock
from tests.site.sites import run, small


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
def test_a_bearer_is_read_as_http_means_it(header: str | None, found: str | None) -> None:
    """The scheme in any case, one token, nothing else."""
    assert bearer(header) == found


def test_the_api_token_is_lv_access_or_else_the_bearer() -> None:
    """LV-Access wins; blank is none."""
    assert api_token("a", "Bearer b") == "a"
    assert api_token(" ", "Bearer b") == "b"
    assert api_token(None, None) is None


def test_an_ingest_key_is_its_clients_until_it_is_revoked() -> None:
    """An API token is none, nor is the digest of a key."""
    kv = small()
    site = Site(kv)
    keys = Keys(site, KeyGuesses(Clock()))
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


def test_a_token_is_known_by_its_digest_only() -> None:
    """Of this client, not of another, and of no client at all."""
    site = Site(small())
    assert is_api_token(site.clients[1], digest("test-token-of-acme-01"))
    assert not is_api_token(site.clients[2], digest("test-token-of-acme-01"))
    assert not is_api_token(site.clients[1], "test-token-of-acme-01")
    assert not is_api_token(None, digest("test-token-of-acme-01"))
