"""Before-change hooks: a scan in progress reads an item just before the fold changes it."""

from __future__ import annotations

from collections.abc import Callable

from floorcast.floor.calls import Call

__all__ = ["ChangeHooks", "IdHooks"]

IdHooks = list[Callable[[int | None], None]]
"""A hook, called with an id, or with None for every id."""


class ChangeHooks:
    """The hooks of one floor, which its folds call before they change what a view shows.

    ``agents``, ``campaigns`` and ``services`` are called with an id, ``calls`` with a call. A
    service changes when its counters, its agents or its campaigns do.
    """

    __slots__ = ("agents", "calls", "campaigns", "services")

    def __init__(self) -> None:
        self.agents: IdHooks = []
        self.campaigns: IdHooks = []
        self.services: IdHooks = []
        self.calls: list[Callable[[Call | None], None]] = []

    def __bool__(self) -> bool:
        """Whether a scan is in progress."""
        return bool(self.agents or self.campaigns or self.services or self.calls)

    def everything(self) -> None:
        """Call every hook, because the site changes, and with it names everywhere."""
        for hooks in (self.agents, self.campaigns, self.services):
            for hook in list(hooks):
                hook(None)
        for call_hook in list(self.calls):
            call_hook(None)
