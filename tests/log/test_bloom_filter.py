"""The filter in front of the keys on disk."""

from __future__ import annotations

import uuid
from array import array
from random import Random

import pytest

from floorcast.log.bloom_filter import BloomFilter, fingerprint


def some_keys(random: Random, count: int) -> list[bytes]:
    return [uuid.UUID(int=random.getrandbits(128)).hex.encode() for _ in range(count)]


def test_a_key_that_was_put_in_is_never_called_new() -> None:
    """Whatever else was put in."""
    a_filter = BloomFilter()
    keys = some_keys(Random(1), 20_000)
    a_filter.sift(keys)
    assert a_filter.sift(keys) == keys


def test_most_new_keys_are_called_new() -> None:
    """At 500,000 keys in it, all but a few in a thousand."""
    random, a_filter = Random(2), BloomFilter()
    a_filter.load(map(fingerprint, some_keys(random, 500_000)))
    assert len(a_filter.sift(some_keys(random, 10_000))) < 50


def test_it_is_loaded_by_marks() -> None:
    """As they are kept on disk."""
    a_filter, keys = BloomFilter(), some_keys(Random(3), 1000)
    a_filter.load(array("I", map(fingerprint, keys)))
    assert a_filter.sift(keys) == keys


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_a_turn_forgets_what_was_put_in_before_the_last(turns: int) -> None:
    """A key lives through one turn and ends with the second."""
    a_filter = BloomFilter()
    a_filter.sift([b"old"])
    for _ in range(turns):
        a_filter.turn()
    assert a_filter.sift([b"old"]) == ([b"old"] if turns < 2 else [])
    assert a_filter.sift([b"old"]) == [b"old"]
