"""Tests of the statistics over HTTP: rights, filters, and a response's position."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from floorcast.floor.floor import Floor
from floorcast.http.handlers import statistics
from floorcast.model import loop_turns
from floorcast.model import token as tokens
from floorcast.model.inbound import InboundEvent
from floorcast.model.token import position
from floorcast.site.configuration import CallCenter, FloorConfig, Service
from tests.http.feed_events import agent_event, call_start
from tests.http.servers import ACME, CHILD, ApiHarness, run_with_harness
from tests.real.nodes import Clock, NodeHarness
from tests.real.sites import SITE, ndjson
from tests.real.sites import event as cloud_event
from tests.statistics.floors import agent_at, call_at, event_at, fold_events
from tests.virtual_time import START

NOW = START // 10_000  # ms
SERVICE = "/realtime/service"
METHODS = (
    "/realtime/campaign/stats",
    f"{SERVICE}/agents/averages",
    f"{SERVICE}/agent/stats",
    f"{SERVICE}/agent/stats/ex",
    f"{SERVICE}/agents/status",
    f"{SERVICE}/calls/status",
    f"{SERVICE}/liveConnects",
    f"{SERVICE}/stats",
    f"{SERVICE}/stats/intervals",
)
PLAN = FloorConfig(
    time_zone="America/New_York",
    call_centers=(CallCenter(id=1623, name="Call Center"), CallCenter(id=1700, name="South")),
    services=(
        Service(id=38049, name="Manual", call_center=1623),
        Service(id=2, name="South", call_center=1700),
    ),
)
CHILD_PLAN = FloorConfig(services=(Service(id=4, name="Claims"),))


OF_BOTH = (("ANN", 38049), ("BOB", 2))


def floor(*events: InboundEvent, plan: FloorConfig = PLAN, client: int = ACME) -> Floor:
    return fold_events(plan, events, client)


def ready(who: str, service: int = 38049) -> InboundEvent:
    return agent_at("READY", NOW - 60_000, who, service=service)


@pytest.mark.parametrize("path", METHODS)
def test_every_method_works_without_a_body(path: str) -> None:
    """An empty floor has empty responses. The path may have a trailing slash and a version."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        for variant in (path, f"{path}/", path.replace("/realtime", "/realtime/v6.0", 1)):
            answer = await harness.http.post(variant, headers=session)
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"] == "application/json"

    run_with_harness(work)


@pytest.mark.parametrize("path", METHODS)
def test_methods_are_limited_by_role(path: str) -> None:
    """Auditors may read campaigns, but no service methods."""

    async def work(harness: ApiHarness) -> None:
        assert (await harness.http.post(path)).status_code == 401
        allowed = {"sysadmin": 200, "manager": 200, "superuser": 200}
        allowed["auditor"] = 200 if "campaign" in path else 403
        for user, status in allowed.items():
            answer = await harness.http.post(path, headers=await harness.login(user))
            assert answer.status_code == status
        wrong = await harness.http.get(path, headers=await harness.login())
        assert wrong.status_code == 405

    run_with_harness(work)


@pytest.mark.parametrize("path", METHODS)
@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"service": [{"id": 99}]}, "filter.service names 99: there is no such service"),
        ({"callCenter": [{"id": "9"}]}, "filter.callCenter names 9: there is no such callCenter"),
        ({"services": [{"id": 1}]}, "filter.services is unknown"),
        ("all", "filter must be an object"),
    ],
)
def test_an_invalid_filter_is_an_error(path: str, wanted: object, message: str) -> None:
    """The response is 400 with code 202. It is never empty or too wide."""

    async def work(harness: ApiHarness) -> None:
        answer = await harness.http.post(
            path, headers=await harness.login(), json={"filter": wanted}
        )
        assert (answer.status_code, answer.json()["code"]) == (400, 202)
        assert answer.json()["message"].startswith(message)

    run_with_harness(work)


def test_a_user_sees_only_their_call_centers() -> None:
    """Other call centers' rows and sums are missing, and a filter for them selects nothing."""

    async def work(harness: ApiHarness) -> None:
        harness.floors[ACME].floor = floor(ready("ANN"), ready("BOB", 2))
        limited = await harness.login("limited")
        for user, count in ((await harness.login(), 2), (limited, 1)):
            answer = await harness.http.post(f"{SERVICE}/agents/status", headers=user)
            assert len(answer.json()["agentDetails"]) == count
        body = {"filter": {"service": [{"id": 2}]}}
        answer = await harness.http.post(f"{SERVICE}/stats", headers=limited, json=body)
        assert answer.status_code == 400
        assert answer.json()["message"] == "filter.service names 2: there is no such service"

    run_with_harness(work)


