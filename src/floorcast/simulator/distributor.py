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

__all__ = ["AcdAgent", "Distributor"]


class AcdAgent(Protocol):
    """An agent to whom calls are offered."""

    service: str
    skills: Sequence[str]

    def offer(self, call: SimulatedCall) -> None:
        """Take the offered call."""


class Distributor:
    """The queues of all services. No call waits while a suitable agent is free."""

    def __init__(self) -> None:
        # dicts keep the order of arrival
        self._queues: defaultdict[str, dict[int, dict[SimulatedCall, None]]] = defaultdict(dict)
        self._ready: defaultdict[str, dict[AcdAgent, None]] = defaultdict(dict)
        self._skilled: defaultdict[str, dict[AcdAgent, None]] = defaultdict(dict)

    def join(self, call: SimulatedCall) -> None:
        """Give the call to a suitable free agent at once, or let it wait."""
        ready = self._ready[call.service] or self._skilled[call.service]
        if ready:
            agent = next(iter(ready))
            self.mark_busy(agent)
            self._assign(call, agent)
        else:
            self._queues[call.service].setdefault(-call.priority, {})[call] = None

    def requeue(self, call: SimulatedCall) -> None:
        """Offer an unanswered call to another agent, or put the call first in its queue."""
        self.join(call)
        queue = self._queues[call.service].get(-call.priority, {})
        if call in queue:
            del queue[call]
            self._queues[call.service][-call.priority] = {call: None, **queue}

    def leave(self, call: SimulatedCall) -> None:
        """Remove a call from its queue."""
        call.waiting = False
        self._queues[call.service].get(-call.priority, {}).pop(call, None)

    def mark_ready(self, agent: AcdAgent) -> None:
        """Give a ready agent a call immediately, or make the agent wait for the next one."""
        call = self._next_call(agent)
        if call is not None:
            self.leave(call)
            self._assign(call, agent)
            return
        self._ready[agent.service][agent] = None
        for skill in agent.skills:
            self._skilled[skill][agent] = None

    def mark_busy(self, agent: AcdAgent) -> None:
        """Mark an agent as busy. The agent may already be busy."""
        self._ready[agent.service].pop(agent, None)
        for skill in agent.skills:
            self._skilled[skill].pop(agent, None)

    def count_ready(self, service: str) -> int:
        """Return the number of the service's agents who are waiting for a call."""
        return len(self._ready[service])

    def _assign(self, call: SimulatedCall, agent: AcdAgent) -> None:
        call.waiting = False
        agent.offer(call)

    def _next_call(self, agent: AcdAgent) -> SimulatedCall | None:
        own = self._first_call(agent.service)
        if own is not None:
            return own
        others = [first for skill in agent.skills if (first := self._first_call(skill))]
        return min(others, key=_joined, default=None)

    def _first_call(self, service: str) -> SimulatedCall | None:
        queues = self._queues[service]
        for priority in sorted(queues):
            if queues[priority]:
                return next(iter(queues[priority]))
        return None


def _joined(call: SimulatedCall) -> int:
    assert call.joined is not None
    return call.joined
