"""Tests that each method's request and response match the reference."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from floorcast.client import answers, methods
from floorcast.client.api_call import ApiCall
from floorcast.client.filters import Filter
from floorcast.client.steps import HttpResponse, NoResponse
from floorcast.model.errors import UnexpectedAnswer

TOKEN = "cfaf0a70-1c52-11e6-8080-808080808080"
ONE = Filter(service=["38049"])
FILTERED = {"filter": {"service": [{"id": "38049"}]}}
SESSION, TRANSACTION = "UD6134T518A1E40@10.10.112.81", 21162784221
CALL = {"client": "4199", "session": SESSION, "transaction": str(TRANSACTION)}

REQUESTS: list[tuple[ApiCall[Any], str, str, dict[str, str], object]] = [
    (methods.agent_event_feed(), "POST", "agentEvent/feed", {}, {"token": ""}),
    (methods.agent_event_feed(TOKEN), "POST", "agentEvent/feed", {}, {"token": TOKEN}),
    (
        methods.interaction_event_feed(TOKEN, Filter(interaction_type=["SMS"]), 500),
        "POST",
        "event/feed",
        {"count": "500"},
        {"token": TOKEN, "filter": {"interactionType": [{"type": "SMS"}]}},
    ),
    (methods.call_event_feed(), "POST", "callEvent/feed", {"count": "1000"}, {"token": ""}),
    (methods.in_call(SESSION, TRANSACTION, 4199), "GET", "callData/inCall", CALL, None),
    (methods.post_call(SESSION, TRANSACTION, 4199), "GET", "callData/postCall", CALL, None),
    (methods.campaign_statistics(ONE), "POST", "campaign/stats", {}, FILTERED),
    (methods.agent_averages(ONE), "POST", "service/agents/averages", {}, FILTERED),
    (methods.agent_statistics(ONE), "POST", "service/agent/stats", {}, FILTERED),
    (methods.agent_statistics_ex(ONE), "POST", "service/agent/stats/ex", {}, FILTERED),
    (methods.agent_status(ONE), "POST", "service/agents/status", {}, FILTERED),
    (
        methods.agent_status(state_changed_after=1401958827016),
        "POST",
        "service/agents/status",
        {},
        {"stateChangedAfter": 1401958827016},
    ),
    (
        methods.agent_status(state_changed_after=datetime(2026, 1, 1, tzinfo=UTC)),
        "POST",
        "service/agents/status",
        {},
        {"stateChangedAfter": 1767225600000},
    ),
    (methods.waiting_calls(ONE), "POST", "service/calls/status", {}, FILTERED),
    *(
        (method(at=at), "POST", path, {}, {"at": sent})
        for method, path in (
            (methods.agent_averages, "service/agents/averages"),
            (methods.agent_statistics, "service/agent/stats"),
            (methods.agent_statistics_ex, "service/agent/stats/ex"),
            (methods.agent_status, "service/agents/status"),
            (methods.waiting_calls, "service/calls/status"),
            (methods.live_connects, "service/liveConnects"),
            (methods.service_statistics, "service/stats"),
            (methods.campaign_statistics, "campaign/stats"),
        )
        for at, sent in (
            (datetime(2026, 1, 1, tzinfo=UTC), 1767225600000),
            ("cfaf0a70-1c52-11e6-8080-808080808080", "cfaf0a70-1c52-11e6-8080-808080808080"),
        )
    ),
    (
        methods.service_intervals(at=5),
        "POST",
        "service/stats/intervals",
        {},
        {"interval": 900, "at": 5},
    ),
    (methods.live_connects(), "POST", "service/liveConnects", {}, {}),
    (methods.service_statistics(ONE), "POST", "service/stats", {}, FILTERED),
    (
        methods.service_intervals(ONE, 1800, last=7200),
        "POST",
        "service/stats/intervals",
        {},
        {**FILTERED, "interval": 1800, "last": 7200},
    ),
    (
        methods.service_calls(4001, "totalHandled", (900, 1800), "a-cursor", 47415, 1000),
        "POST",
        "service/calls",
        {},
        {
            "filter": {"service": [{"id": 4001}]},
            "figure": "totalHandled",
            "start": 900,
            "end": 1800,
            "cursor": "a-cursor",
            "client": 47415,
            "at": 1000,
        },
    ),
    (
        methods.service_calls(4001, "movedOn"),
        "POST",
        "service/calls",
        {},
        {"filter": {"service": [{"id": 4001}]}, "figure": "movedOn"},
    ),
    (methods.alerts(), "GET", "alerts", {}, None),
    (methods.alerts(at=1401958827016), "GET", "alerts", {"at": "1401958827016"}, None),
    (methods.acknowledge_alert("0f/"), "POST", "alerts/0f%2F/acknowledge", {}, {}),
]


@pytest.mark.parametrize(("call", "method", "path", "query", "body"), REQUESTS)
def test_request_matches_the_reference(
    call: ApiCall[Any], method: str, path: str, query: dict[str, str], body: object
) -> None:
    """Path, query and body match. Omitted arguments are not sent."""
    request = call.request
    assert (request.method, request.path) == (method, f"/realtime/{path}")
    assert dict(request.query) == query
    assert (None if request.content is None else json.loads(request.content)) == body


def answered(call: ApiCall[Any], body: str, **headers: str) -> Any:  # noqa: ANN401 — of each call's type
    return call.read(HttpResponse(200, headers, body.encode()))


def test_responses_of_the_reference_are_decoded() -> None:
    """The printed responses have numbers in strings, nulls and missing members."""
    status = answered(
        methods.agent_status(),
        '{"agentDetails": [{"serviceId": 38049, "agentLoginId": "VKUMARK", "state": "Not Ready",'
        ' "stateId": 3, "reasonCode": "", "callType": null, "stateChangedAfter": 1401958827016,'
        ' "inboundCalls": null, "isAgentMonitored": false, "callCenterId": "1623"}],'
        ' "timeStamp": 1401958827016}',
    )
    (agent,) = status.agent_details
    assert (agent.service_id, agent.call_center_id, agent.state_id) == (38049, 1623, 3)
    assert (agent.inbound_calls, agent.is_agent_monitored, agent.phone) == (None, False, None)

    waiting = answered(
        methods.waiting_calls(),
        '{"callsDetails": [{"serviceId": "38049", "name": "Will", "phone": "6503517490",'
        ' "timeStamp": "1417066734", "priority": "1"}], "timeStamp": "1417077534000"}',
    )
    (call,) = waiting.calls_details
    assert (call.service_id, call.time_stamp, call.priority) == (38049, 1417066734, 1)
    assert (call.phone, waiting.time_stamp) == ("6503517490", 1417077534000)

    averages = answered(
        methods.agent_averages(),
        '{"agentAverages": [{"averageReadyTime": "3", "timeStamp": "1417075930315"}]}',
    )
    assert averages.agent_averages[0].average_ready_time == 3

    services = answered(
        methods.service_statistics(),
        '{"stats": [{"calls": [], "serviceId": "38049", "abandonRate": 0, "serviceLevel": 97.5,'
        ' "totalCallsAnsweredWithinSLA": 4, "throttle": "750", "novelty": {"a": 1}}]}',
    )
    (service,) = services.stats
    assert (service.service_id, service.abandon_rate, service.service_level) == (38049, 0, 97.5)
    assert (service.total_calls_answered_within_sla, service.throttle) == (4, "750")

    campaigns = answered(
        methods.campaign_statistics(),
        '{"stats": [{"timezoneBreakdown": [{"timezone": "ET", "count": 5}], "loaded": 11}]}',
    )
    (campaign,) = campaigns.stats
    assert campaign.timezone_breakdown == [answers.TimezoneCount(timezone="ET", count=5)]
    assert (campaign.loaded, campaign.completed) == (11, None)

    in_call = answered(
        methods.in_call(SESSION, TRANSACTION),
        '{"consumer": {"firstName": "John", "lastName": "Mcgee"}, "zipCode": null,'
        ' "totalDue": 216.04, "callDirectionOutbound": true, "callStartTime": 1368006208000}',
    )
    assert in_call.consumer == answers.Consumer(first_name="John", last_name="Mcgee")
    assert (in_call.total_due, in_call.call_direction_outbound) == (216.04, True)


def test_response_has_its_log_position() -> None:
    """The position is floorcast's header, or None from a server without it."""
    call = methods.live_connects()
    assert answered(call, '{"liveConnects": []}').feed_token is None
    assert answered(call, '{"liveConnects": []}', **{"feed-token": TOKEN}).feed_token == TOKEN


