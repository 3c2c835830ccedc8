"""Service statistics: each service's calls, agents and campaigns, for today and at present."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec import UNSET, Struct, UnsetType, field
from msgspec.structs import replace

from floorcast.floor.view import NO_SERVICE, Call, Day, FloorView, Service, ServiceDay
from floorcast.statistics.campaign_stats import is_of_today
from floorcast.statistics.consistent_scan import CallScan, Scan, Slices
from floorcast.statistics.rounding import mean_seconds, rate
from floorcast.statistics.visibility import Moment, Scope

__all__ = ["OutboundCall", "ServiceAnswer", "ServiceStatistics", "service_level", "service_stats"]


class OutboundCall(Struct, rename="camel", gc=False):
    """An outbound call in progress. ``call_start_time`` is in ms."""

    transaction_id: int
    session_id: str
    campaign_id: int | None
    account: str | None
    phone: str | None
    agent_login_id: str | None
    call_start_time: int | None
    state: str


class ServiceStatistics(Struct, rename="camel"):
    """One service's statistics. Targets that are not set are omitted.

    Durations are in seconds, and rates are in percent.
    """

    calls: list[OutboundCall]
    service_id: str
    service_name: str
    cip: int
    total_offered: int
    total_handled: int
    total_abandoned: int
    abandon_rate: int | float
    service_level: int | float
    average_speed_of_answer: int
    average_duration_to_abandon: int
    average_talk_duration: int
    average_wrapup_duration: int
    average_handle_duration: int
    total_calls_answered_within_sla: int = field(name="totalCallsAnsweredWithinSLA")
    total_calls_abandoned_within_sla: int = field(name="totalCallsAbandonedWithinSLA")
    pacing_method: str | None
    throttle: str | None
    units: str | None
    total_calls_in_queue: int
    calls_with_agent: int
    total_agents: int
    longest_call_in_queue: int
    max_hold_time: int | None
    loaded: int
    remaining: int
    playing_dialable: int
    percent_complete: int | float
    call_center_id: str | None
    call_center_name: str | None
    target_service_level: int | UnsetType = UNSET
    target_seconds: int | UnsetType = UNSET


class ServiceAnswer(Struct):
    """The statistics of the services that had an agent logged in or a call offered today."""

    stats: list[ServiceStatistics]


def service_stats(scopes: Sequence[Scope], moment: Moment) -> Slices[ServiceStatistics]:
    """Return a row for each service in view that had an agent logged in or a call offered today."""
    return Slices([_ServiceRows(scope, moment) for scope in scopes])


def service_level(service: Service, day: ServiceDay) -> int | float:
    """Return the share of calls that were answered in time, by the service's formula.

    Outbound calls that were answered without a queue are excluded.
    """
    handled = _handled_queued(day)
    within, decided = day.handled_within, handled + day.abandoned
    match service.service_level:
        case "answered_of_offered":
            return rate(within, decided)
        case "with_abandons_within_sla":
            return rate(within + day.abandoned_within, decided)
        case "answered_of_answered":
            return rate(within, handled)
        case _:
            return rate(within, decided - day.abandoned_short)


def _handled_queued(day: ServiceDay) -> int:
    return day.handled - day.unqueued


class _ServiceRows:
    """Reads the rows of one floor: its calls first, then its services."""

    def __init__(self, scope: Scope, moment: Moment) -> None:
        self._calls: dict[int, _CallSums] = {}
        self._now = moment.now
        self._call_scan = self._of_calls(scope, moment)
        self._scan = self._of_services(scope, moment)

    def __iter__(self) -> Iterator[list[ServiceStatistics]]:
        """Yield a few rows per turn, and empty lists while the calls are scanned."""
        for some in self._call_scan:
            for service, call in some:
                calls = self._calls.get(service)
                if calls is None:
                    calls = self._calls[service] = _CallSums()
                calls.add(call)
            yield []
        nothing = _CallSums()
        for found in self._scan:
            rows = []
            for own in found:
                calls = self._calls.get(own.service.id, nothing)
                if own.had_agent or own.day.offered or calls.carried_over:
                    rows.append(_row(own, calls, self._now))
            yield rows

    def close(self) -> None:
        """Release the floor."""
        self._call_scan.close()
        self._scan.close()

    def _of_calls(self, scope: Scope, moment: Moment) -> CallScan[tuple[int, _OpenCall]]:
        midnight = scope.today(moment).begin
        heard_after = moment.now - moment.quiet_call
        agents = scope.view.agents

        def read(service: int, call: Call) -> tuple[int, _OpenCall] | None:
            since = call.waiting_since
            over = False
            if since is not None and since < midnight:
                over = call.waited_at_midnight(midnight, moment.quiet_call)
            if call.last_event <= heard_after:
                return (service, _OpenCall(None, False, over, None)) if over else None
            outbound = None
            if call.direction in _OUTBOUND:
                agent = (
                    None
                    if call.segment is None or call.segment.agent is None
                    else agents.get(call.segment.agent)
                )
                outbound = _outbound(call, None if agent is None else agent.login)
            return service, _OpenCall(since, call.connected, over, outbound)

        return CallScan(scope, read)

    def _of_services(self, scope: Scope, moment: Moment) -> Scan[_ServiceData]:
        view, today = scope.view, scope.today(moment)
        days = view.services_on(today.number)

        def read(number: int) -> _ServiceData | None:
            service = view.services.get(number)
            if service is None or number == NO_SERVICE:
                return None
            agents, had_agent = _agents(view, number, moment, today)
            day = replace(days[number]) if number in days else _NOTHING
            campaigns = _campaigns(view, number, today.begin)
            center = service.call_center
            known = None if center is None else view.call_centers.get(center)
            name = None if known is None else known.name
            return _ServiceData(service, name, day, agents, had_agent, campaigns)

        return Scan(scope.services, read, view.hooks.services, scope.rows)


class _OpenCall(NamedTuple):
    """A call in progress: when its wait began, and whether it has waited since before midnight."""

    waiting_since: int | None
    connected: bool
    over_midnight: bool
    outbound: OutboundCall | None


class _ServiceData(NamedTuple):
    """A service's figures without its calls in progress."""

    service: Service
    call_center_name: str | None
    day: ServiceDay
    agents: int
    had_agent: bool
    campaigns: _Campaigns


