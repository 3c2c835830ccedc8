"""Checks request parameters: filters, intervals, figures and times."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, tzinfo
from typing import Annotated, Literal, NamedTuple, get_args

from msgspec import Meta, Struct

from floorcast.model.errors import InvalidParameter, MissingParameter
from floorcast.model.filter_parsing import (
    IdCondition,
    IdConditions,
    ServiceConditions,
    read_condition,
    read_id,
    read_members,
)
from floorcast.model.leap_seconds import replace_leap_second
from floorcast.model.wording import one_of
from floorcast.site.configuration import DEFAULT_INTERVAL, INTERVALS

__all__ = [
    "DEFAULT_INTERVAL",
    "EVERYTHING",
    "FIGURES",
    "INTERVALS",
    "LIVE_FIGURES",
    "MAX_LAST_SECONDS",
    "MAX_TIME_MS",
    "CampaignConditions",
    "CampaignFilter",
    "Figure",
    "OneService",
    "ServiceFilter",
    "read_at",
    "read_campaign_filter",
    "read_changed_after",
    "read_figure",
    "read_interval",
    "read_last",
    "read_one_service",
    "read_service_filter",
    "read_time",
]

Figure = Literal[
    "totalOffered",
    "totalHandled",
    "totalAbandoned",
    "totalCallsAnsweredWithinSLA",
    "totalCallsAbandonedWithinSLA",
    "movedOn",
    "totalCallsInQueue",
    "callsWithAgent",
]
"""A figure of a service that has calls behind it."""

FIGURES: tuple[Figure, ...] = get_args(Figure)
LIVE_FIGURES: tuple[Figure, ...] = ("totalCallsInQueue", "callsWithAgent")
"""The figures that show the current state. The other figures cover a day."""

MAX_LAST_SECONDS = 86_400  # the most seconds that a request for intervals can look back
MAX_TIME_MS = 10**16  # ms: beyond any date in use
_MAX_TIME_DIGITS = 16  # a number below MAX_TIME_MS has at most this many digits


class CampaignConditions(ServiceConditions, rename="camel", forbid_unknown_fields=True):
    """Selects campaigns by exactly one of these members. Each id must exist."""

    campaign: IdConditions | None = None


class OneService(Struct, forbid_unknown_fields=True):
    """Selects one service. The id must exist."""

    service: Annotated[list[IdCondition], Meta(min_length=1, max_length=1)]


class ServiceFilter(NamedTuple):
    """Services by their ids or their call centers' ids. An empty filter selects everything."""

    services: frozenset[int] = frozenset()
    call_centers: frozenset[int] = frozenset()


class CampaignFilter(NamedTuple):
    """Campaigns by their own ids or by the ids of their services or call centers.

    Only one of these kinds may be set.
    """

    campaigns: frozenset[int] = frozenset()
    of: ServiceFilter = ServiceFilter()


EVERYTHING = ServiceFilter()


def read_service_filter(value: object) -> ServiceFilter:
    """Check a service method's ``filter``. Raises InvalidParameter and MissingParameter."""
    return _services(read_members(value, *ServiceConditions.__struct_encode_fields__))


def read_campaign_filter(value: object) -> CampaignFilter:
    """Check a ``filter`` for campaign statistics.

    Raises InvalidParameter and MissingParameter.
    """
    given = read_members(value, *CampaignConditions.__struct_encode_fields__)
    if len(given) > 1:
        raise InvalidParameter(
            f"filter has {' and '.join(sorted(given))}:"
            " expected one of campaign, service and callCenter"
        )
    return CampaignFilter(_ids(given, "campaign"), _services(given))


def read_one_service(value: object) -> ServiceFilter:
    """Check a ``filter`` that names one service. Raises InvalidParameter and MissingParameter."""
    given = read_members(value, *OneService.__struct_encode_fields__)
    if not given:
        raise MissingParameter('filter.service is missing: expected [{"id": …}]')
    services = given["service"]
    wanted = _services(given)
    if isinstance(services, list) and len(services) > 1:
        raise InvalidParameter("filter.service must name one service")
    return wanted


def _services(given: dict[str, object]) -> ServiceFilter:
    return ServiceFilter(_ids(given, "service"), _ids(given, "callCenter"))


def _ids(given: dict[str, object], member: str) -> frozenset[int]:
    return read_condition(given, member, "id", read_id) or frozenset()


def read_interval(value: object) -> int:
    """Check ``interval``: 300, 900, 1800 or 3600 seconds. Raises InvalidParameter."""
    if isinstance(value, int) and value in INTERVALS:
        return value
    raise InvalidParameter("interval must be 300, 900, 1800 or 3600 seconds")


def read_figure(value: object) -> Figure:
    """Check ``figure``. Raises InvalidParameter and MissingParameter."""
    if value is None:
        raise MissingParameter("figure is missing")
    for figure in FIGURES:
        if value == figure:
            return figure
    raise InvalidParameter(f"figure must be {one_of(FIGURES)}")


def read_last(value: object) -> int | None:
    """Check ``last``: 1 to 86,400 seconds, or None. Raises InvalidParameter."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_LAST_SECONDS:
        return value
    raise InvalidParameter(f"last must be a whole number of seconds from 1 to {MAX_LAST_SECONDS}")


def read_changed_after(value: object, zone: tzinfo) -> int | None:
    """Check ``stateChangedAfter``: ms since the epoch, or ISO 8601.

    An ISO 8601 time without an offset is in ``zone``. Returns None if the value is None or blank.
    Raises InvalidParameter.
    """
    if isinstance(value, str):
        value = value.strip() or None
    if value is None:
        return None
    moment = read_time(value, zone)
    if moment is None:
        raise InvalidParameter(
            "stateChangedAfter must be a time: milliseconds since 1970, or ISO 8601"
            " (2023-06-05T05:33:58.000-04:00)"
        )
    return moment


def read_at(value: object, zone: tzinfo) -> int:
    """Check an ``at`` that is not a token, and convert it to ms.

    It has the same formats as ``stateChangedAfter``. Raises InvalidParameter.
    """
    moment = read_time(value.strip() if isinstance(value, str) else value, zone)
    if moment is None:
        raise InvalidParameter(
            "at must be a time: milliseconds since 1970, ISO 8601"
            " (2023-06-05T05:33:58.000-04:00), or a token from a feed"
        )
    return moment


def read_time(value: object, zone: tzinfo) -> int | None:
    """Parse a time in ms or ISO 8601 (in ``zone`` by default), and return it in ms.

    Return None if the value is not a time.
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < MAX_TIME_MS:
        return value
    if isinstance(value, str):
        # check the length first, because int() fails for more than 4,300 digits
        if value.isascii() and value.isdigit() and len(value.lstrip("0")) <= _MAX_TIME_DIGITS:
            return int(value.lstrip("0") or "0")
        with suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(replace_leap_second(value, zone))
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=zone)
            return int(moment.timestamp() * 1000)
    return None
