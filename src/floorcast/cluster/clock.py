"""The cluster's time: a steady clock, corrected by the times of the NATS servers.

The machine's own clock is read only once, at the start, so changing it later has no effect. If the
clock of one NATS server is changed, the other servers outvote it. If the common time jumps, the
jump is logged, and it is accepted only after it has lasted for a minute.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import structlog

from floorcast.model.token import TICKS_PER_SECOND, Now, monotonic_now

__all__ = ["ClusterClock", "parse_ticks"]

MAX_SAMPLES: Final = 16  # per server
MAX_SERVERS: Final = 64
STEP_TICKS: Final = 2 * TICKS_PER_SECOND  # a larger change of the offset is a step
HOLD_TICKS: Final = 60 * TICKS_PER_SECOND  # how long a step must last before it is accepted

_log = structlog.stdlib.get_logger(__name__)


class _ServerTimes:
    """The time reports of one NATS server, as differences from the steady clock."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=MAX_SAMPLES)

    def add(self, uncertainty: int, difference: int) -> None:
        if self._samples:
            best = min(self._samples)
            if abs(difference - best[1]) > uncertainty + best[0]:  # this server's clock was changed
                self._samples.clear()
        self._samples.append((uncertainty, difference))

    @property
    def difference(self) -> int:
        return min(self._samples)[1]


class ClusterClock:
    """The cluster's time in ticks.

    ``wall`` is the machine's clock, which is read only once, and ``steady`` is a monotonic clock.
    Until a server has responded, the time is that of the machine's clock.
    """

    def __init__(self, wall: Now, steady: Now = monotonic_now) -> None:
        self.steady = steady
        self._offset = wall() - steady()
        self._servers: dict[str, _ServerTimes] = {}
        self._is_synchronized = False
        self._step_since: int | None = None

    def __call__(self) -> int:
        """Return the current time, on which all nodes of the cluster agree."""
        return self.steady() + self._offset

    def record(self, server: str, server_time: int, sent: int, received: int) -> None:
        """Record the time that a server reported between two readings of the steady clock."""
        if server not in self._servers and len(self._servers) >= MAX_SERVERS:
            self._servers.pop(next(iter(self._servers)))
        self._servers.setdefault(server, _ServerTimes()).add(
            received - sent, server_time - (sent + received) // 2
        )
        self._adopt(_median(times.difference for times in self._servers.values()))

    def _adopt(self, offset: int) -> None:
        """Adopt the servers' common offset: a small change at once, a step after it has lasted."""
        step = offset - self._offset
        if not self._is_synchronized or abs(step) <= STEP_TICKS:
            self._offset, self._is_synchronized, self._step_since = offset, True, None
            return
        now = self.steady()
        if self._step_since is None:
            self._step_since = now
            _log.warning("cluster_clock_stepped", seconds=step / TICKS_PER_SECOND, believed=False)
        elif now - self._step_since >= HOLD_TICKS:
            self._offset, self._step_since = offset, None
            _log.error("cluster_clock_stepped", seconds=step / TICKS_PER_SECOND, believed=True)


def _median(differences: Iterable[int]) -> int:
    """Return the median, or the earlier of two middle values.

    A time that is too early causes no deletion.
    """
    ordered = sorted(differences)
    return ordered[(len(ordered) - 1) // 2]


def parse_ticks(stamp: str) -> int:
    """Convert an RFC 3339 time to ticks, rounding down."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    return seconds * TICKS_PER_SECOND + int(fraction[:7].ljust(7, "0"))