def test_cached_rows_are_filtered_for_each_user() -> None:
    """Past intervals are cached for all of a client's users.

    Each user sees only their own services.
    """

    async def work(harness: ApiHarness) -> None:
        path = f"{SERVICE}/stats/intervals"
        early = [agent_at("READY", NOW - 4_000_000, who, service=at) for who, at in OF_BOTH]
        harness.floors[ACME].floor = mine = floor(*early)
        seen = []
        for user in ("manager", "limited", "manager"):
            answer = await harness.http.post(path, headers=await harness.login(user))
            seen.append({row["serviceId"] for row in answer.json()["intervals"]})
        assert seen == [{"38049", "2"}, {"38049"}, {"38049", "2"}]
        before = answer.json()["intervals"]
        mine.fold(call_at("queue", NOW - 3_600_000, service=2), NOW * 10_000, "-")
        answer = await harness.http.post(path, headers=await harness.login())
        after = answer.json()["intervals"]
        assert sum(row["offered"] for row in after) == 1
        assert [row["loggedInTime"] for row in after] == [row["loggedInTime"] for row in before]

    run_with_harness(work)


def test_a_parents_user_sees_the_childs_services() -> None:
    """The child's user sees neither the parent's nor a stranger's services."""

    async def work(harness: ApiHarness) -> None:
        harness.floors[ACME].floor = floor(ready("ANN"))
        harness.floors[CHILD].floor = floor(ready("EVE", 4), plan=CHILD_PLAN, client=CHILD)
        body = {"filter": {"service": [{"id": "4"}]}}
        parent, child = await harness.login(), await harness.login(client="CHILD")
        for session, logins in ((parent, ["ANN", "EVE"]), (child, ["EVE"])):
            answer = await harness.http.post(f"{SERVICE}/agents/status", headers=session)
            assert [row["agentLoginId"] for row in answer.json()["agentDetails"]] == logins
            answer = await harness.http.post(f"{SERVICE}/stats", headers=session, json=body)
            assert [row["serviceId"] for row in answer.json()["stats"]] == ["4"]
        stranger = await harness.login(client="STRANGER")
        answer = await harness.http.post(f"{SERVICE}/stats", headers=stranger, json=body)
        assert answer.status_code == 400

    run_with_harness(work)


def test_a_floor_that_is_being_rebuilt_is_unavailable() -> None:
    """A partial response would be wrong, so the status is 503 with Retry-After."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        del harness.server.floors[CHILD]
        answer = await harness.http.post(f"{SERVICE}/stats", headers=session)
        assert (answer.status_code, answer.json()["code"]) == (503, 101)
        assert answer.headers["retry-after"] == "2"

    run_with_harness(work)


def test_the_token_is_the_position_of_the_folded_floor() -> None:
    """From a token within an entry, a reader gets exactly the events that the response lacks."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        harness.publish([call_start, agent_event])
        feeds = harness.floors[ACME].feeds
        number = harness.log.take(ACME, harness.loop.now())
        for feed in feeds.values():
            feed.publish([], position(number, 4), harness.loop.now())
        for path in METHODS:
            answer = await harness.http.post(path, headers=session)
            token = tokens.decode(ACME, answer.headers["feed-token"])
            assert token.position == position(number, 4)
        harness.publish([agent_event])
        body = {"token": answer.headers["feed-token"]}
        answer = await harness.http.post("/realtime/agentEvent/feed", headers=session, json=body)
        assert len(answer.json()["agentEvent"]) == 1

    run_with_harness(work)


def test_state_changed_after_is_read_in_the_clients_zone() -> None:
    """The member may be in milliseconds or ISO 8601. The error for other values names it."""

    async def work(harness: ApiHarness) -> None:
        events = [ready("ANN"), agent_at("NOT_READY", NOW - 20_000, "BOB", service=2)]
        harness.floors[ACME].floor = floor(*events)
        session = await harness.login()
        path = f"{SERVICE}/agents/status"
        for after in (NOW - 30_000, str(NOW - 30_000), "2023-11-14T17:12:50"):
            answer = await harness.http.post(
                path, headers=session, json={"stateChangedAfter": after}
            )
            assert [row["agentLoginId"] for row in answer.json()["agentDetails"]] == ["BOB"]
        answer = await harness.http.post(path, headers=session, json={"stateChangedAfter": "soon"})
        assert (answer.status_code, answer.json()["code"]) == (400, 202)
        assert answer.json()["message"].startswith("stateChangedAfter must be a time")

    run_with_harness(work)


