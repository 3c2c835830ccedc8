"""Tests of a whole connector between a simulated event socket and a simulated intake."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from floorcast.client import AsyncSender, Timing
from floorcast.connectors.freeswitch.connector import FreeswitchConnector, FreeswitchTuning
from floorcast.connectors.freeswitch.esl_connection import EslAddress
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.spool import Spool
from floorcast.model.errors import BadCredentials
from tests.client.intake import Answer, Intake, running
from tests.connectors.freeswitch.dialogues import (
    ANNA,
    SALES,
    SUPPORT,
    Caller,
    agent_row,
    hangup,
    numbered,
    plain,
    tier_row,
)
from tests.connectors.freeswitch.fake_esl import NOTICE, Event, FakeEsl, serving
from tests.real.asterisk import wait_until

TUNING = FreeswitchTuning(
    step_seconds=0.02, settle_seconds=0.05, gap_seconds=0.05, compare_seconds=3600.0
)
HASTY = Timing(patience=1e9, chance=lambda: 0.05)
CALLER = Caller("aaaaaaaa-0000-4000-8000-000000000001")
STARTED = ["LOGON", "READY"]
JOINED = ["call.start", "call.queue"]


@asynccontextmanager
async def running_connector(
    intake: Intake,
    address: EslAddress,
    folder: Path,
    metrics: ConnectorMetrics | None = None,
    tuning: FreeswitchTuning = TUNING,
    clock: Callable[[], float] | None = None,
) -> AsyncIterator[asyncio.Task[None]]:
    """Run a connector, and kill its task at the end."""
    with Spool(folder / "spool.db") as spool:
        connector = FreeswitchConnector(
            address,
            MappingConfig(),
            spool,
            metrics or ConnectorMetrics(),
            record=folder / "record",
            tuning=tuning,
            clock=clock,
        )
        async with AsyncSender(intake.url, "k", timing=HASTY) as sender:
            task = asyncio.create_task(connector.run(sender, connector.forwarder()))
            try:
                yield task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def wait_for(condition: Callable[[], bool], intake: Intake) -> None:
    await asyncio.to_thread(wait_until, condition, lambda: event_names(intake))


def event_names(intake: Intake) -> list[str]:
    found: list[Any] = list(intake.received.values())
    return [one["data"].get("eventType", one["type"]) for one in found]


def run(main: Callable[[FakeEsl, Intake], Any]) -> None:
    """Run a connector between a new event socket, where Anna is logged in, and a new intake."""

    async def with_servers(intake: Intake) -> None:
        async with serving() as esl:
            esl.agents, esl.tiers = [agent_row(ANNA)], [tier_row(ANNA)]
            esl.queues = [{"name": SALES}, {"name": SUPPORT}]
            await main(esl, intake)

    with running() as intake:
        asyncio.run(with_servers(intake))


def comparisons(metrics: ConnectorMetrics) -> float:
    return metrics.value("floorcast_connector_resyncs_total")


def test_events_are_sent_and_removed_from_the_spool(tmp_path: Path) -> None:
    """Agents are sent at once, and calls as they happen.

    The spool is empty once the server has accepted the events.
    """

    async def main(esl: FakeEsl, intake: Intake) -> None:
        metrics = ConnectorMetrics()
        esl.chunk = 11
        async with running_connector(intake, esl.address(), tmp_path, metrics):
            await wait_for(lambda: event_names(intake) == STARTED, intake)
            now = time.time()
            await esl.send(
                [*CALLER.joins(now), *CALLER.leaves(now + 0.2), *CALLER.hangs_up(now + 0.3)]
            )
            await wait_for(lambda: event_names(intake)[2:] == [*JOINED, "call.end"], intake)
            await wait_for(lambda: metrics.value("floorcast_connector_unsent_events") == 0, intake)
        assert comparisons(metrics) == 1
        assert metrics.value("floorcast_connector_sent_total", verdict="accepted") == 5
        assert metrics.value("floorcast_connector_last_event_timestamp_seconds") >= now

    run(main)


def test_changes_during_an_outage_are_sent(tmp_path: Path) -> None:
    """A call that ended during the outage is ended, and a new call has its original join time.

    Both calls count once.
    """

    async def main(esl: FakeEsl, intake: Intake) -> None:
        other = Caller("aaaaaaaa-0000-4000-8000-000000000002")
        async with running_connector(intake, esl.address(), tmp_path):
            await wait_for(lambda: event_names(intake) == STARTED, intake)
            await esl.send(CALLER.joins(time.time()))
            await wait_for(lambda: "call.queue" in event_names(intake), intake)
            await esl.stop(NOTICE)
            stale = Caller("aaaaaaaa-0000-4000-8000-000000000003")
            esl.sessions = {other.session}
            began = int(time.time()) - 5
            esl.members = [other.row(began), stale.row(began - 9000, "Trying", ANNA)]
            await esl.start()
            await wait_for(lambda: len(event_names(intake)) == 7, intake)
        assert event_names(intake)[4:] == ["call.end", *JOINED]
        assert intake.received[f"{other.session}/1/queue"]["time"].startswith(
            time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began))
        )

    run(main)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


def has_compared(metrics: ConnectorMetrics, before: float) -> bool:
    return comparisons(metrics) > before


def seconds(event: dict[str, Any]) -> float:
    """Return an event's time in epoch seconds."""
    return datetime.fromisoformat(event["time"]).timestamp()


