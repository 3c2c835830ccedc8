"""Tests that the reference's requests for call data get the printed responses from a server.

The examples' calls first arrive as events, as from a source.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from floorcast.http.openapi.examples import Example, load
from floorcast.model.token import TICKS_PER_MS
from tests.real.nodes import Clock, NodeHarness, temporary_folder
from tests.real.sites import event, ndjson

STARTED, ENDED = 1_368_006_208_000, 1_368_006_243_000  # ms, as printed
CALL = {"transactionId": 21_162_784_221, "sessionId": "UD6134T518A1E40@10.10.112.81"}
START = event(
    "call.start",
    1,
    time="2013-05-08T09:43:28.000Z",
    service=4199,
    direction="OUTBOUND",
    consumer={"firstName": "John", "lastName": "Mcgee"},
    account="087764164",
    totalDue=216.04,
    phoneDialed="6503517508",
    **CALL,
)
END = event("call.end", 2, time="2013-05-08T09:44:03Z", lvResult="Invalid Phone Number", **CALL)


@pytest.fixture
def house() -> Iterator[NodeHarness]:
    """Run a server at the printed date. Its client 4199 is a child of the session's client."""
    with temporary_folder() as folder:
        one = NodeHarness(folder, Clock(STARTED * TICKS_PER_MS))
        yield one
        one.end()


def ask(house: NodeHarness, example: Example, path: str) -> httpx.Response:
    """Send an example's request with a session."""
    headers = {**example.headers, "LV-Session": house.login()}
    return house.ask(example.method, path, headers=headers)


def variants(target: str) -> list[str]:
    """Return the printed target, and variants that existing clients use."""
    path, _, query = target.partition("?")
    return [
        target,
        f"{path}/?{query}",
        f"{path.replace('/realtime/', '/realtime/v6.0/')}?{query}",
        target.replace("client=4199", "client=%34199"),
    ]


def test_call_in_progress_equals_the_printed_response(house: NodeHarness) -> None:
    """The response for a call in progress equals the printed response, in the same order."""
    example = load("call_data_in_call")
    house.take(ndjson([START]), "CHILD")
    for target in variants(example.target):
        answer = ask(house, example, target)
        assert answer.status_code == example.status
        assert json.dumps(answer.json()) == json.dumps(example.answer)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"


def test_ended_call_equals_the_printed_response(house: NodeHarness) -> None:
    """The response for an ended call equals the printed response, in the same order."""
    example = load("call_data_post_call")
    house.take(ndjson([START, END]), "CHILD")
    for target in variants(example.target):
        answer = ask(house, example, target)
        assert answer.status_code == example.status
        assert json.dumps(answer.json()) == json.dumps(example.answer)


@pytest.mark.parametrize(
    ("name", "events", "hint"),
    [
        ("call_data_in_call", [START, END], "/realtime/callData/postCall"),
        ("call_data_post_call", [START], "/realtime/callData/inCall"),
    ],
)
def test_call_in_the_other_phase_is_404(
    house: NodeHarness, name: str, events: list[dict[str, object]], hint: str
) -> None:
    """The error message names the method that returns the call."""
    example = load(name)
    house.take(ndjson(events), "CHILD")
    answer = ask(house, example, example.target)
    assert (answer.status_code, answer.json()["code"]) == (404, 404)
    assert hint in answer.json()["message"]
