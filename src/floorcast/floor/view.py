"""The read interface of a floor, for statistics and call data.

Those packages import nothing else from this one. A view copies nothing, so read its results before
the fold continues, or scan with ``hooks``, which are called before each change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from floorcast.floor.agents import CallMembers, CurrentCall, FloorAgent
from floorcast.floor.alerts import (
    NO_ALERT,
    Alert,
    alert_key,
    covers,
    next_status,
    public_alert_id,
)
from floorcast.floor.call_details import members_set_since
from floorcast.floor.call_metadata import CallMetadata
from floorcast.floor.calls import Call, Key
from floorcast.floor.campaigns import OPTIONAL_ZONE, TIMEZONES, Campaign
from floorcast.floor.change_hooks import CallHooks, ChangeHooks, IdHooks
from floorcast.floor.counted_calls import CallResult, CountedCall, counted_at, first_offered
from floorcast.floor.counters import AgentDay, ServiceDay
from floorcast.floor.directory import NO_SERVICE
from floorcast.floor.floor import Floor
from floorcast.floor.intervals import (
    COLUMNS,
    MOVED_ON,
    SLOT_MS,
    SLOTS_OF_HOUR,
    TIME_COLUMN,
    Column,
    ServiceIntervals,
)
from floorcast.floor.queue_segments import QueueSegment
from floorcast.floor.segment_index import SegmentIndex
from floorcast.floor.service_totals import WAIT_BOUNDS, ServiceTotals, Total
from floorcast.site.configuration import Agent, AlertRule, CallCenter, Service

__all__ = [
    "COLUMNS",
    "MOVED_ON",
    "NO_ALERT",
    "NO_SERVICE",
    "OPTIONAL_ZONE",
    "SLOTS_OF_HOUR",
    "SLOT_MS",
    "TIMEZONES",
    "TIME_COLUMN",
    "WAIT_BOUNDS",
    "Agent",
    "AgentDay",
    "Alert",
    "AlertRule",
    "Call",
    "CallCenter",
    "CallHooks",
    "CallMetadata",
    "CallResult",
    "Campaign",
    "Column",
    "CountedCall",
    "CurrentCall",
    "Day",
    "FloorAgent",
    "FloorView",
    "IdHooks",
    "Key",
    "QueueSegment",
    "Service",
    "ServiceDay",
    "ServiceIntervals",
    "ServiceTotals",
    "Total",
    "alert_key",
    "covers",
    "members_set_since",
    "next_status",
    "public_alert_id",
]


class Day(NamedTuple):
    """A day of the client's calendar: its number, its first ms, and the next day's first ms."""

    number: int
    begin: int
    end: int


class FloorView:
    """Reads one client's floor. Times are in ms.

    ``NO_SERVICE`` stands for data without a known service.
    """

    __slots__ = ("_floor", "client", "hooks")

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self.client = floor.state.client
        self.hooks: ChangeHooks = floor.hooks

    def day_of(self, ms: int) -> Day:
        """Return the client's day that contains a time."""
        calendar = self._floor.calendar
        number = calendar.day_of(ms)
        return Day(number, *calendar.bounds(number))

    # -- names -----------------------------------------------------------------------------

    @property
    def services(self) -> Mapping[int, Service]:
        """All known services by id, except ``NO_SERVICE``."""
        return self._floor.state.directory.services

    @property
    def call_centers(self) -> Mapping[int, CallCenter]:
        """The call centers, by id."""
        return self._floor.state.directory.call_centers

    @property
    def agents(self) -> Mapping[int, Agent]:
        """The login, name and team of every known agent, by id."""
        return self._floor.state.directory.agents

    @property
    def alert_rules(self) -> Sequence[AlertRule]:
        """The alert rules in force."""
        return self._floor.state.config.alerts

    @property
    def alerts(self) -> Mapping[str, Alert]:
        """The alerts that have ever changed, by key."""
        return self._floor.state.alerts

    @property
    def config_entry(self) -> int:
        """The entry of the configuration in force."""
        return self._floor.state.config_entry

    @property
    def newest_event_at(self) -> int:
        """When the newest event from a source was recorded, in ticks; 0 if there is none."""
        return self._floor.state.newest_event_at

    @property
    def is_consistent(self) -> bool:
        """Whether all figures are in the same time zone. See ``Floor.apply_in_steps``."""
        return self._floor.is_consistent

    @property
    def time_zone(self) -> str:
        """The client's time zone."""
        return self._floor.state.config.time_zone

    def call_center_of(self, service: int | None) -> int | None:
        """Return the call center of a service, or None."""
        return self._floor.state.directory.call_center_of(service)

    # -- agents ----------------------------------------------------------------------------

    @property
    def floor_agents(self) -> Mapping[int, FloorAgent]:
        """The current state of every known agent, by id."""
        return self._floor.state.agents

    def logged_in(self, services: Iterable[int]) -> set[int]:
        """Return the agents that are logged in to any of the services, including quiet ones."""
        return set().union(*map(self._floor.logged_in_agents.of, services))

    def logged_in_to(self, service: int) -> Mapping[int, FloorAgent]:
        """Return the agents that are logged in to a service, by id, including quiet ones."""
        return self._floor.logged_in_agents.of(service)

    def logged_off(self, services: Iterable[int]) -> set[int]:
        """Return the agents that have logged off and were last logged in to any of the services."""
        return set().union(*map(self._floor.logged_off_agents.of, services))

    def count_logged_in(self, service: int, heard_after: int) -> int:
        """Count the agents that are logged in to a service and had an event after a time."""
        return self._floor.logged_in_agents.count_active_since(service, heard_after)

    def services_of(self, agent: FloorAgent) -> Collection[int]:
        """Return the services that an agent is logged in to, or was logged in to last."""
        return agent.logged_in_to

    def days_of_agent(self, day: int, agent: int) -> Sequence[tuple[int, AgentDay]]:
        """Return an agent's counters of a day as (service, counter) pairs."""
        return self._floor.ledger.days_of(day, agent)

    def agents_of_day(self, day: int, service: int) -> Mapping[int, AgentDay]:
        """Return the counters of a day on a service, by agent."""
        return self._floor.ledger.agents_on(day, service)

    def working_agents(self, day: int) -> Mapping[int, object]:
        """Return the agents that have counters of a day, as keys."""
        return self._floor.ledger.agents_of(day)

    def uncounted(self, agent: FloorAgent, begin: int, until: int) -> int:
        """Return the uncounted ms in the agent's current state between ``begin`` and ``until``."""
        return max(0, until - max(agent.counted_until, begin))

    def is_visit_counted(self, agent: FloorAgent, day: int) -> bool:
        """Return whether a day's counter includes the visit to the agent's current state."""
        return (day, agent.service) in agent.visited

    def has_changed(self, agent: FloorAgent, after: int) -> bool:
        """Return whether the agent's state, reason or service has changed since ``after``.

        A change that was recorded or folded since then also counts, even in the same ms, because
        the response with that time may have been sent just before.
        """
        folded_at = self._floor.folded.of_agents.get(agent.id, 0)
        return agent.since > after or max(agent.changed_at, folded_at) >= max(after, 1)

    def current_call_service(self, agent: FloorAgent, call: CurrentCall) -> int:
        """Return the service of the agent's current call, or else the agent's service."""
        known = None if call.key is None else self._floor.call_table.calls.get(call.key)
        if known is not None and known.current_service != NO_SERVICE:
            return known.current_service
        return agent.service if call.service is None else call.service

    def agents_of_call(self, call: Call) -> Collection[int]:
        """Return the agents whose current call this is, and perhaps others that have had it."""
        return self._floor.named_calls.agents_of(call.key)

    def call_members(self, call: CurrentCall) -> CallMembers:
        """Return what is known now of an agent's current call."""
        key = call.key
        return call.members_now(None if key is None else self._floor.call_table.calls.get(key))

    # -- calls -----------------------------------------------------------------------------

    def calls_in_progress(self, services: Iterable[int]) -> list[tuple[int, list[Call]]]:
        """Return the calls in progress by service, for the services that have any."""
        at = self._floor.call_table.in_progress
        return [(service, list(at[service].values())) for service in services if at.get(service)]

    def large_services(self, most: int) -> set[int]:
        """Return the services with more than this many calls in progress or logged-in agents."""
        calls = self._floor.call_table.in_progress
        found = {service for service, at in calls.items() if len(at) > most}
        return found.union(self._floor.logged_in_agents.large_services(most))

    def calls_at(self, service: int) -> list[Call]:
        """Return the calls in memory that are or have been at a service, and perhaps others."""
        return list(self._floor.call_table.by_service.of(service))

    def counted(self, call: Call, day: int, service: int) -> CountedCall | None:
        """Return how a call is counted for a service on a given day, or None if it is not."""
        floor, index = self._floor, None
        if len(call.segments) > 1 and floor.call_table.calls.get(call.key) is call:
            index = floor.tally.index_of(call)
        return counted_at(call, floor.segment_days, (day, service), index)

    def counted_segment(
        self, call: Call, day: int, service: int, *, offered: bool
    ) -> QueueSegment | None:
        """Return the segment by which a call counts at a service on a day.

        If ``offered`` is True, return the segment that was offered first instead, if it is kept.
        Returns None if there is no such segment. The call may have left memory.
        """
        floor, day_service = self._floor, (day, service)
        index = SegmentIndex(call, floor.segment_days)
        first = first_offered(call, index, floor.segment_days, day_service) if offered else None
        if first is not None:
            return first
        outcome = index.outcome(day_service)
        return None if outcome is None else outcome.segment

    def connects_of(self, service: int) -> Collection[int]:
        """Return the disposition times of the last half hour's right-party contacts."""
        return self._floor.state.connects.get(service, {}).values()

    # -- services and campaigns ------------------------------------------------------------

    def services_on(self, day: int) -> Mapping[int, ServiceDay]:
        """Return the counters of a day, by service."""
        return self._floor.ledger.services_on(day)

    def intervals_on(self, day: int) -> Mapping[int, ServiceIntervals]:
        """Return the five-minute slots of a day, by service."""
        return self._floor.ledger.intervals_on(day)

    def mark_read(self, until: int) -> None:
        """Record that the intervals before ``until`` have been read and cached."""
        self._floor.ledger.mark_read(until)

    def pop_recounted(self, day: int, service: int) -> int | None:
        """Return the time from which cached intervals have since changed, or None."""
        return self._floor.ledger.pop_recounted(day, service)

    def totals_of(self, service: int) -> ServiceTotals | None:
        """Return a service's counts that are never reset; None if nothing was counted."""
        return self._floor.ledger.totals.get(service)

    def campaigns_of(self, service: int) -> Collection[Campaign]:
        """Return the service's campaigns that were active today or yesterday."""
        return self._floor.active_campaigns.of(service).values()

    def campaign(self, number: int) -> Campaign | None:
        """Return the reported state of a campaign, or None."""
        return self._floor.state.campaigns.get(number)

    def campaign_name(self, number: int) -> str | None:
        """Return the name that a source gave a campaign, or None if no source has named it."""
        return self._floor.state.directory.campaign_name(number)

    def is_campaign(self, number: int) -> bool:
        """Return whether a campaign with this id is known."""
        return number in self._floor.state.directory.campaigns
