"""Reads new lines from ``queue_log`` and follows its rotation."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
from msgspec import Struct

__all__ = ["LogPosition", "QueueLogFile", "RawLine"]

MAX_LINE_BYTES = 64 << 10
READ_BYTES = 1 << 20
MAX_EPOCH_DIGITS = 10
CLOCKS_APART_SECONDS = 86_400.0  # Asterisk's and the file system's, which may be a server's
COMPRESSED_SUFFIXES = {".bz2", ".gz", ".lz4", ".xz", ".zst"}
SWITCH_AFTER_POLLS = 20  # a renamed file counts as finished after this many polls without a line


class LogPosition(Struct, frozen=True):
    """A position: ``offset`` bytes into a queue log file.

    The file is identified by its inode and a hash of its first line.
    """

    device: int
    inode: int
    offset: int
    first_line: str
    last_second: float = 0.0


class RawLine(NamedTuple):
    """A line, and the position after it, encoded as text."""

    text: str
    position: str


class QueueLogFile:
    """The queue log at ``path`` and its renamed predecessors.

    ``poll`` returns the lines appended since the last call. A renamed file is read to its end
    before the new file, because Asterisk may still write to it. If the file is truncated, the lines
    that were not read before are read from its copy, which logrotate's copytruncate makes. The file
    that belongs to ``position`` is found by its inode among the files in the folder of ``path``.
    Without a position, reading begins with the oldest file that was written to after ``since``
    (epoch seconds).
    """

    def __init__(self, path: Path, position: str = "", since: float = inf) -> None:
        self._path = path
        self._since = since
        self._file: BinaryIO | None = None
        self._rest = b""
        self._offset = 0
        self._first_line_hash = ""
        self._first_line_size = 0
        self._polls_since_renamed = 0
        self._finished: tuple[int, int, int] | None = None  # device, inode, time of the last write
        self.last_second = 0.0
        # Epoch seconds. Earlier lines were already read from a file that no longer exists.
        self.skips_before = 0.0
        self._has_lost_lines = False
        if position:
            before = msgspec.json.decode(position, type=LogPosition)
            self.last_second = before.last_second
            if not self._resume(before):
                self.skips_before = self._since = before.last_second

    @property
    def is_open(self) -> bool:
        """Whether a file is open."""
        return self._file is not None

    def exists(self) -> bool:
        """Return whether there is a file at the path. Raises OSError."""
        return self._path.exists()

    def poll(self) -> Iterator[RawLine]:
        """Yield the complete lines that have not been read yet. Raises OSError."""
        if self._file is None and not self._open(self._next()):
            return
        assert self._file is not None
        data = self._file.read(READ_BYTES)
        if data and self._begins_as_before():
            self._polls_since_renamed = 0
            yield from self._lines(data)
            return
        self._follow_rotation()

    def take_loss(self) -> bool:
        """Return whether the file was truncated since the last call, and no copy has its lines."""
        lost, self._has_lost_lines = self._has_lost_lines, False
        return lost

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
        self._file = None

    def position(self, second: float | None = None) -> str:
        """Return the position after the current line, which has the time ``second``.

        A time after the file's last write is a mistake. It is not kept, because the next run skips
        earlier lines if the file no longer exists.
        """
        assert self._file is not None
        status = os.fstat(self._file.fileno())
        if second is not None and second <= status.st_mtime + CLOCKS_APART_SECONDS:
            self.last_second = second  # an earlier one if the clock was set back
        found = LogPosition(
            status.st_dev, status.st_ino, self._offset, self._first_line_hash, self.last_second
        )
        return msgspec.json.encode(found).decode()

    def _resume(self, position: LogPosition) -> bool:
        """Continue at a position. Returns False if its file no longer exists or was truncated."""
        for path in self._siblings():
            try:
                status = path.stat()
            except OSError:
                continue
            if (status.st_dev, status.st_ino) != (position.device, position.inode):
                continue
            if status.st_size < position.offset or not self._open(path):
                return False
            if self._first_line_hash != position.first_line:
                self.close()  # another file that reuses the old inode
                return False
            assert self._file is not None
            self._file.seek(position.offset)
            self._offset = position.offset
            return True
        return False

    def _siblings(self) -> list[Path]:
        """Return the file's uncompressed predecessors and then the file itself."""
        others = {*self._path.parent.glob(f"{glob.escape(self._path.name)}*")} - {self._path}
        readable = [
            one for one in others if one.suffix not in COMPRESSED_SUFFIXES and one.is_file()
        ]
        return [*sorted(readable), self._path]

    def _next(self) -> Path:
        """Return the file to read next: the oldest one that was written after the finished file."""
        if self._finished is None and self._since == inf:
            return self._path
        device, inode, written = self._finished or (0, 0, int(self._since * 1e9))
        later = []
        for order, path in enumerate(self._siblings()):
            try:
                found = path.stat()
            except OSError:
                continue
            if (found.st_dev, found.st_ino) != (device, inode) and found.st_mtime_ns >= written:
                later.append((found.st_mtime_ns, order, path))
        return min(later)[2] if later else self._path

    def _open(self, path: Path) -> bool:
        try:
            self._file = path.open("rb")
        except FileNotFoundError:
            return False
        self._start_again()
        first = self._file.readline(MAX_LINE_BYTES)
        if first.endswith(b"\n"):
            self._remember_first(first)
        self._file.seek(0)
        return True

    def _start_again(self) -> None:
        assert self._file is not None
        self._file.seek(0)
        self._offset, self._rest, self._polls_since_renamed = 0, b"", 0
        self._first_line_hash, self._first_line_size = "", 0

    def _remember_first(self, line: bytes) -> None:
        self._first_line_hash, self._first_line_size = _line_hash(line), len(line)

    def _begins_as_before(self) -> bool:
        """Return whether the open file still begins with the same line."""
        assert self._file is not None
        first = os.pread(self._file.fileno(), self._first_line_size, 0)
        return not self._first_line_hash or _line_hash(first) == self._first_line_hash

    def _lines(self, data: bytes) -> Iterator[RawLine]:
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:  # Asterisk did not write this line
            whole.append(self._rest[:200])
            self._offset += len(self._rest) - 201
            self._rest = b""
        for line in whole:
            self._offset += len(line) + 1
            if not self._first_line_hash:
                self._remember_first(line + b"\n")
            epoch = line.partition(b"|")[0]
            is_time = epoch.isdigit() and len(epoch) <= MAX_EPOCH_DIGITS
            position = self.position(float(epoch) if is_time else None)
            yield RawLine(line.decode("utf-8", "replace"), position)

    def _follow_rotation(self) -> None:
        """Continue with the new file after a rotation.

        If the file was truncated, continue with its copy, or start again.
        """
        assert self._file is not None
        open_status = os.fstat(self._file.fileno())
        if open_status.st_size < self._offset or not self._begins_as_before():
            if not self._continue_in_copy():
                self._has_lost_lines = True
                self._start_again()
            return
        try:
            path_status = self._path.stat()
        except OSError:
            return
        if (path_status.st_dev, path_status.st_ino) == (open_status.st_dev, open_status.st_ino):
            return
        self._polls_since_renamed += 1
        if self._polls_since_renamed >= SWITCH_AFTER_POLLS:
            self._finished = (open_status.st_dev, open_status.st_ino, open_status.st_mtime_ns)
            self.close()

    def _continue_in_copy(self) -> bool:
        """Open the copy of the truncated file at the same offset. Returns False without a copy."""
        truncated, offset = self._file, self._offset
        first_line_hash = self._first_line_hash
        for path in self._siblings()[:-1] if first_line_hash else ():
            try:
                if path.stat().st_size < offset or not self._open(path):
                    continue
            except OSError:
                continue
            assert self._file is not None
            if self._first_line_hash == first_line_hash:
                assert truncated is not None
                truncated.close()
                self._file.seek(offset)
                self._offset = offset
                return True
            self.close()
        self._file = truncated
        return False


def _line_hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()[:16]
