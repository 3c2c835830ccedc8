"""Measures how far a reader lags behind a stream, according to the stream's leader.

A consumer's server may have lost the quorum and still send heartbeats, so only the leader's
response is reliable.
"""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["ReaderLag"]

MAX_TARGETS: Final = 600  # checks that the reader has not caught up with yet


class ReaderLag:
    """The state of a reader, which has read everything stored up to tick ``complete_until``.

    ``newest_seq`` is the number of the leader's last message. ``stalled_checks`` counts consecutive
    checks in which the leader had more messages but none had arrived since the check before.
    """

    def __init__(self) -> None:
        self.complete_until = 0
        self.newest_seq = 0
        self.stalled_checks = 0
        self._targets: deque[tuple[int, int]] = deque()  # a last message, and when it was seen
        self._received = -1

    def record_newest(self, newest_seq: int, requested_at: int, received: int) -> None:
        """Record that ``newest_seq`` was the leader's last message at tick ``requested_at``.

        ``received`` is the last message that has arrived.
        """
        self.newest_seq = newest_seq
        if len(self._targets) < MAX_TARGETS:
            self._targets.append((newest_seq, requested_at))
        stalled = newest_seq > received and received == self._received
        self.stalled_checks = self.stalled_checks + 1 if stalled else 0
        self._received = received

    def record_read(self, seq: int) -> None:
        """Note that everything up to message ``seq`` has been read."""
        while self._targets and self._targets[0][0] <= seq:
            self.complete_until = max(self.complete_until, self._targets.popleft()[1])

    def consumer_started(self) -> None:
        """Note that a new consumer has started reading."""
        self.stalled_checks = 0
