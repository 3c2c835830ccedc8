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
    """The state of a reader, which has read everything stored up to tick ``through``.

    ``newest`` is the number of the leader's last message. ``standing`` counts consecutive checks in
    which the leader had more messages but none had arrived since the check before.
    """

    def __init__(self) -> None:
        self.through = 0
        self.newest = 0
        self.standing = 0
        self._targets: deque[tuple[int, int]] = deque()  # a last message, and when it was seen
        self._received = -1

    def looked(self, newest: int, asked: int, received: int) -> None:
        """Note that ``newest`` was the leader's last message at tick ``asked``.

        ``received`` is the last message that has arrived.
        """
        self.newest = newest
        if len(self._targets) < MAX_TARGETS:
            self._targets.append((newest, asked))
        stands = newest > received and received == self._received
        self.standing = self.standing + 1 if stands else 0
        self._received = received

    def reached(self, seq: int) -> None:
        """Note that everything up to message ``seq`` has been read."""
        while self._targets and self._targets[0][0] <= seq:
            self.through = max(self.through, self._targets.popleft()[1])

    def began(self) -> None:
        """Note that a new consumer has started reading."""
        self.standing = 0
