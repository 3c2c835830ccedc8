"""Tests of call data that is computed from events, in memory and on disk, for each role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from floorcast.feeds import feed
from tests.real.nodes import Clock, NodeHarness, temporary_folder
from tests.real.server import EVENTS
from tests.real.sites import ACME, CHILD, event, ndjson

MINUTES, HOURS = 60, 3600  # seconds; nodes' clocks start at 5 a.m. in New York
IN_CALL, POST_CALL = "/realtime/callData/inCall", "/realtime/callData/postCall"
IN_CALL_KEYS = [
    *("consumer", "serviceId", "callCenterId", "account", "zipCode", "totalDue"),
    *("callDirectionOutbound", "callStartTime"),
]
POST_CALL_KEYS = ["serviceId", "callEndTime", "lvResult", "phoneDialed", "termCodeName"]


class Calls:
    """Sends events of calls one by one, and requests data of these calls."""

    def __init__(self, harness: NodeHarness) -> None:
        self.harness = harness
        self._number = 0
        self._session = harness.login()

    def send(self, kind: str, number: int, client: str = "ACME", **data: object) -> None:
        """Send an event of call ``number`` with the current time."""
        self._number += 1
        call = {"transactionId": number, "sessionId": f"s{number}"}
        one = event(f"call.{kind}", self._number, **{**call, **data})
        assert self.harness.take(ndjson([one]), client)["accepted"] == 1

    def start(self, number: int, client: str = "ACME", **data: object) -> None:
        """Begin call ``number``."""
        usual = {"service": "Sales", "direction": "OUTBOUND"}
        self.send("start", number, client, **{**usual, **data})

    def ask(
        self, path: str, number: int, client: int | None = None, session: str = ""
    ) -> httpx.Response:
        """Request call ``number``."""
        query: dict[str, str | int] = {"transaction": number, "session": f"s{number}"}
        if client is not None:
            query["client"] = client
        return self.harness.ask("GET", path, session or self._session, params=query)

    def found(self, path: str, number: int) -> dict[str, Any]:
        """Request call ``number``, which must exist. Returns its data."""
        self._session = self.harness.login()
        answer = self.ask(path, number)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        assert list(body) == (IN_CALL_KEYS if path == IN_CALL else POST_CALL_KEYS)
        return body

    def missing(self, path: str, number: int, words: str = "no such call") -> None:
        """Request call ``number``, which must not exist."""
        self._session = self.harness.login()
        answer = self.ask(path, number)
        assert (answer.status_code, answer.json()["code"]) == (404, 404)
        assert words in answer.json()["message"]

    def in_memory(self, number: int) -> bool:
        """Return whether the floor keeps call ``number`` in memory."""
        call_table = self.harness.node.server.floors[ACME].floor.call_table
        return (number, f"s{number}") in call_table.calls


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    """Run a node without data, and log in."""
    monkeypatch.setattr(feed, "POLL_SECONDS", 0.0)
    with temporary_folder() as folder:
        harness = NodeHarness(folder, Clock())
        yield Calls(harness)
        harness.end()


def test_a_call_is_returned_only_in_its_phase(calls: Calls) -> None:
    """A call is "in call" until its end, and then "post call".

    A request for the wrong phase gets an error that names the method for the right phase.
    """
    calls.missing(IN_CALL, 1)
    calls.missing(POST_CALL, 1)
    calls.start(
        1,
        direction="INBOUND",
        callerId="6505550199",
        phoneDialed="8005550100",
        account="A1",
        totalDue=12,
        zipCode="94404",
        consumer={"lastName": "Doe"},
    )
    began = calls.harness.clock() // 10_000
    assert calls.found(IN_CALL, 1) == {
        "consumer": {"firstName": None, "lastName": "Doe"},
        "serviceId": 38049,
        "callCenterId": 1623,
        "account": "A1",
        "zipCode": "94404",
        "totalDue": 12.0,
        "callDirectionOutbound": False,
        "callStartTime": began,
    }
    calls.missing(POST_CALL, 1, "/realtime/callData/inCall")
    calls.send("queue", 1, service="Help")
    assert calls.found(IN_CALL, 1)["serviceId"] == 38050
    calls.harness.clock.move(90)
    calls.send("end", 1, lvResult="AGENT")
    assert calls.found(POST_CALL, 1) == {
        "serviceId": 38050,
        "callEndTime": began + 90_000,
        "lvResult": "AGENT",
        "phoneDialed": "6505550199",
        "termCodeName": None,
    }
    calls.missing(IN_CALL, 1, "/realtime/callData/postCall")


def test_unknown_members_of_a_call_are_null(calls: Calls) -> None:
    """Members of a call that no event has set are null. They are not omitted."""
    calls.send("queue", 1)
    response = calls.found(IN_CALL, 1)
    assert response["consumer"] == {"firstName": None, "lastName": None}
    assert [response[key] for key in ("serviceId", "callCenterId", "account", "callStartTime")] == [
        None
    ] * 4
    calls.send("end", 2)
    response = calls.found(POST_CALL, 2)
    assert [response[key] for key in ("serviceId", "lvResult", "phoneDialed", "termCodeName")] == [
        None
    ] * 4
    calls.send("disposition", 3, termCode="RPC")
    calls.found(IN_CALL, 3)


def test_a_call_on_disk_is_found_and_changed_by_late_events(calls: Calls) -> None:
    """A call moves to disk ten minutes after its end. A later disposition still changes it."""
    calls.start(1, account="A1", phoneDialed="6505550100")
    calls.send("end", 1, lvResult="AGENT")
    ended = calls.found(POST_CALL, 1)
    session = calls.harness.login()
    token = calls.harness.ask("POST", EVENTS, session).json()["token"]
    calls.harness.clock.move(11 * MINUTES)
    calls.start(2)
    assert not calls.in_memory(1)
    assert calls.found(POST_CALL, 1) == ended
    calls.harness.clock.move(5 * HOURS)
    calls.send("disposition", 1, termCode="Promise to pay", agent="SEBY")
    assert calls.in_memory(1)
    expected = {**ended, "termCodeName": "Promise to pay"}
    assert calls.found(POST_CALL, 1) == expected
    page = calls.harness.ask("POST", EVENTS, calls.harness.login(), json={"token": token}).json()
    disposition = page["events"][-1]
    assert disposition["callEventType"] == "CALL_DISPOSITION"
    assert (disposition["account"], disposition["phoneDialed"]) == ("A1", "6505550100")
    assert (disposition["agentId"], disposition["serviceId"]) == ("393602", 38049)
    calls.harness.clock.move(11 * MINUTES)
    calls.start(3)
    assert not calls.in_memory(1)
    assert calls.found(POST_CALL, 1) == expected
    calls.harness.close()
    calls.harness.open()
    assert calls.found(POST_CALL, 1) == expected
    calls.harness.crash()
    calls.harness.open()
    assert calls.found(POST_CALL, 1) == expected


def test_a_call_without_recent_events_is_still_in_progress(calls: Calls) -> None:
    """A call that has had no event for hours leaves memory, but can still be requested."""
    calls.start(1, account="A1")
    calls.harness.clock.move(5 * HOURS)
    calls.start(2)
    assert not calls.in_memory(1)
    assert calls.found(IN_CALL, 1)["account"] == "A1"
    calls.send("end", 1)
    calls.found(POST_CALL, 1)


def test_calls_are_returned_only_on_their_own_day(calls: Calls) -> None:
    """A call that ends before midnight in the client's time zone is not found after midnight."""
    calls.start(1)
    calls.start(2)
    calls.harness.clock.move(18 * HOURS + 50 * MINUTES)  # ten minutes before midnight in New York
    calls.send("end", 1)
    calls.found(POST_CALL, 1)
    calls.harness.clock.move(20 * MINUTES)
    calls.missing(POST_CALL, 1)
    assert calls.found(IN_CALL, 2)["callStartTime"]
    calls.send("end", 2)
    calls.found(POST_CALL, 2)
    calls.start(3)
    calls.missing(IN_CALL, 1)


