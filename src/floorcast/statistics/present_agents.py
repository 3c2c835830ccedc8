"""Agents at the time of a response: which are present, and the time that the current state adds.

The floor counts an agent's time up to the last event. The time since then is added here, up to now,
or to the time at which a quiet agent counts as gone.
"""

from __future__ import annotations

from collections.abc import Sequence

from floorcast.floor.view import NO_SERVICE, AgentDay, OnFloor
from floorcast.statistics.visibility import Moment, Scope

__all__ = ["AgentDays", "Part", "everyone_today", "is_quiet", "logged_in"]

Part = tuple[int, AgentDay]
"""A service, and an agent's counter of today on it."""


def is_quiet(agent: OnFloor, moment: Moment) -> bool:
    """Whether the agent has had no event for too long, and so does not count in current figures."""
    return agent.last_event + moment.quiet_agent <= moment.now


class AgentDays:
    """The counted work of agents today on the services of a scope."""

    def __init__(self, scope: Scope, moment: Moment) -> None:
        self.today, self.midnight, _ = scope.today(moment)
        self._now = moment.now
        self._quiet = moment.quiet_agent
        self._view = scope.view
        self._days_of = scope.view.days_of_agent
        self._services = frozenset(scope.services)

    def of(self, agent: int) -> Sequence[Part]:
        """The agent's counters, in no order."""
        parts = self._days_of(self.today, agent)
        for service, _ in parts:
            if service not in self._services:
                return [part for part in parts if part[0] in self._services]
        return parts

    def accrued(self, agent: OnFloor) -> int:
        """The ms that the agent's present state adds to its service, if that is in the scope."""
        if not agent.state or agent.service not in self._services:
            return 0
        until = min(self._now, agent.last_event + self._quiet)
        return self._view.uncounted(agent, self.midnight, until)

    def adds_visit(self, agent: OnFloor) -> bool:
        """Whether the accrued time belongs to a visit that does not count today yet."""
        return not self._view.is_visit_counted(agent, self.today)

    def present_at(self, agent: OnFloor) -> Sequence[int]:
        """The services of the scope that it is logged in to, or was today until it was quiet."""
        if not self.is_present(agent):
            return ()
        return [one for one in self._view.services_of(agent) if one in self._services]

    def is_present(self, agent: OnFloor) -> bool:
        """Whether it is logged in to any service, or was today until it was quiet."""
        return bool(agent.state) and agent.last_event + self._quiet > self.midnight

    def was_logged_in(self, agent: OnFloor) -> bool:
        """Whether it was logged in to any service at any time today."""
        if self.is_present(agent):
            return True
        return any(any(day.visits) for _, day in self._days_of(self.today, agent.id))


def logged_in(scope: Scope, moment: Moment) -> set[int]:
    """The agents that are logged in to a service of the scope, or had a call of one today.

    The latter are logged in somewhere, too. Quiet agents are included.
    """
    view = scope.view
    found = view.logged_in(scope.services)
    if NO_SERVICE in scope.services:
        return found  # all agents are among them
    today = scope.today(moment).number
    for service in scope.services:
        for number, day in view.agents_of_day(today, service).items():
            if number not in found and (day.inbound or day.outbound):
                agent = view.present.get(number)
                if agent is not None and agent.logged_in:
                    found.add(number)
    return found


def everyone_today(scope: Scope, moment: Moment) -> set[int]:
    """The agents that may have something on the services of the scope today."""
    today = scope.today(moment).number
    on_services = (scope.view.agents_of_day(today, service) for service in scope.services)
    return scope.view.logged_in(scope.services).union(*on_services)
