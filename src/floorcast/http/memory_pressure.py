"""Detects that memory is low, so that ``/readyz`` can report it before requests fail."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

__all__ = ["MemoryUse", "MemoryWatch", "memory_use"]

MIN_FREE_DIVISOR = 20  # memory is low if less than 1/20 of the limit is left
FAILURE_COUNTS_SECONDS = 30.0  # how long a failed allocation counts

_PROCESS = Path("/proc/self/statm")
_GROUP = Path("/sys/fs/cgroup")


class MemoryUse(NamedTuple):
    """A memory limit in bytes, its name, and the number of bytes used."""

    used: int
    limit: int
    name: str


class MemoryWatch:
    """Watches memory limits and failed allocations. ``clock`` returns seconds."""

    def __init__(
        self,
        read_use: Callable[[], list[MemoryUse]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_use = read_use or memory_use
        self._clock = clock
        self._failed_at: float | None = None

    def record_failure(self) -> None:
        """Record a failed allocation."""
        self._failed_at = self._clock()

    def shortage(self) -> str:
        """Return why memory is low, or an empty string if it is not."""
        for used, limit, name in self._read_use():
            if limit - used < limit // MIN_FREE_DIVISOR:
                return f"memory is low: {used >> 20} of {limit >> 20} MiB ({name}) are in use"
        if self._failed_at is not None and self._clock() - self._failed_at < FAILURE_COUNTS_SECONDS:
            return "memory is low: a request failed because there was not enough"
        return ""


def memory_use(process: Path = _PROCESS, group: Path = _GROUP) -> list[MemoryUse]:
    """Return the memory use under each limit set for the process or its control group."""
    found = []
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and (size := _read_numbers(process)):
        found.append(MemoryUse(size[0] * resource.getpagesize(), limit, "RLIMIT_AS"))
    maximum, current = _read_numbers(group / "memory.max"), _read_numbers(group / "memory.current")
    if maximum and current:  # "max" means no limit
        cached = _read_numbers(group / "memory.stat", after="file")
        used = current[0] - (cached[0] if cached else 0)  # the kernel frees cached pages on demand
        found.append(MemoryUse(used, maximum[0], "cgroup"))
    return found


def _read_numbers(file: Path, after: str = "") -> list[int]:
    """Return the numbers in a kernel file's first line, or in the line named ``after``."""
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
