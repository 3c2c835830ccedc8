"""Error messages for mistakes in a site file. Each message says where the mistake is.

Messages identify a table by its id or name (``client 47415, service 38049``). The expected value is
derived from the type.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from floorcast.model.wording import describe_expected, did_you_mean, keys_at

__all__ = ["convert", "explain", "label"]

T = TypeVar("T")

REQUIRED_KEYS = frozenset(
    {"id", "name", "login", "code", "category", "role", "url", "secret", "send"}
)
"""Keys that are required in some table."""


SECRET_KEYS = (
    "password",
    "password_hash",
    "api_tokens",
    "api_token_hashes",
    "ingest_keys",
    "secret",
    "previous_secret",
    "url",
)


def label(table: str, entry: object, number: int) -> str:
    """Return a table's label for messages, with its id, login, name, code or else its number."""
    if isinstance(entry, dict):
        for key in ("id", "login", "name", "code"):
            if isinstance(entry.get(key), int | str):
                return f"{table} {entry[key]}"
    return f"{table} number {number + 1}"


def explain(error: msgspec.ValidationError, raw: object, kind: type) -> str:
    """Explain what must change in ``raw``, the parsed file, so that it converts to ``kind``."""
    problem, _, path = str(error).partition(" - at `$")
    tables, key = _locate(re.findall(r"\.(\w+)|\[(\d+)\]", path), raw)
    expected = describe_expected(kind, re.findall(r"\.(\w+)|\[\d+\]", path), "a table")
    value = _value(path, raw)
    where = ", ".join(tables)
    field = re.search(r"field `(\w+)`", problem)
    if field and "unknown" in problem:
        message = f"there is no key {field[1]!r} here" + _did_you_mean(field[1], kind, path)
    elif field:
        message = f"{field[1]} is required"
    else:
        hidden = not isinstance(value, int | float | str) or key.partition("[")[0] in SECRET_KEYS
        but = "" if hidden else f", not {value!r:.80}"
        message = f"{key or 'it'} must be {expected}{but}"
    return f"{where}: {message}" if where else message


def convert(raw: object, kind: type[T], most: int) -> tuple[T | None, list[str]]:
    """Convert ``raw`` to ``kind``. If it has mistakes, returns None and at most ``most`` messages.

    Modifies ``raw``: the function removes each mistake and tries again, to find the next one.
    """
    messages: list[str] = []
    while len(messages) < most:
        try:
            converted = msgspec.convert(raw, kind)
        except msgspec.ValidationError as error:
            line = explain(error, raw, kind)
            if line in messages:
                break
            messages.append(line)
            if not _remove_cause(error, raw):
                break
        else:
            return (None, messages) if messages else (converted, [])
    return None, messages


def _remove_cause(error: msgspec.ValidationError, raw: object) -> bool:
    """Remove the cause of the error. Returns False if nothing can be removed."""
    problem, _, path = str(error).partition(" - at `$")
    steps: list[str | int] = [
        name or int(index) for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", path)
    ]
    field = re.search(r"field `(\w+)`", problem)
    if field and "unknown" in problem:
        steps.append(field[1])
    while steps:
        *parents, last = steps
        holder: Any = raw
        for step in parents:
            holder = holder[step]
        # remove a table as a whole if it lacks a required key, and a list element likewise
        if isinstance(holder, dict) and last not in REQUIRED_KEYS:
            del holder[last]
            return True
        if isinstance(holder, list):
            del holder[int(last)]
            return True
        steps = parents
    return False


def _did_you_mean(key: str, kind: type, path: str) -> str:
    keys = keys_at(kind, re.findall(r"\.(\w+)|\[\d+\]", path))
    return did_you_mean(key, keys)


def _locate(steps: list[tuple[str, str]], raw: object) -> tuple[list[str], str]:
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
