"""The formulas that compute figures from counts."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

from floorcast.verify.sums import ServiceSums

__all__ = ["mean", "percent", "percentile", "service_level"]


def service_level(formula: str | None, sums: ServiceSums) -> int | float:
    """Return the service level in percent, by the service's formula."""
    handled, abandoned = len(sums.waits), len(sums.abandoned)
    if formula == "answered_of_offered":
        return percent(sums.handled_within, handled + abandoned)
    if formula == "with_abandons_within_sla":
        return percent(sums.handled_within + sums.abandoned_within, handled + abandoned)
    if formula == "answered_of_answered":
        return percent(sums.handled_within, handled)
    return percent(sums.handled_within, handled + abandoned - sums.abandoned_short)


def percent(part: int, whole: int) -> int | float:
    """Return a share in percent, rounded to two decimal places."""
    if whole == 0:
        return 0
    value = (Decimal(100) * part / whole).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return float(value)


def mean(total_ms: int, count: int) -> int:
    """Return a mean in whole seconds."""
    if count == 0:
        return 0
    return int((Decimal(total_ms) / count / 1000).quantize(Decimal(1), ROUND_HALF_UP))


def percentile(ordered: Sequence[int], share: Decimal) -> int:
    """Return the percentile at ``share`` by the nearest-rank method, or 0 without values."""
    rank = int((share * len(ordered)).to_integral_value(ROUND_CEILING))
    return ordered[rank - 1] if rank else 0