def test_campaigns_are_filtered_by_one_kind_of_id() -> None:
    """A filter with two kinds or an unknown id is an error."""

    async def work(harness: ApiHarness) -> None:
        update = event_at("campaign.update", NOW - 9, campaign=5, service=2)
        harness.floors[ACME].floor = floor(update)
        session = await harness.login("auditor")
        kinds = {"campaign": [{"id": 5}], "service": [{"id": 2}], "callCenter": [{"id": 1700}]}
        for kind, ids in kinds.items():
            body = {"filter": {kind: ids}}
            answer = await harness.http.post(METHODS[0], headers=session, json=body)
            assert [row["campaignId"] for row in answer.json()["stats"]] == [5]
        for wrong in (kinds, {"campaign": [{"id": 6}]}):
            answer = await harness.http.post(METHODS[0], headers=session, json={"filter": wrong})
            assert (answer.status_code, answer.json()["code"]) == (400, 202)

    run_with_harness(work)


def test_a_large_response_is_built_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other requests run in between.

    Events that are folded meanwhile do not appear in the response.
    """
    monkeypatch.setattr(loop_turns, "SHORT_SECONDS", -1.0)
    monkeypatch.setattr(statistics, "SLICE_SECONDS", -1.0)

    async def work(harness: ApiHarness) -> None:
        harness.floors[ACME].floor = mine = floor(*(ready(f"A{number}") for number in range(250)))
        session = await harness.login()
        asking = asyncio.create_task(harness.http.post(f"{SERVICE}/agents/status", headers=session))
        while not mine.hooks:  # noqa: ASYNC110 — nothing tells when a request has begun to read
            await asyncio.sleep(0)
        gone = [agent_at("LOGOFF", NOW, f"A{number}") for number in range(250)]
        for event in (*gone, call_at("queue", NOW, service=2)):
            mine.fold(event, NOW * 10_000, "-")
        answer = await asking
        assert len(answer.json()["agentDetails"]) == 250
        assert not mine.hooks
        answer = await harness.http.post(f"{SERVICE}/agents/status", headers=session)
        assert answer.json()["agentDetails"] == []

    run_with_harness(work)


def test_every_method_returns_the_time_of_the_newest_event() -> None:
    """Site changes do not count as events. Without events, the header is absent."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        answer = await harness.http.post(METHODS[0], headers=session)
        assert "newest-event" not in answer.headers
        harness.publish([agent_event])
        taken = harness.loop.now() // 10_000
        await harness.loop.passing(60)
        for path in METHODS:
            answer = await harness.http.post(path, headers=session)
            assert answer.headers["newest-event"] == str(taken)

    run_with_harness(work)


def test_a_user_limited_to_a_childs_call_center_sees_only_that_one(tmp_path: Path) -> None:
    """The parent's call center with the same id is hidden in feeds, figures and calls."""
    limit = "call_centers = [1623]"
    site = SITE.replace(limit, "call_centers = [{client = 4199, id = 1623}]")
    site = site.replace('{id = 15, name = "Child\'s"}', '{id = 1623, name = "Child\'s"}')
    site = site.replace("call_center = 15", "call_center = 1623")
    assert site.count("1623") == SITE.count("1623") + 2
    house = NodeHarness(tmp_path, Clock(), site=site)
    session = house.login("limited")
    call = {"transactionId": 1, "sessionId": "s", "direction": "INBOUND"}
    house.take(ndjson([cloud_event("call.start", 1, service=38049, **call)]))
    house.take(ndjson([cloud_event("call.start", 1, service=4199, **call)]), "CHILD")

    def ask(path: str, **params: str | int) -> dict[str, Any]:
        method = "GET" if params else "POST"
        answer = house.ask(method, f"/realtime/{path}", session, content=b"{}", params=params)
        found: dict[str, Any] = answer.json()
        return found

    start = cloud_event("call.queue", 2, transactionId=1, sessionId="s")
    house.take(ndjson([start]))
    house.take(ndjson([start]), "CHILD")
    assert [row["serviceId"] for row in ask("service/stats")["stats"]] == ["4199"]
    named: dict[str, Any] = {"session": "s", "transaction": 1}
    assert ask("callData/inCall", **named)["code"] == 404
    assert ask("callData/inCall", **named, client=4199)["serviceId"] == 4199
    seen = house.node.server.sessions.find(session)
    assert seen.limits == (frozenset(), frozenset())  # what its feeds show of its own client
    house.end()