class _Campaigns(NamedTuple):
    """Sums over today's campaigns of a service."""

    loaded: int
    remaining: int
    dialable: int


_NOTHING = ServiceDay()
_OUTBOUND = frozenset({"OUTBOUND", "MANUAL"})


class _CallSums:
    """A service's calls in progress."""

    __slots__ = ("carried_over", "connected", "longest_since", "outbound", "waiting")

    def __init__(self) -> None:
        self.waiting = self.connected = self.carried_over = 0
        self.longest_since: int | None = None
        self.outbound: list[OutboundCall] = []

    def add(self, call: _OpenCall) -> None:
        """Count a call."""
        since = call.waiting_since
        self.carried_over += call.over_midnight
        self.connected += call.connected
        if since is not None:
            self.waiting += 1
            if self.longest_since is None or since < self.longest_since:
                self.longest_since = since
        if call.outbound is not None:
            self.outbound.append(call.outbound)


def _agents(view: FloorView, service: int, moment: Moment, today: Day) -> tuple[int, bool]:
    """Return the number of agents logged in now, and whether any agent was logged in today."""
    there = view.count_logged_in(service, moment.now - moment.quiet_agent)
    if there or view.count_logged_in(service, today.begin - moment.quiet_agent):
        return there, True
    days = view.agents_of_day(today.number, service).values()
    return 0, any(day.was_logged_in for day in days)


def _campaigns(view: FloorView, service: int, midnight: int) -> _Campaigns:
    loaded = remaining = dialable = 0
    for campaign in view.campaigns_of(service):
        if is_of_today(campaign, midnight):
            loaded += campaign.loaded or 0
            remaining += campaign.remaining or 0
            if (campaign.state or "").upper() == "PLAYING":
                dialable += campaign.dialable or 0
    return _Campaigns(loaded, remaining, dialable)


def _by_start(call: OutboundCall) -> tuple[int, int, str]:
    return (call.call_start_time or 0, call.transaction_id, call.session_id)


def _outbound(call: Call, login: str | None) -> OutboundCall:
    return OutboundCall(
        call.transaction,
        call.session,
        call.campaign,
        call.account,
        call.customer_phone,
        login,
        call.started,
        call.progress,
    )


def _row(own: _ServiceData, calls: _CallSums, now: int) -> ServiceStatistics:
    service, day = own.service, own.day
    loaded, remaining, dialable = own.campaigns
    handled = _handled_queued(day)
    longest = 0 if calls.longest_since is None else max(0, now - calls.longest_since)
    center = service.call_center
    return ServiceStatistics(
        calls=sorted(calls.outbound, key=_by_start),
        service_id=str(service.id),
        service_name=service.name,
        cip=len(calls.outbound),
        total_offered=day.offered + calls.carried_over,
        total_handled=day.handled,
        total_abandoned=day.abandoned,
        abandon_rate=rate(day.abandoned, handled + day.abandoned),
        service_level=service_level(service, day),
        average_speed_of_answer=mean_seconds(day.handled_wait, handled),
        average_duration_to_abandon=mean_seconds(day.abandoned_wait, day.abandoned),
        average_talk_duration=mean_seconds(day.talk, day.talks),
        average_wrapup_duration=mean_seconds(day.wrap_up, day.talks),
        average_handle_duration=mean_seconds(day.talk + day.wrap_up, day.talks),
        total_calls_answered_within_sla=day.handled_within,
        total_calls_abandoned_within_sla=day.abandoned_within,
        pacing_method=service.pacing_method,
        throttle=service.throttle,
        units=service.units,
        total_calls_in_queue=calls.waiting,
        calls_with_agent=calls.connected,
        total_agents=own.agents,
        longest_call_in_queue=longest // 1000,
        max_hold_time=service.max_hold_time,
        loaded=loaded,
        remaining=remaining,
        playing_dialable=dialable,
        percent_complete=rate(loaded - remaining, loaded) if loaded else 100,
        call_center_id=None if center is None else str(center),
        call_center_name=own.call_center_name,
        target_service_level=_or_unset(service.target_service_level),
        target_seconds=_or_unset(service.target_seconds),
    )


def _or_unset(target: int | None) -> int | UnsetType:
    return UNSET if target is None else target
