"""Tests of ingest over HTTP, from the key to the stored entry."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from floorcast.auth.passwords import Hasher
from floorcast.kv.folder import open_kv
from floorcast.site.apply import apply
from floorcast.site.file_reader import parse
from tests.real.nodes import Clock, NodeHarness
from tests.real.sites import ACME, KEYS, SITE, event, ndjson

BODY = ndjson([event("call.queue", 1, transactionId=1, sessionId="s")])


def test_a_key_revoked_during_an_upload_is_refused(tmp_path: Path) -> None:
    """The key is checked again when the events are stored."""
    house = NodeHarness(tmp_path, Clock())
    other = SITE.replace(KEYS["ACME"], "another-key-for-testing")
    assert other != SITE

    async def upload() -> AsyncIterator[bytes]:
        yield BODY[:10]
        kv = open_kv(house.data)
        await apply(kv, parse(other), Hasher(memory_kib=8, passes=1))
        await kv.close()
        await house.node.server.site.refresh()
        yield BODY[10:]

    async def send() -> tuple[int, int]:
        headers = {
            "Authorization": f"Bearer {KEYS['ACME']}",
            "Content-Type": "application/x-ndjson",
        }
        answer = await house.http.post("/ingest/v1/events", content=upload(), headers=headers)
        return answer.status_code, answer.json()["code"]

    before = house.node.server.log.head(ACME).number
    assert house.run(send()) == (401, 300)
    entries = house.node.server.log.read(ACME, before, 10)
    assert [entry.kind for entry in entries if entry.kind != "site"] == []
    house.end()


def test_the_sites_current_limits_apply(tmp_path: Path) -> None:
    """By default, there is no limit. After the site changes, the next request is limited."""
    house = NodeHarness(tmp_path, Clock())
    before = 'name = "ACME"\n'
    limited = SITE.replace(before, before + "limits = {agents = 2, open_calls = 1}\n", 1)
    assert limited != SITE

    async def send(*events: dict[str, object]) -> tuple[int, dict[str, Any]]:
        headers = {
            "Authorization": f"Bearer {KEYS['ACME']}",
            "Content-Type": "application/x-ndjson",
        }
        answer = await house.http.post("/ingest/v1/events", content=ndjson(events), headers=headers)
        return answer.status_code, answer.json()

    async def limit() -> None:
        kv = open_kv(house.data)
        await apply(kv, parse(limited), Hasher(memory_kib=8, passes=1))
        await kv.close()
        await house.node.server.site.refresh()

    def state(number: int, agent: str) -> dict[str, object]:
        return event("agent.state", number, agent=agent, eventType="READY")

    assert house.run(send(state(1, "New")))[1]["accepted"] == 1
    house.run(limit())
    status, sent = house.run(send(state(2, "New"), state(3, "Newer"), state(4, "VKUMARK")))
    assert (status, sent["accepted"]) == (200, 2)
    assert [(one["index"], one["id"], one["code"]) for one in sent["rejected"]] == [(1, "3", 202)]
    status, sent = house.run(send(state(5, "Newest")))
    assert (status, sent["code"], sent["rejected"][0]["code"]) == (400, 202, 202)
    house.end()


START = event(
    "call.start", "b1", transactionId=5, sessionId="s5", service="PS", direction="INBOUND"
)
HEADERS = {f"ce-{name}": START[name] for name in ("specversion", "id", "source", "type")}
KEY = {"Authorization": f"Bearer {KEYS['ACME']}"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[NodeHarness]:
    """Yield a node in memory."""
    house = NodeHarness(tmp_path, Clock(), keeps=False)
    yield house
    house.end()


def send(house: NodeHarness, body: object, kind: str | None, **headers: str) -> httpx.Response:
    """Send a body to the intake."""
    named = {**KEY, **headers, **({} if kind is None else {"Content-Type": kind})}
    return house.ask("POST", "/ingest/v1/events", content=json.dumps(body).encode(), headers=named)


@pytest.mark.parametrize(
    ("body", "kind", "binary"),
    [
        (START["data"], "application/json", True),
        (START["data"], "application/json; charset=utf-8", True),
        (START["data"], "application/x-www-form-urlencoded", True),
        (START["data"], "application/vnd.acme+json", True),
        (START["data"], None, True),
        (START, "application/json", False),
        ([START], "application/json", False),
        (START, "application/cloudevents+json", True),
        ([START], "application/cloudevents-batch+json", True),
        (START, "application/x-ndjson", True),
    ],
)
def test_all_content_modes_give_the_same_event(
    house: NodeHarness, body: object, kind: str | None, *, binary: bool
) -> None:
    """Binary and structured requests with the same event are duplicates.

    A CloudEvents or NDJSON content type means structured mode, whatever the headers say.
    """
    assert send(house, START, "application/cloudevents+json").json()["accepted"] == 1
    answer = send(house, body, kind, **(HEADERS if binary else {}))
    assert answer.json() == {"accepted": 0, "duplicates": 1, "rejected": []}


def test_an_invalid_binary_event_gets_a_verdict(house: NodeHarness) -> None:
    """The verdict contains the event's id, as in structured mode."""
    without = {name: value for name, value in HEADERS.items() if name != "ce-source"}
    answer = send(house, START["data"], "application/json", **without)
    (verdict,) = answer.json()["rejected"]
    assert (answer.status_code, answer.json()["code"]) == (400, 202)
    expected = {"index": 0, "id": "b1", "code": 201, "message": "the header ce-source is required"}
    assert verdict == expected
    (verdict,) = send(house, {}, None, **HEADERS).json()["rejected"]
    assert verdict["message"] == "data.transactionId is required"


