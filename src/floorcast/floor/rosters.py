"""Who and what is at a service: indexes, so that a service's figures cost what it holds.

They are made anew on a start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

__all__ = ["Roster", "Watchers"]

T = TypeVar("T")

Watchers = list[Callable[[int | None], None]]
"""Told an agent's id before the fold changes what is known of it; None: of every agent."""


class Roster(Generic[T]):
    """Things by id, each at one service or at none."""

    def __init__(self) -> None:
        self._at: dict[int, dict[int, T]] = {}
        self._where: dict[int, int] = {}

    def put(self, number: int, thing: T, service: int | None) -> None:
        """The thing is at the service now, and nowhere else; None: it is nowhere."""
        before = self._where.get(number)
        if before == service:
            return
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
