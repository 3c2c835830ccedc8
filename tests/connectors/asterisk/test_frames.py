"""Tests that read AMI frames regardless of how the network splits them."""

from __future__ import annotations

import gzip
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from floorcast.connectors.asterisk.frames import MAX_FRAME_BYTES, AmiFrameReader
from floorcast.connectors.pbx.unreadable import Unreadable
from tests.connectors.asterisk.captured import FOLDER, frames

BYTES = gzip.decompress((FOLDER / "ami-16.28.txt.gz").read_bytes()) + b"\n\n"


@given(st.lists(st.integers(0, 20_000), max_size=20), st.booleans())
def test_frames_do_not_depend_on_the_chunks(cuts: list[int], windows: bool) -> None:
    """Neither the split of the bytes nor the line endings change the frames."""
    data = BYTES[:20_000].replace(b"\n", b"\r\n" if windows else b"\n")
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    reader = AmiFrameReader()
    found = [frame for begin, end in pairwise(places) for frame in reader.feed(data[begin:end])]
    assert found == list(frames("16.28"))[: len(found)]
    assert len(found) > 40


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_invalid_bytes_are_unreadable(chunks: list[bytes]) -> None:
    """Bytes that are not a frame are returned as unreadable."""
    reader = AmiFrameReader()
    for chunk in [*chunks, b"\n\n"]:
        for frame in reader.feed(chunk):
            assert isinstance(frame, (dict, Unreadable))


def test_an_unterminated_frame_is_discarded() -> None:
    """An unterminated frame uses bounded memory, and the following frames are read."""
    reader = AmiFrameReader()
    (found,) = reader.feed(b"x" * (MAX_FRAME_BYTES + 1))
    assert isinstance(found, Unreadable)
    assert list(reader.feed(b"Event: A\n\n")) == [{"Event": "A"}]


def test_channel_variables_keep_their_names() -> None:
    """Each variable has its own line, and every such line has the name ChanVariable."""
    (frame,) = AmiFrameReader().feed(
        b"Event: A\r\nChanVariable: DID=1\r\nChanVariable: X=2\r\n\r\n"
    )
    assert frame == {"Event": "A", "ChanVariable:DID": "1", "ChanVariable:X": "2"}
