"""The API's methods: each returns the request and the function that reads its answer. No I/O."""

from __future__ import annotations

from datetime import date, datetime
from urllib.parse import quote

from msgspec import Raw, Struct

from floorcast.client import answers
from floorcast.client.agent_answers import (
    AgentAveragesAnswer,
    AgentStatisticsAnswer,
    AgentStatisticsExAnswer,
    AgentStatusAnswer,
)
from floorcast.client.answers import AgentEventPage, InteractionPage
from floorcast.client.api_call import ApiCall, answer_call, decode, post
from floorcast.client.events import read_agent_event, read_interaction
from floorcast.client.filters import NO_FILTER, Filter
from floorcast.client.report_answers import AgentReport, CallReport, ServiceReport
from floorcast.client.steps import HttpRequest, HttpResponse

__all__ = [
    "MAX_PAGE_EVENTS",
    "RawPage",
    "ReportBound",
    "acknowledge_alert",
    "agent_averages",
    "agent_event_feed",
    "agent_page",
    "agent_report",
    "agent_statistics",
    "agent_statistics_ex",
    "agent_status",
    "agent_stream",
    "alerts",
    "call_event_feed",
    "call_page",
    "call_report",
    "campaign_statistics",
    "in_call",
    "interaction_event_feed",
    "interaction_page",
    "interaction_stream",
    "live_connects",
    "post_call",
    "service_calls",
    "service_intervals",
    "service_report",
    "service_statistics",
    "waiting_calls",
]

PastTime = datetime | int | str | None
"""The past time that a request asks about: an aware datetime, ms, or a token. None means now."""

ReportBound = date | datetime | int | str
"""The start or end of a report: a day, an aware datetime, ms, or ISO 8601 text."""

MAX_PAGE_EVENTS = 1000  # events per page, the API's maximum
_STREAM = "text/event-stream, application/json"  # refusals are JSON


class RawPage(Struct, rename="camel", kw_only=True):
    """A page of any feed, with each event as received."""

    token: str
    events: list[Raw] = []
    agent_event: list[Raw] = []
    call_event: list[Raw] = []

    def lines(self) -> list[bytes]:
        """Return the events, whatever the name of the list."""
        return [bytes(one) for one in self.events or self.agent_event or self.call_event]


def agent_page(token: str) -> ApiCall[RawPage]:
    """Get a page of the agent event feed, with unparsed events."""
    return ApiCall(post("/realtime/agentEvent/feed", token=token), _page)


def interaction_page(
    token: str, filter: Filter = NO_FILTER, count: int = MAX_PAGE_EVENTS
) -> ApiCall[RawPage]:
    """Get a page of the interaction event feed, with unparsed events."""
    return ApiCall(_feed_request("/realtime/event/feed", token, filter, count), _page)


def call_page(
    token: str, filter: Filter = NO_FILTER, count: int = MAX_PAGE_EVENTS
) -> ApiCall[RawPage]:
    """Get a page of the deprecated call event feed, with unparsed events."""
    return ApiCall(_feed_request("/realtime/callEvent/feed", token, filter, count), _page)


def agent_stream(token: str) -> HttpRequest:
    """Return the request for the agent stream (floorcast only).

    It is a GET request, because only then do events have an ``id:``.
    """
    request = HttpRequest("GET", "/realtime/agentEvent/feed/sse", {"token": token})
    return request.with_headers(accept=_STREAM)


def interaction_stream(
    token: str, filter: Filter = NO_FILTER, count: int = MAX_PAGE_EVENTS
) -> HttpRequest:
    """Return the request for the reference API's stream.

    An event's ``eventId`` is the token after the event.
    """
    request = _feed_request("/realtime/event/feed/sse", token, filter, count)
    return request.with_headers(accept=_STREAM)


def agent_event_feed(token: str = "") -> ApiCall[AgentEventPage]:
    """Get one page of agent events after a token. The server waits up to 10 s for an event.

    Without a token, the answer has only a token for the current position.
    """
    page = agent_page(token)

    def read(response: HttpResponse) -> AgentEventPage:
        found = page.read(response)
        events = [read_agent_event(line) for line in found.lines()]
        return AgentEventPage(token=found.token, events=events)

    return ApiCall(page.request, read)


def interaction_event_feed(
    token: str = "", filter: Filter = NO_FILTER, count: int = MAX_PAGE_EVENTS
) -> ApiCall[InteractionPage]:
    """Get one page of interaction events after a token. The server waits up to 10 s for an event.

    Without a token, the answer has only a token for the current position.
    """
    return _interactions(interaction_page(token, filter, count))


