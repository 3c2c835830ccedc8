"""Tests that find ESL frames in a stream of bytes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from floorcast.connectors.freeswitch.frames import (
    MAX_BODY_BYTES,
    MAX_HEADER_BYTES,
    EslFrame,
    EslFrameReader,
)
from floorcast.connectors.pbx.unreadable import Unreadable

BODIES = st.lists(st.binary(max_size=60), max_size=8)


def read(data: bytes, *cuts: int) -> list[EslFrame | Unreadable]:
    """Return all frames in bytes that arrive in pieces."""
    reader, found = EslFrameReader(), []
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for begin, end in pairwise(edges):
        found += reader.feed(data[begin:end])
    return found


@given(BODIES, st.lists(st.integers(0, 2000), max_size=30))
def test_frames_do_not_depend_on_the_chunks(bodies: list[bytes], cuts: list[int]) -> None:
    """Frames are found for any split of the bytes. A body may even contain empty lines."""
    frames = [
        EslFrame({"Content-Type": "x", "Content-Length": str(len(body))}, body) for body in bodies
    ]
    assert read(b"".join(frame.encoded() for frame in frames), *cuts) == frames


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=10))
def test_a_frame_after_invalid_bytes_is_found(data: bytes, cuts: list[int]) -> None:
    """A frame that follows invalid bytes is found after the next empty line."""
    reader = EslFrameReader()
    head = b"Content-Length: 99999999999999999999\nContent-Type: x"
    for piece in (data, b"\n\n", head):
        reader.feed(piece)
    reader.feed(b"\n\n")
    read(data, *cuts)


def test_an_invalid_frame_is_reported_and_skipped() -> None:
    """The frame after an invalid frame is read normally."""
    good = b"Content-Type: api/response\nContent-Length: 2\n\nok"
    frame = EslFrame({"Content-Type": "api/response", "Content-Length": "2"}, b"ok")
    for bad in (b"nonsense", b"Content-Length: 5", b"Content-Type: x\nContent-Length: -1"):
        found = read(bad + b"\n\n" + good)
        assert isinstance(found[0], Unreadable), bad
        assert found[1:] == [frame]
    assert read(b"\n\n\n" + good) == [frame]


def test_oversized_bodies_and_unterminated_headers_are_discarded() -> None:
    """Neither an oversized body nor unterminated headers use up memory."""
    reader = EslFrameReader()
    head = f"Content-Type: x\nContent-Length: {MAX_BODY_BYTES + 1}\n\n".encode()
    (reported,) = reader.feed(head + b"x" * 100)
    assert "more than" in str(reported)
    piece = b"x" * (1 << 20)
    for _ in range(MAX_BODY_BYTES // len(piece) - 1):
        assert reader.feed(piece) == []
    assert reader.feed(b"x" * (len(piece) + 1 - 100) + b"Content-Type: y\n\n") == [
        EslFrame({"Content-Type": "y"}, b"")
    ]
    (dropped,) = reader.feed(b"x" * (MAX_HEADER_BYTES + 1))
    assert "headers" in str(dropped)
