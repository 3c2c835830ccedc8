"""Tests of the FreeSWITCH connector with absurd input and broken connections."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from floorcast.connectors.freeswitch.connector import FreeswitchConnector
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.state import PbxCall
from floorcast.connectors.spool import Spool
from tests import virtual_time
from tests.connectors.absurd_values import Change, apply_changes, changes
from tests.connectors.freeswitch.dialogues import (
    ANNA,
    BOB,
    EPOCH,
    SALES,
    SUPPORT,
    Caller,
    agent_row,
    numbered,
    status,
    tier_row,
)
from tests.connectors.freeswitch.fake_esl import (
    AGENT,
    MEMBER,
    QUEUE,
    TIER,
    Event,
    FakeEsl,
    encoded,
    serving,
)
from tests.connectors.freeswitch.following_esl import FollowingEsl
from tests.connectors.pbx.figures import Floor
from tests.connectors.sessions import CheckingSender, running
from tests.search import tries
from tests.virtual_time import VirtualLoop

CALLERS = [Caller(f"aaaaaaaa-0000-4000-8000-00000000000{number}") for number in range(5)]
UNUSED = re.compile("Event-Name|CC-Member-UUID|CC-Member-CID-Name|CC-Count")
QUIET = 130.0  # seconds after which every comparison has been made


def dialogue(at: float) -> list[Event]:
    """Return the events of four calls and of an agent's break."""
    one, two, three, four, _ = CALLERS
    events = [
        *[*one.joins(at), *one.is_offered(at + 1), *one.is_answered(at + 2)],
        *[*one.ends_talk(at + 10), *one.hangs_up(at + 10.2)],
        *[*two.joins(at + 3), *two.leaves(at + 8, "TIMEOUT"), *two.hangs_up(at + 9)],
        *[*three.joins(at + 4), *three.is_offered(at + 11)],
        *[*three.is_not_answered(at + 18, "NO_ANSWER"), *three.leaves(at + 20)],
        *[status(ANNA, "On Break", at + 22), status(ANNA, "Available", at + 24)],
        *[status(ANNA, "Logged Out", at + 25), *four.joins(at + 26), *four.hangs_up(at + 30)],
    ]
    return numbered(sorted(events, key=lambda event: int(event["Event-Date-Timestamp"])))


@given(made=changes(1, 40), listed=changes(0, 10))
@settings(max_examples=tries(20), deadline=None, phases=[Phase.generate])  # shrinking takes minutes
def test_absurd_values_do_no_harm(made: list[Change], listed: list[Change]) -> None:
    """The connector continues, and the server accepts each of its events."""
    events = dialogue(EPOCH + 5)
    sent = apply_changes(events, made, UNUSED)
    rows = apply_changes(
        [
            *({**AGENT, **agent_row(name)} for name in (ANNA, BOB)),
            *({**TIER, **tier_row(name)} for name in (ANNA, BOB)),
            *({**QUEUE, "name": name} for name in (SALES, SUPPORT)),
            {**MEMBER, **CALLERS[4].row(EPOCH - 20, "Answered", BOB)},
        ],
        listed,
    )

    async def main(loop: VirtualLoop, esl: FakeEsl, folder: str) -> None:
        def now() -> float:
            return EPOCH + loop.elapsed

        def create(spool: Spool, metrics: ConnectorMetrics) -> FreeswitchConnector:
            return FreeswitchConnector(esl.address(), MappingConfig(), spool, metrics, clock=now)

        esl.clock, esl.sessions = now, {CALLERS[4].session}
        esl.agents, esl.tiers, esl.queues = rows[:2], rows[2:4], rows[4:6]
        esl.members = [row for row in rows[6:] if "queue" in row]
        sender = CheckingSender(now)
        async with running(create, Path(folder) / "spool.db", sender):
            await loop.passing(4.0)
            for event, original in zip(sent, events, strict=True):
                at = int(original["Event-Date-Timestamp"]) / 1e6
                await loop.passing(max(0.0, at - now()))
                await esl.send_bytes(encoded({"Core-UUID": esl.core, **event}))
            esl.sessions, esl.members = set(), []
            await loop.passing(QUIET)
        assert sender.rejected == []

    async def with_esl(loop: VirtualLoop) -> None:
        with TemporaryDirectory() as folder:
            async with serving() as esl:
                await main(loop, esl, folder)

    virtual_time.run(with_esl)


