"""Determines which agents are present at the time of a response, and adds their uncounted time.

The floor counts an agent's time up to the agent's last event. This module adds the time since then.
For an agent that has been quiet for too long, the added time ends when the agent counts as gone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from floorcast.floor.view import NO_SERVICE, AgentDay, FloorAgent
from floorcast.statistics.visibility import Moment, Scope

__all__ = ["AgentDays", "AgentServiceDay", "agents_of_today", "is_quiet", "listed_agents"]

# Collecting the agents of so many services takes a millisecond or two. An answer about more
# services asks each agent of the floor, a few per turn.
_MANY_SERVICES = 1_000

AgentServiceDay = tuple[int, AgentDay]
"""A service and an agent's counters on that service today."""


def is_quiet(agent: FloorAgent, moment: Moment) -> bool:
    """Return whether the agent has had no event for too long.

    Current figures do not include such an agent.
    """
    return agent.last_event + moment.quiet_agent <= moment.now


class AgentDays:
    """The work that agents have done today on the services of a scope."""

    def __init__(self, scope: Scope, moment: Moment) -> None:
        self.today, self.midnight, _ = scope.today(moment)
        self._now = moment.now
        self._quiet = moment.quiet_agent
        self._view = scope.view
        self._days_of = scope.view.days_of_agent
        self._services = frozenset(scope.services)

    def of(self, agent: int) -> Sequence[AgentServiceDay]:
        """Return the agent's counters, in no particular order."""
        parts = self._days_of(self.today, agent)
        for service, _ in parts:
            if service not in self._services:
                return [part for part in parts if part[0] in self._services]
        return parts

    def accrued(self, agent: FloorAgent) -> int:
        """Return the ms that the agent's present state adds to its service.

        Return 0 if the service is not in the scope.
        """
        if not agent.state or agent.service not in self._services:
            return 0
        until = min(self._now, agent.last_event + self._quiet)
        return self._view.uncounted(agent, self.midnight, until)

    def adds_visit(self, agent: FloorAgent) -> bool:
        """Return whether the accrued time belongs to a visit that is not counted today yet."""
        return not self._view.is_visit_counted(agent, self.today)

    def present_at(self, agent: FloorAgent) -> Sequence[int]:
        """Return the services of the scope that the agent is logged in to.

        An agent that has gone quiet today is included.
        """
        if not self.is_present(agent):
            return ()
        return [one for one in self._view.services_of(agent) if one in self._services]

    def is_listed(self, agent: FloorAgent, *, logged_off: bool = False) -> bool:
        """Return whether the agent is one of ``listed_agents``, quiet or not.

        If ``logged_off`` is True, this includes an agent that was last logged in to a service of
        the scope.
        """
        if not agent.logged_in and not logged_off:
            return False
        for service in self._view.services_of(agent):
            if service in self._services:
                return True
        if not agent.logged_in:
            return False
        return any(day.inbound or day.outbound for _, day in self.of(agent.id))

    def worked(self, number: int) -> bool:
        """Return whether the agent is one of ``agents_of_today``."""
        agent = self._view.floor_agents.get(number)
        if agent is not None and agent.logged_in:
            for service in self._view.services_of(agent):
                if service in self._services:
                    return True
        return bool(self.of(number))

    def is_present(self, agent: FloorAgent) -> bool:
        """Return whether the agent is logged in to any service, even if it has gone quiet today."""
        return bool(agent.state) and agent.last_event + self._quiet > self.midnight

    def was_logged_in(self, agent: FloorAgent) -> bool:
        """Return whether the agent was logged in to any service at any time today."""
        if self.is_present(agent):
            return True
        return any(day.was_logged_in for _, day in self._days_of(self.today, agent.id))


def listed_agents(scope: Scope, moment: Moment, *, logged_off: bool = False) -> Collection[int]:
    """Return the agents to ask for ``AgentDays.is_listed``.

    These are the agents that are logged in to a service of the scope, or have had a call on such a
    service today and are logged in to any service.
    """
    view = scope.view
    if len(scope.services) >= _MANY_SERVICES:
        return view.floor_agents
    found = view.logged_in(scope.services)
    if logged_off:
        found |= view.logged_off(scope.services)
    if NO_SERVICE in scope.services:
        return found  # all agents are among them
    today = scope.today(moment).number
    for service in scope.services:
        for number, day in view.agents_of_day(today, service).items():
            if number not in found and (day.inbound or day.outbound):
                agent = view.floor_agents.get(number)
                if agent is not None and agent.logged_in:
                    found.add(number)
    return found


def agents_of_today(scope: Scope, moment: Moment) -> Collection[int]:
    """Return the agents to ask for ``AgentDays.worked``.

    These are the agents who may have logged in to, or worked for, the scope's services today.
    """
    view, today = scope.view, scope.today(moment).number
    if len(scope.services) >= _MANY_SERVICES:
        return {**view.floor_agents, **view.working_agents(today)}
    on_services = (view.agents_of_day(today, service) for service in scope.services)
    return view.logged_in(scope.services).union(*on_services)
