"""The methods' answers, as tolerant types: a member that the server did not send is None.

Ids, times and figures are numbers, even if the server sent them as strings. Durations are in
seconds, rates in percent, and times in epoch milliseconds unless stated otherwise.
"""

from __future__ import annotations

from msgspec import Struct, field

from floorcast.client.events import AgentEvent, Interaction

__all__ = [
    "AgentEventPage",
    "AlertAnswer",
    "AlertRow",
    "Answer",
    "CampaignAnswer",
    "CampaignStatistics",
    "Consumer",
    "InCall",
    "InteractionPage",
    "IntervalAnswer",
    "LiveConnects",
    "LiveConnectsAnswer",
    "LoggedIn",
    "OutboundCall",
    "PostCall",
    "ServiceAnswer",
    "ServiceInterval",
    "ServiceStatistics",
    "TimezoneCount",
    "WaitingCall",
    "WaitingCallsAnswer",
]


class Answer(Struct, rename="camel", kw_only=True):
    """The common part of answers with call data or statistics.

    ``feed_token`` is the position in the feeds at which the answer is exact: a reader that follows
    a feed from there misses nothing and counts nothing twice. Only floorcast sends it; with other
    servers, it is None.
    """

    feed_token: str | None = None


class LoggedIn(Struct, rename="camel", kw_only=True):
    """The answer to a login: the session, its client and its user."""

    session_id: str
    client_id: int | None = None
    user_id: int | None = None
    days_until_password_expires: int | None = None


class AgentEventPage(Struct, kw_only=True):
    """Agent events, oldest first, and the token for the next request."""

    token: str
    events: list[AgentEvent]


class InteractionPage(Struct, kw_only=True):
    """Interaction events, oldest first, and the token for the next request."""

    token: str
    events: list[Interaction]


class Consumer(Struct, rename="camel", kw_only=True):
    """The person at the other end of a call."""

    first_name: str | None = None
    last_name: str | None = None


class InCall(Answer, kw_only=True):
    """A call in progress."""

    consumer: Consumer | None = None
    service_id: int | None = None
    call_center_id: int | None = None
    account: str | None = None
    zip_code: str | None = None
    total_due: float | None = None
    call_direction_outbound: bool | None = None
    call_start_time: int | None = None


class PostCall(Answer, kw_only=True):
    """A call that has ended."""

    service_id: int | None = None
    call_end_time: int | None = None
    lv_result: str | None = None
    phone_dialed: str | None = None
    term_code_name: str | None = None


class TimezoneCount(Struct, kw_only=True):
    """The number of a campaign's records in one time zone."""

    timezone: str | None = None
    count: int | None = None


class CampaignStatistics(Struct, rename="camel", kw_only=True):
    """The figures of one campaign. A count or name that is not known yet is None."""

    timezone_breakdown: list[TimezoneCount] = []
    campaign_id: int | None = None
    service_id: int | None = None
    loaded: int | None = None
    uploaded: int | None = None
    remaining: int | None = None
    completed: int | None = None
    name: str | None = None


class CampaignAnswer(Answer, kw_only=True):
    """Today's campaigns."""

    stats: list[CampaignStatistics] = []


class WaitingCall(Struct, rename="camel", kw_only=True):
    """A call that has been waiting since ``time_stamp`` (in epoch seconds)."""

    service_name: str | None = None
    service_id: int | None = None
    name: str | None = None
    account: str | None = None
    phone: str | None = None
    time_stamp: int | None = None
    agent_skill: str | None = None
    priority: int | None = None


class WaitingCallsAnswer(Answer, kw_only=True):
    """The calls that are waiting for an agent, longest wait first, and the time of the answer."""

    calls_details: list[WaitingCall] = []
    time_stamp: int | None = None


class LiveConnects(Struct, rename="camel", kw_only=True):
    """The number of right-party contacts in an interval, and the interval's end."""

    total: int | None = None
    time_stamp: int | None = None


class LiveConnectsAnswer(Answer, kw_only=True):
    """The right-party contacts in five-minute intervals, oldest first."""

    live_connects: list[LiveConnects] = []


