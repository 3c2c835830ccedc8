"""What a caller accepts: the ``Accept`` and ``Accept-Encoding`` headers (RFC 9110, 12.5)."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["admits", "admits_gzip"]

CACHED_HEADERS = 512  # headers whose meaning is remembered, for each of the two
CACHED_LENGTH = 256  # characters; no browser's or library's header is longer


def admits(accept: str, media_type: str) -> bool:
    """Whether an ``Accept`` header admits ``media_type`` (the most specific range decides)."""
    look = _admits if len(accept) <= CACHED_LENGTH else _admits.__wrapped__
    return look(accept, media_type)


def admits_gzip(accept_encoding: str) -> bool:
    """Whether the caller accepts gzip, and does not prefer the plain bytes."""
    look = _admits_gzip if len(accept_encoding) <= CACHED_LENGTH else _admits_gzip.__wrapped__
    return look(accept_encoding)


@lru_cache(maxsize=CACHED_HEADERS)
def _admits(accept: str, media_type: str) -> bool:
    weights = _weights(accept)
    if not weights:
        return True
    kind = media_type.partition("/")[0]
    for media_range in (media_type, f"{kind}/*", "*/*"):
        if media_range in weights:
            return weights[media_range] > 0
    return False


@lru_cache(maxsize=CACHED_HEADERS)
def _admits_gzip(accept_encoding: str) -> bool:
    weights = _weights(accept_encoding)
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _weights(header: str) -> dict[str, float]:
    """Each listed value in lower case with its ``q``; values that cannot be read are left out."""
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
