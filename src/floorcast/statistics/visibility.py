"""Who may see what: the floors and call centers of a user, and what of them a request names.

What a user may not see is not counted, not listed and not named: an id that is not there and
one that may not be seen give the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from floorcast.floor.directory import NO_SERVICE
from floorcast.floor.floor import Floor
from floorcast.model.errors import InvalidParameter
from floorcast.statistics.requests import EVERYTHING, ServiceFilter

__all__ = ["Moment", "Scope", "Visibility"]

_HOUR = 3_600_000


class Moment(NamedTuple):
    """The moment of an answer, and how long something may have been quiet by then; in ms."""

    now: int
    quiet_call: int = 4 * _HOUR
    quiet_agent: int = 16 * _HOUR


class Scope(NamedTuple):
    """What a request asks for of one floor: services, in the order of their ids.

    ``NO_SERVICE`` is among them where everything is seen, what belongs to no known service too.
    """

    floor: Floor
    services: Sequence[int]

    def today(self, moment: Moment) -> tuple[int, int]:
        """The floor's own day that holds the moment, and its first ms."""
        calendar = self.floor.calendar
        today = calendar.day_of(moment.now)
        return today, calendar.bounds(today)[0]


class Visibility(NamedTuple):
    """What a user sees: its own client's floor, those of child clients, some call centers.

    ``call_centers`` None: all of them.
    """

    floors: Sequence[Floor]
    call_centers: frozenset[int] | None = None

    def scopes(self, wanted: ServiceFilter = EVERYTHING) -> list[Scope]:
        """What a filter asks for of each floor; raises InvalidParameter for an unknown id."""
        self.expect("service", wanted.services, self._has_service)
        self.expect("callCenter", wanted.call_centers, self._has_call_center)
        return [Scope(floor, sorted(self._services(floor, wanted))) for floor in self.floors]

    def sees_service(self, floor: Floor, service: int | None) -> bool:
        """Whether what belongs to a service of the floor is seen."""
        if self.call_centers is None:
            return True
        known = floor.state.directory.services.get(NO_SERVICE if service is None else service)
        return known is not None and known.call_center in self.call_centers

    def expect(self, member: str, wanted: Iterable[int], has: Callable[[Floor, int], bool]) -> None:
        """Raise InvalidParameter for the first id that no floor in sight has."""
        for number in sorted(wanted):
            if not any(has(floor, number) for floor in self.floors):
                raise InvalidParameter(f"filter.{member} names {number}: there is no such {member}")

    def _services(self, floor: Floor, wanted: ServiceFilter) -> Iterable[int]:
        services = floor.state.directory.services
        if wanted == EVERYTHING:
            if self.call_centers is None:
                return (NO_SERVICE, *services)
            centers = self.call_centers
        else:
            centers = wanted.call_centers
        found = {number for number in wanted.services if self._has_service(floor, number)}
        if centers:
            found |= {one.id for one in services.values() if one.call_center in centers}
        return found

    def _has_service(self, floor: Floor, number: int) -> bool:
        return number in floor.state.directory.services and self.sees_service(floor, number)

    def _has_call_center(self, floor: Floor, number: int) -> bool:
        seen = self.call_centers is None or number in self.call_centers
        return seen and number in floor.state.directory.call_centers
