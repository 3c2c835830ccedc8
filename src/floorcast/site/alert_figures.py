"""The figures that an alert rule can name, and those to which ``min_calls`` applies."""

from __future__ import annotations

from typing import Final

__all__ = ["FIGURES", "INTERVAL", "RATES", "SILENCE"]

SILENCE: Final = "silence"
"""Seconds since the client's newest event."""

INTERVAL: Final = "interval."
"""The prefix of the figures for the interval in progress."""

_DAY_FIGURES = (
    "cip", "totalOffered", "totalHandled", "totalAbandoned", "abandonRate", "serviceLevel",
    "averageSpeedOfAnswer", "averageDurationToAbandon", "averageTalkDuration",
    "averageWrapupDuration", "averageHandleDuration", "totalCallsAnsweredWithinSLA",
    "totalCallsAbandonedWithinSLA", "totalCallsInQueue", "callsWithAgent", "totalAgents",
    "longestCallInQueue", "loaded", "remaining", "playingDialable", "percentComplete",
)  # fmt: skip
_INTERVAL_FIGURES = (
    "offered", "handled", "abandoned", "missed", "transferred", "answeredWithinSLA",
    "abandonedWithinSLA", "abandonedShort", "serviceLevel", "abandonRate", "averageSpeedOfAnswer",
    "averageTalkDuration", "averageWrapupDuration", "averageHandleDuration", "averageHoldDuration",
    "waitP50", "waitP90", "waitMax", "readyTime", "talkTime", "wrapupTime", "notReadyTime",
    "loggedInTime", "occupancy", "agentsMax", "queueMax",
)  # fmt: skip

FIGURES: Final = (SILENCE, *_DAY_FIGURES, *(INTERVAL + name for name in _INTERVAL_FIGURES))
"""The silence, and all numeric figures in ``service/stats`` and ``service/stats/intervals``."""

RATES: Final = frozenset(
    figure
    for figure in FIGURES
    for name in (figure.removeprefix(INTERVAL),)
    if name in {"abandonRate", "serviceLevel", "waitP50", "waitP90", "waitMax"}
    or name.startswith("average")
)
"""Call rates and averages. By default, a rule evaluates them only if there is at least one call."""
