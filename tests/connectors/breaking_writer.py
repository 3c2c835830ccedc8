"""Breaks a fake PBX's connection after a number of bytes."""

from __future__ import annotations

import asyncio

__all__ = ["BreakingWriter"]


class BreakingWriter:
    """Writes to connections until ``bytes_left`` is used up, then breaks the one in use.

    If ``bytes_left`` is None, nothing breaks. ``writers`` are the open connections.
    """

    def __init__(self, writers: list[asyncio.StreamWriter]) -> None:
        self._writers = writers
        self.bytes_left: int | None = None

    def write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Write the data, or as much as is left before the connection breaks."""
        if writer.is_closing():
            return
        if self.bytes_left is None or len(data) < self.bytes_left:
            self.bytes_left = None if self.bytes_left is None else self.bytes_left - len(data)
            writer.write(data)
            return
        writer.write(data[: self.bytes_left])
        self.bytes_left = None
        if writer in self._writers:
            self._writers.remove(writer)
        writer.close()
