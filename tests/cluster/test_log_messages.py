"""Tests of the messages for a batch, and of their subjects."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.cluster.log_messages import (
    MAX_HEADER_BYTES,
    split_batch,
    stream_number,
    subject,
    subject_pattern,
)
from floorcast.log.port import Batch
from floorcast.model.errors import TooLarge
from tests.log.batches import event

lines = st.lists(st.binary(min_size=1, max_size=40).map(lambda text: text.replace(b"\n", b" ")))


@given(lines, st.integers(40, 200))
def test_batch_is_split_into_messages_of_maximum_size(some: list[bytes], room: int) -> None:
    """The messages together have the whole batch, and each is as long as allowed."""
    batch = Batch(7, some, [event(str(index)) for index in range(len(some))])
    pieces = list(split_batch(batch, room + MAX_HEADER_BYTES))
    assert [line for piece in pieces for line in piece.batch.lines] == some
    assert [each for piece in pieces for each in piece.batch.events] == list(batch.events)
    for piece in pieces:
        assert piece.payload == b"\n".join(piece.batch.lines)
        assert len(piece.payload) <= room
        assert piece.batch.lines == some[piece.start : piece.start + len(piece.batch.lines)]
    for before, after in itertools.pairwise(pieces):
        assert len(before.payload) + 1 + len(after.batch.lines[0]) > room


def test_event_too_large_for_a_message_is_an_error() -> None:
    """The error contains the event's size and the maximum."""
    batch = Batch(7, [b"{}", b"x" * 1001], [event("a"), event("b")])
    with pytest.raises(TooLarge, match=r"1,001 bytes; the cluster takes at most 1,000"):
        list(split_batch(batch, 1000 + MAX_HEADER_BYTES))


def test_client_is_always_in_the_same_stream() -> None:
    """Every process, machine and release uses the same stream, because it has the entries."""
    assert [stream_number(client, 4) for client in (1, 2, 47415, 2**53)] == [3, 1, 2, 1]
    assert subject(47415, 4) == "floorcast.log.2.47415"
    assert subject_pattern(1) == "floorcast.log.1.*"
    spread = [stream_number(client, 8) for client in range(8000)]
    assert all(900 < spread.count(number) < 1100 for number in range(8))
