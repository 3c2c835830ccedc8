"""Tests of a whole connector between a simulated manager interface and a simulated intake."""

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
from floorcast.connectors.asterisk.connector import (
    AsteriskConnector,
    AsteriskSource,
    AsteriskTuning,
)
from floorcast.connectors.asterisk.frames import AmiFrame
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.spool import Spool
from floorcast.model.errors import BadCredentials
from tests.client.intake import TAKE, Answer, Intake, running
from tests.connectors.asterisk.fake_ami import FakeAmi, serving
from tests.real.asterisk import wait_until

TUNING = AsteriskTuning(poll_seconds=0.01, duplicate_wait_seconds=0.1, step_seconds=0.02)
LEAVES = ("QueueCallerJoin", "QueueCallerAbandon", "QueueCallerLeave")
HASTY = Timing(patience=1e9, chance=lambda: 0.05)


@asynccontextmanager
async def running_connector(
    intake: Intake,
    source: AsteriskSource,
    folder: Path,
    metrics: ConnectorMetrics | None = None,
    clock: Callable[[], float] | None = None,
) -> AsyncIterator[asyncio.Task[None]]:
    """Run a connector, and kill its task at the end."""
    with Spool(folder / "spool.db") as spool:
        metrics = metrics or ConnectorMetrics()
        connector = AsteriskConnector(
            source, MappingConfig(), spool, metrics, tuning=TUNING, clock=clock
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


def join_frame(caller: str, at: float) -> AmiFrame:
    return {
        "Event": "QueueCallerJoin",
        "Timestamp": f"{at:.6f}",
        "Uniqueid": caller,
        "Queue": "sales",
    }


def hangup_frame(caller: str, at: float) -> AmiFrame:
    return {"Event": "Hangup", "Timestamp": f"{at:.6f}", "Uniqueid": caller}


def test_events_are_sent_and_removed_from_the_spool(tmp_path: Path) -> None:
    """Members are sent at once, and calls as they happen.

    The spool is empty once the server has accepted the events.
    """

    async def main(ami: FakeAmi, intake: Intake) -> None:
        ami.members = [{"Queue": "sales", "Name": "Anna", "Location": "PJSIP/1", "Status": "1"}]
        metrics = ConnectorMetrics()
        async with running_connector(intake, AsteriskSource(ami=ami.address()), tmp_path, metrics):
            await wait_for(lambda: event_names(intake) == ["LOGON", "READY"], intake)
            now = time.time()
            await ami.send([join_frame("1.0", now), hangup_frame("1.0", now + 0.5)])
            await wait_for(
                lambda: event_names(intake)[2:] == ["call.start", "call.queue", "call.end"], intake
            )
            await wait_for(lambda: metrics.value("floorcast_connector_unsent_events") == 0, intake)
        assert metrics.value("floorcast_connector_resyncs_total") == 1
        assert metrics.value("floorcast_connector_sent_total", verdict="accepted") == 5
        assert metrics.value("floorcast_connector_last_event_timestamp_seconds") >= now

    run(main)


def test_a_missing_queue_log_is_reported(tmp_path: Path) -> None:
    """A typo in the path is not silent. Asterisk may create the file later."""
    missing = tmp_path / "queue_log"

    async def main(_ami: FakeAmi, intake: Intake) -> None:
        with capture_logs() as logs:
            async with running_connector(intake, AsteriskSource(queue_log=missing), tmp_path):
                await wait_for(lambda: bool(logs), intake)
        assert logs[0]["event"] == f"queue log {missing} does not exist; waiting for it"

    run(main)


def test_the_channel_is_queried_for_the_reason_for_leaving(tmp_path: Path) -> None:
    """No event says why a caller left, so the connector queries the channel."""

    async def main(ami: FakeAmi, intake: Intake) -> None:
        ami.queue_status = "LEAVEEMPTY"
        async with running_connector(intake, AsteriskSource(ami=ami.address()), tmp_path):
            await wait_for(lambda: "CoreShowChannels" in ami.actions, intake)
            now = time.time()
            joined = join_frame("1.0", now)
            await ami.send([{**joined, "Event": event} for event in LEAVES])
            await wait_for(lambda: "call.leave" in event_names(intake), intake)
        assert intake.received["1.0/1/leave"]["data"]["reason"] == "EMPTY"

    run(main)


def test_changes_during_an_outage_are_sent(tmp_path: Path) -> None:
    """A call that ended during the outage is ended, and a new call has its original join time.

    Both calls count once.
    """

    async def main(ami: FakeAmi, intake: Intake) -> None:
        async with running_connector(intake, AsteriskSource(ami=ami.address()), tmp_path):
            await wait_for(lambda: ami.logins == 1, intake)
            await ami.send([join_frame("1.0", time.time())])
            await wait_for(lambda: "call.queue" in event_names(intake), intake)
            await ami.stop()
            ami.entries = [{"Queue": "sales", "Uniqueid": "2.0", "Wait": "5"}]
            ami.channels = [{"Uniqueid": "2.0"}]
            await ami.start()
            await wait_for(lambda: len(event_names(intake)) == 5, intake)
        assert event_names(intake)[2:] == ["call.end", "call.start", "call.queue"]
        assert set(intake.received) >= {"1.0/end", "2.0/start", "2.0/1/queue"}

    run(main)


def test_events_during_a_query_are_applied_after_its_result(tmp_path: Path) -> None:
    """An event that arrives during a query counts after the older list.

    Anna's telephone was unreachable according to the list, and is back now.
    """

    async def main(ami: FakeAmi, intake: Intake) -> None:
        anna = {"Queue": "sales", "Name": "Anna", "Location": "PJSIP/1", "Membership": "static"}
        ami.members = [{**anna, "Status": "5"}]
        ami.events_before["CoreShowChannels"] = [
            {"Event": "QueueMemberStatus", **anna, "Status": "1"}
        ]
        async with running_connector(intake, AsteriskSource(ami=ami.address()), tmp_path):
            await wait_for(lambda: "READY" in event_names(intake), intake)
            await ami.send([join_frame("1.0", time.time())])
            await wait_for(lambda: "call.queue" in event_names(intake), intake)
        assert event_names(intake) == ["LOGON", "READY", "call.start", "call.queue"]

    run(main)


def test_unreadable_input_does_not_end_the_connector(tmp_path: Path) -> None:
    """Unreadable input is counted and logged once for each kind. The next call is read normally."""

    async def main(ami: FakeAmi, intake: Intake) -> None:
        log, metrics, now = tmp_path / "queue_log", ConnectorMetrics(), time.time()
        log.write_text("nonsense\nnonsense\n|||||\n")
        source = AsteriskSource(ami=ami.address(), queue_log=log)
        with capture_logs() as logs:
            async with running_connector(intake, source, tmp_path, metrics):
                await wait_for(lambda: "CoreShowChannels" in ami.actions, intake)
                for timestamp in ("nan", "1e300", "-1", ""):
                    await ami.send([{**hangup_frame("0.1", now), "Timestamp": timestamp}])
                await ami.send([{"Event": "QueueCallerJoin", "Queue": "sales"}] * 3)
                await ami.send_bytes(b"\xff\x00: what is this\r\n\r\n")
                await ami.send([join_frame("1.0", now)])
                await wait_for(lambda: "call.queue" in event_names(intake), intake)
        assert metrics.value("floorcast_connector_unreadable_total") == 7
        shown = [str(one["event"]) for one in logs if "cannot be read" in str(one["event"])]
        assert len(shown) == len({one[:40] for one in shown}) == 4

    run(main)


def test_a_killed_connector_resumes(tmp_path: Path) -> None:
    """The next connector sends events that were read but not sent, and knows the open calls."""

    async def main(ami: FakeAmi, intake: Intake) -> None:
        busy = Answer(503, {"code": 101, "message": "busy"})
        ami.channels = [{"Uniqueid": "1.0"}]
        async with running_connector(intake, AsteriskSource(ami=ami.address()), tmp_path):
            await wait_for(lambda: ami.logins == 1, intake)
            intake.answers.extend([busy] * 1000)
            await ami.send([join_frame("1.0", time.time())])
            await wait_for(lambda: len(intake.requests) > 2, intake)
        intake.answers.clear()
        ami.entries = [{"Queue": "sales", "Uniqueid": "1.0", "Wait": "1"}]
        async with running_connector(intake, AsteriskSource(ami=ami.address()), tmp_path):
            await wait_for(lambda: len(event_names(intake)) == 2, intake)
            await wait_for(lambda: ami.logins == 2, intake)
            await ami.send([hangup_frame("1.0", time.time() + 1)])
            await wait_for(lambda: "call.end" in event_names(intake), intake)
        assert event_names(intake) == ["call.start", "call.queue", "call.end"]

    run(main)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("step", [-1800.0, -0.9, 10_800.0])
@pytest.mark.parametrize("with_log", [False, True], ids=["AMI", "AMI and the queue log"])
def test_a_call_goes_on_while_the_clock_of_the_pbx_is_set(
    tmp_path: Path, step: float, with_log: bool
) -> None:
    """Asterisk's clock is set during a conversation and again before the next call.

    Each call has its result and its times, once, and the agent is free after it.
    """

    async def main(ami: FakeAmi, intake: Intake) -> None:
        clock, log = Clock(), tmp_path / "queue_log"
        ami.members = [{"Queue": "sales", "Name": "Anna", "Location": "PJSIP/1", "Status": "1"}]
        log.touch()
        source = AsteriskSource(ami=ami.address(), queue_log=log if with_log else None)

        async def happens(event: str, ahead: float, line: str = "", **more: str) -> None:
            at = clock.now + ahead
            frame = {"Event": event, "Timestamp": f"{at:.6f}", "Queue": "sales", **more}
            await ami.send([frame])
            if line:
                with log.open("a") as file:
                    file.write(f"{int(at)}|{more['Uniqueid']}|sales|{line}\n")

        async with running_connector(intake, source, tmp_path, clock=clock):
            await wait_for(lambda: event_names(intake) == ["LOGON", "READY"], intake)
            for caller, first, then in (("1.0", 0.0, step), ("2.0", step, 0.0)):
                one = {"Uniqueid": caller, "MemberName": "Anna"}
                began = clock.now
                await happens("QueueCallerJoin", first, "NONE|ENTERQUEUE||1|1", **one)
                clock.now += 5
                await happens("AgentConnect", first, "Anna|CONNECT|5|1.1|1", **one)
                await wait_for(lambda: "IN_CALL" in event_names(intake)[-1:], intake)
                clock.now += 60
                line = "Anna|COMPLETECALLER|5|60|1"
                await happens("AgentComplete", then, line, **one, Reason="caller")
                await happens("Hangup", then, **one)
                await wait_for(lambda: event_names(intake)[-1] == "call.end", intake)
                ended = intake.received[f"{caller}/end"]
                assert ended["data"]["lvResult"] == "Completed by caller"
                for name, at in (("start", began), ("1/queue", began), ("end", began + 65)):
                    assert abs(seconds(intake.received[f"{caller}/{name}"]) - at) < 1.0
                clock.now += 100
        conversation = ["call.start", "call.queue", "IN_CALL", "WRAP_UP", "READY", "call.end"]
        assert event_names(intake) == ["LOGON", "READY", *conversation * 2]
        times = [seconds(one) for one in intake.received.values() if "agent" in one["data"]]
        assert times == sorted(times)

    run(main)


@pytest.mark.parametrize("step", [-1800, 10_800])
def test_lines_are_read_while_the_clock_of_the_pbx_is_set(tmp_path: Path, step: int) -> None:
    """The clock is set while the connector runs, while it does not, and while the log is rotated.

    Each call has its times, once, and the agent is free after it.
    """

    async def main(_ami: FakeAmi, intake: Intake) -> None:
        clock, log = Clock(), tmp_path / "queue_log"
        log.touch()
        source = AsteriskSource(queue_log=log)
        caller, ahead = 0, 0
        for runs, is_rotated in ((2, False), (1, True), (1, False)):
            metrics = ConnectorMetrics()
            async with running_connector(intake, source, tmp_path, metrics, clock):
                await wait_for(partial(has_read_log, metrics), intake)
                for _ in range(runs):
                    caller += 1
                    began, done = clock.now, len(event_names(intake))

                    def write(*lines: str, ahead: int = ahead) -> None:
                        with log.open("a") as file:
                            file.writelines(f"{int(clock.now) + ahead}|{line}\n" for line in lines)

                    write(f"{caller}.0|sales|NONE|ENTERQUEUE||1|1")
                    clock.now += 5
                    write(f"{caller}.0|sales|Anna|CONNECT|5|1.1|1")
                    await wait_for(lambda: event_names(intake)[-1:] == ["IN_CALL"], intake)
                    clock.now += 60
                    ahead = 0 if ahead else step
                    write(f"{caller}.0|sales|Anna|COMPLETECALLER|5|60|1", ahead=ahead)
                    await wait_for(lambda: event_names(intake)[-1] == "call.end", intake)
                    for name, at in (("start", began), ("1/queue", began), ("end", began + 65)):
                        found = seconds(intake.received[f"{caller}.0/{name}"])
                        assert abs(found - at) < 3.0
                    logged_on = ["LOGON"] if not done else []
                    assert sorted(event_names(intake)[done:]) == sorted(
                        ["call.start", "call.queue", *logged_on, *TALK]
                    )
                    clock.now += 100
            if is_rotated:
                log.rename(tmp_path / "old")
                (tmp_path / "old").unlink()
                log.touch()

    run(main)


def has_read_log(metrics: ConnectorMetrics) -> bool:
    return metrics.value("floorcast_connector_connected", to="queue_log") == 1


TALK = ("IN_CALL", "WRAP_UP", "READY", "call.end")


def seconds(event: dict[str, Any]) -> float:
    """Return an event's time in epoch seconds."""
    return datetime.fromisoformat(event["time"]).timestamp()


def test_the_queue_log_is_used_while_ami_is_disconnected(tmp_path: Path) -> None:
    """Lines of the queue log count at once while AMI is disconnected.

    While AMI is connected, the lines are duplicates of its events.
    """

    async def main(ami: FakeAmi, intake: Intake) -> None:
        log = tmp_path / "queue_log"
        now = int(time.time())
        log.write_text(f"{now - 100_000}|0.1|sales|NONE|ENTERQUEUE||1|1\nnonsense\n")
        metrics = ConnectorMetrics()
        ami.channels = [{"Uniqueid": "1.0"}]
        ami.entries = [{"Queue": "sales", "Uniqueid": "1.0", "Wait": "0"}]
        source = AsteriskSource(ami=ami.address(), queue_log=log, record=tmp_path / "record")
        async with running_connector(intake, source, tmp_path, metrics):
            await wait_for(lambda: ami.logins == 1, intake)
            await ami.send([join_frame("1.0", now + 0.25)])
            with log.open("a") as file:
                file.write(f"{now}|1.0|sales|NONE|ENTERQUEUE||1|1\n")
            await wait_for(lambda: event_names(intake) == ["call.start", "call.queue"], intake)
            await ami.stop()
            ami.entries = []
            with log.open("a") as file:
                file.write(f"{now + 1}|1.0|sales|Anna|CONNECT|1|1.1|1\n")
            await wait_for(lambda: "IN_CALL" in event_names(intake), intake)
            await ami.start()
        assert event_names(intake) == ["call.start", "call.queue", "LOGON", "IN_CALL"]
        assert metrics.value("floorcast_connector_unreadable_total") == 1
        assert "ENTERQUEUE" in (tmp_path / "record.queue_log").read_text()
        assert "Event: QueueCallerJoin" in (tmp_path / "record").read_text()
        assert "secret" not in (tmp_path / "record").read_text()

    run(main)


def test_a_wrong_secret_ends_the_connector(tmp_path: Path) -> None:
    """A login that fails at the start is not retried."""

    async def main(ami: FakeAmi, intake: Intake) -> None:
        async with running_connector(
            intake, AsteriskSource(ami=ami.address("wrong")), tmp_path
        ) as task:
            with pytest.raises(ExceptionGroup) as caught:
                await asyncio.wait_for(task, 100)
            assert isinstance(caught.value.exceptions[0], BadCredentials)

    run(main)


def test_a_missing_right_is_retried(tmp_path: Path) -> None:
    """The connector needs no restart after manager.conf is corrected."""

    async def main(ami: FakeAmi, intake: Intake) -> None:
        ami.denied = {"QueueStatus"}
        ami.members = [{"Queue": "sales", "Name": "Anna", "Location": "PJSIP/1", "Status": "1"}]
        async with running_connector(intake, AsteriskSource(ami=ami.address()), tmp_path):
            await wait_for(lambda: "QueueStatus" in ami.actions, intake)
            ami.denied.clear()
            await wait_for(lambda: event_names(intake) == ["LOGON", "READY"], intake)

    run(main)


def test_a_revoked_ingest_key_ends_the_connector(tmp_path: Path) -> None:
    """The key was right at the start. The events stay in the spool."""

    async def main(ami: FakeAmi, intake: Intake) -> None:
        intake.answers += [TAKE, Answer(401, {"code": 300, "message": "no such key"})]
        async with running_connector(intake, AsteriskSource(ami=ami.address()), tmp_path) as task:
            await wait_for(lambda: ami.logins == 1, intake)
            await ami.send([join_frame("1.0", time.time())])
            with pytest.raises(ExceptionGroup) as caught:
                await asyncio.wait_for(task, 100)
            assert isinstance(caught.value.exceptions[0], BadCredentials)
        with Spool(tmp_path / "spool.db") as spool:
            assert spool.unsent == 2

    run(main)


def run(main: Callable[[FakeAmi, Intake], Any]) -> None:
    """Run a connector between a new manager interface and a new intake."""

    async def with_servers(intake: Intake) -> None:
        async with serving() as ami:
            await main(ami, intake)

    with running() as intake:
        asyncio.run(with_servers(intake))