@pytest.mark.parametrize("kind", ["application/xml", "text/plain", "application/cloudevents+xml"])
def test_data_of_another_type_is_refused(house: NodeHarness, kind: str) -> None:
    """The status is 415, because every event's data is JSON."""
    assert send(house, START["data"], kind, **HEADERS).status_code == 415


def test_an_authorization_without_a_key_is_not_called_missing(house: NodeHarness) -> None:
    """Whoever forgot ``Bearer`` would look for a proxy that drops the header."""
    bare = KEY["Authorization"].removeprefix("Bearer ")
    for given in (bare, f"Basic {bare}", f"Bearer {KEY['Authorization']}", ""):
        answer = send(house, START, "application/json", Authorization=given)
        assert answer.status_code == 401
        assert answer.json()["message"].startswith("Authorization has no ingest key: expected")


def test_the_key_can_be_sent_in_the_query(house: NodeHarness) -> None:
    """The key may be in the query.

    A key in the header takes precedence, and a wrong key is refused.
    """

    async def post(query: dict[str, str], headers: dict[str, str]) -> int:
        answer = await house.request(
            "POST", "/ingest/v1/events", json=[START], params=query, headers=headers
        )
        return answer.status_code

    key = KEYS["ACME"]
    assert house.run(post({"access_token": key}, {})) == 200
    assert house.run(post({"access_token": "wrong"}, KEY)) == 200
    assert house.run(post({"access_token": "wrong"}, {})) == 401
    assert house.run(post({"access_token": ""}, {})) == 401


def test_the_webhook_handshake_allows_any_origin(house: NodeHarness) -> None:
    """Any origin may send at any rate, without a key.

    The response echoes nothing but the origin.
    """
    path = "/ingest/v1/events"
    asked = {"WebHook-Request-Origin": "eventgrid.azure.net", "WebHook-Request-Rate": "120"}
    answer = house.ask("OPTIONS", path, headers=asked)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["webhook-allowed-origin"] == "eventgrid.azure.net"
    assert answer.headers["webhook-allowed-rate"] == "*"
    assert "POST" in answer.headers["allow"]
    plain = house.ask("OPTIONS", path)
    assert (plain.status_code, plain.headers["allow"]) == (200, "OPTIONS, POST")
    assert "webhook-allowed-origin" not in plain.headers
    odd = house.ask("OPTIONS", path, headers={"WebHook-Request-Origin": "<script>"})
    assert odd.status_code == 400
