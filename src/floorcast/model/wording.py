"""Describes expected values in words, for all error messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import inspect

__all__ = [
    "TYPE_WORDS",
    "describe_expected",
    "did_you_mean",
    "keys_at",
    "number",
    "one_of",
    "whole_number",
]

TYPE_WORDS: Final[Mapping[str, str]] = {
    "str": "a string",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "object": "an object",
    "array": "an array",
    "null": "null",
}
"""The kinds of JSON values, by their names in msgspec's errors."""


def whole_number(low: int | None = None, high: int | None = None) -> str:
    """Describe a whole number, and its bounds if they are given."""
    if low is None or high is None:
        return TYPE_WORDS["int"]
    return f"a whole number from {low:,} to {high:,}"


def number(low: float | None = None, high: float | None = None) -> str:
    """Describe a number, and its bounds if they are given."""
    if low is None or high is None:
        return TYPE_WORDS["float"]
    return f"a number from {low:,.16g} to {high:,.16g}"


def one_of(words: Sequence[object]) -> str:
    """Describe a choice of words: ``a, b or c``."""
    shown = [str(word) for word in words]
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def describe_expected(kind: type, path: Sequence[str], nested: str = "an object") -> str:
    """Describe the expected value of the member at ``path`` in ``kind``.

    ``path`` has member names, and an empty name for an element of a list or map.
    ``nested`` is the format's word for an object, which also describes a path that the type does
    not have.
    """
    at = _type_at(kind, path)
    return nested if at is None else _describe(at, nested)


def keys_at(kind: type, path: Sequence[str]) -> list[str]:
    """Return the allowed keys of the object at ``path`` in ``kind``; see ``describe_expected``."""
    at = _type_at(kind, path)
    found = None if at is None else _first_type(at)
    fields = found.fields if isinstance(found, inspect.StructType) else ()
    return [field.encode_name for field in fields]


def _type_at(kind: type, path: Sequence[str]) -> inspect.Type | None:
    at = inspect.type_info(kind)
    for name in path:
        at = _first_type(at)
        if name and isinstance(at, inspect.StructType):
            fields = [field.type for field in at.fields if field.encode_name == name]
            if not fields:
                return None
            at = fields[0]
        elif isinstance(at, inspect.VarTupleType):
            at = at.item_type
        elif isinstance(at, inspect.DictType):
            at = at.value_type
    return at


def _first_type(kind: inspect.Type) -> inspect.Type:
    return _non_null_types(kind)[0]


def _non_null_types(kind: inspect.Type) -> list[inspect.Type]:
    if isinstance(kind, inspect.UnionType):
        return [one for one in kind.types if not isinstance(one, inspect.NoneType)]
    return [kind]


def _describe(kind: inspect.Type, nested: str) -> str:
    return " or ".join(dict.fromkeys(_describe_type(one, nested) for one in _non_null_types(kind)))


def _describe_type(kind: inspect.Type, nested: str) -> str:  # noqa: PLR0911 — a table of kinds
    match kind:
        case inspect.IntType(ge=low, le=high):
            return whole_number(low, high)
        case inspect.FloatType(ge=low, le=high):
            return number(low, high)
        case inspect.BoolType():
            return TYPE_WORDS["bool"]
        case inspect.StrType(pattern=pattern) if pattern:
            return "a string of digits"
        case inspect.StrType(min_length=low, max_length=high):
            return f"a string of {low or 0} to {high:,} characters" if high else TYPE_WORDS["str"]
        case inspect.DateTimeType():
            return "a time with its zone, like 2026-11-23T10:00:00Z"
        case inspect.LiteralType(values=values):
            return one_of(values)
        case inspect.VarTupleType(item_type=inspect.StructType()):
            return "a list of tables (in double brackets)"
        case inspect.VarTupleType(item_type=item):
            return f"a list, each {_describe(item, nested)}"
        case _:
            return nested


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the closest known name, if any."""
    near = difflib.get_close_matches(given, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""
