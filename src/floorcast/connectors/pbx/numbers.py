"""Reads numbers that a PBX sends as text, which may be anything. No I/O."""

from __future__ import annotations

__all__ = ["MAX_DURATION_SECONDS", "duration", "whole_number"]

MAX_DURATION_SECONDS = 7 * 86400.0  # a longer wait or call is a mistake of the PBX
MAX_DIGITS = 15  # a float represents every such number exactly


def whole_number(text: str) -> float:
    """Return a text as a whole number, or 0 if it is not one."""
    is_number = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
    return float(text) if is_number else 0.0


def duration(text: str, per_second: int = 1) -> float:
    """Return a text as a duration in seconds, or 0 if it is not a plausible one.

    ``per_second`` is the number of the text's units in a second. A time that is calculated from an
    implausible duration could be before 1970, which the server refuses, or not be a datetime.
    """
    found = whole_number(text) / per_second
    return found if found <= MAX_DURATION_SECONDS else 0.0
