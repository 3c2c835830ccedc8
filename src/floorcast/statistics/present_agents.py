"""Agents at the moment of an answer: who counts as there, and what the present state adds.

The floor counts an agent's time up to its last event; what has passed since is added here, up
to now, or up to where the agent counts as gone because nothing was heard of it for too long.
"""

from __future__ import annotations

from collections.abc import Sequence

from floorcast.floor.agents import OnFloor
from floorcast.floor.counters import AgentDay
from floorcast.statistics.visibility import Moment, Scope

__all__ = ["AgentDays", "Part", "everyone_today", "is_quiet", "logged_in", "logged_off"]

Part = tuple[int, AgentDay]
"""A service, and an agent's counter of today on it."""


def is_quiet(agent: OnFloor, moment: Moment) -> bool:
    """Nothing was heard of it for too long: it counts in no figure of now."""
    return agent.last_event + moment.quiet_agent <= moment.now


class AgentDays:
    """What agents have done today on the services in view, as far as it is counted."""

    def __init__(self, scope: Scope, moment: Moment) -> None:
        self.today, self.midnight = scope.today(moment)
        self._now = moment.now
        self._quiet = moment.quiet_agent
        self._days_of = scope.floor.ledger.days_of
        self._services = frozenset(scope.services)

    def of(self, agent: int) -> Sequence[Part]:
        """The agent's counters, in no order."""
        parts = self._days_of(self.today, agent)
        for service, _ in parts:
            if service not in self._services:
                return [part for part in parts if part[0] in self._services]
        return parts

    def accrued(self, agent: OnFloor) -> int:
        """The ms that the agent's present state adds to its service, if that is in view."""
        if not agent.state or agent.service not in self._services:
            return 0
        until = min(self._now, agent.last_event + self._quiet)
        return max(0, until - max(agent.counted_to, self.midnight))

    def adds_visit(self, agent: OnFloor) -> bool:
        """Whether the time that has accrued is in a visit that today does not count yet."""
        return (self.today, agent.service) not in agent.visited

    def was_there(self, agent: OnFloor) -> bool:
        """Whether it is logged in to a service in view, or was today until it was quiet."""
        if not agent.state or agent.service not in self._services:
            return False
        return agent.last_event + self._quiet > self.midnight


def logged_in(scope: Scope) -> set[int]:
    """The agents that are logged in to the services in view, quiet ones too."""
    return set().union(*(scope.floor.on_duty.of(service) for service in scope.services))


def logged_off(scope: Scope) -> set[int]:
    """The agents that logged off from the services in view."""
    return set().union(*(scope.floor.off_duty.of(service) for service in scope.services))


def everyone_today(scope: Scope, moment: Moment) -> set[int]:
    """The agents that may have something on the services in view today."""
    today, _ = scope.today(moment)
    on_services = (scope.floor.ledger.agents_on(today, service) for service in scope.services)
    return logged_in(scope).union(*on_services)
