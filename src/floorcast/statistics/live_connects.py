"""Live connects: right-party contacts of the last half hour, five minutes by five."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from floorcast.statistics.visibility import Moment, Scope

__all__ = ["LiveConnects", "LiveConnectsAnswer", "live_connects"]

INTERVAL = 300_000  # ms
INTERVALS = 6


class LiveConnects(Struct, rename="camel"):
    """The contacts of one interval, and the ms of its end; both as text."""

    total: str
    time_stamp: str


class LiveConnectsAnswer(Struct, rename="camel"):
    """Six intervals, oldest first; the last one ends now."""

    live_connects: list[LiveConnects]


def live_connects(scopes: Sequence[Scope], moment: Moment) -> LiveConnectsAnswer:
    """How many calls were dispositioned as right-party contacts; an interval holds its end."""
    begin = moment.now - INTERVAL * INTERVALS
    found: Counter[int] = Counter()
    for scope in scopes:
        connects = scope.floor.state.connects
        for service in scope.services:
            recent = [at for at in connects.get(service, {}).values() if begin < at <= moment.now]
            found.update([(moment.now - at) // INTERVAL for at in recent])
    totals = [found[ago] for ago in reversed(range(INTERVALS))]
    ends = range(moment.now - INTERVAL * (INTERVALS - 1), moment.now + 1, INTERVAL)
    rows = [LiveConnects(str(total), str(end)) for total, end in zip(totals, ends, strict=True)]
    return LiveConnectsAnswer(rows)
