"""Service statistics: the calls, agents and campaigns of each service, today and now."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from floorcast.floor.calls import Call, QueueSegment
from floorcast.floor.counters import ServiceDay
from floorcast.floor.directory import NO_SERVICE, Directory
from floorcast.floor.floor import Floor
from floorcast.site.configuration import Service
from floorcast.statistics.campaign_stats import is_of_today
from floorcast.statistics.consistent_scan import ReadRows, Slices
from floorcast.statistics.rounding import mean_seconds, rate
from floorcast.statistics.visibility import Moment, Scope

__all__ = ["OutboundCall", "ServiceAnswer", "ServiceStatistics", "service_level", "service_stats"]


class OutboundCall(Struct, rename="camel", gc=False):
    """An outbound call in progress; ``call_start_time`` in ms."""

    transaction_id: int
    session_id: str
    campaign_id: int | None
    account: str | None
    phone: str | None
    agent_login_id: str | None
    call_start_time: int | None
    state: str


class ServiceStatistics(Struct, rename="camel"):
    """One service; durations in seconds, rates in percent."""

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


class ServiceAnswer(Struct):
    """The services that had an agent logged in, or a call offered, today."""

    stats: list[ServiceStatistics]


def service_stats(scopes: Sequence[Scope], moment: Moment) -> Slices[ServiceStatistics]:
    """A row for each service in view that had an agent logged in, or a call offered, today."""
    return Slices([ReadRows(_of(scope, moment)) for scope in scopes])


def service_level(service: Service, day: ServiceDay) -> int | float:
    """The share of calls answered in time, by the formula that the service has chosen."""
    within, decided = day.handled_within, day.handled + day.abandoned
    match service.service_level:
        case "answered_of_offered":
            return rate(within, decided)
        case "with_abandons_within_sla":
            return rate(within + day.abandoned_within, decided)
        case "answered_of_answered":
            return rate(within, day.handled)
        case _:
            return rate(within, decided - day.abandoned_short)


def _of(scope: Scope, moment: Moment) -> list[ServiceStatistics]:
    floor = scope.floor
    today, midnight = scope.today(moment)
    days = floor.ledger.services_on(today)
    rows = []
    for number in scope.services:
        service = floor.state.directory.services.get(number)
        if service is None or number == NO_SERVICE:
            continue
        calls = _Calls(floor, number, moment, midnight)
        day = days.get(number, _NOTHING)
        offered = day.offered + calls.carried_over
        agents, involved = _agents(floor, number, moment, (today, midnight))
        if offered or involved:
            rows.append(_row(floor, service, day, offered, calls, agents, midnight))
    return rows


_NOTHING = ServiceDay()


def _agents(floor: Floor, service: int, moment: Moment, today: tuple[int, int]) -> tuple[int, bool]:
    """How many agents are logged in now, and whether any was today."""
    there = floor.on_duty.heard_since(service, moment.now - moment.quiet_agent)
    if there or floor.on_duty.heard_since(service, today[1] - moment.quiet_agent):
        return there, True
    days = floor.ledger.agents_on(today[0], service).values()
    return 0, any(any(day.visits) for day in days)


class _Calls:
    """The calls in progress of one service."""

    __slots__ = ("_joined", "_now", "carried_over", "connected", "outbound", "waiting")

    def __init__(self, floor: Floor, service: int, moment: Moment, midnight: int) -> None:
        self.waiting = self.connected = self.carried_over = 0
        self._now = self._joined = moment.now
        self.outbound: list[OutboundCall] = []
        heard_of = moment.now - moment.quiet_call
        for call in floor.call_table.in_progress.get(service, {}).values():
            leg = call.legs[-1] if call.legs else None
            since = None if leg is None or leg.answered is not None else leg.joined
            if since is not None and since < midnight:
                self.carried_over += call.waited_over(midnight, moment.quiet_call)
            if call.last_event <= heard_of:
                continue
            if since is not None:
                self.waiting += 1
                self._joined = min(self._joined, since)
            elif leg is not None:
                self.connected += 1
            if call.direction in {"OUTBOUND", "MANUAL"}:
                self.outbound.append(_outbound(call, floor.state.directory))
        self.outbound.sort(key=_as_they_began)

    @property
    def longest(self) -> int:
        """How long the one that waits longest has waited so far, in ms."""
        return self._now - self._joined


def _as_they_began(call: OutboundCall) -> tuple[int, int, str]:
    return (call.call_start_time or 0, call.transaction_id, call.session_id)


def _outbound(call: Call, directory: Directory) -> OutboundCall:
    leg = call.legs[-1] if call.legs else None
    agent = None if leg is None or leg.agent is None else directory.agents.get(leg.agent)
    return OutboundCall(
        call.transaction,
        call.session,
        call.campaign,
        call.account,
        call.phone_dialed,
        None if agent is None else agent.login,
        call.started,
        _state(leg),
    )


def _state(leg: QueueSegment | None) -> str:
    if leg is None:
        return "DIALING"
    return "QUEUED" if leg.answered is None else "CONNECTED"


def _row(
    floor: Floor,
    service: Service,
    day: ServiceDay,
    offered: int,
    calls: _Calls,
    agents: int,
    midnight: int,
) -> ServiceStatistics:
    loaded = remaining = dialable = 0
    for campaign in floor.at_work.of(service.id).values():
        if is_of_today(campaign, midnight):
            loaded += campaign.loaded or 0
            remaining += campaign.remaining or 0
            if (campaign.state or "").upper() == "PLAYING":
                dialable += campaign.dialable or 0
    center = service.call_center
    named = None if center is None else floor.state.directory.call_centers.get(center)
    return ServiceStatistics(
        calls=calls.outbound,
        service_id=str(service.id),
        service_name=service.name,
        cip=len(calls.outbound),
        total_offered=offered,
        total_handled=day.handled,
        total_abandoned=day.abandoned,
        abandon_rate=rate(day.abandoned, day.handled + day.abandoned),
        service_level=service_level(service, day),
        average_speed_of_answer=mean_seconds(day.handled_wait, day.handled),
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
        total_agents=agents,
        longest_call_in_queue=calls.longest // 1000,
        max_hold_time=service.max_hold_time,
        loaded=loaded,
        remaining=remaining,
        playing_dialable=dialable,
        percent_complete=rate(loaded - remaining, loaded) if loaded else 100,
        call_center_id=None if center is None else str(center),
        call_center_name=None if named is None else named.name,
    )
