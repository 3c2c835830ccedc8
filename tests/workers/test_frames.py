"""Tests of the messages between a server and its worker processes."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.model.errors import (
    DamagedEntry,
    FloorcastError,
    InvalidParameter,
    NotFound,
    RateLimited,
    Unavailable,
)
from floorcast.workers.frames import (
    MAX_FRAME_BYTES,
    Job,
    encode_frame,
    error_of_reply,
    frame_length,
    read_frame,
    refusal_reply,
)


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_frames_are_read_as_written(arguments: list[bytes]) -> None:
    """Any messages are read in order, and then the end of the file."""
    file = io.BytesIO(b"".join(encode_frame(Job("a:b", one)) for one in arguments))
    read = [read_frame(file) for _ in arguments]
    assert read == [encode_frame(Job("a:b", one))[4:] for one in arguments]
    assert read_frame(file) is None


def test_an_incomplete_frame_is_not_read() -> None:
    """An incomplete frame, as from a process that dies while writing, is not read."""
    assert read_frame(io.BytesIO(encode_frame(Job("a:b", b"12345"))[:-1])) is None


def test_a_frame_that_is_too_long_is_an_error() -> None:
    """A frame that is too long is an error, so that it cannot make the reader use up memory."""
    assert frame_length(MAX_FRAME_BYTES.to_bytes(4, "big")) == MAX_FRAME_BYTES
    with pytest.raises(ValueError, match="at most"):
        frame_length((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))


@pytest.mark.parametrize(
    "error",
    [
        InvalidParameter("at is wrong"),
        NotFound("no such call"),
        RateLimited("too often", 7),
        Unavailable("busy", 5),
    ],
)
def test_a_reply_preserves_an_error(error: FloorcastError) -> None:
    """A reply preserves an error's class, message and ``Retry-After``."""
    copy = error_of_reply(refusal_reply(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_a_damaged_entry_becomes_unavailable() -> None:
    """A damaged entry becomes Unavailable, with the same message and ``Retry-After``."""
    error = DamagedEntry(1, 2, None, "its checksum differs")
    copy = error_of_reply(refusal_reply(error))
    assert type(copy) is Unavailable
    assert (copy.message, copy.retry_after) == (error.message, 30)
