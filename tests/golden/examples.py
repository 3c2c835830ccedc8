"""What it means to answer like a printed example of the reference."""

from __future__ import annotations

__all__ = ["like"]


def like(printed: object, answered: object, where: str = "$") -> list[str]:
    """Where an answer lacks a printed key, or has another JSON type there; empty if nowhere.

    A printed null says nothing of the type, an answered null that nothing is known.
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
            for fault in like(printed[key], answered[key], f"{where}.{key}")
        ]
    if isinstance(printed, list) and isinstance(answered, list):
        return [
            fault
            for index, (one, other) in enumerate(zip(printed, answered, strict=False))
            for fault in like(one, other, f"{where}[{index}]")
        ]
    return []