def test_a_call_is_returned_only_to_authorized_users(calls: Calls) -> None:
    """Call centers and roles limit the access to calls. A parent sees its child's calls."""
    harness = calls.harness
    limited, superuser = harness.login("limited"), harness.login("superuser")
    child, stranger = harness.login(client="CHILD"), harness.login(client="STRANGER")
    calls.start(1, service="Sales")
    calls.start(2, service="Help")
    calls.start(3, service="Nowhere")
    calls.start(4, client="CHILD", service=4199)
    seen = {number: calls.ask(IN_CALL, number, session=limited).status_code for number in (1, 2, 3)}
    assert seen == {1: 200, 2: 404, 3: 404}
    assert [calls.ask(IN_CALL, n, session=superuser).status_code for n in (1, 2, 3)] == [200] * 3
    assert calls.ask(IN_CALL, 4).status_code == 404
    assert calls.ask(IN_CALL, 4, CHILD).status_code == 200
    assert calls.ask(IN_CALL, 4, CHILD, child).status_code == 200
    assert calls.ask(IN_CALL, 4, session=child).status_code == 200
    assert calls.ask(IN_CALL, 1, ACME, child).status_code == 404
    assert calls.ask(IN_CALL, 1, session=child).status_code == 404
    for client in (None, ACME, CHILD):
        assert calls.ask(IN_CALL, 1, client, stranger).status_code == 404
    for user in ("manager", "auditor"):
        answer = calls.ask(IN_CALL, 1, session=harness.login(user))
        assert (answer.status_code, answer.json()["code"]) == (403, 302)
    texts = {calls.ask(IN_CALL, n, session=limited).json()["message"] for n in (2, 77)}
    assert len(texts) == 1, "what may not be seen is answered like what is not there"


def test_the_feed_continues_from_the_position_of_the_response(calls: Calls) -> None:
    """The feed from a response's ``Feed-Token`` has all events after the response's position."""
    calls.start(1)
    answer = calls.ask(IN_CALL, 1)
    calls.send("end", 1)
    body = {"token": answer.headers["feed-token"]}
    page = calls.harness.ask("POST", EVENTS, calls.harness.login(), json=body).json()
    assert [one["callEventType"] for one in page["events"]] == ["CALL_TERMINATION"]
