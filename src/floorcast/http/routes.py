"""The route table: every method and path, with its handler and documentation."""

from __future__ import annotations

from floorcast.archive.answers import AgentReport, CallReport, ServiceReport
from floorcast.feeds.filters import InteractionConditions
from floorcast.http.handlers import (
    alerts,
    call_data,
    feeds,
    figure_calls,
    floor_metrics,
    ingest,
    operation,
    reporting,
    sessions,
    statistics,
    streams,
)
from floorcast.http.handlers.documentation import Documents
from floorcast.http.responses import Status
from floorcast.http.routing import ANY, QueryParameter, Route
from floorcast.ingest.intake import IngestResult
from floorcast.model.errors import InvalidParameter, NotFound, RateLimited, Retired, Unavailable
from floorcast.model.filter_parsing import Id
from floorcast.statistics.agent_averages import AgentAveragesAnswer
from floorcast.statistics.agent_stats import AgentStatisticsAnswer, AgentStatisticsExAnswer
from floorcast.statistics.agent_status import AgentStatusAnswer
from floorcast.statistics.alert_list import AlertAnswer, AlertRow
from floorcast.statistics.campaign_stats import CampaignAnswer
from floorcast.statistics.figure_calls import FigureCallsAnswer
from floorcast.statistics.live_connects import LiveConnectsAnswer
from floorcast.statistics.service_intervals import IntervalAnswer
from floorcast.statistics.service_stats import ServiceAnswer
from floorcast.statistics.waiting_calls import WaitingCallsAnswer

__all__ = ["ROUTES"]

_COUNT = QueryParameter("count", "The maximum number of events in one response.", kind=feeds.Count)
_PLACE = (
    QueryParameter(
        "token",
        "The token to resume from. `Last-Event-ID` takes precedence. The default is now.",
        kind=str,
    ),
    _COUNT,
)
_AT = QueryParameter(
    "at", "A time in the last 26 hours: ms since 1970, ISO 8601 or a token.", kind=str
)
_COOKIE = QueryParameter("cookie", "`true` also sets the session as a cookie.", kind=bool)
_FILTER = QueryParameter(
    "filter",
    "The filter of the POST method as URL-encoded JSON.",
    kind=InteractionConditions,
)
_ACCESS_TOKEN = QueryParameter(
    "access_token", "The ingest key, for senders that cannot set headers."
)
_CALL = (
    QueryParameter("session", "The call's session id.", required=True),
    QueryParameter("transaction", "The call's transaction id.", required=True, kind=Id),
    QueryParameter(
        "client", "The call's client, if it is a child of the session's client.", kind=Id
    ),
)

_DOCUMENTS = Documents(lambda: ROUTES)

