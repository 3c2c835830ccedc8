"""Shared gzip: blocks are compressed once and joined into each reader's stream.

A raw deflate block that ends with a full flush ends on a byte boundary and does not refer to
earlier data, so one block can be part of many streams (RFC 1951). Each stream has its own header.
At its end, it has the CRC and the length of all its uncompressed bytes (RFC 1952). The CRC of two
joined pieces is computed from the CRC of each piece and the length of the second piece, without
reading the bytes.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache

__all__ = ["HEADER", "combine_crc", "compress_block", "trailer"]

HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # RFC 1952: no name, no time
COMPRESSION_LEVEL = 1  # event JSON shrinks tenfold at any level, and higher levels cost more
_END = b"\x03\x00"  # an empty last block
_POLYNOMIAL = 0xEDB88320  # of the CRC, reflected and without its highest power
_SHORT = 2048  # up to this many bytes, running zlib over zeros is faster than the arithmetic
_ZEROS = memoryview(bytes(_SHORT))


def compress_block(plain: bytes) -> bytes:
    """Compress bytes into a deflate block that can be joined to any other block."""
    packer = zlib.compressobj(COMPRESSION_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(plain) + packer.flush(zlib.Z_FULL_FLUSH)


def combine_crc(crc: int, more: int, length: int) -> int:
    """Return the CRC of bytes with ``crc`` followed by ``length`` bytes with CRC ``more``."""
    if length <= _SHORT:
        zeros = _ZEROS[:length]
        return zlib.crc32(zeros, crc) ^ zlib.crc32(zeros) ^ more
    return _product(_power(length), crc) ^ more


def trailer(crc: int, length: int) -> bytes:
    """Return the end of a stream of ``length`` uncompressed bytes whose CRC is ``crc``."""
    return _END + struct.pack("<II", crc, length & 0xFFFFFFFF)


@lru_cache(maxsize=4096)
def _power(length: int) -> int:
    """Return x to the power of the number of bits in ``length`` bytes, modulo the polynomial."""
    result, square = 1 << 31, 1 << 23  # 1, and x to the eighth
    while length:
        if length & 1:
            result = _product(square, result)
        square = _product(square, square)
        length >>= 1
    return result


def _product(one: int, other: int) -> int:
    """Return the product of two polynomials over GF(2), modulo the CRC's. Bit 31 is power 0."""
    result = 0
    bit = 1 << 31
    while one:
        if one & bit:
            result ^= other
            one ^= bit
        bit >>= 1
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return result