def test_feed_page_is_decoded_under_each_member_name() -> None:
    """Each feed has its own name for its events."""
    for call, name in (
        (methods.agent_event_feed(), "agentEvent"),
        (methods.interaction_event_feed(), "events"),
        (methods.call_event_feed(), "callEvent"),
    ):
        page = answered(call, json.dumps({"token": TOKEN, name: [{"eventId": "x"}]}))
        assert page.token == TOKEN
        assert [event.event_id for event in page.events] == ["x"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("<html>", NoResponse),
        ("", NoResponse),
        ("[]", UnexpectedAnswer),
        ('{"events": []}', UnexpectedAnswer),
        ('{"token": "t", "events": {}}', UnexpectedAnswer),
    ],
)
def test_invalid_page_is_not_taken_for_an_empty_one(body: str, error: type[Exception]) -> None:
    """A page without a token would restart the feed and lose the events in between."""
    with pytest.raises(error):
        answered(methods.interaction_page("t"), body)


NOT_UTF_8 = b'{"agentDetails": [{"agentLoginId": "\xff"}]}'


@pytest.mark.parametrize("body", [b"<html>", NOT_UTF_8, b'{"x":' * 100_000])
def test_a_response_that_is_not_json_counts_as_none(body: bytes) -> None:
    """A proxy answered, so the request is repeated."""
    with pytest.raises(NoResponse, match="not JSON"):
        methods.agent_status().read(HttpResponse(200, {}, body))
