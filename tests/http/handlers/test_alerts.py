"""Tests of a real server's alerts: lists, streams, acknowledgements, and hidden alerts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.real.server import Caller, Server
from tests.real.sites import KEYS, SITE, event, ndjson

PATIENCE = 60.0  # seconds: an alert needs two evaluations, a second apart
RULE = """
[[client.alert]]
name = "Waiting"
figure = "totalCallsInQueue"
service = ["Sales", "Help"]
above = 0
to = []
"""


@pytest.fixture
def caller(server: Server) -> Iterator[Caller]:
    """Yield a logged-in user of the client."""
    with Caller(server.url) as found:
        found.login()
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yield a server with an alert about waiting calls, and a call that waits at Sales."""
    folder: Path = tmp_path_factory.mktemp("alerts")
    first, second = SITE.split("\n\n[[client]]", 1)
    with Server(folder, first + RULE + "\n[[client]]" + second) as started:
        send(started, event("call.queue", 1, service="Sales", transactionId=1, sessionId="s"))
        yield started


def send(server: Server, one: object, client: str = "ACME") -> None:
    """Send a client's event to the server."""
    headers = {"Authorization": f"Bearer {KEYS[client]}", "Content-Type": "application/x-ndjson"}
    answer = httpx.post(f"{server.url}/ingest/v1/events", content=ndjson([one]), headers=headers)  # type: ignore[list-item]  # tests give any
    assert answer.json()["accepted"] == 1


def listed(caller: Caller, status: str = "") -> list[dict[str, object]]:
    """Return the alerts. With ``status``, wait until one of them has it."""
    until = time.monotonic() + PATIENCE
    while True:
        answer = caller.http.get("/realtime/alerts")
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, object]] = answer.json()["alerts"]
        if not status or any(row["status"] == status for row in rows):
            return rows
        assert time.monotonic() < until, rows


def test_an_alert_fires_is_acknowledged_and_ends(server: Server, caller: Caller) -> None:
    """The list shows the time and the user of the acknowledgement.

    After the alert is over, the list as of that time still does.
    """
    rows = listed(caller, "firing")
    assert [(row["serviceName"], row["status"]) for row in rows] == [
        ("Sales", "firing"), ("Help", "ok"),
    ]  # fmt: skip
    firing = rows[0]
    assert (firing["value"], firing["threshold"], firing["condition"]) == (1, 0, "above")
    path = f"/realtime/alerts/{firing['alertId']}/acknowledge"
    answer = caller.http.post(path)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["acknowledgedBy"], answer.json()["since"]) == (
        "sysadmin", firing["since"],
    )  # fmt: skip
    again = caller.http.post(path)
    assert again.json()["acknowledgedAt"] == answer.json()["acknowledgedAt"]
    place = caller.http.get("/realtime/alerts").headers["feed-token"]
    send(server, event("call.end", 2, transactionId=1, sessionId="s"))
    until = time.monotonic() + PATIENCE
    while (rows := listed(caller))[0]["status"] != "ok":
        assert time.monotonic() < until, rows
    past = caller.http.get("/realtime/alerts", params={"at": place}).json()["alerts"]
    assert [(row["serviceName"], row["status"], row["value"]) for row in past] == [
        ("Sales", "acknowledged", 1), ("Help", "ok", 0),
    ]  # fmt: skip
    refused = caller.http.post(path)
    assert refused.status_code == 400
    assert "the alert is ok" in refused.json()["message"]


def test_an_alert_that_does_not_exist_cannot_be_acknowledged(
    server: Server, caller: Caller
) -> None:
    """Another client's alert gets the same response."""
    alert = listed(caller)[0]["alertId"]
    with Caller(server.url, "STRANGER") as stranger:
        stranger.login()
        assert listed(stranger) == []
        answers = [
            who.http.post(f"/realtime/alerts/{number}/acknowledge")
            for who, number in ((caller, "nothing"), (stranger, alert))
        ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()


def test_sources_cannot_send_alert_transitions(server: Server) -> None:
    """The server rejects both the event type and floorcast's own source."""
    forged = event("alert.transition", 9, alert="x") | {"source": "pbx"}
    own = event("call.queue", 9, transactionId=9, sessionId="s") | {"source": "floorcast:alerts"}
    headers = {"Authorization": f"Bearer {KEYS['ACME']}", "Content-Type": "application/x-ndjson"}
    answer = httpx.post(
        f"{server.url}/ingest/v1/events", content=ndjson([forged, own]), headers=headers
    )
    rejected = answer.json()["rejected"]
    assert [one["index"] for one in rejected] == [0, 1]
    assert "reserved" in rejected[1]["message"]


SILENT = """
[[client.alert]]
name = "Silent"
figure = "silence"
above = 0
"""


def test_a_client_and_its_child_have_alerts_of_their_own(tmp_path: Path) -> None:
    """The same rule of two clients has two alerts. An acknowledgement changes the right one."""
    parent, child, rest = SITE.split("\n\n[[client]]", 2)
    site = "\n\n[[client]]".join((parent + SILENT, child + SILENT, rest))
    with Server(tmp_path, site) as server, Caller(server.url) as caller:
        caller.login()
        for client in ("ACME", "CHILD"):
            one = event("call.queue", 1, service="Any", transactionId=1, sessionId="s")
            send(server, one, client)
        until = time.monotonic() + PATIENCE
        rows = listed(caller)
        while [row["status"] for row in rows] != ["firing", "firing"]:
            assert time.monotonic() < until, rows
            rows = listed(caller)
        assert len({row["alertId"] for row in rows}) == 2
        for first, second in (rows, rows[::-1]):
            answer = caller.http.post(f"/realtime/alerts/{first['alertId']}/acknowledge")
            assert answer.json()["clientId"] == first["clientId"]
            known = {row["alertId"]: row["status"] for row in listed(caller)}
            assert known[first["alertId"]] == "acknowledged"
            if first is rows[0]:
                assert known[second["alertId"]] == "firing"
