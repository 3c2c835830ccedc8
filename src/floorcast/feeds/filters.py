"""Selects the events that a reader sees, by the request's ``filter`` and the user's own limits.

Every event has a class, which consists of its kind, service and call center. The kind is VOICE, SMS
or EMAIL. In the agent feed, the kind is empty, or it names the call center of the event's call if
this is not the agent's call center, and the places of the other agent of a transfer. A ``Matcher``
decides by class alone and caches its verdicts, so further events of a class cost nothing. Equal
filters share one matcher.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple, get_args
from weakref import WeakValueDictionary

import msgspec
from msgspec import Meta, Struct

from floorcast.floor.agent_fold import AGENT2, CALL_CENTER_OF_CALL
from floorcast.model.errors import InvalidParameter
from floorcast.model.filter_parsing import (
    MAX_CONDITIONS,
    IdConditions,
    read_condition,
    read_id,
    read_members,
)
from floorcast.store.segment import Facets

__all__ = [
    "EVERYTHING",
    "Filter",
    "InteractionConditions",
    "Matcher",
    "matcher",
    "names_others",
    "read_filter",
]

InteractionType = Literal["VOICE", "SMS", "EMAIL"]
KINDS = get_args(InteractionType)
MAX_CACHED_VERDICTS = 8_192  # per matcher; this limits only its memory
MAX_ALL_VERDICTS = 262_144  # of all matchers together, about 200 bytes each
_MATCHER_BYTES = 1_024
_ID_BYTES = 96  # per id in a set that is one third full, which is the worst case


class KindCondition(Struct, forbid_unknown_fields=True):
    """A condition on the type of interaction, in upper or lower case."""

    type: InteractionType


KindConditions = Annotated[list[KindCondition], Meta(min_length=1, max_length=MAX_CONDITIONS)]


class InteractionConditions(Struct, rename="camel", forbid_unknown_fields=True):
    """Selects interactions. Members are combined with AND, and the values of a member with OR."""

    interaction_type: KindConditions | None = None
    service: IdConditions | None = None
    call_center: IdConditions | None = None


class Filter(NamedTuple):
    """A request's filter, already checked. A member is None if its condition was not given."""

    kinds: frozenset[str] | None = None
    services: frozenset[int] | None = None
    call_centers: frozenset[int] | None = None


_NOTHING_GIVEN = Filter()


class Matcher:
    """Decides by its class whether an event matches.

    Use ``matcher`` to create one: it returns the same object for equal filters. ``size`` is the
    memory that the filter takes, in bytes.
    """

    __slots__ = (
        "__weakref__",
        "_filter",
        "_services",
        "_verdicts",
        "_visibility",
        "matches_all",
        "size",
    )
    cached_verdicts = 0  # verdicts of all matchers

    def __init__(
        self, a_filter: Filter, visibility: frozenset[int] | None, services: frozenset[int]
    ) -> None:
        self._filter = a_filter
        self._visibility = visibility
        self._services = services
        self._verdicts: dict[Facets, bool] = {}
        self.matches_all = visibility is None and a_filter == _NOTHING_GIVEN
        sets = (a_filter.services, a_filter.call_centers, visibility, services)
        self.size = _MATCHER_BYTES + _ID_BYTES * sum(len(ids) for ids in sets if ids is not None)

    def __del__(self) -> None:
        """Subtract this matcher's verdicts from the total."""
        type(self).cached_verdicts -= len(self._verdicts)

    def __call__(self, facets: Facets) -> bool:
        """Return whether the reader sees events of this class."""
        verdict = self._verdicts.get(facets)
        if verdict is None:
            verdict = self._decide(facets)
            self._cache_verdict(facets, seen=verdict)
        return verdict

    def _cache_verdict(self, facets: Facets, *, seen: bool) -> None:
        if (
            len(self._verdicts) >= MAX_CACHED_VERDICTS
            or Matcher.cached_verdicts >= MAX_ALL_VERDICTS
        ):
            Matcher.cached_verdicts -= len(self._verdicts)
            self._verdicts.clear()
        if Matcher.cached_verdicts < MAX_ALL_VERDICTS:
            self._verdicts[facets] = seen
            Matcher.cached_verdicts += 1

    def verdicts(self, classes: Sequence[Facets]) -> Sequence[bool]:
        """Return for each class whether the reader sees its events; empty if it sees all events."""
        return () if self.matches_all else [self(facets) for facets in classes]

    def any_of(self, classes: Sequence[Facets]) -> bool:
        """Return whether the reader sees events of at least one of these classes."""
        return self.matches_all or any(map(self, classes))

    def hides_call(self, facets: Facets) -> bool:
        """Return whether the reader sees events of this class without the call that they name."""
        kind, _, center = facets
        if self._visibility is None or kind in KINDS:
            return False
        if kind.startswith(CALL_CENTER_OF_CALL):
            named = kind[len(CALL_CENTER_OF_CALL) :].partition(AGENT2)[0]
            return not named or int(named) not in self._visibility
        # an agent that is visible because of its service may have a call of another service
        return center not in self._visibility

    def hides_any(self, classes: Sequence[Facets]) -> bool:
        """Return whether the reader sees events of any of these classes without their call."""
        return self._visibility is not None and any(map(self.hides_call, classes))

    @property
    def is_limited(self) -> bool:
        """Whether the user may see only some call centers and services."""
        return self._visibility is not None

    def shown(self, line: bytes, facets: Facets) -> bytes:
        """Return an event of this class as the user sees it."""
        if self._visibility is None or facets[0] in KINDS:
            return line
        hidden: tuple[str, ...] = _OF_CALL if self.hides_call(facets) else ()
        if names_others(line):
            hidden += _OF_SUPERVISOR if self._sees_agent2(facets[0]) else _OF_OTHERS
        return _without(line, hidden) if hidden else line

    def _sees_agent2(self, kind: str) -> bool:
        """Return whether the user sees the other agent, which the events of old releases hide."""
        places = kind.partition(AGENT2)[2].split()
        seen = {f"c{one}" for one in self._visibility or ()} | {f"s{one}" for one in self._services}
        return not seen.isdisjoint(places)

    def _decide(self, facets: Facets) -> bool:
        kind, service, call_center = facets
        kinds, services, call_centers = self._filter
        return (
            (
                self._visibility is None
                or call_center in self._visibility
                or service in self._services
            )
            and (kinds is None or kind in kinds)
            and (services is None or service in services)
            and (call_centers is None or call_center in call_centers)
        )


