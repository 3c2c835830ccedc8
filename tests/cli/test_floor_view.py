"""Tests of the screen of ``floorcast top``."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from floorcast.cli.floor_view import FloorResponses, draw, format_duration
from floorcast.client.agent_answers import AgentDetails, AgentStatusAnswer
from floorcast.client.answers import (
    ServiceAnswer,
    ServiceStatistics,
    WaitingCall,
    WaitingCallsAnswer,
)
from tests.search import tries

NOW = 1_700_000_000_000  # ms


def shown(seen: FloorResponses, lines: int | None = None, width: int = 120) -> list[str]:
    """Return the drawn lines without trailing spaces."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as capture:
        console.print(draw(seen, "ACME", width, lines))
    return [line.rstrip() for line in capture.get().splitlines()]


def floor(
    services: int = 0, calls: int = 0, agents: int = 0, age: float = 0, problem: str = ""
) -> FloorResponses:
    """Return a floor with this many services, calls and agents."""
    return FloorResponses(
        services=ServiceAnswer(
            stats=[ServiceStatistics(service_name=f"service {n}") for n in range(services)]
        ),
        calls=WaitingCallsAnswer(
            calls_details=[WaitingCall(service_name=f"for {n}") for n in range(calls)],
            time_stamp=NOW,
        ),
        agents=AgentStatusAnswer(
            agent_details=[AgentDetails(agent_login_id=f"agent {n}") for n in range(agents)],
            time_stamp=NOW,
        ),
        age=age,
        problem=problem,
    )


def test_floor_shows_services_calls_and_agents_with_durations() -> None:
    """Durations advance between responses and are measured by the server's clock."""
    seen = FloorResponses(
        services=ServiceAnswer(
            stats=[
                ServiceStatistics(
                    service_name="Sales", service_level=71.4, total_calls_in_queue=2,
                    longest_call_in_queue=50, calls_with_agent=3, total_agents=5,
                    total_offered=20, total_handled=17, abandon_rate=5.5,
                    average_speed_of_answer=75,
                )
            ]
        ),
        calls=WaitingCallsAnswer(
            calls_details=[
                WaitingCall(service_name="Sales", time_stamp=NOW // 1000 - 50, phone="650",
                            name="Will", priority=1)
            ],
            time_stamp=NOW,
        ),
        agents=AgentStatusAnswer(
            agent_details=[
                AgentDetails(agent_login_id="B", agent_name="Bea", state="In Call", state_id=4,
                             state_changed_after=NOW - 3_600_000, service_name="Sales",
                             inbound_calls=9, phone="650"),
                AgentDetails(agent_login_id="C", state="Not Ready", state_id=3,
                             state_changed_after=NOW - 5_000, reason_code="LUNCH"),
                AgentDetails(agent_login_id="A", state="In Call", state_id=4,
                             state_changed_after=NOW - 7_200_000),
            ],
            time_stamp=NOW,
        ),
        age=12.0,
    )  # fmt: skip
    lines = [line.split() for line in shown(seen)]
    assert lines[0] == ["ACME", "0:12", "old"]
    assert lines[3] == ["Sales", "71.4", "%", "2", "1:02", "3", "5", "20", "17", "5.5", "%", "1:15"]
    assert lines[5] == ["Waiting", "calls:", "1"]
    assert lines[7] == ["Sales", "1:02", "650", "Will", "1"]
    assert lines[9] == ["Agents:", "In", "Call", "2", "Not", "Ready", "1"]
    assert lines[11:] == [
        ["C", "Not", "Ready", "0:17", "LUNCH", "-", "-", "-", "-"],
        ["A", "In", "Call", "2:00:12", "-", "-", "-", "-", "-"],
        ["Bea", "In", "Call", "1:00:12", "-", "Sales", "9", "-", "650"],
    ]


