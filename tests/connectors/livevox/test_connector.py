"""Tests of a running connector between a followed server and an intake, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from floorcast.client import AsyncSender, Timing
from floorcast.connectors.livevox.connector import FollowedServer, LivevoxConnector, LivevoxTuning
from floorcast.connectors.livevox.tokens import token_time
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.spool import Spool
from floorcast.model.errors import BadCredentials, RoleNotAllowed
from tests.connectors.livevox.fake_server import CREDENTIALS, NOW, FakeIngest, FakeServer

AGENTS, CALLS = "/realtime/agentEvent/feed", "/realtime/event/feed"
TIME_LIMIT = 30.0  # seconds, so that no test hangs
TUNING = LivevoxTuning(quiet_seconds=0.01, step_seconds=0.01, lag_seconds=0.05)
AT_ONCE = Timing(chance=lambda: 0.0)


def iso(seconds: float) -> str:
    """Return a time as the interaction feed prints it."""
    return datetime.fromtimestamp(NOW + seconds, UTC).isoformat()


def ready_event(number: int) -> dict[str, Any]:
    """Return the event of an agent who becomes ready."""
    return {
        "timestamp": int(NOW * 1000) + number,
        "agentId": 7,
        "agentLoginId": "A7",
        "eventType": "READY",
        "eventId": f"ready{number}",
    }


def call_start_event(number: int) -> dict[str, Any]:
    """Return the event of a call that begins."""
    return {
        "interactionType": "VOICE",
        "callEventType": "CALL_START",
        "eventId": f"call{number}",
        "transactionId": number,
        "sessionId": str(number),
        "serviceId": 5,
        "callDirection": "INBOUND",
        "callerId": f"555{number}",
        "start": iso(0),
    }


class ConnectorRun:
    """A run of the connector with the spool in a folder."""

    def __init__(
        self,
        folder: Path,
        other: FakeServer,
        intake: FakeIngest,
        *,
        poll_seconds: float = 0.0,
        since: float | None = None,
        record: Path | None = None,
    ) -> None:
        server = FollowedServer(
            url="http://other",
            credentials=CREDENTIALS,
            poll_seconds=poll_seconds,
            since=since,
            record=record,
        )
        self.metrics = ConnectorMetrics()
        self.spool = Spool(folder / "connect.db")
        self.connector = LivevoxConnector(
            server,
            self.spool,
            self.metrics,
            tuning=TUNING,
            clock=lambda: NOW,
            timing=AT_ONCE,
            transport=other,
        )
        self._intake = intake

    async def run(self) -> None:
        """Run until stopped, or raise the connector's error."""
        forwarder = self.connector.forwarder()
        async with AsyncSender("http://this", "key", transport=self._intake) as sender:
            await self.connector.run(sender, forwarder)


