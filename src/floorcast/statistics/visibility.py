"""Visibility: the floors and call centers that a user may see, and those that a request selects.

Data that a user may not see is not counted, listed or named. The response is the same for an id
that does not exist and an id that the user may not see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from floorcast.floor.view import NO_SERVICE, Day, FloorView
from floorcast.model.errors import InvalidParameter, Unavailable
from floorcast.statistics.requests import EVERYTHING, ServiceFilter

__all__ = ["CallCenterLimits", "Moment", "Scope", "Visibility"]

_HOUR_MS = 3_600_000
_ROWS_PER_STEP = 25  # a fraction of a millisecond, so that a slice ends soon after its time
_LARGE = 2_000  # calls or agents of a service, which take one or two milliseconds

CallCenterLimits = frozenset[tuple[int, int]] | None
"""The call centers that a user is limited to, by client and id. None means no limit."""

ListedServices = frozenset[tuple[int, int]]
"""Services by client and id."""


class Moment(NamedTuple):
    """The time of an answer, and the limits that apply to its figures, in ms.

    The limits say how long a call or an agent may have been quiet, and how late an agent's state
    may arrive.
    """

    now: int
    quiet_call: int = 4 * _HOUR_MS
    quiet_agent: int = 16 * _HOUR_MS
    late_state: int = _HOUR_MS // 4


class Scope(NamedTuple):
    """The part of one floor that a request selects: its services, ordered by id.

    ``services`` includes ``NO_SERVICE`` if the user may see everything and the filter is empty.
    ``limits`` are the user's limits. The user also sees the services in ``listed``. A scan reads
    ``rows`` rows per step. A service with more than ``large`` calls or agents is read in several
    steps.
    """

    view: FloorView
    services: Sequence[int]
    limits: CallCenterLimits = None
    rows: int = _ROWS_PER_STEP
    listed: ListedServices = frozenset()
    large: int = _LARGE

    def today(self, moment: Moment) -> Day:
        """Return the client's day that contains the moment."""
        return self.view.day_of(moment.now)

    def sees(self, service: int) -> bool:
        """Return whether the user may see a service's data, whether it is requested or not."""
        return _sees(self.view, service, self.limits, self.listed)


class Visibility(NamedTuple):
    """The floors that a user sees, and the call centers that the user is limited to.

    A user with limits also sees the services in ``listed``. ``rows`` and ``large`` are as in
    ``Scope``.
    """

    views: Sequence[FloorView]
    limits: CallCenterLimits = None
    rows: int = _ROWS_PER_STEP
    listed: ListedServices = frozenset()
    large: int = _LARGE

    def scopes(self, wanted: ServiceFilter = EVERYTHING) -> list[Scope]:
        """Return the part of each floor that a filter selects.

        Raises InvalidParameter for an id that does not exist or that the user may not see, and
        Unavailable while a floor changes its time zone.
        """
        if not all(view.is_consistent for view in self.views):
            raise Unavailable("the client's time zone is being changed: try again in a moment", 5)
        self.require("service", wanted.services, self._has_service)
        self.require("callCenter", wanted.call_centers, self._has_call_center)
        return [
            Scope(
                view,
                sorted(self._services(view, wanted)),
                self.limits,
                self.rows,
                self.listed,
                self.large,
            )
            for view in self.views
        ]

    def sees_service(self, view: FloorView, service: int | None) -> bool:
        """Return whether the user may see the data of one of the floor's services."""
        number = NO_SERVICE if service is None else service
        return _sees(view, number, self.limits, self.listed)

    def require(
        self, member: str, wanted: Iterable[int], has: Callable[[FloorView, int], bool]
    ) -> None:
        """Raise InvalidParameter for the first id that no visible floor has."""
        for number in sorted(wanted):
            if not any(has(view, number) for view in self.views):
                raise InvalidParameter(f"filter.{member} names {number}: there is no such {member}")

    def _services(self, view: FloorView, wanted: ServiceFilter) -> Iterable[int]:
        if wanted == EVERYTHING:
            if self.limits is None:
                return (NO_SERVICE, *view.services)
            return [number for number in view.services if self.sees_service(view, number)]
        found = {number for number in wanted.services if self._has_service(view, number)}
        centers = {one for one in wanted.call_centers if self._has_call_center(view, one)}
        if centers:
            found |= {one.id for one in view.services.values() if one.call_center in centers}
        return found

    def _has_service(self, view: FloorView, number: int) -> bool:
        return number in view.services and self.sees_service(view, number)

    def _has_call_center(self, view: FloorView, number: int) -> bool:
        seen = self.limits is None or (view.client, number) in self.limits
        return seen and number in view.call_centers


def _sees(view: FloorView, service: int, limits: CallCenterLimits, listed: ListedServices) -> bool:
    if limits is None or (view.client, service) in listed:
        return True
    center = view.call_center_of(service)
    return center is not None and (view.client, center) in limits
