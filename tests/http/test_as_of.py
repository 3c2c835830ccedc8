"""Tests that a response about a past time equals the live response at that time."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from floorcast.http.app import Api
from floorcast.http.routes import ROUTES
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.statistics.requests import FIGURES
from tests.real.nodes import Clock, NodeHarness, temporary_folder, until
from tests.real.sites import SITE, event, ndjson

HOUR = 3600
MIDNIGHT = int(datetime(2026, 11, 23, 5, tzinfo=UTC).timestamp())  # in New York
METHODS: dict[str, dict[str, object]] = {
    "/realtime/service/stats": {},
    "/realtime/service/stats/intervals": {"interval": 300, "last": 7200},
    "/realtime/service/agent/stats": {},
    "/realtime/service/agent/stats/ex": {},
    "/realtime/service/agents/status": {"stateChangedAfter": MIDNIGHT * 1000 - 60_000},
    "/realtime/service/agents/averages": {},
    "/realtime/service/calls/status": {},
    "/realtime/service/liveConnects": {},
    "/realtime/campaign/stats": {},
    "/realtime/service/calls": {"filter": {"service": [{"id": 38049}]}},
}
CALLS = "/realtime/service/calls"
OTHER_SITE = SITE.replace('"Sales"', '"Selling"').replace("sla_seconds = 60", "sla_seconds = 5")
STATS = "/realtime/service/stats"
PLACE = ("feed-token", "newest-event")


class RecordedResponse(NamedTuple):
    """The response of a method at a time (ms) and a position."""

    path: str
    body: dict[str, Any]
    ms: int
    headers: tuple[str | None, ...]
    content: bytes


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a data folder."""
    with temporary_folder() as one:
        yield one


@pytest.fixture
def house(folder: Path) -> Iterator[NodeHarness]:
    """Yield a node that serves requests, a minute before midnight."""
    one = NodeHarness(folder, Clock((MIDNIGHT - 60) * TICKS_PER_SECOND))
    yield one
    one.end()


class RandomFloor:
    """A simulated floor: random events of a few calls and agents, some of them late."""

    def __init__(self, house: NodeHarness, seed: int) -> None:
        self.house = house
        self.random = random.Random(seed)
        self.event_count = 0

    def send_some(self) -> None:
        """Send a request with a few events."""
        self.house.take(ndjson([self._one() for _ in range(self.random.randint(1, 8))]))

    def _one(self) -> dict[str, Any]:
        choose = self.random.choice
        self.event_count += 1
        late = choose([0, 0, 0, 0, 3, 240, 2 * HOUR])
        at = datetime.fromtimestamp(self.house.clock.ticks / TICKS_PER_SECOND - late, UTC)
        number = self.random.randint(1, 12)
        call = {"transactionId": number, "sessionId": f"S{number}"}
        service = choose(["Sales", "Help", "Nowhere", "Elsewhere"])
        agent = choose(["VKUMARK", "SEBY", "NEW"])
        events: list[tuple[str, dict[str, object]]] = [
            ("call.start", {**call, "service": service, "direction": "INBOUND"}),
            ("call.queue", {**call, "service": service}),
            ("call.answer", {**call, "agent": agent}),
            ("call.end", {**call, "agent": agent}),
            ("call.disposition", {**call, "agent": agent, "termCode": "RPC"}),
            ("agent.state", {"agent": agent, "eventType": "LOGON", "service": service}),
            ("agent.state", {"agent": agent, "eventType": choose(["READY", "NOT_READY"])}),
            ("agent.state", {"agent": agent, "eventType": "IN_CALL", "call": call}),
            ("agent.state", {"agent": agent, "eventType": choose(["WRAP_UP", "LOGOFF"])}),
            ("campaign.update", {"campaign": 5, "service": "Sales", "loaded": number}),
        ]
        kind, data = choose(events)
        return event(kind, self.event_count, time=at.isoformat(), **data)