class ServiceInterval(Struct, rename="camel", kw_only=True):
    """The figures of one service in one interval (floorcast only)."""

    service_id: int | None = None
    start: int | None = None
    end: int | None = None
    complete: bool | None = None
    offered: int | None = None
    handled: int | None = None
    abandoned: int | None = None
    moved_on: dict[str, int] | None = None
    missed: int | None = None
    transferred: int | None = None
    answered_within_sla: int | None = field(default=None, name="answeredWithinSLA")
    abandoned_within_sla: int | None = field(default=None, name="abandonedWithinSLA")
    abandoned_short: int | None = None
    service_level: float | None = None
    abandon_rate: float | None = None
    average_speed_of_answer: int | None = None
    average_talk_duration: int | None = None
    average_wrapup_duration: int | None = None
    average_handle_duration: int | None = None
    average_hold_duration: int | None = None
    wait_p50: int | None = field(default=None, name="waitP50")
    wait_p90: int | None = field(default=None, name="waitP90")
    wait_max: int | None = None
    ready_time: int | None = None
    talk_time: int | None = None
    wrapup_time: int | None = None
    not_ready_time: int | None = None
    logged_in_time: int | None = None
    occupancy: float | None = None
    agents_max: int | None = None
    queue_max: int | None = None


class AlertRow(Answer, kw_only=True):
    """An alert rule and its status (floorcast only).

    The rule applies to a service or, if ``service_id`` is None, to the client.
    """

    alert_id: str | None = None
    client_id: int | None = None
    name: str | None = None
    status: str | None = None
    since: int | None = None
    figure: str | None = None
    value: float | None = None
    condition: str | None = None
    threshold: float | None = None
    clear: float | None = None
    hold: int | None = field(default=None, name="for")
    service_id: int | None = None
    service_name: str | None = None
    call_center_id: int | None = None
    call_center_name: str | None = None
    acknowledged_by: str | None = None
    acknowledged_at: int | None = None
    to: list[str] = []


class AlertAnswer(Answer, kw_only=True):
    """The alerts, firing ones first (floorcast only)."""

    alerts: list[AlertRow] = []
    time_stamp: int | None = None


class IntervalAnswer(Answer, kw_only=True):
    """The intervals that have counts, ordered by start and then by service (floorcast only)."""

    intervals: list[ServiceInterval] = []
    time_stamp: int | None = None


class FigureCall(Struct, rename="camel", kw_only=True):
    """A call that a figure counts (floorcast only)."""

    transaction_id: int | None = None
    session_id: str | None = None
    campaign_id: int | None = None
    direction: str | None = None
    phone: str | None = None
    account: str | None = None
    joined: int | None = None
    answered: int | None = None
    left: int | None = None
    wait: int | None = None
    talk: int | None = None
    agent_login_id: str | None = None
    lv_result: str | None = None
    term_code: str | None = None


class FigureCallsAnswer(Answer, kw_only=True):
    """A page of calls, the total of the figure, and the next page's cursor (floorcast only)."""

    calls: list[FigureCall] = []
    total: int | None = None
    cursor: str | None = None


class OutboundCall(Struct, rename="camel", kw_only=True):
    """An outbound call in progress (floorcast only)."""

    transaction_id: int | None = None
    session_id: str | None = None
    campaign_id: int | None = None
    account: str | None = None
    phone: str | None = None
    agent_login_id: str | None = None
    call_start_time: int | None = None
    state: str | None = None


class ServiceStatistics(Struct, rename="camel", kw_only=True):
    """The figures of one service."""

    calls: list[OutboundCall] = []
    service_id: int | None = None
    service_name: str | None = None
    cip: int | None = None
    total_offered: int | None = None
    total_handled: int | None = None
    total_abandoned: int | None = None
    abandon_rate: float | None = None
    service_level: float | None = None
    average_speed_of_answer: int | None = None
    average_duration_to_abandon: int | None = None
    average_talk_duration: int | None = None
    average_wrapup_duration: int | None = None
    average_handle_duration: int | None = None
    total_calls_answered_within_sla: int | None = field(
        default=None, name="totalCallsAnsweredWithinSLA"
    )
    total_calls_abandoned_within_sla: int | None = field(
        default=None, name="totalCallsAbandonedWithinSLA"
    )
    pacing_method: str | None = None
    throttle: str | None = None
    units: str | None = None
    total_calls_in_queue: int | None = None
    calls_with_agent: int | None = None
    total_agents: int | None = None
    longest_call_in_queue: int | None = None
    max_hold_time: int | None = None
    loaded: int | None = None
    remaining: int | None = None
    playing_dialable: int | None = None
    percent_complete: float | None = None
    call_center_id: int | None = None
    call_center_name: str | None = None
    target_service_level: int | None = None
    target_seconds: int | None = None


class ServiceAnswer(Answer, kw_only=True):
    """The services that have had a logged-in agent or an offered call today."""

    stats: list[ServiceStatistics] = []
