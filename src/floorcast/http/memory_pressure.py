"""Detects that memory is low, so that ``/readyz`` can report it before requests fail."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

__all__ = ["MemoryUse", "MemoryWatch", "memory_use"]

SHORT_PARTS = 20  # memory is short if less than this fraction (1/20) of the limit is left
REMEMBERED_SECONDS = 30.0  # for which a failure to get memory counts

_PROCESS = Path("/proc/self/statm")
_GROUP = Path("/sys/fs/cgroup")


class MemoryUse(NamedTuple):
    """The memory used of a limit, in bytes, and the name of the limit."""

    used: int
    limit: int
    name: str


class MemoryWatch:
    """Knows the limits, and when memory could last not be had; ``clock`` in seconds."""

    def __init__(
        self,
        look: Callable[[], list[MemoryUse]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look or memory_use
        self._clock = clock
        self._failed: float | None = None

    def failed(self) -> None:
        """Record a failed allocation."""
        self._failed = self._clock()

    def shortage(self) -> str:
        """The reason why the server is out of memory; empty if it is not."""
        for used, limit, name in self._look():
            if limit - used < limit // SHORT_PARTS:
                return f"memory is short: {used >> 20} of {limit >> 20} MiB ({name}) are used"
        if self._failed is not None and self._clock() - self._failed < REMEMBERED_SECONDS:
            return "memory is short: a request could not be served for want of it"
        return ""


def memory_use(process: Path = _PROCESS, group: Path = _GROUP) -> list[MemoryUse]:
    """The use of the limits of the process and of its control group, if they are set."""
    found = []
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and (size := _numbers(process)):
        found.append(MemoryUse(size[0] * resource.getpagesize(), limit, "RLIMIT_AS"))
    most, now = _numbers(group / "memory.max"), _numbers(group / "memory.current")
    if most and now:  # "max" means no limit
        cached = _numbers(group / "memory.stat", after="file")
        used = now[0] - (cached[0] if cached else 0)  # the kernel gives these pages up at once
        found.append(MemoryUse(used, most[0], "cgroup"))
    return found


def _numbers(file: Path, after: str = "") -> list[int]:
    """The numbers in a line of a kernel's file: its first line, or the one of this name."""
    try:
        lines = file.read_text("ascii").splitlines()
    except (OSError, ValueError):
        return []
    for line in lines:
        words = line.split()
        if after and words[:1] != [after]:
            continue
        return [int(word) for word in words[bool(after) :] if word.isdigit()]
    return []