def test_a_clock_that_is_set_during_a_comparison_moves_the_time_of_the_comparison() -> None:
    """FreeSWITCH is an hour late when it is asked for its lists, and corrects its clock then."""

    async def main(loop: VirtualLoop, esl: FakeEsl, folder: str) -> float:
        def now() -> float:
            return EPOCH + loop.elapsed

        def create(spool: Spool, metrics: ConnectorMetrics) -> FreeswitchConnector:
            return FreeswitchConnector(esl.address(), MappingConfig(), spool, metrics, clock=now)

        esl.clock, esl.ahead, esl.sessions = now, -3600.0, {"s"}
        esl.queues = [{**QUEUE, "name": SALES}]
        esl.members = [{**MEMBER, "queue": SALES, "session_uuid": "s"}]  # it has no times
        async with running(create, Path(folder) / "spool.db", CheckingSender(now)):
            await loop.passing(0.5)
            esl.ahead = 0.0
            right = {"Event-Name": "HEARTBEAT", "Event-Date-Timestamp": f"{now() * 1e6:.0f}"}
            await esl.send_bytes(encoded({"Core-UUID": esl.core, **right}))
            await loop.passing(5.0)
        with Spool(Path(folder) / "spool.db") as spool:
            (row,) = [row for kind, _, row in spool.rows() if kind == "call"]
        return msgspec.json.decode(row, type=PbxCall).joined

    async def with_esl(loop: VirtualLoop) -> float:
        with TemporaryDirectory() as folder:
            async with serving() as esl:
                return await main(loop, esl, folder)

    assert virtual_time.run(with_esl) == pytest.approx(EPOCH, abs=2.0)


class Break(NamedTuple):
    """A fault at one of the dialogue's events.

    If ``after`` is 0, the event is sent twice. Otherwise, the connection breaks ``after`` bytes
    later, in an event or in a reply.
    """

    at: int
    after: int


def state_after(part: float, breaks: Sequence[Break]) -> tuple[Any, ...]:
    """Return the open calls and the agents after this part of a dialogue, and repeated ends."""
    played = dialogue(EPOCH + 10)
    times = [int(one["Event-Date-Timestamp"]) / 1e6 for one in played]
    end = max(1, round(part * len(played)))
    while end < len(played) and times[end] - times[end - 1] < 0.5:
        end += 1

    async def main(loop: VirtualLoop) -> list[dict[str, Any]]:
        def now() -> float:
            return EPOCH + loop.elapsed

        def create(spool: Spool, metrics: ConnectorMetrics) -> FreeswitchConnector:
            return FreeswitchConnector(esl.address(), MappingConfig(), spool, metrics, clock=now)

        esl = FollowingEsl(now, [agent_row(name) for name in (ANNA, BOB)])
        esl.tiers = [tier_row(name) for name in (ANNA, BOB)]
        esl.queues = [{"name": SALES}, {"name": SUPPORT}]
        await esl.start()
        sender = CheckingSender(now)
        with TemporaryDirectory() as folder:
            async with running(create, Path(folder) / "spool.db", sender):
                await loop.passing(5.0)
                for number in range(end):
                    await loop.passing(max(0.0, times[number] - now()))
                    here = [one for one in breaks if one.at % end == number]
                    after = next((one.after for one in here if one.after), None)
                    esl.output.bytes_left = after or esl.output.bytes_left
                    await esl.play(played[number], 2 if any(not one.after for one in here) else 1)
                esl.output.bytes_left = None
                await loop.passing(QUIET)
        await esl.stop()
        assert sender.rejected == []
        return sender.as_json()

    events = virtual_time.run(main)
    floor = Floor(events)
    ends = [one["data"]["sessionId"] for one in events if one["type"] == "call.end"]
    agents = {  # a comparison does not show for which caller a telephone rings
        agent: states[-1].replace("RESERVED", "READY") for agent, states in floor.states.items()
    }
    return floor.open, floor.waits.keys(), agents, len(ends) - len(set(ends))


@given(
    part=st.floats(0.05, 1.0),
    breaks=st.lists(
        st.builds(Break, st.integers(0, 500), st.sampled_from([0, 1, 50, 200, 800, 3000])),
        min_size=1,
        max_size=8,
    ),
)
@settings(max_examples=tries(15), deadline=None, phases=[Phase.generate])  # shrinking takes minutes
def test_broken_connections_do_not_change_calls_and_agents(
    part: float, breaks: list[Break]
) -> None:
    """After the next comparison, they are the same as without a break. No call ends twice."""
    assert state_after(part, breaks) == state_after(part, [])
