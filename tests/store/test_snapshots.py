"""Tests of a snapshot's blob, which is built part by part."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from floorcast.store.snapshots import SnapshotBlob


@given(st.lists(st.binary(max_size=300)))
def test_a_blob_is_an_array_of_its_parts(parts: list[bytes]) -> None:
    """Earlier releases encoded the parts as one msgpack array, and all releases decode that."""
    blob = SnapshotBlob()
    for part in parts:
        blob.add(part)
    assert msgspec.msgpack.decode(blob.content, type=list[bytes]) == parts
