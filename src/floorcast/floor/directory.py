"""Names and ids of the services, agents, campaigns and teams on a client's floor.

A JSON number is an id. A string refers to the agent with that login, or to the service, campaign or
team with that name. If there is none, a string of digits is an id, and any other string gets a new
entry with that name and a free id (section 8 of the contract). An unknown id gets an entry with a
placeholder name. No event is lost because of missing configuration, and nothing in this module
raises an exception.
"""

from __future__ import annotations

from msgspec import Struct, field
from msgspec.structs import replace

from floorcast.site.configuration import Agent, CallCenter, FloorConfig, Service

__all__ = ["FIRST_FREE_ID", "NO_SERVICE", "Directory", "EntityRef", "normalize"]

EntityRef = int | str
CAMPAIGN = "Campaign"  # the start of the placeholder name of a campaign that no source has named
NO_SERVICE = -1  # the service of events that name no service
# Above the ids that people assign by hand, and below 2**31 for old clients.
FIRST_FREE_ID = 1_000_000_001
_LONGEST_ID = 15  # digits that every JSON reader reads as an integer


def normalize(ref: EntityRef) -> EntityRef:
    """Return the id in a string of digits that matches no name, or else ``ref`` itself."""
    if isinstance(ref, str) and ref.isascii() and ref.isdigit():
        return int(ref) if len(ref) <= _LONGEST_ID else ref
    return ref