def ask(
    house: NodeHarness, session: str, path: str, body: dict[str, Any] | None = None, **more: object
) -> RecordedResponse:
    """Send one request."""
    asked = {**METHODS[path], **(body or {})}
    answer = house.ask("POST", path, session, json={**asked, **more})
    assert answer.status_code == 200, (path, more, answer.text)
    headers = tuple(answer.headers.get(name) for name in PLACE)
    return RecordedResponse(path, asked, house.clock.ticks // 10_000, headers, answer.content)


@pytest.mark.parametrize("seed", range(3))
def test_responses_as_of_a_past_time_equal_the_live_ones(folder: Path, seed: int) -> None:
    """The events include late events, site changes, restarts, crashes, quiet hours and a midnight.

    A full and a limited user compare all methods, by token and by ms, in any order.
    """
    house = NodeHarness(folder, Clock((MIDNIGHT - 3 * HOUR) * TICKS_PER_SECOND))
    floor = RandomFloor(house, seed)
    choose = floor.random.choice
    answers: list[tuple[str, RecordedResponse]] = []
    sessions = [house.login(), house.login("limited")]
    for step in range(40):
        house.clock.move(choose([1, 7, 61, 500, 1300]))
        floor.send_some()
        house.clock.move(choose([0.001, 2, 30]))
        if step % 10 == 4:
            house.site.write_text(choose([SITE, OTHER_SITE]))
            house.close()
            house.open()
        elif step % 10 == 9:
            house.crash()
            house.open()
        user, path = choose(sessions), choose([*METHODS, CALLS, CALLS])
        figure = {"figure": choose(FIGURES)} if path == CALLS else {}
        answers.append((user, ask(house, user, path, figure)))
    floor.random.shuffle(answers)
    for index, (user, then) in enumerate(answers):
        at = then.headers[0] if index % 2 else then.ms
        again = ask(house, user, then.path, then.body, at=at)
        assert (again.path, again.content) == (then.path, then.content)
        assert again.headers == then.headers
    house.end()


def test_the_current_time_gives_the_live_response(house: NodeHarness) -> None:
    """This applies to every method and every way to write the current time."""
    floor = RandomFloor(house, 7)
    for _ in range(10):
        floor.send_some()
        house.clock.move(3)
    session = house.login()
    seconds = house.clock.ticks / TICKS_PER_SECOND
    iso = datetime.fromtimestamp(seconds, UTC).isoformat()
    for path in METHODS:
        figure = {"figure": "totalOffered"} if path == CALLS else {}
        live = ask(house, session, path, figure)
        for at in (
            live.ms,
            str(live.ms),
            iso,
            live.headers[0],
            f" {live.headers[0]} ",
            4000 + live.ms,
        ):
            assert ask(house, session, path, figure, at=at)[3:] == live[3:], (path, at)


def test_a_token_within_an_entry_gives_the_floor_after_that_event(house: NodeHarness) -> None:
    """An eventId is a token.

    The response includes the events up to that event, and no later events.
    """
    session = house.login()
    house.take(ndjson([event("agent.state", 0, agent="SEBY", eventType="LOGON", service="Sales")]))
    before = ask(house, session, STATS).headers[0]
    starts = [
        event("call.start", n, transactionId=n, sessionId="s", service="Sales", direction="MANUAL")
        for n in range(1, 6)
    ]
    house.take(ndjson(starts))
    feed = house.ask("POST", "/realtime/event/feed", session, json={"token": before})
    ids = [one["eventId"] for one in feed.json()["events"]]
    assert len(ids) == 5
    for number in (3, 1, 5):
        answer = ask(house, session, STATS, at=ids[number - 1])
        assert in_progress(answer) == number


def in_progress(answer: RecordedResponse) -> int:
    """Return the calls in progress at the only service that has any."""
    (row,) = json.loads(answer.content)["stats"]
    count: int = row["cip"]
    return count


def test_pages_of_calls_continue_at_the_same_time(house: NodeHarness) -> None:
    """A cursor for a past time requires the same ``at``."""
    session = house.login()
    house.take(ndjson([queued(number) for number in range(1, 1_006)]))
    then = ask(house, session, CALLS, {"figure": "totalOffered"})
    house.clock.move(9)
    house.take(ndjson([queued(2_000)]))
    body = {"figure": "totalOffered", "at": then.headers[0]}
    first = json.loads(ask(house, session, CALLS, body).content)
    body["cursor"] = first["cursor"]
    second = json.loads(ask(house, session, CALLS, body).content)
    assert (len(first["calls"]), len(second["calls"]), second["cursor"]) == (1_000, 5, None)
    assert first["total"] == second["total"] == 1_005
    assert first["calls"] == json.loads(then.content)["calls"]
    other = {**METHODS[CALLS], **body, "at": house.clock.ticks // 10_000}
    assert (
        "cursor must come from the previous response"
        in house.ask("POST", CALLS, session, json=other).json()["message"]
    )


def queued(number: int) -> dict[str, object]:
    """Return a call that begins to wait."""
    return event("call.queue", number, transactionId=number, sessionId="s", service="Sales")


@pytest.mark.parametrize(
    ("at", "why"),
    [
        ("yesterday", "at must be a time"),
        ({"ms": 1}, "at must be a time"),
        (True, "at must be a time"),
        (MIDNIGHT * 1000 + HOUR * 1000, "at is in the future"),
        (MIDNIGHT * 1000 - 2 * HOUR * 1000, r"expected a time from \"2026-11-22 23:59:00-0500\""),
        (-5, "expected a time from"),
        ("ffffffff-ffff-1fff-bfff-ffffffffffff", "the token is from the future"),
    ],
)
def test_an_unusable_time_is_refused(house: NodeHarness, at: object, why: str) -> None:
    """The error shows the expected format. The server never uses another time silently."""
    answer = house.ask("POST", STATS, house.login(), json={"at": at})
    assert (answer.status_code, answer.json()["code"]) == (400, 202)
    assert why.replace("\\", "") in answer.json()["message"]


def test_live_responses_have_the_earliest_time_that_is_accepted(house: NodeHarness) -> None:
    """``Earliest-At`` is accepted, and the millisecond before it is not."""
    session = house.login()
    earliest = int(house.ask("POST", STATS, session).headers["earliest-at"])
    accepted = house.ask("POST", STATS, session, json={"at": earliest})
    assert accepted.status_code == 200
    assert "earliest-at" not in accepted.headers
    assert house.ask("POST", STATS, session, json={"at": earliest - 1}).status_code == 400


def test_an_id_unknown_at_that_time_is_refused(house: NodeHarness) -> None:
    """At that time, the live server refused the id, too."""
    session = house.login()
    then = house.clock.ticks // 10_000
    house.clock.move(5)
    house.take(ndjson([event("agent.state", 1, agent="X", eventType="LOGON", service="New")]))
    rows = house.ask("POST", STATS, session).json()["stats"]
    (number,) = [int(row["serviceId"]) for row in rows if row["serviceName"] == "New"]
    wanted = {"filter": {"service": [{"id": number}]}}
    assert house.ask("POST", STATS, session, json=wanted).status_code == 200
    refused = house.ask("POST", STATS, session, json={**wanted, "at": then})
    assert refused.status_code == 400
    assert f"filter.service names {number}" in refused.json()["message"]


def test_past_times_require_a_data_folder(folder: Path) -> None:
    """A worker process would have no files to read."""
    house = NodeHarness(folder, Clock(), keeps=False)
    answer = house.ask("POST", STATS, house.login(), json={"at": house.clock.ticks // 10_000})
    assert answer.status_code == 400
    assert "data folder" in answer.json()["message"]
    assert "earliest-at" not in house.ask("POST", STATS, house.login()).headers
    house.end()


def test_more_than_two_concurrent_requests_get_503(house: NodeHarness) -> None:
    """The response has Retry-After. Live requests of the same client still work."""
    session = house.login()
    RandomFloor(house, 1).send_some()
    asked = {"at": house.clock.ticks // 10_000}

    async def work() -> tuple[list[httpx.Response], httpx.Response]:
        past = [
            asyncio.create_task(house.request("POST", STATS, session, json=asked))
            for _ in range(50)
        ]
        await until(lambda: sum(task.done() for task in past) == 48)
        live = await house.request("POST", STATS, session)
        assert sum(task.done() for task in past) == 48
        return await asyncio.gather(*past), live

    answers, live = house.run(work())
    assert live.status_code == 200
    assert Counter(answer.status_code for answer in answers) == {200: 2, 503: 48}
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.headers["retry-after"] for answer in refused} == {"2"}
    assert {answer.json()["code"] for answer in refused} == {101}
    assert house.ask("POST", STATS, session, json=asked).status_code == 200


def test_a_killed_worker_gives_a_503(house: NodeHarness) -> None:
    """After SIGKILL during a request, a retry works."""
    session = house.login()
    RandomFloor(house, 1).send_some()
    asked = {"at": house.clock.ticks // 10_000}
    workers = house.node.server.past.workers

    async def work() -> httpx.Response:
        request = asyncio.create_task(house.request("POST", STATS, session, json=asked))
        await until(lambda: workers.processes)
        os.kill(workers.processes[0], signal.SIGKILL)
        return await request

    answer = house.run(work())
    assert (answer.status_code, answer.json()["code"]) == (503, 101)
    assert "try again" in answer.json()["message"]
    assert house.ask("POST", STATS, session, json=asked).status_code == 200


def test_a_disconnected_caller_leaves_no_process(house: NodeHarness) -> None:
    """The caller's worker is killed, and other requests get its place."""
    session = house.login()
    RandomFloor(house, 1).send_some()
    body = json.dumps({"at": house.clock.ticks // 10_000}).encode()
    workers = house.node.server.past.workers
    messages: list[dict[str, object]] = [{"type": "http.request", "body": body}]
    sent: list[object] = []

    async def receive() -> dict[str, object]:
        if messages:
            return messages.pop()
        await until(lambda: workers.processes)
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        sent.append(message)

    headers = [(b"lv-session", session.encode()), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": STATS,
        "query_string": b"",
        "headers": headers,
        "client": ("192.0.2.1", 1),
        "extensions": {},
    }
    house.run(Api(house.node.server, ROUTES)(scope, receive, send))
    assert workers.processes == []
    assert house.ask("POST", STATS, session, json=json.loads(body)).status_code == 200
