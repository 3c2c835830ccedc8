"""Times within a leap second, which RFC 3339 allows but a ``datetime`` cannot represent.

They become the last microsecond before them. Like on a computer whose clock repeats 23:59:59, an
event then belongs to the old day, and comes after the events of the second before.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

__all__ = ["LEAP_SECOND", "replace_leap_second"]

LEAP_SECOND = r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:60(?:\.\d+)?(?:[Zz]|[+-]\d\d:?\d\d)?"
"""A regular expression for an ISO 8601 time whose second is 60."""

_LEAP_SECOND = re.compile(LEAP_SECOND, re.ASCII)
_SECOND = re.compile(r":60(?:\.\d+)?", re.ASCII)


def replace_leap_second(text: str, zone: tzinfo = UTC) -> str:
    """Return the last microsecond before a time within a leap second, and other text unchanged.

    A leap second is after 23:59:59 UTC. ``zone`` is the time zone of a time that states none.
    """
    if not _LEAP_SECOND.fullmatch(text):
        return text
    before = _SECOND.sub(":59.999999", text, count=1).upper()
    try:
        moment = datetime.fromisoformat(before)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        utc = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return text
    return before if (utc.hour, utc.minute) == (23, 59) else text