@pytest.mark.parametrize("step", [-1800.0, -0.9, 10_800.0])
def test_a_call_goes_on_while_the_clock_of_the_pbx_is_set(tmp_path: Path, step: float) -> None:
    """FreeSWITCH's clock is set while a caller waits and again during the next conversation.

    The lists, which are read again in the meantime, agree. Each call has its times, once, and the
    agent is free after it.
    """

    async def main(esl: FakeEsl, intake: Intake) -> None:
        clock = Clock()
        esl.clock = clock
        metrics = ConnectorMetrics()
        first, second = CALLER, Caller("aaaaaaaa-0000-4000-8000-000000000002")
        esl.sessions = {first.session, second.session}
        ahead, number = 0.0, 1

        async def happen(*events: Event) -> None:
            nonlocal number
            await esl.send(numbered(events, first=number))
            number += 1000  # a gap, after which the lists are read again

        async with running_connector(intake, esl.address(), tmp_path, metrics, clock=clock):
            await wait_for(lambda: event_names(intake) == STARTED, intake)
            for caller, while_waiting, while_talking in ((first, step, step), (second, step, 0.0)):
                began = clock.now
                await happen(*caller.joins(began + ahead))
                esl.members = [caller.row(began + ahead)]
                clock.now += 30
                ahead = while_waiting
                compared = comparisons(metrics)
                await happen(*caller.is_answered(clock.now + ahead))
                esl.members = [caller.row(began, "Answered", ANNA)]
                await wait_for(lambda: event_names(intake)[-1] == "IN_CALL", intake)
                await wait_for(partial(has_compared, metrics, compared), intake)
                clock.now += 60
                ahead, esl.members = while_talking, []
                ends = caller.ends_talk(clock.now + ahead)
                await happen(*ends, *caller.hangs_up(clock.now + ahead + 0.01, "send_bye"))
                await wait_for(lambda: event_names(intake)[-1] == "call.end", intake)
                times = {"start": began, "1/queue": began, f"1/connect/{ANNA}": began + 30}
                for name, at in (times | {"end": began + 90}).items():
                    assert abs(seconds(intake.received[f"{caller.session}/{name}"]) - at) < 1.0
                clock.now += 100
        conversation = [*JOINED, "IN_CALL", "WRAP_UP", "READY", "call.end"]
        assert event_names(intake) == [*STARTED, *conversation * 2]

    run(main)


