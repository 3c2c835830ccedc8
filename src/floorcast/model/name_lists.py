"""Long lists of names, packed.

As separate strings, the one-letter names of a body take 17 times the body's bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import msgspec

__all__ = ["PackedNames", "packed"]

FEW_NAMES = 16  # names that a list keeps as they are

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[int | str]).decode


class PackedNames(Sequence[int | str]):
    """A list of names and ids that takes no more bytes than it did as JSON.

    Reading it, even one item, unpacks all of it for as long as that takes.
    """

    __slots__ = ("_length", "_packed")

    def __init__(self, names: Sequence[int | str]) -> None:
        self._length = len(names)
        self._packed = bytes(memoryview(_encode(names)))  # which has spare room for half as much

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int | str]:
        return iter(_decode(self._packed))

    @overload
    def __getitem__(self, index: int) -> int | str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int | str]: ...
    def __getitem__(self, index: int | slice) -> int | str | Sequence[int | str]:
        """Return an item, or some of them."""
        return _decode(self._packed)[index]


def packed(names: Sequence[int | str]) -> Sequence[int | str]:
    """Return the names packed, or as they are if they are few."""
    return PackedNames(names) if len(names) > FEW_NAMES else names