def call_event_feed(
    token: str = "", filter: Filter = NO_FILTER, count: int = MAX_PAGE_EVENTS
) -> ApiCall[InteractionPage]:
    """Get one page of the deprecated call event feed."""
    return _interactions(call_page(token, filter, count))


def in_call(session: str, transaction: int, client: int | None = None) -> ApiCall[answers.InCall]:
    """Get a call that is in progress. Raises NotFound once it has ended."""
    return answer_call(_call_data("inCall", session, transaction, client), answers.InCall)


def post_call(
    session: str, transaction: int, client: int | None = None
) -> ApiCall[answers.PostCall]:
    """Get a call that has ended. Raises NotFound while it is in progress."""
    return answer_call(_call_data("postCall", session, transaction, client), answers.PostCall)


def campaign_statistics(
    filter: Filter = NO_FILTER, at: PastTime = None
) -> ApiCall[answers.CampaignAnswer]:
    """Get the loaded, completed and remaining records of each of today's campaigns."""
    return answer_call(_filtered("/realtime/campaign/stats", filter, at), answers.CampaignAnswer)


def agent_averages(filter: Filter = NO_FILTER, at: PastTime = None) -> ApiCall[AgentAveragesAnswer]:
    """Get the average time that agents have spent in each state today."""
    request = _filtered("/realtime/service/agents/averages", filter, at)
    return answer_call(request, AgentAveragesAnswer)


def agent_statistics(
    filter: Filter = NO_FILTER, at: PastTime = None
) -> ApiCall[AgentStatisticsAnswer]:
    """Get today's figures of the agents who are logged in now."""
    request = _filtered("/realtime/service/agent/stats", filter, at)
    return answer_call(request, AgentStatisticsAnswer)


def agent_statistics_ex(
    filter: Filter = NO_FILTER, at: PastTime = None
) -> ApiCall[AgentStatisticsExAnswer]:
    """Get today's figures, per service, of all agents who were logged in today."""
    request = _filtered("/realtime/service/agent/stats/ex", filter, at)
    return answer_call(request, AgentStatisticsExAnswer)


def agent_status(
    filter: Filter = NO_FILTER,
    state_changed_after: datetime | int | None = None,
    at: PastTime = None,
) -> ApiCall[AgentStatusAnswer]:
    """Get the state of each agent, or only states that began after a time.

    ``state_changed_after`` is in ms, or an aware datetime.
    """
    request = _filtered("/realtime/service/agents/status", filter, at, state_changed_after)
    return answer_call(request, AgentStatusAnswer)


def waiting_calls(
    filter: Filter = NO_FILTER, at: PastTime = None
) -> ApiCall[answers.WaitingCallsAnswer]:
    """Get the calls that are waiting for an agent, longest wait first."""
    request = _filtered("/realtime/service/calls/status", filter, at)
    return answer_call(request, answers.WaitingCallsAnswer)


def live_connects(
    filter: Filter = NO_FILTER, at: PastTime = None
) -> ApiCall[answers.LiveConnectsAnswer]:
    """Get the right-party contacts of the last half hour, in five-minute intervals."""
    request = _filtered("/realtime/service/liveConnects", filter, at)
    return answer_call(request, answers.LiveConnectsAnswer)


def service_statistics(
    filter: Filter = NO_FILTER, at: PastTime = None
) -> ApiCall[answers.ServiceAnswer]:
    """Get each service's figures on calls, agents and campaigns, for today and for now."""
    return answer_call(_filtered("/realtime/service/stats", filter, at), answers.ServiceAnswer)


def service_intervals(
    filter: Filter = NO_FILTER, interval: int = 900, last: int | None = None, at: PastTime = None
) -> ApiCall[answers.IntervalAnswer]:
    """Get each service's calls and agents' times by interval (floorcast only).

    ``interval`` is 300, 900, 1800 or 3600 seconds. The answer has today's intervals or, with
    ``last``, those that began within the last ``last`` seconds.
    """
    members = {**filter.members(), **_times(at=at), "interval": interval}
    if last is not None:
        members["last"] = last
    return answer_call(post("/realtime/service/stats/intervals", **members), answers.IntervalAnswer)


def service_report(
    begin: ReportBound, to: ReportBound, filter: Filter = NO_FILTER, interval: int | str = "day"
) -> ApiCall[ServiceReport]:
    """Get a report on services by interval or day, from the archive and the log.

    ``interval`` is 900, 1800 or 3600 seconds, or "day". ``begin`` and ``to`` are times or dates;
    the report includes both dates. It covers at most 31 days.
    """
    members = {**filter.members(), **_span(begin, to), "interval": interval}
    return answer_call(post("/reporting/service/stats", **members), ServiceReport)


