"""Hooks with which a scan in progress reads an item just before the fold changes it."""

from __future__ import annotations

from collections.abc import Callable

from floorcast.floor.calls import Call

__all__ = ["CallHooks", "ChangeHooks", "IdHooks"]

IdHooks = list[Callable[[int | None], None]]
"""Hooks that are called with an id, or with None to mean every id."""

CallHooks = list[Callable[[Call | None], None]]
"""Hooks that are called with a call, or with None to mean every call."""


class ChangeHooks:
    """One floor's hooks, which its folds call before they change anything that a view shows.

    ``agents``, ``campaigns`` and ``services`` are called with an id, and ``calls`` with a call. A
    service changes when its counters, agents or campaigns do.
    """

    __slots__ = ("agents", "calls", "campaigns", "services")

    def __init__(self) -> None:
        self.agents: IdHooks = []
        self.campaigns: IdHooks = []
        self.services: IdHooks = []
        self.calls: CallHooks = []

    def __bool__(self) -> bool:
        """Whether a scan is in progress."""
        return bool(self.agents or self.campaigns or self.services or self.calls)

    def call_all(self) -> None:
        """Call every hook before a change that can affect everything, such as a changed site."""
        for hooks in (self.agents, self.campaigns, self.services):
            for hook in list(hooks):
                hook(None)
        for call_hook in list(self.calls):
            call_hook(None)