class Directory(Struct):
    """Everything on the floor that has a name.

    The members that end in ``_keys`` map ids and names to ids. The members that end in ``_named``
    hold the day on which an event or the site last named an id. Days are UTC days of the log's
    time, counted from 1970. ``day`` is the current day, and ``swept`` is the last day on which old
    names were removed (``floorcast.floor.aging``). Names do not start to age before ``ages_from``.
    ``former_agents`` holds, for each login that the site has given to another id, the former ids
    until the agent's next event.
    """

    services: dict[int, Service] = field(default_factory=dict)
    agents: dict[int, Agent] = field(default_factory=dict)
    call_centers: dict[int, CallCenter] = field(default_factory=dict)
    campaigns: dict[int, str] = field(default_factory=dict)
    teams: dict[int, str] = field(default_factory=dict)
    service_keys: dict[EntityRef, int] = field(default_factory=dict)
    agent_keys: dict[EntityRef, int] = field(default_factory=dict)
    campaign_keys: dict[EntityRef, int] = field(default_factory=dict)
    team_keys: dict[EntityRef, int] = field(default_factory=dict)
    next_free: int = FIRST_FREE_ID
    services_named: dict[int, int] = field(default_factory=dict)
    agents_named: dict[int, int] = field(default_factory=dict)
    campaigns_named: dict[int, int] = field(default_factory=dict)
    teams_named: dict[int, int] = field(default_factory=dict)
    day: int = 0
    swept: int = 0
    ages_from: int = 0
    former_agents: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def apply(self, config: FloorConfig) -> None:
        """Apply the site's declarations. A service that is no longer declared keeps its name."""
        declared = {service.id for service in config.services}
        for dropped in self.services.keys() - declared:
            self.services[dropped] = Service(id=dropped, name=self.services[dropped].name)
        self.call_centers = {center.id: center for center in config.call_centers}
        for service in config.services:
            known = self.services.get(service.id)
            old = None if known is None else known.name
            self._rename(self.service_keys, old, service.name, service.id)
            self.services[service.id] = service
            self.services_named[service.id] = self.day
        self._note_former_agents(config)
        for agent in config.agents:
            on_floor = self.agents.get(agent.id)
            old = None if on_floor is None else on_floor.login
            self._rename(self.agent_keys, old, agent.login, agent.id)
            self.agents[agent.id] = agent
            self.agents_named[agent.id] = self.day

    def _note_former_agents(self, config: FloorConfig) -> None:
        """Note the undeclared agents whose logins the site now gives to other ids."""
        declared = {agent.id for agent in config.agents}
        for agent in config.agents:
            holder = self.agent_keys.get(agent.login)
            if holder is not None and holder not in declared:
                known = self.former_agents.get(agent.login, ())
                self.former_agents[agent.login] = (*known, holder)
        self.former_agents = {
            login: left
            for login, former in self.former_agents.items()
            if (left := tuple(one for one in former if one not in declared))
        }

    def former_ids(self, agent: int) -> tuple[int, ...]:
        """Return the former ids of an agent's login, if the agent has had no event since."""
        known = self.agents.get(agent) if self.former_agents else None
        return () if known is None else self.former_agents.get(known.login, ())

    def service(self, ref: EntityRef) -> int:
        """Return the id of the service that an event names, creating the service if needed."""
        known = self.service_keys.get(ref)
        if known is None:
            known = self._new_service(ref)
        self.services_named[known] = self.day
        return known

    def agent(self, ref: EntityRef) -> int:
        """Return the id of the agent that an event names, creating the agent if needed."""
        known = self.agent_keys.get(ref)
        if known is None:
            known = self._new_agent(ref)
        self.agents_named[known] = self.day
        return known

    def known_agent(self, ref: EntityRef) -> int | None:
        """Return the id of an agent that an event names, or None if the agent is not known yet."""
        known = self.agent_keys.get(ref)
        if known is None and isinstance(ref, str) and ref.isascii() and ref.isdigit():
            known = self.agent_keys.get(int(ref)) if len(ref) <= _LONGEST_ID else None
        return known

    def campaign(self, ref: EntityRef) -> int:
        """Return the id of the campaign that an event names, creating the campaign if needed."""
        known = self.campaign_keys.get(ref)
        if known is None:
            known, name = self._entry(self.campaign_keys, ref, CAMPAIGN)
            self.campaigns.setdefault(known, name)
        self.campaigns_named[known] = self.day
        return known

    def team(self, ref: EntityRef) -> int:
        """Return the id of the team that an event names, creating the team if needed."""
        known = self.team_keys.get(ref)
        if known is None:
            known, name = self._entry(self.team_keys, ref, "Team")
            self.teams.setdefault(known, name)
        self.teams_named[known] = self.day
        return known

    def call_center_of(self, service: int | None) -> int | None:
        """Return the call center of a service; None if it has none."""
        known = self.services.get(service) if service is not None else None
        return known.call_center if known is not None else None

    def name_campaign(self, campaign: int, name: str) -> None:
        """Give a campaign the name that a source reports."""
        if self.campaigns.get(campaign) != name:
            self._rename(self.campaign_keys, self.campaigns.get(campaign), name, campaign)
            self.campaigns[campaign] = name

    def campaign_name(self, campaign: int) -> str | None:
        """Return the name that a source gave a campaign; None if it has only a placeholder."""
        name = self.campaigns.get(campaign)
        return None if name == _placeholder(CAMPAIGN, campaign) else name

    def join_team(self, agent: int, team: int) -> None:
        """Set the agent's team, as given by an event."""
        self.agents[agent] = replace(self.agents[agent], team=team)

    def _new_service(self, ref: EntityRef) -> int:
        service, name = self._entry(self.service_keys, ref, "Service")
        if service not in self.services:
            self.services[service] = Service(id=service, name=name)
        return service

    def _new_agent(self, ref: EntityRef) -> int:
        agent, login = self._entry(self.agent_keys, ref, "AGENT")
        if agent not in self.agents:
            self.agents[agent] = Agent(id=agent, login=login.replace(" ", ""), name=login)
            self.agent_keys.setdefault(self.agents[agent].login, agent)
        return agent

    def _entry(self, keys: dict[EntityRef, int], ref: EntityRef, kind: str) -> tuple[int, str]:
        number = normalize(ref)
        if isinstance(number, str):
            name, number = number, self._free_id(keys)
            keys[number] = keys[name] = number
            return number, name
        # do not store the string of digits: a name may match it later, and then the name wins
        keys[number] = number
        return number, _placeholder(kind, number)

    def _free_id(self, keys: dict[EntityRef, int]) -> int:
        while self.next_free in keys:
            self.next_free += 1
        return self.next_free

    @staticmethod
    def _rename(keys: dict[EntityRef, int], old: str | None, new: str, number: int) -> None:
        if old is not None and keys.get(old) == number:
            del keys[old]
        keys[new] = keys[number] = number


def _placeholder(kind: str, number: int) -> str:
    return f"{kind} {number}"
