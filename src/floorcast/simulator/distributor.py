"""The automatic call distributor: matches waiting calls with free agents.

A call goes to the agent of its service who has been free the longest, or else to an agent with the
skill. A free agent gets the first call of its own service, by priority and then by arrival, or else
the longest-waiting call of its other skills.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from floorcast.simulator.simulated_call import SimulatedCall

__all__ = ["Distributor", "Operator"]


class Operator(Protocol):
    """An agent to whom calls are offered."""

    service: str
    skills: Sequence[str]

    def take(self, call: SimulatedCall) -> None:
        """Take the offered call."""


class Distributor:
    """The queues of all services. No call waits while a suitable agent is free."""

    def __init__(self) -> None:
        # dicts keep the order of arrival
        self._lines: defaultdict[str, dict[int, dict[SimulatedCall, None]]] = defaultdict(dict)
        self._free: defaultdict[str, dict[Operator, None]] = defaultdict(dict)
        self._skilled: defaultdict[str, dict[Operator, None]] = defaultdict(dict)

    def join(self, call: SimulatedCall) -> None:
        """Give the call to a suitable free agent at once, or let it wait."""
        free = self._free[call.service] or self._skilled[call.service]
        if free:
            operator = next(iter(free))
            self.busy(operator)
            self._give(call, operator)
        else:
            self._lines[call.service].setdefault(-call.priority, {})[call] = None

    def come_back(self, call: SimulatedCall) -> None:
        """Offer an unanswered call to another agent, or put the call first in its queue."""
        self.join(call)
        line = self._lines[call.service].get(-call.priority, {})
        if call in line:
            del line[call]
            self._lines[call.service][-call.priority] = {call: None, **line}

    def leave(self, call: SimulatedCall) -> None:
        """Remove a call from its queue."""
        call.waiting = False
        self._lines[call.service].get(-call.priority, {}).pop(call, None)

    def free(self, operator: Operator) -> None:
        """Give a ready agent a call immediately, or make the agent wait for the next one."""
        call = self._next(operator)
        if call is not None:
            self.leave(call)
            self._give(call, operator)
            return
        self._free[operator.service][operator] = None
        for skill in operator.skills:
            self._skilled[skill][operator] = None

    def busy(self, operator: Operator) -> None:
        """Mark an agent as busy. The agent may already be busy."""
        self._free[operator.service].pop(operator, None)
        for skill in operator.skills:
            self._skilled[skill].pop(operator, None)

    def free_for(self, service: str) -> int:
        """Return the number of the service's agents who are waiting for a call."""
        return len(self._free[service])

    def _give(self, call: SimulatedCall, operator: Operator) -> None:
        call.waiting = False
        operator.take(call)

    def _next(self, operator: Operator) -> SimulatedCall | None:
        own = self._first(operator.service)
        if own is not None:
            return own
        others = [first for skill in operator.skills if (first := self._first(skill))]
        return min(others, key=_joined, default=None)

    def _first(self, service: str) -> SimulatedCall | None:
        lines = self._lines[service]
        for priority in sorted(lines):
            if lines[priority]:
                return next(iter(lines[priority]))
        return None


def _joined(call: SimulatedCall) -> int:
    assert call.joined is not None
    return call.joined