def agent_report(
    begin: ReportBound, to: ReportBound, filter: Filter = NO_FILTER, interval: int | str = "day"
) -> ApiCall[AgentReport]:
    """Get a report on agents by interval or day. The parameters are as in ``service_report``."""
    members = {**filter.members(), **_span(begin, to), "interval": interval}
    return answer_call(post("/reporting/agent/stats", **members), AgentReport)


def call_report(
    begin: ReportBound,
    to: ReportBound,
    filter: Filter = NO_FILTER,
    cursor: str | None = None,
    *,
    agent: str | None = None,
    outcome: str | None = None,
) -> ApiCall[CallReport]:
    """Get a page of the calls that ended between ``begin`` and ``to`` (see ``service_report``).

    ``agent`` is a login id, and ``outcome`` is handled, abandoned, movedOn, open or none.
    ``cursor`` is the cursor from the previous page.
    """
    given = {"agentLoginId": agent, "outcome": outcome, "cursor": cursor}
    chosen = {name: value for name, value in given.items() if value is not None}
    members = {**filter.members(), **_span(begin, to), **chosen}
    return answer_call(post("/reporting/calls", **members), CallReport)


def _span(begin: ReportBound, to: ReportBound) -> dict[str, object]:
    bounds = {"from": begin, "to": to}
    return {
        name: bound.isoformat() if isinstance(bound, date) else bound
        for name, bound in bounds.items()
    }


def service_calls(
    service: int,
    figure: str,
    interval: tuple[int, int] | None = None,
    cursor: str | None = None,
    client: int | None = None,
    at: PastTime = None,
) -> ApiCall[answers.FigureCallsAnswer]:
    """Get a page of the calls that one of a service's figures counts (floorcast only).

    ``figure`` is ``movedOn`` or a member of service statistics, such as ``totalHandled``.
    ``interval`` is the start and end of an interval, in ms; without it, the figure is today's.
    ``cursor`` is the cursor from the previous page. With ``at``, all pages are as of the same time.
    """
    members: dict[str, object] = {"filter": {"service": [{"id": service}]}, "figure": figure}
    if interval is not None:
        members["start"], members["end"] = interval
    if cursor is not None:
        members["cursor"] = cursor
    if client is not None:
        members["client"] = client
    members.update(_times(at=at))
    return answer_call(post("/realtime/service/calls", **members), answers.FigureCallsAnswer)


def alerts(at: PastTime = None) -> ApiCall[answers.AlertAnswer]:
    """Get the alerts, firing ones first (floorcast only)."""
    query = {name: str(moment) for name, moment in _times(at=at).items()}
    return answer_call(HttpRequest("GET", "/realtime/alerts", query), answers.AlertAnswer)


def acknowledge_alert(alert_id: str) -> ApiCall[answers.AlertRow]:
    """Acknowledge a firing alert (floorcast only). Raises InvalidParameter for any other alert."""
    path = f"/realtime/alerts/{quote(alert_id, safe='')}/acknowledge"
    return answer_call(post(path), answers.AlertRow)


def _page(response: HttpResponse) -> RawPage:
    return decode(response, RawPage)


def _interactions(page: ApiCall[RawPage]) -> ApiCall[InteractionPage]:
    def read(response: HttpResponse) -> InteractionPage:
        found = page.read(response)
        events = [read_interaction(line) for line in found.lines()]
        return InteractionPage(token=found.token, events=events)

    return ApiCall(page.request, read)


def _filtered(
    path: str, filter: Filter, at: PastTime, state_changed_after: datetime | int | None = None
) -> HttpRequest:
    moments = _times(at=at, stateChangedAfter=state_changed_after)
    return post(path, **filter.members(), **moments)


def _times(**moments: PastTime) -> dict[str, object]:
    """Return the given times that are not None, with aware datetimes converted to ms."""
    return {
        name: int(one.timestamp() * 1000) if isinstance(one, datetime) else one
        for name, one in moments.items()
        if one is not None
    }


def _feed_request(path: str, token: str, filter: Filter, count: int) -> HttpRequest:
    request = post(path, token=token, **filter.members())
    return request._replace(query={"count": str(count)})


def _call_data(phase: str, session: str, transaction: int, client: int | None) -> HttpRequest:
    query = {"session": session, "transaction": str(transaction)}
    if client is not None:
        query["client"] = str(client)
    return HttpRequest("GET", f"/realtime/callData/{phase}", query)
