"""Hooks with which a scan in progress reads an item just before the fold changes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from floorcast.floor.calls import Call

__all__ = ["CallHooks", "ChangeHooks", "IdHooks"]

IdHooks = list[Callable[[int | None], None]]
"""Hooks that are called with an id.

With None, which means every id, a hook reads some of what is left, and removes itself at the end.
"""

CallHooks = list[Callable[[Call | None], None]]
"""Hooks that are called with a call, or with None as above."""

_MAX_STEPS = 20_000  # about 20 s; without a limit, scans that begin meanwhile could delay a change


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

    def call_all(self) -> Iterator[None]:
        """Call every hook before a change that can affect everything, such as a changed site.

        Yields after each step, in which the first scans read some rows. No hook is left at the end.
        """
        steps = 0
        while self:
            for hooks in (self.agents, self.campaigns, self.services):
                if hooks:
                    hooks[0](None)
            if self.calls:
                self.calls[0](None)
            steps += 1
            if steps < _MAX_STEPS:
                yield