_OF_CALL = ("callServiceId", "transactionId", "sessionId", "phoneNumber", "account", "campaignType")
_OF_SUPERVISOR = ("supervisorSessionId", "supervisorPhoneNumber")  # no event says whose they are
_OF_OTHERS = (*_OF_SUPERVISOR, "agent2Id")
# text cannot contain these bytes, because its quotation marks are escaped
_NAMES_OF_OTHERS = tuple(f'"{name}":'.encode() for name in _OF_OTHERS)
_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder()


def names_others(lines: bytes) -> bool:
    """Return whether any of these events has members about another agent or a supervisor."""
    return any(name in lines for name in _NAMES_OF_OTHERS)


def _without(line: bytes, members: tuple[str, ...]) -> bytes:
    event = _decoder.decode(line)
    return _encoder.encode({name: value for name, value in event.items() if name not in members})


_matchers_in_use: WeakValueDictionary[
    tuple[Filter, frozenset[int] | None, frozenset[int]], Matcher
] = WeakValueDictionary()
"""The matchers in use. A normal cache would keep filters that no reader uses any more."""


def matcher(
    a_filter: Filter = _NOTHING_GIVEN,
    visibility: frozenset[int] | None = None,
    services: frozenset[int] = frozenset(),
) -> Matcher:
    """Return the matcher of a filter for a user who may see the call centers in ``visibility``.

    If ``visibility`` is None, the user may see everything. Otherwise, the user also sees
    ``services``, whatever their call center.
    """
    key = (a_filter, visibility, services)
    found = _matchers_in_use.get(key)
    if found is None:
        found = _matchers_in_use[key] = Matcher(a_filter, visibility, services)
    return found


EVERYTHING = matcher()


def read_filter(value: object) -> Filter:
    """Check a request's ``filter``, decoded from JSON.

    Raises InvalidParameter, naming the member, if a member is unknown or has the wrong type,
    because a misspelled filter must not widen the response. Raises MissingParameter for a condition
    without its ``id`` or ``type``.
    """
    given = read_members(value, *InteractionConditions.__struct_encode_fields__)
    return Filter(
        kinds=read_condition(given, "interactionType", "type", _kind),
        services=read_condition(given, "service", "id", read_id),
        call_centers=read_condition(given, "callCenter", "id", read_id),
    )


def _kind(value: object, where: str) -> str:
    if isinstance(value, str) and value.upper() in KINDS:
        return value.upper()
    raise InvalidParameter(f"{where} must be VOICE, SMS or EMAIL")