@asynccontextmanager
async def running_connector(
    folder: Path,
    other: FakeServer,
    intake: FakeIngest,
    *,
    poll_seconds: float = 0.0,
    since: float | None = None,
    record: Path | None = None,
) -> AsyncIterator[ConnectorRun]:
    """Keep a connector running during the block."""
    connection = ConnectorRun(
        folder, other, intake, poll_seconds=poll_seconds, since=since, record=record
    )
    work = asyncio.ensure_future(connection.run())
    try:
        yield connection
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
        connection.spool.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine with a time limit."""
    asyncio.run(asyncio.wait_for(work, TIME_LIMIT))


def test_the_connector_resumes_where_the_last_run_ended(tmp_path: Path) -> None:
    """The first run reads as far back as the feeds reach. The next run starts at its end."""

    async def work() -> None:
        other, intake = FakeServer(), FakeIngest()
        await other.add(AGENTS, ready_event(1), ready_event(2))
        await other.add(CALLS, call_start_event(1))
        async with running_connector(tmp_path, other, intake):
            await intake.until("ready1", "ready2", "call1")
        oldest = token_time(other.requested_tokens[AGENTS][0])
        assert oldest is not None
        assert NOW - oldest == pytest.approx(24 * 3600 - 300, abs=0.01)
        await other.add(AGENTS, ready_event(3))
        request = len(other.requested_tokens[AGENTS])
        async with running_connector(tmp_path, other, intake):
            await intake.until("ready3")
        again = token_time(other.requested_tokens[AGENTS][request])
        assert again is not None
        assert again > oldest
        assert [one["type"] for one in intake.events.values()].count("agent.state") == 3

    run(work())


def test_the_first_start_uses_the_start_time(tmp_path: Path) -> None:
    """The option for the start time applies to the first start."""

    async def work() -> None:
        other, intake = FakeServer(), FakeIngest()
        await other.add(AGENTS, ready_event(1))
        async with running_connector(tmp_path, other, intake, since=NOW - 60):
            await intake.until("ready1")
        assert token_time(other.requested_tokens[AGENTS][0]) == pytest.approx(NOW - 60, abs=0.01)

    run(work())


def test_a_repeated_page_is_sent_with_the_same_ids(tmp_path: Path) -> None:
    """After a crash, the server recognizes the events of a repeated page as duplicates."""

    async def work() -> None:
        other, intake = FakeServer(), FakeIngest()
        await other.add(AGENTS, ready_event(1), ready_event(2))
        async with running_connector(tmp_path, other, intake):
            await intake.until("ready2")
        (tmp_path / "connect.db").unlink()
        await other.add(AGENTS, ready_event(3))
        async with running_connector(tmp_path, other, intake):
            await intake.until("ready3")
        assert len(intake.events) == 3

    run(work())


def test_a_feed_resumes_after_its_token_is_rejected(tmp_path: Path) -> None:
    """After a rejected token, a feed resumes as far back as possible, or else at the current time.

    The agents' states are then requested.
    """

    async def work() -> None:
        other, intake = FakeServer(), FakeIngest()
        await other.add(AGENTS, ready_event(1))
        async with running_connector(tmp_path, other, intake):
            await intake.until("ready1")
        other.requested_tokens[AGENTS].clear()
        other.refuses = bool
        other.rows["/realtime/service/agents/status"] = [
            {"agentLoginId": "A7", "stateId": 3, "stateChangedAfter": int(NOW * 1000) + 9}
        ]
        async with running_connector(tmp_path, other, intake, poll_seconds=0.01):
            await other.until_requested(AGENTS, "")
            other.refuses = lambda _token: False
            await intake.until(f"status/7/NOT_READY/{int(NOW * 1000) + 9}")
        assert len(other.requested_tokens[AGENTS][: other.requested_tokens[AGENTS].index("")]) == 2

    run(work())


@pytest.mark.parametrize(
    ("path", "status", "code", "error"),
    [
        ("/session/login", 401, 300, BadCredentials),
        (AGENTS, 403, 302, RoleNotAllowed),
        (CALLS, 403, 302, RoleNotAllowed),
    ],
)
def test_a_wrong_password_or_role_ends_the_connector(
    tmp_path: Path, path: str, status: int, code: int, error: type[Exception]
) -> None:
    """A wrong password or role ends the connector at the start, while an operator is watching."""

    async def work() -> None:
        other = FakeServer()
        refusal = httpx.Response(status, json={"code": code, "message": "no"})
        other.answers[path] = iter([refusal] * 100)
        connection = ConnectorRun(tmp_path, other, FakeIngest())
        try:
            await connection.run()
        finally:
            connection.spool.close()

    with pytest.raises(ExceptionGroup) as raised:
        run(work())
    assert raised.group_contains(error)


INVALID_BODIES = [
    b"", b"<html>", b"[]", b"{}", b'{"token": 5, "events": 7}', b'{"token": "x"', b"\xff", b"null",
    b'{"token": "", "events": [], "agentEvent": {}}',
]  # fmt: skip


@pytest.mark.parametrize("path", [AGENTS, CALLS])
def test_invalid_responses_do_not_end_the_connector(tmp_path: Path, path: str) -> None:
    """After invalid pages, statuses or events, the connector repeats the request and continues."""

    async def work() -> None:
        other, intake = FakeServer(), FakeIngest()
        bodies = [httpx.Response(200, content=body) for body in INVALID_BODIES]
        statuses = [
            httpx.Response(status, content=b"{}") for status in (204, 301, 404, 409, 418, 500, 503)
        ]
        other.answers[path] = iter([*bodies, *statuses])
        await other.add(path, 7, None, [1], {"eventType": "JUGGLING"}, {"interactionType": {}}, {})
        await other.add(AGENTS, ready_event(1))
        await other.add(CALLS, call_start_event(1))
        async with running_connector(tmp_path, other, intake) as connection:
            await intake.until("ready1", "call1")
            await other.add(path, "x", ready_event(2) if path == AGENTS else call_start_event(2))
            await intake.until("ready2" if path == AGENTS else "call2")
            assert connection.metrics.value("floorcast_connector_unreadable_total") >= 6

    run(work())


def test_waiting_calls_and_campaigns_are_requested(tmp_path: Path) -> None:
    """A refusal of waiting calls or campaigns is logged once, and the feeds continue."""

    async def work() -> None:
        other, intake = FakeServer(), FakeIngest()
        waiting = "/realtime/service/calls/status"
        refused = httpx.Response(403, json={"code": 302, "message": "no"})
        other.answers[waiting] = iter([refused, refused])
        other.rows[waiting] = [{"serviceId": 5, "phone": "5551", "timeStamp": int(NOW)}]
        other.rows["/realtime/campaign/stats"] = [{"campaignId": 3, "loaded": 8}]
        await other.add(CALLS, call_start_event(1))
        async with running_connector(tmp_path, other, intake, poll_seconds=0.01):
            await intake.until("1/1/queue/1", f"campaign/3/{int(NOW * 1000)}")
        assert intake.events["1/1/queue/1"]["data"]["service"] == 5

    run(work())


def test_the_end_of_a_call_waits_for_the_agent_feed(tmp_path: Path) -> None:
    """The agent's IN_CALL reports the answer, so no ``call.answer`` is needed."""

    async def work() -> None:
        other, intake = FakeServer(), FakeIngest()
        ended = {
            **call_start_event(1),
            "callEventType": "CALL_TERMINATION",
            "eventId": "end1",
            "operatorTransfer": 1,
            "operatorTransferSuccessful": 1,
            "end": iso(60),
        }
        in_call = {**ready_event(1), "eventType": "IN_CALL", "transactionId": 1, "sessionId": "1"}
        await other.add(CALLS, call_start_event(1), ended)
        async with running_connector(tmp_path, other, intake):
            await intake.until("call1")
            await other.add(AGENTS, in_call)
            await intake.until("end1", "ready1")
        assert intake.events["end1"]["type"] == "call.end"

    run(work())


def test_all_input_is_recorded(tmp_path: Path) -> None:
    """The recording has one JSON object per line and no password."""

    async def work() -> None:
        other, intake = FakeServer(), FakeIngest()
        await other.add(AGENTS, ready_event(1))
        other.rows["/realtime/campaign/stats"] = [{"campaignId": 3}]
        async with running_connector(tmp_path, other, intake, record=tmp_path / "record"):
            await intake.until("ready1", f"campaign/3/{int(NOW * 1000)}")

    run(work())
    text = (tmp_path / "record").read_bytes()
    lines = [msgspec.json.decode(line) for line in text.splitlines()]
    assert {line["read"] for line in lines} == {"agent", "campaigns"}
    assert ready_event(1) in [line.get("event") for line in lines]
    assert CREDENTIALS.password.encode() not in text
