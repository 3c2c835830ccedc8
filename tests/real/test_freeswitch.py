"""Tests that a real server's figures stay right when ``floorcast connect freeswitch`` is killed.

The server and the connection are also killed. The event socket is simulated and plays
mod_callcenter's events.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.freeswitch.dialogues import (
    ANNA,
    BOB,
    SALES,
    SUPPORT,
    Caller,
    agent_row,
    status,
    tier_row,
)
from tests.connectors.freeswitch.fake_esl import NOTICE, PASSWORD, Event, Socket, esl_in_thread
from tests.real.asterisk import wait_until
from tests.real.server import Caller as Reader
from tests.real.server import Server, command, environment, running
from tests.real.sites import KEYS, in_the_evening

STATS, AGENTS = "/realtime/service/stats", "/realtime/service/agents/status"
BEHIND = 200.0  # seconds by which FreeSWITCH's clock is slow, so that calls can already have ended
PATIENCE = 60.0  # seconds for steps that usually take one or two
Row = dict[str, Any]


class Connector:
    """A running ``floorcast connect freeswitch``, which tests kill and restart."""

    def __init__(self, folder: Path, port: int, url: str) -> None:
        self._arguments = command(
            "connect", "freeswitch", "--esl", f"127.0.0.1:{port}", "--url", url,
            "--spool", folder / "connect.db",
        )  # fmt: skip
        self._environ = environment(FLOORCAST_ESL_PASSWORD=PASSWORD, FLOORCAST_KEY=KEYS["ACME"])
        self._log = folder / "connect.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments, env=self._environ, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """Kill the program with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)

    def stop(self) -> int:
        """Stop the program as an operator would. Returns the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(PATIENCE)

    def log_text(self) -> str:
        return self._log.read_text("utf-8")


class Floor:
    """A server, a connector, and an event socket on which Anna and Bob are available."""

    def __init__(self, folder: Path, server: Server, socket: Socket) -> None:
        self.server = server
        self.socket = socket
        self.esl = socket.esl
        self.esl.ahead = -BEHIND
        self.began = int(time.time() - BEHIND) - 60
        self.esl.agents = self.at_work()
        self.esl.tiers = [tier_row(ANNA), tier_row(BOB, SUPPORT)]
        self.esl.queues = [{"name": SALES}, {"name": SUPPORT}]
        self.connector = Connector(folder, self.esl.port, server.url)
        self._reader = Reader(server.url, up=server.up)
        self._reader.login()

    def at_work(self, **more: str) -> list[Row]:
        """Return the rows of both agents. ``more`` is added to Anna's row."""
        since = str(self.began)
        anna = agent_row(ANNA, wrap_up_time="2", last_status_change=since, **more)
        return [anna, agent_row(BOB, last_status_change=since)]

    def rows(self, path: str) -> list[Row]:
        answer = self._reader.http.post(path)
        assert answer.status_code == 200, answer.text
        found: list[Row] = next(iter(answer.json().values()))
        return found

    def services(self) -> dict[str, Row]:
        return {row["serviceName"]: row for row in self.rows(STATS)}

    def states(self) -> dict[str, str]:
        return {row["agentLoginId"]: row["state"] for row in self.rows(AGENTS)}

    def until(self, queue: str, **figures: int) -> None:
        """Wait until the server shows these figures for a queue."""
        wait_until(
            lambda: figures.items() <= self.services().get(queue, {}).items(),
            lambda: f"{self.services()}\n{self.connector.log_text()[-3000:]}",
        )

    def until_agents(self, **states: str) -> None:
        names = {"anna": ANNA, "bob": BOB}
        want = {names[name]: state for name, state in states.items()}
        wait_until(
            lambda: self.states() == want,
            lambda: f"{self.states()}\n{self.connector.log_text()[-3000:]}",
        )

    def end(self) -> None:
        self._reader.close()


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    """Run the floor, and wait until both agents are ready."""
    with running(tmp_path, site=in_the_evening()) as server, esl_in_thread() as socket:
        found = Floor(tmp_path, server, socket)
        with ended(found.connector):
            found.connector.start()
            found.until_agents(anna="Ready", bob="Ready")
            yield found
        found.end()


@contextmanager
def ended(connector: Connector) -> Iterator[None]:
    try:
        yield
    finally:
        assert connector.stop() == 0


def caller(number: int, queue: str = SALES) -> Caller:
    return Caller(f"aaaaaaaa-0000-4000-8000-{number:012}", queue)


