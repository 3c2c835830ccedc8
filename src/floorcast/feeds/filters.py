"""Which events a reader sees: the request's ``filter``, and the user's own limits.

Every event has a class: its kind (VOICE, SMS, EMAIL, or "" in the agent feed), its service
and its call center. A ``Matcher`` decides by class alone and remembers its verdicts, so that
a reader costs nothing for events that are like others. Equal filters are one object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar, cast

from floorcast.errors import InvalidParameter, MissingParameter
from floorcast.eventlog.segment import Klass

__all__ = ["EVERYTHING", "Filter", "Matcher", "matcher", "read_filter"]

T = TypeVar("T")

KINDS = ("VOICE", "SMS", "EMAIL")
MAX_ID = 2**63 - 1
_REMEMBERED = 8192  # verdicts a matcher keeps: bounds its memory, not what it can answer


class Filter(NamedTuple):
    """A request's filter, checked. None: the kind of condition was not given."""

    kinds: frozenset[str] | None = None
    services: frozenset[int] | None = None
    call_centers: frozenset[int] | None = None


_NOTHING_GIVEN = Filter()


class Matcher:
    """Decides by an event's class. Made by ``matcher``, so that equal ones are one object."""

    __slots__ = ("_filter", "_sight", "_verdicts", "matches_all")

    def __init__(self, a_filter: Filter, sight: frozenset[int] | None) -> None:
        self._filter = a_filter
        self._sight = sight
        self._verdicts: dict[Klass, bool] = {}
        self.matches_all = sight is None and a_filter == _NOTHING_GIVEN

    def __call__(self, klass: Klass) -> bool:
        """Whether events of this class are seen."""
        verdict = self._verdicts.get(klass)
        if verdict is None:
            if len(self._verdicts) >= _REMEMBERED:
                self._verdicts.clear()
            verdict = self._verdicts[klass] = self._decide(klass)
        return verdict

    def verdicts(self, classes: Sequence[Klass]) -> Sequence[bool]:
        """For each class, whether its events are seen; empty if all are."""
        return () if self.matches_all else [self(klass) for klass in classes]

    def any_of(self, classes: Sequence[Klass]) -> bool:
        """Whether events of at least one of these classes are seen."""
        return self.matches_all or any(map(self, classes))

    def _decide(self, klass: Klass) -> bool:
        kind, service, call_center = klass
        kinds, services, call_centers = self._filter
        return (
            (self._sight is None or call_center in self._sight)
            and (kinds is None or kind in kinds)
            and (services is None or service in services)
            and (call_centers is None or call_center in call_centers)
        )


@lru_cache(maxsize=4096)
def matcher(a_filter: Filter = _NOTHING_GIVEN, sight: frozenset[int] | None = None) -> Matcher:
    """The matcher of a filter for a user who may see the call centers ``sight`` (None: all)."""
    return Matcher(a_filter, sight)


EVERYTHING = matcher()


def read_filter(value: object) -> Filter:
    """Check a request's ``filter`` as it was decoded from JSON.

    Raises InvalidParameter, naming the member, for whatever is unknown or of a wrong type:
    a misspelt filter must not widen the answer. Raises MissingParameter for a condition
    without its ``id`` or ``type``.
    """
    if value is None:
        return _NOTHING_GIVEN
    if not isinstance(value, dict):
        raise InvalidParameter(f"filter must be an object, not {_json_type(value)}")
    given = cast("dict[str, object]", value)
    for member in given:
        if member not in ("interactionType", "service", "callCenter"):
            raise InvalidParameter(
                f"filter.{member[:64]} is unknown: expected interactionType, service or callCenter"
            )
    return Filter(
        kinds=_condition(given, "interactionType", "type", _kind),
        services=_condition(given, "service", "id", _id),
        call_centers=_condition(given, "callCenter", "id", _id),
    )


def _condition(
    given: dict[str, object], member: str, key: str, read: Callable[[object, str], T]
) -> frozenset[T] | None:
    values = given.get(member)
    if values is None:
        return None
    where = f"filter.{member}"
    if not isinstance(values, list):
        raise InvalidParameter(f"{where} must be an array, not {_json_type(values)}")
    if not values:
        raise InvalidParameter(
            f'{where} must hold at least one {{"{key}": …}}; leave it out to see all'
        )
    return frozenset(
        _value(value, key, read, f"{where}[{index}]") for index, value in enumerate(values)
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


def _kind(value: object, where: str) -> str:
    if isinstance(value, str) and value.upper() in KINDS:
        return value.upper()
    raise InvalidParameter(f"{where} must be VOICE, SMS or EMAIL")


def _id(value: object, where: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ID:
        return value
    raise InvalidParameter(
        f"{where} must be an id: a whole number from 0 to {MAX_ID}, or the digits of one"
    )


def _json_type(value: object) -> str:
    names = {list: "an array", dict: "an object", str: "a string", bool: "true or false"}
    return names.get(type(value), "a number")
