"""Tests of the calls behind a figure over HTTP (section 12 of the contract)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.real.server import Caller, Server, running
from tests.real.sites import event, ndjson

PATH = "/realtime/service/calls"
SERVICE = 38049
LAST_MS = 253_402_300_799_999  # the last millisecond of the year 9999


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yield a server with 1,203 calls, of which the first three have been answered."""
    with running(tmp_path_factory.mktemp("calls")) as one, Caller(one.url) as caller:
        events = []
        for number in range(1, 1204):
            call = {"transactionId": number, "sessionId": f"S{number}"}
            events.append(
                event("call.start", f"s{number}", **call, service=SERVICE, direction="INBOUND")
            )
            events.append(event("call.queue", f"q{number}", **call))
        for number in range(1, 4):
            call = {"transactionId": number, "sessionId": f"S{number}"}
            events.append(event("call.answer", f"a{number}", **call, agent="ANN"))
        assert caller.take(ndjson(events))["accepted"] == len(events)
        yield one


def status_and_body(
    server: Server, body: object, user: str = "sysadmin"
) -> tuple[int, dict[str, object]]:
    """Return the status and the body of a response."""
    with Caller(server.url) as caller:
        caller.login(user)
        answer = caller.http.post(PATH, json=body)
        return answer.status_code, answer.json()


ONE = {"service": [{"id": SERVICE}]}
HANDLED = {"filter": ONE, "figure": "totalHandled"}


def test_pages_are_complete_and_their_total_is_the_figure(server: Server) -> None:
    """The first page has a thousand calls and the second page has the rest.

    Both have the figure's token.
    """
    with Caller(server.url) as caller:
        caller.login()
        stats = caller.http.post("/realtime/service/stats", json={"filter": ONE})
        (row,) = stats.json()["stats"]
        body: dict[str, object] = {"filter": ONE, "figure": "totalOffered"}
        first = caller.http.post(PATH, json=body)
        second = caller.http.post(PATH, json={**body, "cursor": first.json()["cursor"]})
        tokens = (stats.headers["feed-token"], first.headers["feed-token"])
        assert server.position_of(tokens[0]) == server.position_of(tokens[1])
        assert first.json()["total"] == second.json()["total"] == row["totalOffered"] == 1203
        assert second.json()["cursor"] is None
        calls = first.json()["calls"] + second.json()["calls"]
        assert len(first.json()["calls"]) == 1000
        assert sorted(call["transactionId"] for call in calls) == list(range(1, 1204))
        answered = [call for call in calls if call["agentLoginId"] is not None]
        assert [call["transactionId"] for call in answered] == [1, 2, 3]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"figure": "totalHandled"}, 201),
        ({"filter": {}, "figure": "totalHandled"}, 201),
        ({"filter": ONE}, 201),
        ({"filter": ONE, "figure": "totalAgents"}, 202),
        ({"filter": {"service": [{"id": 999}]}, "figure": "totalHandled"}, 202),
        ({"filter": {"service": [{"id": 2}, {"id": 3}]}, "figure": "totalHandled"}, 202),
        ({"filter": {"callCenter": [{"id": 1623}]}, "figure": "totalHandled"}, 202),
        ({"filter": ONE, "figure": "totalHandled", "cursor": "x"}, 202),
        ({"filter": ONE, "figure": "totalHandled", "client": 5}, 202),
        ({"filter": ONE, "figure": "totalHandled", "start": 0}, 202),
        ({"filter": ONE, "figure": "totalHandled", "start": LAST_MS, "end": LAST_MS + 1}, 202),
        ({"filter": ONE, "figure": "totalHandled", "start": 10**16 - 1, "end": 10**16}, 202),
    ],
)
def test_invalid_requests_are_refused(server: Server, body: dict[str, object], code: int) -> None:
    """A request needs one service, a figure that counts calls, and a matching cursor.

    Whatever it asks for, the next request gets its answer.
    """
    status, said = status_and_body(server, body)
    assert (status, said["code"]) == (400, code)
    assert status_and_body(server, {"filter": ONE, "figure": "totalHandled"})[0] == 200


def test_the_roles_of_call_data_apply(server: Server) -> None:
    """A manager sees the figure but not its calls.

    A limited user sees the calls of their own services.
    """
    assert status_and_body(server, HANDLED, "manager")[0] == 403
    status, said = status_and_body(server, HANDLED, "limited")
    assert (status, said["total"]) == (200, 3)
