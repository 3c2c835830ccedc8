"""Tests of API tokens and ingest keys, and of their stored digests."""

from __future__ import annotations

from hashlib import sha256

from floorcast.site.digests import digest, fingerprint, new_key


def test_new_keys_are_long_and_unique() -> None:
    """A new key has 256 random bits, and all its characters are allowed in a header."""
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) == 64 and key.isascii() and key.isalnum() for key in keys)


def test_a_digest_is_a_sha_256_hash() -> None:
    """Other tools can compute digests for a file without secrets. Any text has a digest."""
    assert digest("2c1b") == sha256(b"2c1b").hexdigest()
    assert len(digest("\ud800")) == 64


def test_a_fingerprint_is_the_start_of_the_digest() -> None:
    """A fingerprint is the first few digits of a digest, short enough to read aloud."""
    assert digest("k").startswith(fingerprint(digest("k")))
    assert len(fingerprint(digest("k"))) == 12
