"""Tests of the messages that a write to the cluster's key-value store consists of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.cluster.kv_batches import (
    EXPECTED,
    EXPECTED_OF,
    MAX_BATCH_KEYS,
    BatchEncoder,
    split_write,
)
from floorcast.cluster.kv_copy import KeyState, StoreCopy
from floorcast.cluster.kv_watch import PARTS, subject
from floorcast.kv.port import Item


@given(st.binary(max_size=50), st.integers(1, 20))
def test_a_large_value_becomes_several_messages(value: bytes, size: int) -> None:
    """The parts come before the key's own message, which says how many there are."""
    encoder = BatchEncoder(StoreCopy(), 60)
    messages = encoder.encode((Item("b", "k", value),), {("b", "k"): 7}, size)
    assert b"".join(one.payload for one in messages) == value
    assert all(len(one.payload) <= size for one in messages)
    *parts, last = messages
    assert last.subject == subject("b", "k")
    assert last.headers[EXPECTED] == "7"
    assert last.headers.get(PARTS) == (str(len(messages)) if parts else None)


def test_a_shorter_value_deletes_the_parts_that_it_no_longer_has() -> None:
    """Otherwise, the stream would keep them forever."""
    copy = StoreCopy()
    copy.load({("b", "k"): KeyState(b"x" * 30, 9, 3, 1)}, 1)
    messages = BatchEncoder(copy, 60).encode((Item("b", "k", b"x"),), {}, 10)
    removed = [one.subject for one in messages if one.headers.get("KV-Operation") == "DEL"]
    assert removed == [subject("b", "k", 1), subject("b", "k", 2)]


def test_a_condition_on_another_key_is_an_empty_message() -> None:
    """It names the key, so that the server compares it in the same batch."""
    encoder = BatchEncoder(StoreCopy(), 60)
    condition, change = encoder.encode((Item("b", "k", None),), {("b", "other"): 5}, 10)
    assert condition.headers[EXPECTED_OF] == subject("b", "other")
    assert (condition.headers[EXPECTED], condition.payload) == ("5", b"")
    assert change.headers["KV-Operation"] == "DEL"
    assert EXPECTED not in change.headers


@given(
    st.sets(st.integers(0, 3 * MAX_BATCH_KEYS), max_size=3 * MAX_BATCH_KEYS),
    st.sets(st.integers(0, 3 * MAX_BATCH_KEYS), max_size=3 * MAX_BATCH_KEYS),
)
def test_a_large_write_is_split_without_a_loss(changed: set[int], expected: set[int]) -> None:
    """Each change and condition is in one batch, and a condition is not later than its change."""
    changes = tuple(Item("b", str(number), b"x") for number in sorted(changed))
    conditions = tuple(Item("b", str(number), None) for number in sorted(expected))
    batches = list(split_write(changes, conditions))
    assert sorted(one for batch, _ in batches for one in batch) == sorted(changes)
    assert sorted(one.key for _, batch in batches for one in batch) == sorted(
        one.key for one in conditions
    )
    done: set[str] = set()
    for batch, compared in batches:
        assert len({one.key for one in (*batch, *compared)}) <= MAX_BATCH_KEYS
        assert not done & {one.key for one in compared}
        done |= {one.key for one in batch}
