"""What a caller takes: the ``Accept`` and ``Accept-Encoding`` headers (RFC 9110, 12.5)."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["admits", "admits_gzip"]


@lru_cache(maxsize=512)
def admits(accept: str, media_type: str) -> bool:
    """Whether an ``Accept`` header admits ``media_type`` (the most specific range decides)."""
    weights = _weights(accept)
    if not weights:
        return True
    kind = media_type.partition("/")[0]
    for media_range in (media_type, f"{kind}/*", "*/*"):
        if media_range in weights:
            return weights[media_range] > 0
    return False


@lru_cache(maxsize=512)
def admits_gzip(accept_encoding: str) -> bool:
    """Whether the caller takes gzip, and does not like the plain bytes better."""
    weights = _weights(accept_encoding)
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _weights(header: str) -> dict[str, float]:
    """Each listed value in lower case with its ``q``; what cannot be read is left out."""
    weights: dict[str, float] = {}
    for item in header.split(","):
        value, *parameters = (part.strip().lower() for part in item.split(";"))
        if value:
            weights[value] = max(_weight(parameters), weights.get(value, 0.0))
    return weights


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
