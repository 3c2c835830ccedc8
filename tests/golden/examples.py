"""The reference's examples, kept as they are printed, and what it means to answer like one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Example", "like", "load"]

FOLDER = Path(__file__).parent / "reference"


class Example(NamedTuple):
    """A printed request and its printed answer; a body that is not there is None."""

    method: str
    target: str
    headers: dict[str, str]
    body: Any
    status: int
    answer: Any


def load(name: str) -> Example:
    """The example kept in ``reference/<name>.http``."""
    request, answer = (FOLDER / f"{name}.http").read_text().split("#Response\n")
    line, headers, body = _parts(request.removeprefix("#Request (JSON)\n"))
    method, target = line.split(" ")
    status, _, printed = _parts(answer)
    return Example(method, target, headers, body, int(status.split(" ")[0]), printed)


def _parts(text: str) -> tuple[str, dict[str, str], Any]:
    head, brace, body = text.partition("\n{")
    first, *lines = head.strip().split("\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return first, headers, json.loads("{" + body) if brace else None


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
