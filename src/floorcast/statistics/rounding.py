"""Computes shown figures with integers, so that no figure depends on float rounding.

Durations are in milliseconds. A duration is shown in whole seconds, rounded down. A mean is rounded
half up to a whole second. A rate is a percentage with two decimals, rounded half up. A mean or rate
is 0 if there is nothing to divide by.
"""

from __future__ import annotations

__all__ = ["mean_seconds", "rate"]


def mean_seconds(total_ms: int, count: int) -> int:
    """Return the mean of ``count`` durations in whole seconds."""
    return (2 * total_ms + 1000 * count) // (2000 * count) if count else 0


def rate(part: int, whole: int) -> int | float:
    """Return ``part`` as a percentage of ``whole``."""
    if not whole:
        return 0
    hundredths = (20_000 * part + whole) // (2 * whole)
    percent, rest = divmod(hundredths, 100)
    return hundredths / 100 if rest else percent
