"""Compares a response with an example that is printed in the reference."""

from __future__ import annotations

__all__ = ["mismatches"]


def mismatches(printed: object, answered: object, where: str = "$") -> list[str]:
    """Return the paths at which a printed key is missing or has another JSON type.

    If the printed value is null, any type is allowed. A null in the response is always allowed.
    """
    if printed is None or answered is None:
        return []
    if isinstance(printed, int | float) and isinstance(answered, int | float):
        same = isinstance(printed, bool) == isinstance(answered, bool)
        return [] if same else [f"{where}: {answered!r} for {printed!r}"]
    if type(printed) is not type(answered):
        return [f"{where}: {answered!r} for {printed!r}"]
    if isinstance(printed, dict) and isinstance(answered, dict):
        missing = [f"{where}.{key} is missing" for key in printed if key not in answered]
        return missing + [
            fault
            for key in printed
            if key in answered
            for fault in mismatches(printed[key], answered[key], f"{where}.{key}")
        ]
    if isinstance(printed, list) and isinstance(answered, list):
        return [
            fault
            for index, (one, other) in enumerate(zip(printed, answered, strict=False))
            for fault in mismatches(one, other, f"{where}[{index}]")
        ]
    return []
