"""Tests that a snapshot and later events give the same agents as the next snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, get_args

import pytest

from floorcast.model.states import NOT_READY_REASONS, AgentEventType
from tests.real.server import Caller, Server
from tests.real.sites import event, ndjson
from tests.wallboard.screen import Screen

AGENTS = [f"agent {number:02}" for number in range(16)]


@pytest.fixture
def stranger(floor: Server) -> Iterator[Caller]:
    """Yield a caller for another client, which has an empty floor."""
    with Caller(floor.url, "STRANGER") as caller:
        caller.login()
        yield caller


def changes(random: Random, amount: int) -> Iterator[dict[str, Any]]:
    """Yield random events of agents after they log on. Some are late, and some add services."""
    began = datetime.now(UTC) - timedelta(minutes=30)
    for agent in AGENTS:
        one = {"agent": agent, "eventType": "LOGON", "service": "team 0"}
        yield event("agent.state", f"{agent} on", time=began.isoformat(), **one)
    for step in range(amount):
        late = random.choice((0, 0, 0, 40))
        kind = random.choice(get_args(AgentEventType))
        yield event(
            "agent.state",
            f"r{step}",
            time=(began + timedelta(seconds=step - late)).isoformat(),
            agent=random.choice(AGENTS),
            eventType=kind,
            **({"reason": random.choice(NOT_READY_REASONS)} if kind == "NOT_READY" else {}),
            **({"service": f"team {random.randrange(4)}"} if random.random() < 0.4 else {}),
        )


def expected(caller: Caller) -> dict[str, list[str]]:
    """Return the API's agents in the form in which the page shows them."""
    answer = caller.http.post("/realtime/service/agents/status").json()
    return {
        one["agentLoginId"]: [
            one["agentName"],
            f"{one['state']} · {reason(one)}" if one["reasonCode"] else one["state"],
            str(one["stateChangedAfter"]),
            one["serviceName"] or "",
        ]
        for one in answer["agentDetails"]
    }


def reason(row: dict[str, Any]) -> str:
    words: str = row["reasonCode"].lower().replace("_", " ")
    return words.capitalize()


def test_a_snapshot_plus_events_equals_the_next_snapshot(wall: Screen, stranger: Caller) -> None:
    """The page shows the API's agents, although it used only the first snapshot and the stream."""
    told = list(changes(Random(1), 600))
    stranger.take(ndjson(told[: len(AGENTS)]))
    wall.sign_in(client="STRANGER")
    wall.until(f"document.querySelectorAll('[data-login]').length === {len(AGENTS)}")
    token = wall.token("agents")
    for start in range(len(AGENTS), len(told), 50):
        stranger.take(ndjson(told[start : start + 50]))
    wanted = expected(stranger)
    wall.until(
        """(wanted) => { const rows = document.querySelectorAll("#agents [data-login]");
        return rows.length === Object.keys(wanted).length && [...rows].every((row) =>
            wanted[row.dataset.login]?.every((text, index) =>
                [row.children[index].dataset.value, row.children[index].textContent]
                    .includes(text)));
        }""",
        wanted,
    )
    assert wall.rows("agents") == wanted
    assert wall.token("agents") == token
