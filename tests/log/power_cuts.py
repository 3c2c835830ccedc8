"""A disk that records flushes, and creates the files that a power cut would leave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random

import apsw

__all__ = ["RecordedDisk", "recorded_disk"]

REAL = apsw.vfs_names()[0]
SECTOR = 512  # bytes that a disk writes atomically

_names = count(1)


class _Recorded:
    """A file: its durable contents, and the writes that are still in the cache."""

    def __init__(self) -> None:
        self.durable = bytearray()
        self.pending: list[tuple[int, bytes | None]] = []  # None: truncated to that length

    def apply(self, writes: list[tuple[int, bytes | None]]) -> None:
        for offset, data in writes:
            if data is None:
                del self.durable[offset:]
                continue
            if len(self.durable) < offset:
                self.durable += bytes(offset - len(self.durable))
            self.durable[offset : offset + len(data)] = data


class RecordedDisk:
    """Fails flushes of the files in ``folder`` at the rate ``failing``.

    As on Linux, the data of a failed flush stays in the cache and is not written later, although
    parts of it may have been written. ``before_each`` is called before each write and flush, on the
    same thread.
    """

    def __init__(self, folder: Path, chance: Random) -> None:
        self.failing = 0.0
        self.before_each: Callable[[], None] = lambda: None
        self._folder = folder
        self.failed = 0
        self._chance = chance
        self._files: dict[str, _Recorded] = {}
        self._lock = threading.Lock()

    def write(self, path: str, offset: int, data: bytes | None) -> None:
        if Path(path).parent != self._folder:
            return
        self.before_each()
        with self._lock:
            self._files.setdefault(path, _Recorded()).pending.append((offset, data))

    def sync(self, path: str) -> None:
        if Path(path).parent != self._folder:
            return
        self.before_each()
        with self._lock:
            file = self._files.setdefault(path, _Recorded())
            writes, file.pending = file.pending, []
            if self._chance.random() >= self.failing:
                file.apply(writes)
                return
            self.failed += 1
            file.apply(self._some(writes))
        raise apsw.IOError("a flush that fails")

    def delete(self, path: str) -> None:
        with self._lock:
            self._files.pop(path, None)

    def cut(self, into: Path) -> None:
        """Write the files as a power cut at this moment would leave them."""
        into.mkdir()
        with self._lock:
            for path, file in self._files.items():
                left = _Recorded()
                left.durable = bytearray(file.durable)
                left.apply(self._some(file.pending))
                (into / Path(path).name).write_bytes(left.durable)

    def _some(self, writes: list[tuple[int, bytes | None]]) -> list[tuple[int, bytes | None]]:
        """Apply some sectors of some writes, because a disk reorders unflushed writes."""
        kept: list[tuple[int, bytes | None]] = []
        for offset, data in writes:
            whole = self._chance.random() < 0.5
            if data is None or whole:
                kept.append((offset, data))
                continue
            start = 0
            while start < len(data):
                end = min(len(data), (offset + start) // SECTOR * SECTOR + SECTOR - offset)
                if self._chance.random() < 0.5:
                    kept.append((offset + start, data[start:end]))
                start = end
        return kept


@contextmanager
def recorded_disk(folder: Path, chance: Random) -> Iterator[RecordedDisk]:
    """Put all files that SQLite opens in ``folder`` on the given disk."""
    disk = RecordedDisk(folder, chance)

    class File(apsw.VFSFile):
        def __init__(self, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
            super().__init__(REAL, name, flags)
            path = name.filename() if isinstance(name, apsw.URIFilename) else name
            self.path = path or ""

        def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 -- SQLite's name for it
            super().xWrite(data, offset)
            disk.write(self.path, offset, bytes(data))

        def xTruncate(self, size: int) -> None:  # noqa: N802 -- as above
            super().xTruncate(size)
            disk.write(self.path, size, None)

        def xSync(self, flags: int) -> None:  # noqa: N802 -- as above
            disk.sync(self.path)

    class FileSystem(apsw.VFS):
        def __init__(self) -> None:
            super().__init__(f"recorded-{next(_names)}", REAL, makedefault=True)

        def xOpen(  # noqa: N802 -- as above
            self, name: str | apsw.URIFilename | None, flags: list[int]
        ) -> apsw.VFSFile:
            return File(name, flags)

        def xDelete(self, name: str, sync: bool) -> None:  # noqa: N802 -- as above
            super().xDelete(name, sync)
            disk.delete(name)

    file_system = FileSystem()
    try:
        yield disk
    finally:
        file_system.unregister()
