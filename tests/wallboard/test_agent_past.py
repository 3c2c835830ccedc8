"""Tests that the page handles late agent events in the same way as the server's fold."""

from __future__ import annotations

from random import Random
from typing import Any, get_args

import msgspec
from playwright.sync_api import Page

from floorcast.floor.floor import Floor
from floorcast.model.inbound import InboundEvent
from floorcast.model.states import NOT_READY_REASONS, AgentEventType
from tests.floor.random_floors import agent, new_floor, ticks

AGENTS = (7, 8)
TAKEN = 1000  # seconds after noon; events before second 100 are then too late
PAST = """async (text) => {
    const { Roster } = await import("/wallboard/roster.js");
    return JSON.parse(text).map(([rows, events]) => {
        const roster = new Roster();
        roster.replace(rows);
        for (const [event, taken] of events) roster.apply(event, taken);
        return [...roster.agents.values()].map(({ state, since, reason, serviceId }) =>
            [state, since, reason, serviceId]);
    });
}"""


def changes(random: Random) -> list[InboundEvent]:
    """Return random events of two agents. A third of them are late, and these have no service."""
    found = []
    for step in range(20, 400, 2):
        late = random.choice((0, 0, random.randrange(1, 19)))
        kind = random.choice(get_args(AgentEventType))
        data: dict[str, Any] = {}
        if kind == "NOT_READY" and random.random() < 0.8:
            data["reason"] = random.choice(NOT_READY_REASONS)
        if not late and random.random() < 0.3:
            data["service"] = random.choice((10, 20))
        found.append(agent(kind, step - late, random.choice(AGENTS), **data))
    return found


def case(events: list[InboundEvent]) -> tuple[list[Any], list[list[Any]]]:
    """Return the rows and events that the page receives, and the agents' final states."""
    floor = new_floor()
    take(floor, [agent("LOGON", 0, who, service=10) for who in AGENTS], 1)
    rows = [
        {
            "agentLoginId": floor.state.directory.agents[number].login,
            "agentName": "",
            "stateId": state,
            "stateChangedAfter": since,
            "reasonCode": reason,
            "serviceId": service,
        }
        for number, (state, since, reason, service) in zip(AGENTS, status(floor), strict=True)
    ]
    return [rows, take(floor, events, TAKEN)], status(floor)


def take(floor: Floor, events: list[InboundEvent], second: int) -> list[Any]:
    """Fold events. Returns each published event with the time at which it was recorded (ms)."""
    fed = []
    for number, event in enumerate(events, 1):
        at = ticks(second) + number
        out = floor.fold(event, at, "-")
        assert out is not None
        fed.append([msgspec.to_builtins(out.event), at // 10_000])
    return fed


def as_text(cases: object) -> str:
    """Return the cases as one argument, which Playwright passes on a hundred times as fast."""
    return msgspec.json.encode(cases).decode()


def status(floor: Floor) -> list[list[Any]]:
    agents = (floor.state.agents[number] for number in AGENTS)
    return [[int(one.state), one.since, one.reason or "", one.service] for one in agents]


def test_events_in_any_order_give_the_server_state(scripts: Page) -> None:
    """Events that are up to 15 minutes late take effect at their own times.

    Events that are later change nothing.
    """
    cases = [case(changes(Random(seed))) for seed in range(60)]
    found = scripts.evaluate(PAST, as_text([told for told, _ in cases]))
    assert found == [wanted for _, wanted in cases]


def test_a_late_event_sets_the_service_until_the_next_change(scripts: Page) -> None:
    """A late event's service applies until the next event that names another service."""
    moved = [agent("READY", 500, 7), agent("IN_CALL", 520, 7), agent("READY", 510, 7, service=20)]
    moved_on = [
        agent("READY", 500, 7),
        agent("IN_CALL", 520, 7, service=20),
        agent("READY", 510, 7, service=30),
    ]
    too_late = [agent("READY", 500, 7), agent("LOGON", 50, 7, service=20)]
    cases = [case(moved), case(moved_on), case(too_late)]
    assert [wanted[0][3] for _, wanted in cases] == [20, 20, 20]
    found = scripts.evaluate(PAST, as_text([told for told, _ in cases]))
    assert found == [wanted for _, wanted in cases]


def test_future_event_times_are_limited_to_now(scripts: Page) -> None:
    """A state with a future time begins when it is recorded, so the next event is not late."""
    told, wanted = case([agent("IN_CALL", TAKEN + 200, 7), agent("READY", TAKEN + 100, 7)])
    assert scripts.evaluate(PAST, as_text([told])) == [wanted]
    assert wanted[0][:2] == [2, ticks(TAKEN) // 10_000]
