"""Reads a request's ``filter``: ``{member: [{key: value}, …]}``.

A misspelled filter must not widen the response, so anything unknown in it is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar, cast

from msgspec import Meta, Struct

from floorcast.model.errors import InvalidParameter, MissingParameter
from floorcast.model.wording import one_of, whole_number

__all__ = [
    "MAX_CONDITIONS",
    "MAX_ID",
    "Id",
    "IdCondition",
    "IdConditions",
    "ServiceConditions",
    "read_condition",
    "read_id",
    "read_members",
]

T = TypeVar("T")

MAX_ID = 2**63 - 1
"""The largest id that the server accepts."""

MAX_CONDITIONS = 1_000  # the most conditions of one kind (such as service ids) in a filter

Id = Annotated[int, Meta(ge=0, le=MAX_ID)]


class IdCondition(Struct, forbid_unknown_fields=True):
    """An id: a number, or a string with its digits."""

    id: Id | Annotated[str, Meta(pattern="^[0-9]{1,19}$")]


IdConditions = Annotated[list[IdCondition], Meta(min_length=1, max_length=MAX_CONDITIONS)]


class ServiceConditions(Struct, rename="camel", forbid_unknown_fields=True):
    """Selects services or call centers. Each id must exist."""

    service: IdConditions | None = None
    call_center: IdConditions | None = None


def read_members(value: object, *known: str) -> dict[str, object]:
    """Return the members of a decoded ``filter`` that are not null.

    Raises InvalidParameter if the filter is not an object or has an unknown member.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidParameter(f"filter must be an object, not {_json_type(value)}")
    given = cast("dict[str, object]", value)
    for member in given:
        if member not in known:
            raise InvalidParameter(f"filter.{member[:64]} is unknown: expected {one_of(known)}")
    return {member: values for member, values in given.items() if values is not None}


def read_condition(
    given: dict[str, object], member: str, key: str, read: Callable[[object, str], T]
) -> frozenset[T] | None:
    """Return the values of one kind of condition, or None if it is absent.

    ``read`` takes a value and its path, and checks the value. Raises InvalidParameter with the path
    if a condition is malformed, and MissingParameter if a value lacks its key.
    """
    values = given.get(member)
    if values is None:
        return None
    where = f"filter.{member}"
    if not isinstance(values, list):
        raise InvalidParameter(f"{where} must be an array, not {_json_type(values)}")
    if len(values) > MAX_CONDITIONS:
        raise InvalidParameter(
            f"{where} has {len(values):,} members: at most {MAX_CONDITIONS:,} are accepted"
        )
    if not values:
        raise InvalidParameter(
            f'{where} must contain at least one {{"{key}": …}}; omit it to see all'
        )
    return frozenset(
        _value(value, key, read, f"{where}[{index}]") for index, value in enumerate(values)
    )


def read_id(value: object, where: str) -> int:
    """Read an id, which is a number or its digits. Raises InvalidParameter."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ID:
        return value
    raise InvalidParameter(
        f"{where} must be an id: {whole_number(0, MAX_ID)}, or the digits of one"
    )


def _value(value: object, key: str, read: Callable[[object, str], T], where: str) -> T:
    if not isinstance(value, dict):
        raise InvalidParameter(f"{where} must be an object, not {_json_type(value)}")
    for member in value:
        if member != key:
            raise InvalidParameter(f"{where}.{member[:64]} is unknown: expected {key}")
    if value.get(key) is None:
        raise MissingParameter(f"{where}.{key} is missing")
    return read(value[key], f"{where}.{key}")


def _json_type(value: object) -> str:
    names = {list: "an array", dict: "an object", str: "a string", bool: "true or false"}
    return names.get(type(value), "a number")