# fmt: off
ROUTES: tuple[Route, ...] = (
    # sessions
    Route(method="POST", path="/session/login", handler=sessions.login,
          operation="logIn", needs="API token", refusals=(RateLimited,),
          body=sessions.Login, answer=sessions.LoggedIn,
          query=(_COOKIE,),
          doc="Log in."),
    Route(method="POST", path="/session/screen", handler=sessions.screen,
          operation="logInScreen", needs="screen key", refusals=(RateLimited,),
          answer=sessions.ScreenSession, query=(_COOKIE,),
          doc="Exchange a screen key for a session that can read only what the key shows."),
    Route(method="GET", path="/session/validate/{sessionId}", handler=sessions.validate,
          operation="validateSession", status=204, refusals=(NotFound,), doc="Check a session."),
    Route(method="GET", path="/session/validate", handler=sessions.validate_by_query,
          operation="validateSessionByQuery",
          query=(QueryParameter("sessionId", "The session id.", required=True),),
          status=204, refusals=(NotFound,), doc="Check a session."),
    Route(method="DELETE", path="/session/logout/{sessionId}", handler=sessions.logout,
          operation="logOut", status=204, refusals=(NotFound,), doc="End a session."),
    Route(method="POST", path="/session/password", handler=sessions.change_password,
          needs="API token", refusals=(RateLimited,), body=sessions.PasswordChange,
          status=204, doc="Change a password and end the user's sessions."),

    # feeds
    Route(method="POST", path="/realtime/agentEvent/feed", handler=feeds.agent_feed,
          methods="feeds", feed="agent", query=(_COUNT,),
          body=feeds.AgentFeedRequest, answer=feeds.AgentFeedAnswer,
          doc="Get the agent events after a token, waiting up to 10 s for the first."),
    Route(method="POST", path="/realtime/event/feed", handler=feeds.interaction_feed,
          methods="feeds", feed="interaction", query=(_COUNT,),
          body=feeds.FeedRequest, answer=feeds.FeedAnswer,
          doc="Get the interaction events after a token, waiting up to 10 s for the first."),
    Route(method="POST", path="/realtime/callEvent/feed", handler=feeds.call_feed,
          methods="feeds", feed="interaction", query=(_COUNT,), deprecated=True,
          body=feeds.FeedRequest, answer=feeds.CallFeedAnswer,
          doc="Get the voice events after a token. Use /realtime/event/feed instead."),
    Route(method=ANY, path="/realtime/agentEvent", handler=feeds.retired_agent_event,
          status=410, refusals=(Retired,), always=True,
          doc="Retired: use /realtime/agentEvent/feed."),
    Route(method=ANY, path="/realtime/callEvent", handler=feeds.retired_call_event,
          status=410, refusals=(Retired,), always=True,
          doc="Retired: use /realtime/event/feed."),

    # streams
    Route(method="POST", path="/realtime/event/feed/sse", handler=streams.interaction_stream,
          methods="feeds", feed="interaction", query=(_COUNT,), media_type="text/event-stream",
          body=feeds.FeedRequest, doc="Stream the interaction events after a token."),
    Route(method="GET", path="/realtime/event/feed/sse", handler=streams.interaction_source,
          methods="feeds", feed="interaction", query=(*_PLACE, _FILTER), cookie=True,
          media_type="text/event-stream",
          doc="Stream the interaction events to a browser's EventSource."),
    Route(method="POST", path="/realtime/agentEvent/feed/sse", handler=streams.agent_stream,
          methods="feeds", feed="agent", query=(_COUNT,), media_type="text/event-stream",
          body=feeds.AgentFeedRequest, doc="Stream the agent events after a token."),
    Route(method="GET", path="/realtime/agentEvent/feed/sse", handler=streams.agent_source,
          methods="feeds", feed="agent", query=_PLACE, cookie=True,
          media_type="text/event-stream",
          doc="Stream the agent events to a browser's EventSource."),

    # call data
    Route(method="GET", path="/realtime/callData/inCall", handler=call_data.in_call,
          operation="callInProgress",
          methods="call data", query=_CALL, refusals=(NotFound,), answer=call_data.InCall,
          doc="Get the data of a call in progress."),
    Route(method="GET", path="/realtime/callData/postCall", handler=call_data.post_call,
          operation="endedCall",
          methods="call data", query=_CALL, refusals=(NotFound,), answer=call_data.PostCall,
          doc="Get the data of a call that has ended."),

    Route(method="POST", path="/realtime/service/calls", handler=figure_calls.calls_behind,
          operation="callsBehindFigure", methods="call data",
          body=figure_calls.FigureCallsRequest, answer=FigureCallsAnswer,
          doc="List the calls that a service's figure counts, one page at a time."),

    # statistics
    Route(method="POST", path="/realtime/campaign/stats", handler=statistics.campaigns,
          operation="campaignStatistics",
          alias="/realtime/realtime/campaign/stats", methods="campaign statistics",
          body=statistics.CampaignRequest, answer=CampaignAnswer,
          doc="Get the loaded, completed and remaining records of today's campaigns."),
    Route(method="POST", path="/realtime/service/agents/averages", handler=statistics.averages,
          operation="agentAverages", methods="service methods",
          body=statistics.StatisticsRequest, answer=AgentAveragesAnswer,
          doc="Get the average time that agents spend in each state today."),
    Route(method="POST", path="/realtime/service/agent/stats", handler=statistics.stats,
          operation="agentStatistics", methods="service methods",
          body=statistics.StatisticsRequest, answer=AgentStatisticsAnswer,
          doc="Get today's figures of the agents who are logged in."),
    Route(method="POST", path="/realtime/service/agent/stats/ex", handler=statistics.stats_ex,
          operation="agentStatisticsByService", methods="service methods",
          body=statistics.StatisticsRequest, answer=AgentStatisticsExAnswer,
          doc="Get the figures of all of today's agents by service."),
    Route(method="POST", path="/realtime/service/agents/status", handler=statistics.status,
          operation="agentStatus", alias="/realtime/service/status", methods="service methods",
          body=statistics.StatusRequest, answer=AgentStatusAnswer,
          doc="Get the current state of each agent."),
    Route(method="POST", path="/realtime/service/calls/status", handler=statistics.calls,
          operation="waitingCalls", methods="service methods",
          body=statistics.StatisticsRequest, answer=WaitingCallsAnswer,
          doc="List the calls that are waiting for an agent, longest wait first."),
    Route(method="POST", path="/realtime/service/liveConnects", handler=statistics.connects,
          operation="liveConnects", methods="service methods",
          body=statistics.StatisticsRequest, answer=LiveConnectsAnswer,
          doc="Get the right-party connects of the last 30 minutes, in 5-minute intervals."),
    Route(method="POST", path="/realtime/service/stats", handler=statistics.services,
          operation="serviceStatistics", methods="service methods",
          body=statistics.StatisticsRequest, answer=ServiceAnswer,
          doc="Get the calls, agents and campaigns of each service, today and now."),
    Route(method="POST", path="/realtime/service/stats/intervals", handler=statistics.intervals,
          operation="serviceIntervals", methods="service methods",
          body=statistics.IntervalRequest, answer=IntervalAnswer,
          doc="Get each service's calls and agent times by interval of the day."),

    # alerts
    Route(method="GET", path="/realtime/alerts", handler=statistics.alerts,
          operation="alerts", methods="service methods", query=(_AT,), answer=AlertAnswer,
          doc="List the alerts with their values and start times. Firing alerts come first."),
    Route(method="GET", path="/realtime/alerts/sse", handler=streams.alert_source,
          operation="alertStream", methods="service methods", feed="alerts", query=_PLACE,
          cookie=True, media_type="text/event-stream",
          doc="Stream the alerts' status changes."),
    Route(method="POST", path="/realtime/alerts/{alertId}/acknowledge", handler=alerts.acknowledge,
          operation="acknowledgeAlert", methods="acknowledgement of alerts",
          refusals=(NotFound, InvalidParameter, Unavailable), answer=AlertRow,
          doc="Acknowledge a firing alert."),

    # reports
    Route(method="POST", path="/reporting/service/stats", handler=reporting.services,
          operation="serviceReport", methods="reports", refusals=(NotFound,),
          body=reporting.ReportRequest, answer=ServiceReport,
          doc="Get the figures of each service by interval or day, for up to 31 days."),
    Route(method="POST", path="/reporting/agent/stats", handler=reporting.agents,
          operation="agentReport", methods="reports", refusals=(NotFound,),
          body=reporting.ReportRequest, answer=AgentReport,
          doc="Get the figures of each agent by interval or day, for up to 31 days."),
    Route(method="POST", path="/reporting/calls", handler=reporting.calls,
          operation="callReport", methods="reports", refusals=(NotFound,),
          body=reporting.CallRequest, answer=CallReport,
          doc="List the calls that ended in a span of up to 31 days, one page at a time."),

    # sending events
    Route(method="POST", path="/ingest/v1/events", handler=ingest.take_events,
          operation="sendEvents",
          needs="ingest key", refusals=(RateLimited,), events=ingest.BODIES, answer=IngestResult,
          query=(_ACCESS_TOKEN,),
          doc="Send events. The server responds once they are durable and readable."),
    Route(method="OPTIONS", path="/ingest/v1/events", handler=ingest.answer_handshake,
          operation="agreeToWebhook",
          always=True, media_type="text/plain", refusals=(InvalidParameter,),
          doc="Agree to receive a webhook's events (the CloudEvents webhook handshake)."),

    # operation
    Route(method="GET", path="/healthz", handler=operation.health,
          operation="health", answer=Status,
          always=True, doc="Check that the process is running."),
    Route(method="GET", path="/readyz", handler=operation.readiness,
          operation="readiness", answer=Status,
          always=True, refusals=(Unavailable,), doc="Check that the server is ready for requests."),
    Route(method="GET", path="/metrics", handler=operation.metrics, media_type="text/plain",
          always=True, doc="Get metrics in Prometheus' text format."),
    Route(method="GET", path="/metrics/floor", handler=floor_metrics.metrics_of_floor,
          operation="floorMetrics", media_type="text/plain", needs="metrics key",
          refusals=(RateLimited,),
          doc="Get the figures of one client's services in Prometheus' text format."),
    Route(method="GET", path="/openapi.json", handler=_DOCUMENTS.openapi,
          operation="openapiDocument", always=True, doc="Get this API's OpenAPI 3.1 document."),
    Route(method="GET", path="/docs", handler=_DOCUMENTS.page,
          operation="documentation", media_type="text/html",
          always=True, doc="Read the OpenAPI document as a page."),
)
# fmt: on
