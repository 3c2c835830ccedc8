"""What time it is in a cluster, whatever a node's own clock says."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Final

from floorcast.model.token import TICKS_PER_SECOND, Now

__all__ = ["ClusterClock", "ticks_of"]

SAMPLES: Final = 16  # times told by servers that are compared


class ClusterClock:
    """The cluster's time in ticks: a node's own clock, put right by what the servers say."""

    def __init__(self, own: Now) -> None:
        self.own = own
        self._samples: deque[tuple[int, int]] = deque(maxlen=SAMPLES)  # uncertainty, difference
        self._offset = 0

    def __call__(self) -> int:
        """The present, as all nodes of the cluster agree on it."""
        return self.own() + self._offset

    def seen(self, theirs: int, sent: int, came: int) -> None:
        """Take a time that a server told between two moments of the own clock."""
        sample = (came - sent, theirs - (sent + came) // 2)
        if self._samples:
            best = min(self._samples)
            if abs(sample[1] - best[1]) > sample[0] + best[0]:  # a clock was set
                self._samples.clear()
        self._samples.append(sample)
        self._offset = min(self._samples)[1]


def ticks_of(stamp: str) -> int:
    """An RFC 3339 time in ticks; its nanoseconds are cut off."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    return seconds * TICKS_PER_SECOND + int(fraction[:7].ljust(7, "0"))
