"""Batches of small events, and a clock that tests set."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from floorcast.log.port import Batch
from floorcast.model.inbound import ALERT_SOURCE, AlertTransition, CallQueue
from floorcast.model.inbound_data import AlertTransitionData, CallQueueData
from floorcast.model.token import TICKS_PER_SECOND

HOUR = 3600 * TICKS_PER_SECOND
START = 1_700_000_000 * TICKS_PER_SECOND


class Clock:
    """A clock in ticks that only tests advance."""

    def __init__(self) -> None:
        self.ticks = START

    def __call__(self) -> int:
        return self.ticks


def event(name: str, source: str = "pbx") -> CallQueue:
    data = CallQueueData(transaction_id=7, session_id=name)
    return CallQueue(id=name, source=source, specversion="1.0", data=data)


def alert_transition() -> bytes:
    """Return a line of the log that records an alert's change."""
    data = AlertTransitionData(
        alert="Wait/10", name="Wait", figure="totalCallsInQueue", service=10, status="firing",
        follows=1, threshold=30, above=True, value=31, to=("ops",),
    )  # fmt: skip
    one = AlertTransition(id="Wait/10:1", source=ALERT_SOURCE, specversion="1.0", data=data)
    return msgspec.json.encode(one)


def batch(client: int, names: Iterable[str], source: str = "pbx") -> Batch:
    """Return a batch of events with these ids, in order."""
    events = [event(name, source) for name in names]
    return Batch(client, [msgspec.json.encode(each) for each in events], events)