@settings(max_examples=tries(30))
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 100), st.integers(20, 60))
def test_output_never_exceeds_the_screen(
    services: int, calls: int, agents: int, lines: int
) -> None:
    """Rows that do not fit are counted and never dropped silently."""
    found = shown(floor(services, calls, agents), lines)
    assert len(found) <= lines
    counted = sum(int(line.split()[1]) for line in found if line.startswith("and "))
    heads = sum(count > 0 for count in (services, calls, agents))
    rows = sum(line.startswith(("service ", "for ", "agent ")) for line in found) - heads
    assert rows + counted == services + calls + agents
    assert len(shown(floor(services, calls, agents))) == 9 + services + calls + agents


def busy_floor() -> FloorResponses:
    """Return a floor whose figures and names are as long as they get."""
    seen = floor(2, 2, 30, problem="the name floorcast.example.org cannot be resolved: unknown")
    seen.services.stats = [
        ServiceStatistics(
            service_name=f"Long-distance customers {n}",
            service_level=100.0,
            total_calls_in_queue=120 + n,
            longest_call_in_queue=3723,
            calls_with_agent=250,
            total_agents=1250,
            total_offered=123_456,
            total_handled=123_321,
            abandon_rate=90.9,
            total_abandoned=1,
            average_speed_of_answer=754,
        )
        for n in range(3)
    ]
    seen.agents.agent_details = [
        AgentDetails(
            agent_login_id=f"A{n}",
            agent_name=f"Agent with a long name {n}",
            state="Not Ready",
            state_changed_after=NOW - 12_345_000,
            reason_code="LUNCH",
            service_name="Long-distance customers",
            phone="6503517450",
            inbound_calls=1234,
        )
        for n in range(30)
    ]
    return seen  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 100, 132])
def test_no_figure_is_cut_in_a_narrow_terminal(width: int) -> None:
    """Names are cut, and the least important columns leave, so that the figures fit."""
    found = shown(busy_floor(), 24, width)
    assert len(found) <= 24
    assert max(map(len, found)) <= width
    words = " ".join(found).split()
    assert {"100.0", "120", "1:02:03", "3:25:45", "Not", "service", "longest"} <= set(words)
    for word in words:
        assert "…" not in word or not any(letter.isdigit() for letter in word)


def test_free_lines_are_used_before_rows_are_left_out() -> None:
    """Agents get the lines that services and calls do not need."""
    assert not any(line.startswith("and ") for line in shown(floor(1, 1, 13), 24))
    assert shown(floor(1, 1, 14), 24)[-1] == "and 2 more"
    assert not any(line.startswith("and ") for line in shown(floor(13, 1, 1), 24))


def test_empty_floor_is_shown() -> None:
    """The screen works for a floor on which nobody has logged in yet."""
    found = shown(floor())
    services, calls, agents = map(found.index, ("Services", "Waiting calls: 0", "Agents: none"))
    assert found[services + 1].startswith("no services to show")
    assert found[calls + 1] == "no call is waiting"
    assert found[agents + 1 :] == ["no agent is logged in"]


def test_reason_for_stale_figures_is_shown_with_their_age() -> None:
    """The figures stay on the screen, with their age."""
    found = shown(floor(1, age=125.0, problem="connection refused"))
    assert found[0] == "ACME   2:05 old   connection refused"
    assert any(line.startswith("service 0") for line in found)


def test_control_characters_in_names_are_replaced() -> None:
    """A caller's name can be any text, and is not interpreted as markup."""
    seen = floor()
    seen.calls.calls_details = [WaitingCall(name="[red]\x1b[2J", phone="\n", service_name="a\x9bb")]
    text = "\n".join(shown(seen))
    assert "[red]?[2J" in text
    assert "\x1b" not in text
    assert "\x9b" not in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0:00"), (7.9, "0:07"), (750, "12:30"), (3723, "1:02:03"), (360_000, "100:00:00")],
)
def test_durations_are_formatted_as_clock_times(seconds: float, text: str) -> None:
    """If the local clock is ahead of the server's, no duration is negative."""
    assert format_duration(seconds) == text
