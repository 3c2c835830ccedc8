"""Live connects: the right-party contacts of the last half hour, in five-minute intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from floorcast.statistics.visibility import Moment, Scope

__all__ = ["LiveConnects", "LiveConnectsAnswer", "live_connects"]

INTERVAL_MS = 300_000
INTERVALS = 6


class LiveConnects(Struct, rename="camel"):
    """The number of contacts in one interval and the interval's end in ms, both as text."""

    total: str
    time_stamp: str


class LiveConnectsAnswer(Struct, rename="camel"):
    """Six intervals, oldest first. The last one ends now."""

    live_connects: list[LiveConnects]


def live_connects(scopes: Sequence[Scope], moment: Moment) -> LiveConnectsAnswer:
    """Count calls that were dispositioned as right-party contacts.

    An interval includes its end.
    """
    begin = moment.now - INTERVAL_MS * INTERVALS
    found: Counter[int] = Counter()
    for scope in scopes:
        for service in scope.services:
            connects = scope.view.connects_of(service)
            recent = [at for at in connects if begin < at <= moment.now]
            found.update([(moment.now - at) // INTERVAL_MS for at in recent])
    totals = [found[ago] for ago in reversed(range(INTERVALS))]
    ends = range(moment.now - INTERVAL_MS * (INTERVALS - 1), moment.now + 1, INTERVAL_MS)
    rows = [LiveConnects(str(total), str(end)) for total, end in zip(totals, ends, strict=True)]
    return LiveConnectsAnswer(rows)
