"""Tests of shared gzip, whose blocks are joined in any order into one stream."""

from __future__ import annotations

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from floorcast.sse import deflate

SIZES = st.integers(0, 5000) | st.sampled_from([2048, 2049, 65536, 100_000])


@given(st.lists(st.binary(max_size=200) | SIZES.map(lambda size: b"ab" * (size // 2))))
def test_joined_blocks_are_one_gzip_stream(pieces: list[bytes]) -> None:
    """The CRC and the length, which every gzip reader checks, are right."""
    crc = length = 0
    stream = deflate.HEADER
    for piece in pieces:
        stream += deflate.compress_block(piece)
        crc = deflate.combine_crc(crc, zlib.crc32(piece), len(piece))
        length += len(piece)
    stream += deflate.trailer(crc, length)
    assert gzip.decompress(stream) == b"".join(pieces)
    assert zlib.decompress(stream, wbits=31) == b"".join(pieces)


@given(st.binary(max_size=5000), st.binary(max_size=5000))
def test_a_crc_is_combined_from_two(one: bytes, other: bytes) -> None:
    """The CRC of joined pieces is computed from their CRCs, without the bytes."""
    found = deflate.combine_crc(zlib.crc32(one), zlib.crc32(other), len(other))
    assert found == zlib.crc32(one + other)


def test_a_block_can_be_read_before_the_next_comes() -> None:
    """A decompressor returns each block as soon as it arrives."""
    reader = zlib.decompressobj(wbits=31)
    assert reader.decompress(deflate.HEADER + deflate.compress_block(b"one")) == b"one"
    assert reader.decompress(deflate.compress_block(b"two")) == b"two"
