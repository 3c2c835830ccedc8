"""A file system for SQLite that fails when a test requests it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Literal

import apsw

Fault = Literal["full", "write", "sync", "read"]

REAL = apsw.vfs_names()[0]

_names = count(1)


class Disk:
    """Fails the operations in ``faults`` for files whose name contains ``name``.

    If ``once`` is True, the disk works again after the first failure.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults: set[Fault] = set()
        self.once = False
        self.failed = 0

    def maybe_fail(self, fault: Fault, file: str) -> None:
        if fault in self.faults and self.name in file:
            self.failed += 1
            if self.once:
                self.repair()
            error = apsw.FullError if fault == "full" else apsw.IOError
            raise error(f"a fault of the test: {fault}")

    def repair(self) -> None:
        self.faults = set()


@contextmanager
def failing_disk(name: str = "") -> Iterator[Disk]:
    """Put all files that SQLite opens in the block on the given disk."""
    disk = Disk(name)

    class File(apsw.VFSFile):
        def __init__(self, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
            super().__init__(REAL, name, flags)
            path = name.filename() if isinstance(name, apsw.URIFilename) else name
            self.path = path or ""

        def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 -- SQLite's name for it
            disk.maybe_fail("full", self.path)
            disk.maybe_fail("write", self.path)
            super().xWrite(data, offset)

        def xSync(self, flags: int) -> None:  # noqa: N802 -- as above
            disk.maybe_fail("sync", self.path)
            super().xSync(flags)

        def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 -- as above
            disk.maybe_fail("read", self.path)
            return super().xRead(amount, offset)

    class FileSystem(apsw.VFS):
        def __init__(self) -> None:
            super().__init__(f"failing-{next(_names)}", REAL, makedefault=True)

        def xOpen(  # noqa: N802 -- as above
            self, name: str | apsw.URIFilename | None, flags: list[int]
        ) -> apsw.VFSFile:
            return File(name, flags)

    file_system = FileSystem()
    try:
        yield disk
    finally:
        file_system.unregister()
