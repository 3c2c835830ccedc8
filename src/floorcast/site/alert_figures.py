"""The figures that an alert rule can name, by the kind of calls that ``min_calls`` counts."""

from __future__ import annotations

from typing import Final

__all__ = ["FIGURES", "INTERVAL", "RATES", "SILENCE"]

SILENCE: Final = "silence"
"""Seconds since the client's newest event."""

INTERVAL: Final = "interval."
"""The prefix of figures of the interval in progress."""

_DAY = (
    "cip", "totalOffered", "totalHandled", "totalAbandoned", "abandonRate", "serviceLevel",
    "averageSpeedOfAnswer", "averageDurationToAbandon", "averageTalkDuration",
    "averageWrapupDuration", "averageHandleDuration", "totalCallsAnsweredWithinSLA",
    "totalCallsAbandonedWithinSLA", "totalCallsInQueue", "callsWithAgent", "totalAgents",
    "longestCallInQueue", "loaded", "remaining", "playingDialable", "percentComplete",
)  # fmt: skip
_OF_INTERVAL = (
    "offered", "handled", "abandoned", "missed", "transferred", "answeredWithinSLA",
    "abandonedWithinSLA", "abandonedShort", "serviceLevel", "abandonRate", "averageSpeedOfAnswer",
    "averageTalkDuration", "averageWrapupDuration", "averageHandleDuration", "averageHoldDuration",
    "waitP50", "waitP90", "waitMax", "readyTime", "talkTime", "wrapupTime", "notReadyTime",
    "loggedInTime", "occupancy", "agentsMax", "queueMax",
)  # fmt: skip

FIGURES: Final = (SILENCE, *_DAY, *(INTERVAL + name for name in _OF_INTERVAL))
"""Every figure of ``service/stats`` and ``service/stats/intervals`` that is a number."""

RATES: Final = frozenset(
    figure
    for figure in FIGURES
    for name in (figure.removeprefix(INTERVAL),)
    if name in {"abandonRate", "serviceLevel", "waitP50", "waitP90", "waitMax"}
    or name.startswith("average")
)
"""Rates and averages of calls. A rule needs at least one call to evaluate them."""
