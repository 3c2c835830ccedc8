"""Reading a request's ``filter``: ``{member: [{key: value}, …]}``, and nothing else.

A misspelt filter must not widen the answer, so whatever is unknown in it is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar, cast

from floorcast.errors import InvalidParameter, MissingParameter

__all__ = ["Condition", "read_conditions", "read_id"]

T = TypeVar("T")

MAX_ID = 2**63 - 1


class Condition(NamedTuple):
    """A kind of condition: the key of its values, and how one is read (value, where it is)."""

    key: str
    read: Callable[[object, str], int | str]


def read_id(value: object, where: str) -> int:
    """An id, given as a number or as its digits; raises InvalidParameter."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ID:
        return value
    raise InvalidParameter(
        f"{where} must be an id: a whole number from 0 to {MAX_ID}, or the digits of one"
    )


def read_conditions(
    value: object, known: Mapping[str, Condition]
) -> dict[str, frozenset[int | str]]:
    """Check a ``filter`` as it was decoded from JSON; what was not given is not there.

    Raises InvalidParameter, naming the member, for whatever is unknown or of a wrong type, and
    MissingParameter for a condition without its key.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidParameter(f"filter must be an object, not {_json_type(value)}")
    given = cast("dict[str, object]", value)
    for member in given:
        if member not in known:
            *others, last = known
            expected = f"{', '.join(others)} or {last}"
            raise InvalidParameter(f"filter.{member[:64]} is unknown: expected {expected}")
    return {
        member: _values(given[member], condition, f"filter.{member}")
        for member, condition in known.items()
        if given.get(member) is not None
    }


def _values(values: object, condition: Condition, where: str) -> frozenset[int | str]:
    if not isinstance(values, list):
        raise InvalidParameter(f"{where} must be an array, not {_json_type(values)}")
    if not values:
        raise InvalidParameter(
            f'{where} must hold at least one {{"{condition.key}": …}}; leave it out to see all'
        )
    return frozenset(
        _value(value, condition, f"{where}[{index}]") for index, value in enumerate(values)
    )


def _value(value: object, condition: Condition, where: str) -> int | str:
    key = condition.key
    if not isinstance(value, dict):
        raise InvalidParameter(f"{where} must be an object, not {_json_type(value)}")
    for member in value:
        if member != key:
            raise InvalidParameter(f"{where}.{member[:64]} is unknown: expected {key}")
    if value.get(key) is None:
        raise MissingParameter(f"{where}.{key} is missing")
    return condition.read(value[key], f"{where}.{key}")


def _json_type(value: object) -> str:
    names = {list: "an array", dict: "an object", str: "a string", bool: "true or false"}
    return names.get(type(value), "a number")