def test_a_restart_ends_open_sessions(tmp_path: Path) -> None:
    """A new Core-UUID ends earlier sessions, even if their rows remain."""

    async def main(esl: FakeEsl, intake: Intake) -> None:
        async with running_connector(intake, esl.address(), tmp_path):
            await wait_for(lambda: event_names(intake) == STARTED, intake)
            at = time.time()
            await esl.send([*CALLER.joins(at), *CALLER.is_answered(at + 0.01)])
            await wait_for(lambda: "IN_CALL" in event_names(intake), intake)
            await esl.stop()
            esl.core = "core-2"
            esl.members = [CALLER.row(at, "Answered", ANNA)]
            await esl.start()
            await wait_for(lambda: "call.end" in event_names(intake), intake)
        assert event_names(intake)[5:] == ["WRAP_UP", "READY", "call.end"]

    run(main)


def test_a_gap_triggers_a_comparison(tmp_path: Path) -> None:
    """A comparison after a gap sends the missed events.

    Without a gap, a comparison runs only at its interval.
    """

    async def main(esl: FakeEsl, intake: Intake) -> None:
        metrics = ConnectorMetrics()
        async with running_connector(intake, esl.address(), tmp_path, metrics):
            await wait_for(lambda: event_names(intake) == STARTED, intake)
            at = time.time()
            events = [*CALLER.joins(at), plain("HEARTBEAT", at + 0.1)]
            await esl.send(numbered(events, first=7))
            await wait_for(lambda: "call.queue" in event_names(intake), intake)
            before = comparisons(metrics)
            assert before == 1
            await esl.send(numbered([hangup("x", at + 1)], first=400))
            await wait_for(lambda: "call.end" in event_names(intake), intake)
            assert comparisons(metrics) > before

    run(main)


def test_tiers_are_compared_periodically(tmp_path: Path) -> None:
    """Tiers are compared periodically, because changed tiers and deleted agents cause no event."""

    async def main(esl: FakeEsl, intake: Intake) -> None:
        tuning = FreeswitchTuning(
            step_seconds=0.02, settle_seconds=0.01, gap_seconds=0.01, compare_seconds=0.05
        )
        async with running_connector(intake, esl.address(), tmp_path, tuning=tuning):
            await wait_for(lambda: event_names(intake) == STARTED, intake)
            esl.tiers = [tier_row(ANNA), tier_row(ANNA, SUPPORT, level="2")]
            await wait_for(lambda: len(event_names(intake)) == 3, intake)
            data = list(intake.received.values())[-1]["data"]
            assert (data["eventType"], data["services"]) == ("READY", [SALES, SUPPORT])
            esl.agents = []
            await wait_for(lambda: event_names(intake)[-1] == "LOGOFF", intake)

    run(main)


def test_a_killed_connector_resumes(tmp_path: Path) -> None:
    """The next connector sends events that were read but not sent, and knows the open calls."""

    async def main(esl: FakeEsl, intake: Intake) -> None:
        busy = Answer(503, {"code": 101, "message": "busy"})
        esl.sessions = {CALLER.session}
        at = time.time()
        async with running_connector(intake, esl.address(), tmp_path):
            await wait_for(lambda: event_names(intake) == STARTED, intake)
            requests = len(intake.requests)
            intake.answers.extend([busy] * 1000)
            await esl.send(CALLER.joins(at))
            await wait_for(lambda: len(intake.requests) > requests + 2, intake)
        intake.answers.clear()
        esl.members = [CALLER.row(at)]
        async with running_connector(intake, esl.address(), tmp_path):
            await wait_for(lambda: esl.subscriptions == 2 and len(event_names(intake)) == 4, intake)
            await esl.send([*CALLER.leaves(at + 2), *CALLER.hangs_up(at + 2.1)])
            await wait_for(lambda: event_names(intake)[2:] == [*JOINED, "call.end"], intake)

    run(main)


