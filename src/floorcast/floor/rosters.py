"""Indexes of each service's agents and campaigns.

Because of these indexes, the cost of computing a service's figures depends only on the size of that
service. The indexes are rebuilt at startup.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Generic, TypeVar

from floorcast.floor.agents import FloorAgent

__all__ = ["CountChange", "LoggedInRoster", "Roster"]

T = TypeVar("T")
CountChange = Callable[[int, int, int], None]
"""A function that is called with a service and its number of items before and after a change."""

_ALWAYS = 2**62


class Roster(Generic[T]):
    """Items by id. Each item can be at several services.

    ``hooks`` are called with a service before its items change. ``places`` is the number of pairs
    of an item and a service.
    """

    def __init__(self, hooks: Sequence[Callable[[int], None]] = ()) -> None:
        self._hooks = hooks
        self.places = 0
        self._at: dict[int, dict[int, T]] = {}
        self._where: dict[int, tuple[int, ...]] = {}

    def put(self, number: int, item: T, services: tuple[int, ...]) -> None:
        """Set the services of an item."""
        before = self._where.get(number, ())
        if before == services:
            return
        for hook in self._hooks:
            for at in (*before, *services):
                hook(at)
        self.places += len(services) - len(before)
        for at in before:
            del self._at[at][number]
        for at in services:
            self._at.setdefault(at, {})[number] = item
        if services:
            self._where[number] = services
        else:
            self._where.pop(number, None)

    def remove(self, number: int) -> None:
        """Remove an item. No hook is called."""
        services = self._where.pop(number, ())
        self.places -= len(services)
        for at in services:
            del self._at[at][number]

    def services_of(self, number: int) -> tuple[int, ...]:
        """Return the services at which an item is listed."""
        return self._where.get(number, ())

    def drop_service(self, service: int) -> None:
        """Remove a service that has no items."""
        self._at.pop(service, None)

    def has(self, number: int) -> bool:
        """Return whether an item is listed at any service."""
        return number in self._where

    def of(self, service: int) -> Mapping[int, T]:
        """Return the items at a service, by id."""
        return self._at.get(service) or MappingProxyType({})

    def large_services(self, most: int) -> list[int]:
        """Return the services that have more than this many items."""
        return [service for service, items in self._at.items() if len(items) > most]

    def numbers(self) -> list[int]:
        """Return the ids of all items that are listed at a service."""
        return list(self._where)


class LoggedInRoster(Roster[FloorAgent]):
    """The agents that are logged in.

    For each service, the roster keeps a lower bound of the times of its agents' last events, so it
    seldom needs to visit all agents to count the quiet ones.
    """

    def __init__(self, hooks: Sequence[Callable[[int], None]] = ()) -> None:
        super().__init__(hooks)
        self._oldest_last_event: dict[int, int] = {}
        self.on_change: CountChange | None = None

    def put(self, number: int, item: FloorAgent, services: tuple[int, ...]) -> None:
        """See ``Roster.put``.

        ``on_change`` is called with each service that gained or lost an item.
        """
        left = self.services_of(number)
        if left != services:
            super().put(number, item, services)
            if self.on_change is not None:
                for service in set(left) ^ set(services):
                    count = len(self.of(service))
                    self.on_change(service, count + (1 if service in left else -1), count)
        for service in services:
            known = self._oldest_last_event.get(service, _ALWAYS)
            self._oldest_last_event[service] = min(known, item.last_event)

    def drop_service(self, service: int) -> None:
        """See ``Roster.drop_service``."""
        super().drop_service(service)
        self._oldest_last_event.pop(service, None)

    def count_active_since(self, service: int, ms: int) -> int:
        """Return the number of the service's agents that had an event after ``ms``."""
        agents = self.of(service)
        if self._oldest_last_event.get(service, _ALWAYS) > ms:
            return len(agents)
        last_events = [agent.last_event for agent in agents.values()]
        self._oldest_last_event[service] = min(last_events, default=_ALWAYS)
        return sum(last > ms for last in last_events)
