"""The automatic call distributor: matches waiting calls with free agents.

A call gets the agent of its service who has been free longest, else one who has the skill. A
free agent gets the first call of its own service, by priority and then by time, else the one of
its other skills that has waited longest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from floorcast.simulator.simulated_call import Call

__all__ = ["Distributor", "Operator"]


class Operator(Protocol):
    """Somebody who takes calls."""

    service: str
    skills: Sequence[str]

    def take(self, call: Call) -> None:
        """The call is offered, now."""


class Distributor:
    """The queues of all services. No call waits while an agent is free for it."""

    def __init__(self) -> None:
        # dicts keep the order in which one came: the first is the one that came first
        self._lines: defaultdict[str, dict[int, dict[Call, None]]] = defaultdict(dict)
        self._free: defaultdict[str, dict[Operator, None]] = defaultdict(dict)
        self._skilled: defaultdict[str, dict[Operator, None]] = defaultdict(dict)

    def join(self, call: Call) -> None:
        """A call asks for an agent of its service; it has one at once, or waits."""
        free = self._free[call.service] or self._skilled[call.service]
        if free:
            operator = next(iter(free))
            self.busy(operator)
            self._give(call, operator)
        else:
            self._lines[call.service].setdefault(-call.priority, {})[call] = None

    def come_back(self, call: Call) -> None:
        """A call that nobody picked up: it is the first of its line again, or has somebody else."""
        self.join(call)
        line = self._lines[call.service].get(-call.priority, {})
        if call in line:
            del line[call]
            self._lines[call.service][-call.priority] = {call: None, **line}

    def leave(self, call: Call) -> None:
        """A call waits no longer."""
        call.waiting = False
        self._lines[call.service].get(-call.priority, {}).pop(call, None)

    def free(self, operator: Operator) -> None:
        """An agent is ready, and has a call at once, or waits."""
        call = self._next(operator)
        if call is not None:
            self.leave(call)
            self._give(call, operator)
            return
        self._free[operator.service][operator] = None
        for skill in operator.skills:
            self._skilled[skill][operator] = None

    def busy(self, operator: Operator) -> None:
        """An agent takes no call; one who was busy already stays so."""
        self._free[operator.service].pop(operator, None)
        for skill in operator.skills:
            self._skilled[skill].pop(operator, None)

    def free_for(self, service: str) -> int:
        """How many agents of the service wait for a call."""
        return len(self._free[service])

    def _give(self, call: Call, operator: Operator) -> None:
        call.waiting = False
        operator.take(call)

    def _next(self, operator: Operator) -> Call | None:
        own = self._first(operator.service)
        if own is not None:
            return own
        others = [first for skill in operator.skills if (first := self._first(skill))]
        return min(others, key=_joined, default=None)

    def _first(self, service: str) -> Call | None:
        lines = self._lines[service]
        for priority in sorted(lines):
            if lines[priority]:
                return next(iter(lines[priority]))
        return None


def _joined(call: Call) -> int:
    assert call.joined is not None
    return call.joined
