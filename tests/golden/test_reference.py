"""Tests that the reference's requests for feeds and call data get the printed responses.

The tests add only the session, and a fresh token if the printed token would be too old. Events are
published directly to the feeds. ``test_whole_way.py`` covers the whole path.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import msgspec
import pytest

from floorcast.floor.call_metadata import CallMetadata
from floorcast.http.openapi.examples import Example, load
from floorcast.model.outbound import (
    AgentEvent,
    CallDispositionEvent,
    CallStartEvent,
    CallTerminationEvent,
    EmailEvent,
    InteractionEvent,
    SmsEvent,
)
from tests.golden.examples import mismatches
from tests.http.servers import ACME, CHILD, ApiHarness, run_with_harness

AGENT = "/realtime/agentEvent/feed"
VARIANTS = ["", "/", "version"]


def as_fed(printed: dict[str, Any], event_id: str) -> AgentEvent | InteractionEvent:
    """Return a printed event in the form that the floor creates, with null for omitted members."""
    shapes: dict[str, type[AgentEvent | InteractionEvent]] = {
        "SMS": SmsEvent,
        "Email": EmailEvent,
        "CALL_START": CallStartEvent,
        "CALL_TERMINATION": CallTerminationEvent,
        "CALL_DISPOSITION": CallDispositionEvent,
    }
    name = printed.get("callEventType") or printed.get("interactionType", "")
    shape = shapes.get(name, AgentEvent)
    required = [f.encode_name for f in msgspec.structs.fields(shape) if f.required]
    return msgspec.convert(dict.fromkeys(required) | printed | {"eventId": event_id}, type=shape)


async def send(
    house: ApiHarness, example: Example, user: str = "sysadmin", path: str = ""
) -> dict[str, Any]:
    """Send an example. Returns the response, which must have the printed status."""
    session = await house.login(user)
    body = None if example.body is None else json.dumps(example.body)
    answer = await house.http.request(
        example.method, path or example.target, headers=example.headers | session, content=body
    )
    assert answer.status_code == example.status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body_of_it: dict[str, Any] = answer.json()
    return body_of_it


def varied(target: str, variant: str) -> str:
    """Return a variant of a target that existing clients use."""
    path, mark, query = target.partition("?")
    if variant == "version":
        path = path.replace("/realtime/", "/realtime/v6.0/")
    else:
        path = path.rstrip("/") + variant
    return path + mark + query


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ["agent_feed_first", "event_feed_first"])
def test_first_request_gets_a_token_and_no_events(name: str, variant: str) -> None:
    """A request with a blank token or without a body gets a token and no events."""
    example = load(name)

    async def work(house: ApiHarness) -> None:
        answer = await send(house, example, path=varied(example.target, variant))
        assert mismatches(example.answer, answer) == []
        assert house.loop.elapsed == 0

    run_with_harness(work)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ["agent_feed_events", "event_feed_filtered", "event_feed_many"])
def test_feed_returns_the_printed_events(name: str, variant: str) -> None:
    """The feed returns the printed events in order, with all keys and types."""
    example = load(name)
    member = "agentEvent" if "agentEvent" in example.answer else "events"
    printed = example.answer[member]

    async def work(house: ApiHarness) -> None:
        session = await house.login()
        token = (await house.http.post(AGENT, headers=session)).json()["token"]
        example.body["token"] = token
        for event in printed:
            kind = event.get("interactionType", "").upper()
            ids = [event.get("serviceId") or 0, event.get("callCenterId") or 0]
            facets = (kind, int(ids[0]), int(ids[1]))
            house.publish([partial(as_fed, event)], facets=facets)
        answer = await send(house, example, path=varied(example.target, variant))
        assert mismatches(example.answer, answer) == []
        assert len(answer[member]) == len(printed)
        for given, event in zip(answer[member], printed, strict=True):
            assert {key: value for key, value in given.items() if key in event} == event | {
                "eventId": given["eventId"]
            }

    run_with_harness(work)


def test_token_older_than_a_day_is_refused() -> None:
    """The error equals the printed one, in which the token's time is in the client's time zone."""
    example = load("event_feed_too_old")

    async def work(house: ApiHarness) -> None:
        assert await send(house, example) == example.answer

    run_with_harness(work)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ["call_data_in_call", "call_data_post_call"])
def test_call_data_equals_the_printed_response(name: str, variant: str) -> None:
    """The response for a call with the printed data equals the printed response."""
    example = load(name)
    printed = example.answer
    consumer = printed.get("consumer", {})
    call = CallMetadata(
        service=printed["serviceId"],
        call_center=printed.get("callCenterId"),
        account=printed.get("account"),
        total_due=printed.get("totalDue"),
        outbound=printed.get("callDirectionOutbound", True),
        started=printed.get("callStartTime"),
        ended=printed.get("callEndTime"),
        zip_code=printed.get("zipCode"),
        first_name=consumer.get("firstName"),
        last_name=consumer.get("lastName"),
        lv_result=printed.get("lvResult"),
        phone=printed.get("phoneDialed"),
        term_code=printed.get("termCodeName"),
    )

    async def work(house: ApiHarness) -> None:
        assert CHILD in house.server.site.family(ACME)
        house.floors[CHILD].calls[21162784221, "UD6134T518A1E40@10.10.112.81"] = call
        path = varied(example.target, variant)
        assert await send(house, example, "superuser", path) == printed

    run_with_harness(work)