def test_unreadable_events_are_counted_and_logged_once(tmp_path: Path) -> None:
    """The events before and after an unreadable event are read."""

    async def main(esl: FakeEsl, intake: Intake) -> None:
        metrics = ConnectorMetrics()
        async with running_connector(intake, esl.address(), tmp_path, metrics):
            await wait_for(lambda: event_names(intake) == STARTED, intake)
            with capture_logs() as logs:
                bad = b"Content-Length: 3\nContent-Type: text/event-json\n\n{no"
                await esl.send_bytes(b"nonsense\n\n" + bad + b"nonsense\n\n" + bad)
                await esl.send(CALLER.joins(time.time()))
                await wait_for(lambda: "call.queue" in event_names(intake), intake)
            assert metrics.value("floorcast_connector_unreadable_total") == 4
            assert len([one for one in logs if "cannot be read" in one["event"]]) == 2

    run(main)


def test_all_input_is_recorded(tmp_path: Path) -> None:
    """The recording has events and lists, but no password."""

    async def main(esl: FakeEsl, intake: Intake) -> None:
        async with running_connector(intake, esl.address(), tmp_path):
            await wait_for(lambda: event_names(intake) == STARTED, intake)
            await esl.send(CALLER.joins(time.time()))
            await wait_for(lambda: "call.queue" in event_names(intake), intake)
        text = (tmp_path / "record").read_text()
        assert "member-queue-start" in text
        assert "Command: callcenter_config tier list" in text
        assert "ClueCon" not in text

    run(main)


@pytest.mark.parametrize("is_open", [True, False])
def test_a_refused_login_ends_the_connector(tmp_path: Path, *, is_open: bool) -> None:
    """A login refused at the start, by password or ACL, is not retried."""

    async def main(esl: FakeEsl, intake: Intake) -> None:
        esl.is_open = is_open
        async with running_connector(intake, esl.address("wrong"), tmp_path) as task:
            with pytest.raises(ExceptionGroup) as caught:
                await asyncio.wait_for(task, 100)
            assert isinstance(caught.value.exceptions[0], BadCredentials)

    run(main)


@pytest.mark.parametrize("missing", ["callcenter_config", "uuid_exists", "event", "module"])
def test_a_missing_right_or_module_is_named_and_retried(tmp_path: Path, missing: str) -> None:
    """The connector needs no restart after a missing right or module is added."""

    async def main(esl: FakeEsl, intake: Intake) -> None:
        esl.denied = {missing}
        esl.has_callcenter = missing != "module"
        esl.sessions, esl.members = {CALLER.session}, [CALLER.row(time.time())]
        with capture_logs() as logs:
            async with running_connector(intake, esl.address(), tmp_path):
                await wait_for(lambda: any("respond" in one["event"] for one in logs), intake)
                message = next(one["why"] for one in logs if "respond" in one["event"])
                assert ("mod_callcenter" if missing == "module" else missing) in message
                esl.denied.clear()
                esl.has_callcenter = True
                await wait_for(
                    lambda: sorted(event_names(intake)) == sorted([*JOINED, *STARTED]), intake
                )

    run(main)


def test_the_connector_works_without_optional_rights(tmp_path: Path) -> None:
    """Without optional rights, missed holds are not restored, and restarts are detected later."""

    async def main(esl: FakeEsl, intake: Intake) -> None:
        esl.denied = {"show", "global_getvar"}
        async with running_connector(intake, esl.address(), tmp_path):
            await wait_for(lambda: event_names(intake) == STARTED, intake)
            await esl.send(CALLER.joins(time.time()))
            await wait_for(lambda: "call.queue" in event_names(intake), intake)

    run(main)


def test_a_server_that_was_down_receives_each_event_once(tmp_path: Path) -> None:
    """The server receives all events once, although it was down and lost a response."""

    async def main(esl: FakeEsl, intake: Intake) -> None:
        async with running_connector(intake, esl.address(), tmp_path):
            await wait_for(lambda: event_names(intake) == STARTED, intake)
            await asyncio.to_thread(intake.stop)
            at = time.time()
            await esl.send(
                [*CALLER.joins(at), *CALLER.leaves(at + 0.1), *CALLER.hangs_up(at + 0.2)]
            )
            await asyncio.to_thread(intake.start)
            await wait_for(lambda: event_names(intake)[2:] == [*JOINED, "call.end"], intake)

    run(main)
