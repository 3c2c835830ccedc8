"""Who and what is at a service: indexes, so that a service's figures cost what it holds.

They are made anew on a start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Generic, TypeVar

from floorcast.floor.agents import OnFloor

__all__ = ["OnDuty", "Roster"]

T = TypeVar("T")

_ALWAYS = 2**62


class Roster(Generic[T]):
    """Things by id, each at one service or at none.

    ``hooks`` are called with a service before what is there changes.
    """

    def __init__(self, hooks: Sequence[Callable[[int], None]] = ()) -> None:
        self._hooks = hooks
        self._at: dict[int, dict[int, T]] = {}
        self._where: dict[int, int] = {}

    def put(self, number: int, thing: T, service: int | None) -> None:
        """The thing is at the service now, and nowhere else; None: it is nowhere."""
        before = self._where.get(number)
        if before == service:
            return
        for hook in self._hooks:
            for at in (before, service):
                if at is not None:
                    hook(at)
        if before is not None:
            del self._at[before][number]
            del self._where[number]
        if service is not None:
            self._at.setdefault(service, {})[number] = thing
            self._where[number] = service

    def of(self, service: int) -> Mapping[int, T]:
        """What is at the service, by id."""
        return self._at.get(service) or MappingProxyType({})

    def numbers(self) -> list[int]:
        """The ids of all that is somewhere."""
        return list(self._where)


class OnDuty(Roster[OnFloor]):
    """The agents that are logged in.

    Remembers of each service a moment before which none of them was heard of last: so that
    whether some are quiet is seldom a question to all of them.
    """

    def __init__(self, hooks: Sequence[Callable[[int], None]] = ()) -> None:
        super().__init__(hooks)
        self._all_heard: dict[int, int] = {}

    def put(self, number: int, thing: OnFloor, service: int | None) -> None:
        """See ``Roster.put``."""
        super().put(number, thing, service)
        if service is not None:
            known = self._all_heard.get(service, _ALWAYS)
            self._all_heard[service] = min(known, thing.last_event)

    def heard_since(self, service: int, ms: int) -> int:
        """How many of the service's agents were heard of after the moment."""
        agents = self.of(service)
        if self._all_heard.get(service, _ALWAYS) > ms:
            return len(agents)
        heard = [agent.last_event for agent in agents.values()]
        self._all_heard[service] = min(heard, default=_ALWAYS)
        return sum(last > ms for last in heard)
