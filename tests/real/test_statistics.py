"""Tests that a real server's statistics are right at their position and can be verified."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.real.server import AGENTS, Caller, Server, command, environment, running
from tests.real.sites import KEYS, event, in_the_evening, ndjson

BANK = Path(__file__).resolve().parents[3] / "shared/data/anonymous-bank/1999-08-01.csv"
STATUS, STATS = "/realtime/service/agents/status", "/realtime/service/stats"
STATES = {"READY": 2, "NOT_READY": 3, "WRAP_UP": 5}
THE_END = "the end"
ROUNDS = 20

Row = dict[str, Any]


def request_rows(caller: Caller, path: str = STATUS) -> tuple[list[Row], str]:
    """Request a method. Returns the rows and the token of the response."""
    answer = caller.http.post(path)
    assert answer.status_code == 200, answer.text
    return next(iter(answer.json().values())), answer.headers["feed-token"]


def send_states(server: Server, stop: threading.Event) -> None:
    """Send new states of agents until ``stop`` is set. The last event ends the test."""
    with Caller(server.url) as caller:
        number = 0
        while not stop.is_set():
            events = []
            for _ in range(40):
                number += 1
                kind = list(STATES)[number % 3]
                service = 38049 + number % 2
                said = event(
                    "agent.state", number, agent=number % 25, eventType=kind, service=service
                )
                events.append(said)
            caller.take(ndjson(events))
        last = event("agent.state", "last", agent=0, eventType="READY", result=THE_END)
        caller.take(ndjson([last]))


def status_by_agent(rows: list[Row]) -> dict[str, object]:
    """Return each agent's state and service, which a wallboard would keep."""
    return {row["agentLoginId"]: (row["stateId"], row["serviceId"]) for row in rows}


def test_a_response_and_the_feed_from_its_token_give_the_next_response(tmp_path: Path) -> None:
    """A response and the feed's events after its token lead to the next response.

    This is true even in a flood of events.
    """
    stop = threading.Event()
    with running(tmp_path) as server, Caller(server.url) as caller:
        caller.login()
        pouring = threading.Thread(target=send_states, args=(server, stop))
        pouring.start()
        answers: dict[int, tuple[list[Row], str]] = {}
        while len(answers) < ROUNDS:
            rows, token = request_rows(caller)
            answers[server.position_of(token)] = rows, token
        stop.set()
        pouring.join()
        feeds = [caller.follow(AGENTS, token, until=THE_END) for _, token in answers.values()]
    shown = [status_by_agent(rows) for rows, _ in answers.values()]
    for number in range(ROUNDS - 1):
        call_table = dict(shown[number])
        events, rest = feeds[number], feeds[number + 1]
        for one in events[: len(events) - len(rest)]:
            state = STATES[one["eventType"]]
            call_table[one["agentLoginId"]] = (state, one["agentServiceId"])
        assert call_table == shown[number + 1]


@pytest.mark.skipif(not BANK.exists(), reason="the bank's day is not here: ../shared/data")
def test_a_banks_day_has_the_same_figures_after_a_kill_and_is_verified(tmp_path: Path) -> None:
    """A replayed day has the same figures after a kill, and ``floorcast verify`` confirms them."""
    with running(tmp_path, site=in_the_evening()) as server:
        replay = command(
            "replay", BANK, "--format", "anonymous-bank", "--url", server.url,
            "--key", KEYS["ACME"],
        )  # fmt: skip
        subprocess.run(replay, check=True, capture_output=True, env=environment(), cwd=tmp_path)
        with Caller(server.url) as caller:
            caller.login()
            before, _ = request_rows(caller, STATS)
            server.kill()
            server.start()
            after, _ = request_rows(caller, STATS)
        shown = [(row["serviceName"], row["totalOffered"], row["totalHandled"]) for row in before]
        assert shown == [
            (row["serviceName"], row["totalOffered"], row["totalHandled"]) for row in after
        ]
        assert {name for name, _, _ in shown} >= {"PS", "NE", "NW", "IN"}
        verify = command("verify", "--data", server.data)
        beside = subprocess.run(
            verify, check=False, capture_output=True, text=True, env=environment(), cwd=tmp_path
        )
    assert beside.returncode == 0, beside.stdout
    assert "figures, no differences" in beside.stdout
