"""The largest events of each type, as recipes for the search in ``slow_inputs``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from msgspec import inspect

from floorcast.model.inbound import InboundEvent
from tests.real.slow_recipes import LINES, MOST_EVENT_BYTES, Recipe

__all__ = ["large_events"]

_TEXTS = ("x", "\\u00e9", "\\ud83d\\ude00", "\U0001f600", '\\"', "\\u0000")
_UNKNOWN = (',"x{n}":0', ',"x":"\\ud83d\\ude00"', ',"x":[[],{"y":""}]', ',"x\\n{n}":"é"')
_MOST_DIGITS = 18


def large_events() -> tuple[Recipe, ...]:
    """Return recipes for each type of event.

    Either an event's strings and lists have the largest size that is allowed, or one member makes
    the event as large as it can be: an object, an unknown member, or ``data_base64``.
    """
    return tuple(_recipes())


def _recipes() -> Iterator[Recipe]:
    for event in get_args(InboundEvent):
        info = inspect.type_info(event)
        assert isinstance(info, inspect.StructType)
        data = next(one.type for one in info.fields if one.encode_name == "data")
        assert isinstance(data, inspect.StructType)
        start = '{"specversion":"1.0","id":"{i}","source":"s","type":"' + str(info.tag) + '",'
        for text in _TEXTS:
            yield Recipe(LINES, "", f'{start}"data":{_largest(data, text)}}}\n')
        required = ",".join(_members(data, "x", most=1, optional=False))
        for unit in _UNKNOWN:
            yield _large(f'{start}"data":{{{required}', unit, "}}")
        for name in _objects(data):
            yield _large(f'{start}"data":{{{required},"{name}":{{"a":1', ',"z{n}":1', "}}}")
    for text in ("IiAi", "e30K", "8J+YgPCfmIDwn5iA"):
        yield _large(start + '"data_base64":"', text, '"}')


def _large(before: str, unit: str, after: str) -> Recipe:
    return Recipe(LINES, before, unit, after, line=MOST_EVENT_BYTES, first=MOST_EVENT_BYTES)


def _objects(data: inspect.StructType) -> Iterator[str]:
    for field in data.fields:
        if isinstance(_main(field.type), inspect.DictType):
            yield field.encode_name


def _members(
    data: inspect.StructType, text: str, most: int = 1 << 20, *, optional: bool = True
) -> Iterator[str]:
    for field in data.fields:
        if field.required or optional:
            yield f'"{field.encode_name}":{_largest(field.type, text, most)}'


def _main(kind: inspect.Type) -> inspect.Type:
    """Return the type of a member, and of several types the one with the largest values."""
    if not isinstance(kind, inspect.UnionType):
        return kind
    return next((one for one in kind.types if isinstance(one, inspect.StrType)), kind.types[0])


def _largest(kind: inspect.Type, text: str, most: int = 1 << 20) -> str:
    """Return a large value as JSON. Strings repeat ``text`` up to ``most`` times."""
    match _main(kind):
        case inspect.StructType() as found:
            value = "{" + ",".join(_members(found, text, most)) + "}"
        case inspect.StrType(pattern=str()):
            value = '"' + "7" * min(most, _MOST_DIGITS) + '"'
        case inspect.StrType(max_length=limit):
            value = f'"{text * min(most, limit or most)}"'
        case inspect.ListType(item_type=item, max_length=limit):
            value = "[" + ",".join([_largest(item, text, 3)] * min(most, limit or most)) + "]"
        case inspect.LiteralType(values=values):
            value = f'"{values[-1]}"'
        case inspect.IntType(le=limit):
            value = str(limit)
        case inspect.DateTimeType():
            value = '"2026-11-23T12:00:00.123456-05:00"'
        case inspect.DictType():
            value = '{"ET":1}'
        case inspect.FloatType():
            value = "1.5"
        case _:
            value = "true"
    return value
