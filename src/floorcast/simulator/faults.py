"""Simulates faults on the way to the server: duplicate, late and reordered events.

No event is lost or changed, so the true figures stay the same. Any event can overtake any other,
except where ``metrics.md`` would require different figures. An agent state that arrives too late
does not change any figure, so no event is delayed by more than ``MAX_DELAY_SECONDS``. Events with
the same time and the same agent or call count in the order of arrival, so they keep their order.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from floorcast.client.cloud_event import CloudEvent

__all__ = ["FAULTS", "MAX_DELAY_SECONDS", "FaultInjector", "Faults"]

MAX_DUPLICATE_SECONDS = 90.0  # seconds, at most
LATE_SECONDS = (20.0, 240.0)  # seconds: the minimum, and the mean of the additional delay
# seconds; states count for 15 minutes, and batches cause further delay
MAX_DELAY_SECONDS = 840.0
MAX_REORDER_SECONDS = 4.0  # seconds, at most


@dataclass(frozen=True)
class Faults:
    """The shares of duplicated, late and reordered events, and the source deaths per hour."""

    duplicates: float = 0.0
    late: float = 0.0
    reordered: float = 0.0
    deaths: float = 0.0


FAULTS = Faults(duplicates=0.05, late=0.02, reordered=0.1, deaths=1.0)
"""The default rate of each fault."""


class FaultInjector:
    """Delays events and sends some of them twice. ``counts`` counts the faults.

    Events stay in memory until they arrive, which takes some minutes at most.
    """

    def __init__(self, faults: Faults, seed: int, start: datetime) -> None:
        self.counts: Counter[str] = Counter()
        self._faults = faults
        self._chance = Random(f"faults {seed}")  # noqa: S311 — not used for secrets
        self._start = start
        self._pending: list[tuple[float, int, CloudEvent]] = []
        self._sequence = 0
        self._newest = 0
        self._last: dict[tuple[str, object], tuple[datetime | None, float]] = {}

    def deliver(self, events: Iterable[CloudEvent], until: int) -> list[CloudEvent]:
        """Add events, and return those that arrive before ``until`` (ms since the start).

        The returned events are in order of arrival.
        """
        for event in events:
            self._schedule(event)
        arrived = []
        self._last = {subject: last for subject, last in self._last.items() if last[1] >= until}
        while self._pending and self._pending[0][0] < until:
            arrived.append(self._pop())
        return arrived

    def flush(self) -> list[CloudEvent]:
        """Return all delayed events."""
        return [self._pop() for _ in range(len(self._pending))]

    def _schedule(self, event: CloudEvent) -> None:
        # also for a call's events, because an agent state with the same time must not overtake them
        delay = min(self._delay(), MAX_DELAY_SECONDS)
        due = (event.time - self._start) / timedelta(milliseconds=1) + 1000 * delay
        for subject in (("agent", event.data.get("agent")), ("call", _call_of(event))):
            if subject[1] is not None:
                time, before = self._last.get(subject, (None, 0.0))
                if time == event.time:
                    due = max(due, before)
                self._last[subject] = (event.time, due)
        self._push(due, event)
        if self._chance.random() < self._faults.duplicates:
            self.counts["duplicates"] += 1
            self._push(due + 1000 * self._chance.uniform(0, MAX_DUPLICATE_SECONDS), event)

    def _delay(self) -> float:
        if self._chance.random() < self._faults.late:
            self.counts["late"] += 1
            minimum, mean = LATE_SECONDS
            return minimum + self._chance.expovariate(1 / mean)
        if self._chance.random() < self._faults.reordered:
            return self._chance.uniform(0, MAX_REORDER_SECONDS)
        return 0.0

    def _push(self, due: float, event: CloudEvent) -> None:
        self._sequence += 1
        heapq.heappush(self._pending, (due, self._sequence, event))

    def _pop(self) -> CloudEvent:
        _, sequence, event = heapq.heappop(self._pending)
        self.counts["reordered"] += sequence < self._newest
        self._newest = max(self._newest, sequence)
        return event


def _call_of(event: CloudEvent) -> object:
    named = event.data.get("call", event.data)
    return named.get("transactionId") if isinstance(named, dict) else None
