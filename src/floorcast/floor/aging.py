"""Removes from the floor the names that no event has mentioned for 30 days.

A name that the site declares stays, and it is kept for another 30 days after the site drops it.
Names in use also stay: a service with agents, calls or campaigns, an active campaign, or a team
with agents. Days are UTC days of the log's time, so the same names leave at the same entry on every
node and after every restart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice

from floorcast.floor.active_campaigns import ActiveCampaigns
from floorcast.floor.agent_sizes import AgentSizes
from floorcast.floor.agents import FloorAgent
from floorcast.floor.call_table import CallTable
from floorcast.floor.change_hooks import ChangeHooks
from floorcast.floor.directory import EntityRef
from floorcast.floor.rosters import Roster
from floorcast.floor.state import FloorState

__all__ = ["KEPT_DAYS", "Aging"]

KEPT_DAYS = 30
DAY_MS = 86_400_000
# Names removed at one entry, which takes a few ms. The rest leave a minute later.
MAX_REMOVED_AT_ONCE = 2_000
UPGRADE_DAYS = 32
"""Names in an earlier release's snapshot age from the next day that is a multiple of this.

Such a snapshot does not say when a name was last mentioned. Because these days are fixed, nodes
that are upgraded one after the other still agree on when the names leave.
"""


class Aging:
    """Removes names from one floor. ``tidy`` is called once per minute of log time."""

    def __init__(
        self,
        state: FloorState,
        rosters: tuple[Roster[FloorAgent], Roster[FloorAgent]],
        sizes: AgentSizes,
        active_campaigns: ActiveCampaigns,
        calls: CallTable,
        hooks: ChangeHooks,
    ) -> None:
        self._state = state
        self._rosters = rosters
        self._sizes = sizes
        self._active_campaigns = active_campaigns
        self._calls = calls
        self._hooks = hooks

    def tidy(self, now: int) -> Iterator[None]:
        """Remove the first of the names that are due at ``now`` (ms), the log's current time.

        Yields after each kind of name.
        """
        directory = self._state.directory
        if not directory.day and (directory.agents or directory.services):
            directory.ages_from = (now // DAY_MS // UPGRADE_DAYS + 1) * UPGRADE_DAYS
        directory.day = max(directory.day, now // DAY_MS)
        if directory.swept == directory.day:
            return
        left = MAX_REMOVED_AT_ONCE
        if directory.day - KEPT_DAYS > directory.ages_from:
            for drop in (
                self._drop_agents,
                self._drop_campaigns,
                self._drop_services,
                self._drop_teams,
            ):
                yield from self._hooks.call_all()
                left -= drop(left)
                yield
        if left:
            directory.swept = directory.day

    def _drop_agents(self, limit: int) -> int:
        state, directory = self._state, self._state.directory
        declared = {agent.id for agent in state.config.agents}
        ids = {**directory.agents, **state.agents}
        expired = self._due(ids, directory.agents_named, declared, lambda _: False, limit)
        for agent in expired:
            directory.agents.pop(agent, None)
            left = state.agents.pop(agent, None)
            if left is not None:
                self._sizes.forget(left)
            for roster in self._rosters:
                roster.remove(agent)
        self._forget(expired, directory.agents_named, directory.agent_keys)
        return len(expired)

    def _drop_campaigns(self, limit: int) -> int:
        state, directory = self._state, self._state.directory
        ids = {**directory.campaigns, **state.campaigns}
        expired = self._due(ids, directory.campaigns_named, (), self._active_campaigns.has, limit)
        for campaign in expired:
            directory.campaigns.pop(campaign, None)
            state.campaigns.pop(campaign, None)
        self._forget(expired, directory.campaigns_named, directory.campaign_keys)
        return len(expired)

    def _drop_services(self, limit: int) -> int:
        state, directory = self._state, self._state.directory
        declared = {service.id for service in state.config.services}
        named = directory.services_named
        expired = self._due(directory.services, named, declared, self._is_service_used, limit)
        for service in expired:
            del directory.services[service]
            state.connects.pop(service, None)
            state.counters.totals.pop(service, None)
            self._calls.in_progress.pop(service, None)
            for roster in (*self._rosters, self._active_campaigns):
                roster.drop_service(service)
        if expired:
            ids = set(expired)
            for campaign in state.campaigns.values():
                if campaign.service in ids:
                    campaign.forget_service()
        self._forget(expired, named, directory.service_keys)
        return len(expired)

    def _is_service_used(self, service: int) -> bool:
        places = (*self._rosters, self._active_campaigns)
        at = self._calls.in_progress.get(service)
        return bool(at) or any(roster.of(service) for roster in places)

    def _drop_teams(self, limit: int) -> int:
        directory = self._state.directory
        used = {agent.team for agent in directory.agents.values()}
        used.update(agent.team for agent in self._state.agents.values())
        expired = self._due(directory.teams, directory.teams_named, (), used.__contains__, limit)
        for team in expired:
            del directory.teams[team]
        self._forget(expired, directory.teams_named, directory.team_keys)
        return len(expired)

    def _due(
        self,
        ids: Iterable[int],
        named: dict[int, int],
        declared: Collection[int],
        is_used: Callable[[int], bool],
        limit: int,
    ) -> list[int]:
        """Return the first ``limit`` names to remove now. Names in use count as mentioned today."""
        today = self._state.directory.day
        for one in declared:  # a name that the site drops ages from its last day
            named[one] = today
        oldest = today - KEPT_DAYS
        old = [one for one in ids if named.get(one, 0) < oldest and one not in declared]
        for one in old:
            if is_used(one):
                named[one] = today
        return list(islice((one for one in old if named.get(one, 0) < oldest), limit))

    def _forget(
        self, expired: list[int], named: dict[int, int], keys: dict[EntityRef, int]
    ) -> None:
        if not expired:
            return
        ids = set(expired)
        for ref in [ref for ref, number in keys.items() if number in ids]:
            del keys[ref]
        for number in expired:
            named.pop(number, None)
        if self._state.directory.next_free in ids:
            self._state.directory.next_free += 1  # otherwise, the next new name gets the same id
