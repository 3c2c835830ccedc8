"""Tests that replay a real bank's day to a real server, which is killed halfway."""

from __future__ import annotations

import csv
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.real.server import AGENTS, EVENTS, Caller, Server, command, environment, running
from tests.real.sites import KEYS, event, ndjson

DAY = Path(__file__).resolve().parents[3] / "shared/data/anonymous-bank/1999-08-01.csv"
THE_END = "the end of the day"
CALLS = 2_357  # 2,375 records minus 18 PHANTOM records

pytestmark = pytest.mark.skipif(
    not DAY.exists(), reason="the bank's day, ../shared/data/anonymous-bank, is not here"
)


class Day(NamedTuple):
    """The file's records by session, the events of both feeds, and the output of the replay."""

    records: dict[str, dict[str, str]]
    calls: list[dict[str, Any]]
    agents: list[dict[str, Any]]
    replayed: str


@contextmanager
def replaying(server: Server) -> Iterator[subprocess.Popen[str]]:
    """Run ``floorcast replay`` at full speed until the end of the block."""
    arguments = command(
        "replay", DAY, "--format", "anonymous-bank", "--url", server.url, "--key", KEYS["ACME"]
    )
    process = subprocess.Popen(
        arguments,
        cwd=server.data,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Replay the day and follow the feeds with one session, while the server is killed once."""
    with (
        running(tmp_path_factory.mktemp("bank")) as server,
        Caller(server.url, up=server.up) as reader,
    ):
        session = reader.login()
        begin = reader.feed(EVENTS).token
        with replaying(server) as replay:
            first = reader.feed(EVENTS, begin)
            assert first.events
            assert replay.poll() is None, "the kill has to come while the replay goes on"
            server.kill()
            server.start()
            said, _ = replay.communicate(timeout=60)
        assert replay.returncode == 0, said
        assert "again in" in said, "the replay has to have met the server's death"
        reader.take(
            ndjson(
                [
                    event("sms.attempt", 1, service="PS", eventType=THE_END),
                    event("agent.state", 2, agent="1", eventType="READY", result=THE_END),
                ]
            )
        )
        rest = reader.follow(EVENTS, first.token, until=THE_END)
        agents = reader.follow(AGENTS, begin, until=THE_END)
        assert reader.http.headers["LV-Session"] == session
    with DAY.open(newline="") as lines:
        records = {
            f"{row['vru+line']}-{row['call_id']}-{row['date']}": row
            for row in csv.DictReader(lines)
            if row["outcome"] != "PHANTOM"
        }
    return Day(records, [*first.events, *rest[:-1]], agents[:-1], said)


def test_every_call_appears_once_and_ends_after_its_start(day: Day) -> None:
    """2,357 calls start in the interaction feed, and each call ends once, after its start."""
    steps = [(one["sessionId"], one["callEventType"]) for one in day.calls]
    assert max(Counter(steps).values()) == 1
    starts = [session for session, kind in steps if kind == "CALL_START"]
    ends = [session for session, kind in steps if kind == "CALL_TERMINATION"]
    assert len(starts) == len(ends) == CALLS
    assert len(steps) == 2 * CALLS
    assert set(starts) == set(ends) == set(day.records)
    positions = {one: position for position, one in enumerate(steps)}
    assert all(positions[s, "CALL_START"] < positions[s, "CALL_TERMINATION"] for s in starts)


def test_events_are_in_chronological_order(day: Day) -> None:
    """The events' times never decrease, and their eventIds are unique."""
    times = [one["timestamp"] for one in day.calls]
    assert times == sorted(times)
    assert len({one["eventId"] for one in day.calls}) == len(day.calls)


def test_the_hold_duration_of_every_call_matches_the_file(day: Day) -> None:
    """``transferHoldDuration`` equals the file's ``q_time`` for answered and abandoned calls."""
    ended = [one for one in day.calls if one["callEventType"] == "CALL_TERMINATION"]
    answered = 0
    for one in ended:
        record = day.records[one["sessionId"]]
        assert one["transferHoldDuration"] == int(record["q_time"]), one
        assert one["operatorTransferSuccessful"] == (record["outcome"] == "AGENT")
        answered += record["outcome"] == "AGENT"
    assert answered > 1_000


def test_each_agents_events_are_numbered_without_gaps(day: Day) -> None:
    """Each agent's ``seqNum`` counts from 1 without a gap, in spite of the kill.

    All agents log on first and log off last.
    """
    numbers = defaultdict(list)
    kinds = defaultdict(list)
    for one in day.agents:
        numbers[one["agentId"]].append(one["seqNum"])
        kinds[one["agentId"]].append(one["eventType"])
    assert len(numbers) > 5
    assert all(seen == list(range(1, len(seen) + 1)) for seen in numbers.values())
    assert {(seen[0], seen[-1]) for seen in kinds.values()} == {("LOGON", "LOGOFF")}


def test_the_replay_reports_all_events_as_accepted(day: Day) -> None:
    """Each event was accepted or was a duplicate from before the kill. None was rejected."""
    last = day.replayed.splitlines()[-1]
    found = re.fullmatch(r"sent (\d+)  accepted (\d+)  duplicates (\d+)  rejected 0", last)
    assert found, last
    sent, accepted, duplicates = map(int, found.groups())
    assert sent == accepted + duplicates
    assert sent > len(day.calls) + len(day.agents)
