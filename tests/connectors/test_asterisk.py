"""Tests of the Asterisk connector with absurd input and broken connections, on a virtual clock."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from floorcast.connectors.asterisk.connector import (
    AsteriskConnector,
    AsteriskSource,
    AsteriskTuning,
)
from floorcast.connectors.asterisk.frames import AmiFrame
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.state import PbxCall
from floorcast.connectors.spool import Spool
from tests import virtual_time
from tests.connectors.absurd_values import Change, absurd_texts, apply_changes, changes
from tests.connectors.asterisk.captured import VERSIONS, frames, lines
from tests.connectors.asterisk.fake_ami import FakeAmi, serving
from tests.connectors.asterisk.following_ami import FollowingAmi
from tests.connectors.pbx.figures import Floor
from tests.connectors.sessions import CheckingSender, running
from tests.search import tries
from tests.virtual_time import VirtualLoop

BEGAN = {"22.10.1": 1_795_813_650.0, "16.28": 1_795_813_530.0}  # epoch s, before the captures
QUIET = 30.0  # seconds after which no call's phase is due
BURST_SECONDS = 0.005  # between two events of one burst, in which nobody can connect again
UNUSED = re.compile(
    r"Event|Privilege|.*(ConnectedLine|ChannelState|Language|AccountCode|Context|Exten|Priority"
    r"|CallerIDName|Linkedid|BridgeT|BridgeC|BridgeN|BridgeV).*"
)  # headers that the connector does not read
DISPOSITIONS = MappingConfig(did_variable="DID", disposition_event="Disposition")
MEMBERS = [
    {
        "Queue": queue, "Name": "Anna", "Location": "PJSIP/agent1", "Membership": "static",
        "Penalty": "0", "LastCall": "1795813000", "LastPause": "0", "LoginTime": "1795812000",
        "InCall": "0", "Status": "1", "Paused": "0", "PausedReason": "",
    }
    for queue in ("sales", "support")
]  # fmt: skip
ENTRY = {"Queue": "sales", "Uniqueid": "1795813600.1", "CallerIDNum": "5551", "Wait": "50"}
CHANNELS = [
    {
        "Channel": f"PJSIP/{name}-0000002a", "Uniqueid": f"1795813600.{number}", "BridgeId": "b",
        "Application": "Queue", "ApplicationData": "sales,t", "Duration": "00:00:50",
    }
    for number, name in enumerate(("trunk", "agent1"))
]  # fmt: skip


@asynccontextmanager
async def running_on(
    loop: VirtualLoop,
    source: AsteriskSource,
    folder: str,
    began: float,
    tuning: AsteriskTuning | None = None,
) -> AsyncIterator[CheckingSender]:
    """Run a connector whose clock shows ``began`` at the start of the loop."""
    sender = CheckingSender(lambda: began + loop.elapsed)

    def create(spool: Spool, metrics: ConnectorMetrics) -> AsteriskConnector:
        return AsteriskConnector(
            source,
            DISPOSITIONS,
            spool,
            metrics,
            tuning=tuning,
            clock=lambda: began + loop.elapsed,
        )

    async with running(create, Path(folder) / "spool.db", sender):
        yield sender


@given(made=changes(50, 200), listed=changes(0, 10), version=st.sampled_from(VERSIONS))
@settings(max_examples=tries(20), deadline=None, phases=[Phase.generate])  # shrinking takes minutes
def test_absurd_values_from_ami_do_no_harm(
    made: list[Change], listed: list[Change], version: str
) -> None:
    """The connector continues, and the server accepts each of its events."""
    events = [one for one in frames(version) if "Event" in one and "Timestamp" in one]
    sent = apply_changes(events, made, UNUSED)
    began = BEGAN[version]
    lists = apply_changes([*MEMBERS, ENTRY, *CHANNELS], listed)

    async def main(loop: VirtualLoop, ami: FakeAmi, folder: str) -> None:
        ami.members, ami.entries, ami.channels = lists[:2], lists[2:3], lists[3:]
        async with running_on(loop, AsteriskSource(ami=ami.address()), folder, began) as sender:
            await loop.passing(1.0)
            for frame, original in zip(sent, events, strict=True):
                at = float(original["Timestamp"])
                await loop.passing(max(0.0, at - began - loop.elapsed))
                await ami.send([frame])
            await loop.passing(QUIET)
        assert sender.rejected == []

    async def with_ami(loop: VirtualLoop) -> None:
        with TemporaryDirectory() as folder:
            async with serving() as ami:
                await main(loop, ami, folder)

    virtual_time.run(with_ami)


@given(
    made=st.lists(
        st.tuples(st.integers(0, 9999), st.integers(0, 9999), absurd_texts()),
        min_size=1,
        max_size=20,
    ),
    version=st.sampled_from(VERSIONS),
    is_live=st.booleans(),
)
@settings(max_examples=tries(20), deadline=None, phases=[Phase.generate])  # shrinking takes minutes
def test_absurd_values_in_the_queue_log_do_no_harm(
    made: list[tuple[int, int, str]], version: str, is_live: bool
) -> None:
    """The connector continues, and the server accepts each of its events.

    This also holds for the events of later lines: a time in the future does not move their times.
    """
    original = [line.rstrip("\n").split("|") for line in lines(version)]
    written = [list(one) for one in original]
    for line, index, value in made:
        fields = written[line % len(written)]
        fields[index % len(fields)] = value

    async def main(loop: VirtualLoop, folder: str) -> None:
        path = Path(folder) / "queue_log"
        with path.open("a", encoding="utf-8") as file:
            texts = ["|".join(fields) + "\n" for fields in written]
            if not is_live:
                file.write("".join(texts))
                file.flush()
            began = BEGAN[version] + (0.0 if is_live else 3600.0)
            async with running_on(loop, AsteriskSource(queue_log=path), folder, began) as sender:
                await loop.passing(1.0)
                for text, fields in zip(texts if is_live else (), original, strict=False):
                    await loop.passing(max(0.0, float(fields[0]) - began - loop.elapsed))
                    file.write(text)
                    file.flush()
                await loop.passing(QUIET)
            assert sender.rejected == []

    async def with_folder(loop: VirtualLoop) -> None:
        with TemporaryDirectory() as folder:
            await main(loop, folder)

    virtual_time.run(with_folder)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_size_of_a_step_does_not_change_the_events(version: str) -> None:
    """A log that is read late takes many steps. A call that goes on in the next one is the same."""

    def events(max_step: int) -> list[dict[str, Any]]:
        async def main(loop: VirtualLoop) -> list[dict[str, Any]]:
            with TemporaryDirectory() as folder:
                path = Path(folder) / "queue_log"
                path.write_text("".join(lines(version)), encoding="utf-8")
                began = BEGAN[version] + 3600.0
                tuning = AsteriskTuning(max_step=max_step)
                source = AsteriskSource(queue_log=path)
                async with running_on(loop, source, folder, began, tuning) as sender:
                    await loop.passing(QUIET)
                return sender.as_json()

        return virtual_time.run(main)

    assert events(max_step=0) == events(max_step=5000)


def test_a_clock_that_is_set_before_a_failed_snapshot_moves_the_open_calls() -> None:
    """Asterisk is an hour late and corrects its clock. The next message comes with a snapshot."""
    began = BEGAN["22.10.1"]

    async def main(loop: VirtualLoop) -> float:
        with TemporaryDirectory() as folder:
            async with serving() as ami:
                source = AsteriskSource(ami=ami.address())
                async with running_on(loop, source, folder, began):
                    await loop.passing(1.0)
                    caller = {"Queue": "sales", "Uniqueid": "1.0"}
                    late = f"{began + loop.elapsed - 3600:.6f}"
                    await ami.send([{"Event": "QueueCallerJoin", **caller, "Timestamp": late}])
                    await loop.passing(1.0)
                    await ami.stop()
                    ami.denied = {"QueueStatus"}
                    ami.channels, ami.entries = [{"Uniqueid": "1.0"}], [{**caller, "Wait": "1"}]
                    right = f"{began + loop.elapsed:.6f}"
                    ami.events_before = {"Ping": [{"Event": "Other", "Timestamp": right}]}
                    ami.actions.clear()
                    await ami.start()
                    while "QueueStatus" not in ami.actions:
                        await loop.passing(0.1)
                    ami.denied, ami.events_before = set(), {}
                    await loop.passing(60.0)
            with Spool(Path(folder) / "spool.db") as spool:
                rows = {name: row for kind, name, row in spool.rows() if kind == "call"}
            return msgspec.json.decode(rows["1.0"], type=PbxCall).joined

    assert virtual_time.run(main) == pytest.approx(began + 1.0, abs=2.0)


def test_a_clock_that_is_set_during_a_snapshot_moves_the_time_of_the_snapshot() -> None:
    """Asterisk is an hour late at the first message, and corrects its clock before the last."""
    began = BEGAN["22.10.1"]

    async def main(loop: VirtualLoop) -> float:
        with TemporaryDirectory() as folder:
            async with serving() as ami:
                caller = {"Queue": "sales", "Uniqueid": "1.0"}
                ami.channels, ami.entries = [{"Uniqueid": "1.0"}], [{**caller, "Wait": "50"}]
                ami.events_before = {
                    "Ping": [{"Event": "Other", "Timestamp": f"{began - 3600:.6f}"}],
                    "CoreShowChannels": [{"Event": "Other", "Timestamp": f"{began:.6f}"}],
                }
                async with running_on(loop, AsteriskSource(ami=ami.address()), folder, began):
                    await loop.passing(5.0)
            with Spool(Path(folder) / "spool.db") as spool:
                rows = {name: row for kind, name, row in spool.rows() if kind == "call"}
            return msgspec.json.decode(rows["1.0"], type=PbxCall).joined

    assert virtual_time.run(main) == pytest.approx(began - 50.0, abs=2.0)


def test_a_log_that_cannot_be_read_at_the_start_is_waited_for() -> None:
    """A folder may be mounted later, or readable only after a change of its permissions."""

    async def main(loop: VirtualLoop) -> list[str]:
        with TemporaryDirectory() as folder, capture_logs() as logs:
            source = AsteriskSource(queue_log=Path(folder, "x" * 300))
            async with running_on(loop, source, folder, BEGAN["16.28"]):
                await loop.passing(5.0)
            return [one["event"] for one in logs]

    (logged,) = virtual_time.run(main)
    assert logged.endswith("cannot be read: File name too long; waiting for it")


def test_a_truncated_log_without_a_copy_is_reported() -> None:
    """What was written between the last read and the truncation is lost, but not in silence."""

    async def main(loop: VirtualLoop) -> list[str]:
        with TemporaryDirectory() as folder, capture_logs() as logs:
            path = Path(folder, "queue_log")
            write_log(path, "1|NONE|NONE|NONE|QUEUESTART|", "2|NONE|NONE|NONE|QUEUESTART|")
            source = AsteriskSource(queue_log=path)
            async with running_on(loop, source, folder, BEGAN["16.28"]):
                await loop.passing(5.0)
                write_log(path, "3|NONE|NONE|NONE|QUEUESTART|")
                await loop.passing(5.0)
            return [one["event"] for one in logs if "truncated" in one["event"]]

    assert len(virtual_time.run(main)) == 1


def write_log(path: Path, *lines: str) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


class Break(NamedTuple):
    """A fault at one of the capture's events.

    If ``after`` is 0, the event is sent twice. Otherwise, the connection breaks ``after`` bytes
    later, in an event or in a reply.
    """

    at: int
    after: int


def capture_until(version: str, part: float) -> tuple[list[AmiFrame], list[AmiFrame]]:
    """Return the members at the start, and the events up to the next pause after this part."""
    members = {
        (one["Queue"], one["Location"]): {name: one[name] for name in one if name in MEMBERS[0]}
        for one in reversed(frames(version))
        if one.get("Event") == "QueueMember"
    }
    events = [one for one in frames(version) if "Timestamp" in one and one["Event"] != "Shutdown"]
    first = next(n for n, one in enumerate(events) if one["Event"] == "Newchannel")
    events = events[first:]
    end = round(part * len(events))
    times = [float(one["Timestamp"]) for one in events]
    while 0 < end < len(events) and times[end] - times[end - 1] < 0.5:
        end += 1
    return [{**one, "Status": "1"} for one in members.values()], events[:end]


def state_after(version: str, part: float, breaks: Sequence[Break]) -> tuple[Any, ...]:
    """Return the open calls and the agents after this part of a capture, and the repeated ends."""
    members, played = capture_until(version, part)
    began = BEGAN[version]

    async def main(loop: VirtualLoop) -> list[dict[str, Any]]:
        ami = FollowingAmi(lambda: began + loop.elapsed, members)
        await ami.start()
        with TemporaryDirectory() as folder:
            source = AsteriskSource(ami=ami.address())
            async with running_on(loop, source, folder, began) as sender:
                await loop.passing(1.0)
                for number, frame in enumerate(played):
                    due = float(frame["Timestamp"]) - began - loop.elapsed
                    if due > BURST_SECONDS:
                        await loop.passing(due)
                    here = [one for one in breaks if one.at % len(played) == number]
                    after = next((one.after for one in here if one.after), None)
                    ami.output.bytes_left = after or ami.output.bytes_left
                    await ami.play(frame, 2 if any(one.after == 0 for one in here) else 1)
                ami.output.bytes_left = None
                await loop.passing(60.0)  # until it has connected again
                assert sender.rejected == []
        await ami.stop()
        return sender.as_json()

    events = virtual_time.run(main)
    floor = Floor(events)
    ends = [one["data"]["sessionId"] for one in events if one["type"] == "call.end"]
    agents = {agent: states[-1] for agent, states in floor.states.items()}
    return floor.open, floor.waits.keys(), agents, len(ends) - len(set(ends))


@given(
    version=st.sampled_from(VERSIONS),
    part=st.floats(0.05, 1.0),
    breaks=st.lists(
        st.builds(Break, st.integers(0, 500), st.sampled_from([0, 1, 50, 200, 800, 3000])),
        min_size=1,
        max_size=8,
    ),
)
@settings(max_examples=tries(10), deadline=None, phases=[Phase.generate])  # shrinking takes minutes
def test_broken_connections_do_not_change_calls_and_agents(
    version: str, part: float, breaks: list[Break]
) -> None:
    """After the next comparison, they are the same as without a break. No call ends twice."""
    assert state_after(version, part, breaks) == state_after(version, part, [])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_connection_that_always_breaks_leaves_no_call_open(version: str) -> None:
    """Every reply and every burst is cut somewhere."""
    breaks = [Break(at, 100 + 37 * at) for at in range(0, 400, 9)]
    open_calls, waits, _agents, repeated = state_after(version, 1.0, breaks)
    assert (open_calls, list(waits), repeated) == (set(), [], 0)
