"""Tests of the tables that ``--check`` prints."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from msgspec import structs

from floorcast.connectors.livevox.check import check_server
from floorcast.connectors.livevox.connector import FollowedServer
from floorcast.connectors.pbx.check_tables import MISSING_RIGHTS
from floorcast.model.errors import BadCredentials, Unavailable
from tests.connectors.livevox.fake_server import CREDENTIALS, FakeServer

SERVER = FollowedServer(url="http://other", credentials=CREDENTIALS)


def test_services_agents_calls_and_campaigns_are_listed() -> None:
    """Services, agents, waiting calls and campaigns are listed if no right is missing."""
    other = FakeServer()
    other.rows["/realtime/service/stats"] = [
        {"serviceId": 5, "serviceName": "Sup\x1bport", "totalAgents": 2, "totalOffered": 9}
    ]
    other.rows["/realtime/service/agents/status"] = [{"agentLoginId": "A7", "state": "Ready"}]
    other.rows["/realtime/service/calls/status"] = [{"serviceName": "Support", "phone": "555"}]
    tables = asyncio.run(check_server(SERVER, other))
    assert [table[0] for table in tables] == ["Services", "Agents", "Waiting calls", "Campaigns"]
    assert list(tables[0][2]) == [("5", "Sup?port", "", "2", "", "9")]
    assert all(len(row) == len(heading) for _, heading, rows in tables for row in rows)


def test_a_missing_right_is_named() -> None:
    """The last table has the missing right, its effect and the server's message."""
    other = FakeServer()
    refused = httpx.Response(403, json={"code": 302, "message": "the role may not"})
    other.answers["/realtime/event/feed"] = iter([refused])
    other.answers["/realtime/campaign/stats"] = iter([httpx.Response(200, content=b"[]")])
    title, _, rows = asyncio.run(check_server(SERVER, other))[-1]
    assert title == MISSING_RIGHTS
    assert [row[0] for row in rows] == ["interaction feed", "campaign statistics"]
    assert rows[0][2] == "the role may not"


def test_a_wrong_password_is_reported() -> None:
    """Nothing is shown if the password is wrong."""
    other = FakeServer()
    refused = httpx.Response(401, json={"code": 300, "message": "no"})
    other.answers["/session/login"] = iter([refused])
    with pytest.raises(BadCredentials):
        asyncio.run(check_server(SERVER, other))


def test_an_unreachable_server_fails_soon() -> None:
    """The message names the option to check. No patience of a client delays it."""
    nowhere = structs.replace(SERVER, url="http://127.0.0.1:1")
    with pytest.raises(
        Unavailable, match=r"^nothing answers at http://127.0.0.1:1 .*; check --from"
    ):
        asyncio.run(asyncio.wait_for(check_server(nowhere), 10))
