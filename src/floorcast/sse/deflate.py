"""Shared gzip: blocks are compressed once and joined into each reader's stream.

A raw deflate block that ends in a full flush ends on a byte and does not refer to earlier data, so
one block can be part of many streams (RFC 1951). Each reader has its own header, and at the end the
CRC and the length of all its plain bytes (RFC 1952): the CRC of two pieces is computed from their
CRCs and the second's length, without reading the bytes.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache

__all__ = ["HEAD", "block", "joined", "tail"]

HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # RFC 1952: no name, no time
COMPRESSION_LEVEL = 1  # event JSON shrinks tenfold at any level; higher ones only cost more
_END = b"\x03\x00"  # an empty last block
_POLYNOMIAL = 0xEDB88320  # of the CRC, without its highest power, reflected
_SHORT = 2048  # bytes up to which zlib over zeros is faster than this arithmetic
_ZEROS = memoryview(bytes(_SHORT))


def block(plain: bytes) -> bytes:
    """The bytes as a deflate block that can be joined to any other."""
    packer = zlib.compressobj(COMPRESSION_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(plain) + packer.flush(zlib.Z_FULL_FLUSH)


def joined(crc: int, more: int, length: int) -> int:
    """The CRC of bytes with ``crc`` followed by ``length`` bytes with the CRC ``more``."""
    if length <= _SHORT:
        zeros = _ZEROS[:length]
        return zlib.crc32(zeros, crc) ^ zlib.crc32(zeros) ^ more
    return _product(_power(length), crc) ^ more


def tail(crc: int, length: int) -> bytes:
    """The trailer of a stream of ``length`` plain bytes with that CRC."""
    return _END + struct.pack("<II", crc, length & 0xFFFFFFFF)


@lru_cache(maxsize=4096)
def _power(length: int) -> int:
    """x to the power of the number of bits in ``length`` bytes, modulo the polynomial."""
    result, square = 1 << 31, 1 << 23  # 1, and x to the eighth
    while length:
        if length & 1:
            result = _product(square, result)
        square = _product(square, square)
        length >>= 1
    return result


def _product(one: int, other: int) -> int:
    """The product of two polynomials over GF(2), modulo the CRC's; bit 31 is the power 0."""
    result = 0
    bit = 1 << 31
    while one:
        if one & bit:
            result ^= other
            one ^= bit
        bit >>= 1
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return result