def answered(one: Caller, at: float, agent: str = ANNA) -> list[Event]:
    """Return the events of a call that an agent answers after five seconds."""
    return [*one.joins(at), *one.is_offered(at + 2, agent), *one.is_answered(at + 5, agent)]


@pytest.mark.long
def test_a_floor_has_the_figures_of_its_events(floor: Floor) -> None:
    """Handled, abandoned and moved-on calls have the right figures, waits and talk times.

    No call stays open.
    """
    at = time.time() - BEHIND
    taken, lost, moved, there = caller(1), caller(2), caller(3), caller(3, SUPPORT)
    floor.socket.send(
        [
            *answered(taken, at),
            *lost.joins(at + 10),
            *moved.joins(at + 12),
            *lost.leaves(at + 22),
            *lost.hangs_up(at + 22.1),
            *taken.hangs_up(at + 35, "recv_bye"),
            *taken.ends_talk(at + 35.1),
            *moved.leaves(at + 42, "TIMEOUT"),
            *there.joins(at + 42.5),
            *there.is_offered(at + 43, BOB),
            *there.is_answered(at + 52.5, BOB),
            *there.ends_talk(at + 92.5, BOB),
            *there.hangs_up(at + 92.6, "send_bye"),
            status(BOB, "On Break", at + 100),
        ]
    )
    floor.until(SALES, totalHandled=1, totalAbandoned=1, totalCallsInQueue=0, callsWithAgent=0)
    floor.until(SUPPORT, totalOffered=1, totalHandled=1, totalAbandoned=0, totalCallsInQueue=0)
    sales, support = floor.services()[SALES], floor.services()[SUPPORT]
    assert (sales["averageSpeedOfAnswer"], support["averageSpeedOfAnswer"]) == (5, 10)
    assert (sales["averageTalkDuration"], support["averageTalkDuration"]) == (30, 40)
    assert sales["averageDurationToAbandon"] == 12
    assert (sales["averageWrapupDuration"], support["averageWrapupDuration"]) == (2, 0)
    floor.until_agents(anna="Ready", bob="Not Ready")


@pytest.mark.long
def test_a_call_survives_every_kill(floor: Floor) -> None:
    """Each call counts once, although the connector, the server and the connection are killed."""
    at = time.time() - BEHIND
    one, two, three = caller(1), caller(2), caller(3)
    floor.esl.sessions = {one.session, two.session, three.session}
    floor.socket.send(answered(one, at))
    floor.until(SALES, callsWithAgent=1)
    floor.connector.kill()
    floor.esl.members = [one.row(at, "Answered", ANNA)]
    floor.esl.agents = floor.at_work(state="In a queue call", uuid=f"leg-{one.session}")
    floor.connector.start()
    wait_until(lambda: floor.esl.logins == 2, floor.connector.log_text)
    wait_until(
        lambda: floor.connector.log_text().count("connected to") == 2, floor.connector.log_text
    )
    floor.socket.send([*one.hangs_up(at + 35), *one.ends_talk(at + 35.1), *two.joins(at + 40)])
    floor.until(SALES, totalHandled=1, callsWithAgent=0, totalCallsInQueue=1)

    floor.server.kill()
    floor.socket.send([*two.leaves(at + 50), *two.hangs_up(at + 50.1), *three.joins(at + 60)])
    floor.server.start()
    floor.until(SALES, totalAbandoned=1, totalCallsInQueue=1)

    floor.socket.run(floor.esl.stop(NOTICE))
    floor.esl.sessions, floor.esl.members = set(), [three.row(at + 60)]
    floor.esl.agents = floor.at_work()
    floor.socket.run(floor.esl.start())
    floor.until(SALES, totalHandled=1, totalAbandoned=2, totalOffered=3, totalCallsInQueue=0)
    assert floor.services()[SALES]["averageTalkDuration"] == 30


@pytest.mark.long
def test_a_restart_of_freeswitch_leaves_no_call_open(floor: Floor) -> None:
    """After a restart of FreeSWITCH, all calls have ended, and the agents are still logged in."""
    at = time.time() - BEHIND
    one, two = caller(1), caller(2)
    floor.socket.send([*answered(one, at), *two.joins(at + 20)])
    floor.until(SALES, callsWithAgent=1, totalCallsInQueue=1)
    floor.socket.run(floor.esl.stop())
    floor.esl.core = "core-2"
    floor.esl.members = [one.row(at, "Answered", ANNA), two.row(at + 20)]
    floor.socket.run(floor.esl.start())
    floor.until(SALES, totalHandled=1, totalOffered=2, callsWithAgent=0, totalCallsInQueue=0)
    floor.until_agents(anna="Ready", bob="Ready")
