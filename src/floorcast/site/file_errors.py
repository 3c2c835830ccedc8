"""What is wrong with a site file, said so that its author finds the place.

A table is named by what it calls itself (``client 47415, service 38049``), and what a key must
be is taken from its type.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from floorcast.model.wording import expected_at

__all__ = ["explain", "label"]

SECRET = ("password", "password_hash", "api_tokens", "api_token_hashes", "ingest_keys")


def label(table: str, entry: object, number: int) -> str:
    """How messages call one entry of a list of tables: by id, name or, at last, number."""
    if isinstance(entry, dict):
        for key in ("id", "login", "name", "code"):
            if isinstance(entry.get(key), int | str):
                return f"{table} {entry[key]}"
    return f"{table} number {number + 1}"


def explain(error: msgspec.ValidationError, raw: object, kind: type) -> str:
    """What to change in ``raw``, the parsed file, so that it converts to ``kind``."""
    problem, _, path = str(error).partition(" - at `$")
    tables, key = _place(re.findall(r"\.(\w+)|\[(\d+)\]", path), raw)
    expected = expected_at(kind, re.findall(r"\.(\w+)|\[\d+\]", path), "a table")
    value = _value(path, raw)
    where = ", ".join(tables)
    field = re.search(r"field `(\w+)`", problem)
    if field and "unknown" in problem:
        said = f"there is no key {field[1]!r} here"
    elif field:
        said = f"{field[1]} is required"
    else:
        hidden = not isinstance(value, int | float | str) or key.partition("[")[0] in SECRET
        but = "" if hidden else f", not {value!r:.80}"
        said = f"{key or 'it'} must be {expected}{but}"
    return f"{where}: {said}" if where else said


def _place(steps: list[tuple[str, str]], raw: object) -> tuple[list[str], str]:
    tables: list[str] = []
    key = ""
    at: Any = raw
    for name, index in steps:
        if name:
            key, at = name, at[name]
        else:
            at = at[int(index)]
            if isinstance(at, dict):
                tables.append(label(key, at, int(index)))
                key = ""
            else:
                key = f"{key}[{index}]"
    return tables, key


def _value(path: str, raw: object) -> object:
    at: Any = raw
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", path):
        at = at[name] if name else at[int(index)]
    return at
