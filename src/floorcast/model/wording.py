"""What a value must be, in words, taken from the type that it is decoded to."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import inspect

__all__ = ["expected_at"]


def expected_at(kind: type, path: Sequence[str], nested: str = "an object") -> str:
    """What the member at ``path`` in ``kind`` must be.

    ``path`` has the members' names, and an empty one for an element of a list or a map;
    ``nested`` is what the format calls an object. A path that the type does not have is that.
    """
    at = inspect.type_info(kind)
    for name in path:
        at = _first(at)
        if name and isinstance(at, inspect.StructType):
            fields = [field.type for field in at.fields if field.encode_name == name]
            if not fields:
                return nested
            at = fields[0]
        elif isinstance(at, inspect.VarTupleType):
            at = at.item_type
        elif isinstance(at, inspect.DictType):
            at = at.value_type
    return _words(at, nested)


def _first(kind: inspect.Type) -> inspect.Type:
    return _known(kind)[0]


def _known(kind: inspect.Type) -> list[inspect.Type]:
    if isinstance(kind, inspect.UnionType):
        return [one for one in kind.types if not isinstance(one, inspect.NoneType)]
    return [kind]


def _words(kind: inspect.Type, nested: str) -> str:
    return " or ".join(dict.fromkeys(_one(one, nested) for one in _known(kind)))


def _one(kind: inspect.Type, nested: str) -> str:  # noqa: C901, PLR0911 — a table of kinds
    match kind:
        case inspect.IntType(ge=None, le=None):
            return "a whole number"
        case inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case inspect.FloatType():
            return "a number"
        case inspect.BoolType():
            return "true or false"
        case inspect.StrType(pattern=pattern) if pattern:
            return "a string of digits"
        case inspect.StrType(min_length=low, max_length=high):
            return f"a text of {low or 0} to {high} characters" if high else "a text"
        case inspect.DateTimeType():
            return "a time with its zone, like 2026-11-23T10:00:00Z"
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(str(value) for value in values)
        case inspect.VarTupleType(item_type=inspect.StructType()):
            return "a list of tables (in double brackets)"
        case inspect.VarTupleType(item_type=item):
            return f"a list, each {_words(item, nested)}"
        case _:
            return nested
