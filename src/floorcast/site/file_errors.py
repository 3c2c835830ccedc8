"""Finds the mistakes in a site file. Each message says where the mistake is.

Messages identify a table by its id or name (``client 47415, service 38049``). The expected value is
derived from the type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect, structs

from floorcast.model.wording import describe_expected, did_you_mean, keys_at

__all__ = ["Mistakes", "convert", "label"]

T = TypeVar("T")

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


class Mistakes:
    """The mistakes in the keys of a file, one line each, and what they leave unknown."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._tables: set[str] = set()
        self._unknown: set[str] = set()

    def add(self, tables: Sequence[str], message: str) -> None:
        """Add a mistake in the last of the nested ``tables``, which are given by their labels."""
        where = ", ".join(tables)
        self.lines.append(f"{where}: {message}" if where else message)
        if len(tables) > 1:
            self._tables.add(where)

    def add_unknown(self, key: str) -> None:
        """Note that the file's value for ``key``, or one of the tables ``key``, is not known."""
        self._unknown.add(key)

    def independent(self, problems: Iterable[str]) -> Iterator[str]:
        """Yield the inconsistencies that are not a consequence of these mistakes.

        A table with a mistake is not judged further, nor is a reference to a table that may be
        one with a mistake.
        """
        for problem in problems:
            consequence = any(
                problem[: colon.start()] in self._tables for colon in re.finditer(": ", problem)
            ) or any(
                f"is not a {key}" in problem or f"the client's {key}" in problem
                for key in self._unknown
            )
            if not consequence:
                yield problem


def label(table: str, entry: object, number: int) -> str:
    """Return a table's label for messages, with its id, login, name, code or else its number."""
    if isinstance(entry, dict):
        for key in ("id", "login", "name", "code"):
            if isinstance(entry.get(key), int | str):
                return f"{table} {entry[key]}"
    return f"{table} number {number + 1}"


def convert(raw: Mapping[str, Any], kind: type[T]) -> tuple[T, Mistakes]:
    """Convert ``raw``, the parsed file, to ``kind``, and find all mistakes in its keys.

    The result has neither the keys with mistakes nor the tables in which a required key has one.
    """
    mistakes = Mistakes()
    try:
        return msgspec.convert(raw, kind), mistakes
    except msgspec.ValidationError:
        return kind(**_known_keys(raw, kind, (), mistakes)), mistakes


def _known_keys(
    raw: Mapping[str, Any], kind: type, tables: Sequence[str], mistakes: Mistakes
) -> dict[str, Any]:
    """Return the converted values of the keys without mistakes, by the names of the fields."""
    fields = _fields(kind)
    for key in raw:
        if key not in fields:
            mistakes.add(tables, f"there is no key {key!r} here{_closest_key(key, kind)}")
    found: dict[str, Any] = {}
    for key, (field, nested) in fields.items():
        if key not in raw:
            if field.required:
                mistakes.add(tables, f"{key} is required")
            continue
        if nested is not None and isinstance(raw[key], list):
            found[field.name] = tuple(_known_tables(key, raw, kind, nested, tables, mistakes))
            continue
        try:
            found[field.name] = msgspec.convert(raw[key], field.type)
        except msgspec.ValidationError as error:
            below, message = _explain(error, f".{key}", raw, kind)
            mistakes.add((*tables, *below), message)
            mistakes.add_unknown(key)
    return found


def _known_tables(
    key: str,
    raw: Mapping[str, Any],
    kind: type,
    nested: type,
    tables: Sequence[str],
    mistakes: Mistakes,
) -> Iterator[Any]:
    """Yield the tables of a list, without those in which a required key has a mistake."""
    required = {field.name for field, _ in _fields(nested).values() if field.required}
    for number, entry in enumerate(raw[key]):
        if isinstance(entry, dict):
            values = _known_keys(entry, nested, (*tables, label(key, entry, number)), mistakes)
            if required <= values.keys():
                yield nested(**values)
                continue
        else:
            expected = describe_expected(kind, (key, ""), "a table")
            mistakes.add(tables, f"{key}[{number}] must be {expected}{_but(key, entry)}")
        mistakes.add_unknown(key)


@lru_cache  # a generated file repeats its mistake in every table
def _closest_key(key: str, kind: type) -> str:
    return did_you_mean(key, _fields(kind))


@cache
def _fields(kind: type) -> Mapping[str, tuple[structs.FieldInfo, type | None]]:
    """Return a table's keys, each with its field and, for a list of tables, the tables' type."""
    return {one.encode_name: (one, _table_type(one.type)) for one in structs.fields(kind)}


def _table_type(kind: object) -> type | None:
    """Return the type of a list's tables, or None if ``kind`` is not a list of tables."""
    found = inspect.type_info(kind)
    if isinstance(found, inspect.VarTupleType) and isinstance(found.item_type, inspect.StructType):
        return found.item_type.cls
    return None


def _explain(
    error: msgspec.ValidationError, key: str, raw: Mapping[str, Any], kind: type
) -> tuple[list[str], str]:
    """Explain what must change in the value of a key, given as its path, in the table ``raw``.

    Also returns the labels of the tables below ``raw`` in which the mistake is.
    """
    problem, _, below = str(error).partition(" - at `$")
    path = re.findall(r"\.(\w+)|\[(\d+)\]", key + below)
    names = [name for name, _ in path]
    tables: list[str] = []
    value: Any = raw
    shown = ""
    for name, index in path:
        value = value[name] if name else value[int(index)]
        if index and isinstance(value, dict):
            tables.append(label(shown, value, int(index)))
        shown = name or f"{shown}[{index}]"
    field = re.search(r"field `(\w+)`", problem)
    if field and "unknown" in problem:
        guess = did_you_mean(field[1], keys_at(kind, names))
        return tables, f"there is no key {field[1]!r} here{guess}"
    if field:
        return tables, f"{field[1]} is required"
    expected = describe_expected(kind, names, "a table")
    return tables, f"{shown} must be {expected}{_but(names[0], value)}"


def _but(key: str, value: object) -> str:
    """Return the end of a message about a value, which shows the value unless it is a secret."""
    hidden = not isinstance(value, int | float | str) or key in SECRET_KEYS
    return "" if hidden else f", not {value!r:.80}"
