"""Tests that format events as lines of text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.cli.event_lines import AgentLines, InteractionLines
from floorcast.client.events import (
    AgentEvent,
    CallDisposition,
    CallStart,
    CallTermination,
    Email,
    Interaction,
    Sms,
)
from floorcast.model.text import printable


@pytest.fixture(autouse=True)
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the terminal's time zone."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_agent_event_is_a_line_below_its_heading() -> None:
    """Columns are aligned with their headings. Times are in the terminal's time zone."""
    line = AgentLines().line(
        AgentEvent(timestamp=1463032800123, agent_login_id="VKUMARK", event_type="NOT_READY",
                   not_ready_reason_code="LUNCH", line_number="ACD", agent_service_id=47416)
    )  # fmt: skip
    assert cells(line) == [
        "02:00:00.123", "VKUMARK", "NOT_READY", "LUNCH", "ACD", "47416", "-", "-", "-",
    ]  # fmt: skip
    assert line.index("NOT_READY") == AgentLines().heading.index("event")
    assert line.index("47416") == AgentLines().heading.index("service")


CALL: dict[str, Any] = {"interaction_type": "VOICE", "session_id": "S1", "service_id": 1}


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (
            CallStart(**CALL, call_event_type="CALL_START", call_direction="INBOUND",
                      caller_id="650", phone_dialed="800", timestamp="2023-06-05T09:36:00.000Z"),
            ["05:36:00.000", "VOICE", "CALL_START", "1", "-", "S1", "650", "-", "INBOUND"],
        ),
        (
            CallTermination(**CALL, call_event_type="CALL_TERMINATION", call_direction="OUTBOUND",
                            phone_dialed="800", agent_id=7, duration=12, lv_result="Busy"),
            ["-", "VOICE", "CALL_TERMINATION", "1", "-", "S1", "800", "7", "12 s, Busy"],
        ),
        (
            CallDisposition(**CALL, call_event_type="CALL_DISPOSITION", term_code="RPC",
                            campaign_id=5, timestamp="lunch"),
            ["lunch", "VOICE", "CALL_DISPOSITION", "1", "5", "S1", "-", "-", "RPC"],
        ),
        (
            Email(interaction_type="Email", event_type="Attempt", to_email="a@b.c", carrier="x",
                  timestamp="2021-04-24T04:44:15.106-04:00"),
            ["04:44:15.106", "EMAIL", "Attempt", "-", "-", "-", "a@b.c", "-", "x"],
        ),
        (
            Sms(interaction_type="SMS", event_type="Delivered", phone_number="415"),
            ["-", "SMS", "Delivered", "-", "-", "-", "415", "-", "-"],
        ),
        (
            Interaction(interaction_type="Chat", session_id="C"),
            ["-", "CHAT", "-", "-", "-", "C", "-", "-", "-"],
        ),
    ],
)  # fmt: skip
def test_interaction_line_has_the_columns_of_its_kind(event: Interaction, shown: list[str]) -> None:
    """The customer is the caller of an inbound call, and the called party otherwise."""
    line = InteractionLines().line(event)
    assert cells(line) == shown
    assert line[InteractionLines().heading.index("session") :].startswith(shown[5])


@given(st.text("a\n\r\t\x1b\x9b[2Jé\u202e ", max_size=30), st.integers())
def test_control_characters_in_events_are_replaced(text: str, moment: int) -> None:
    """A caller's name must not control the terminal."""
    event = AgentEvent(timestamp=moment, agent_login_id=text, event_type=text, result=text)
    assert AgentLines().line(event).isprintable()
    assert InteractionLines().line(Sms(timestamp=text, carrier=text, session_id=text)).isprintable()
    assert len(printable(text)) == len(text)


def test_every_line_fits_a_narrow_terminal() -> None:
    """The least important columns leave, and long names are cut."""
    interactions, agents = InteractionLines(80), AgentLines(80)
    end = CallTermination(
        **CALL, call_event_type="CALL_TERMINATION", call_direction="OUTBOUND", duration=12,
        phone_dialed="16503517450", agent_id=7, agent_login_id="VKUMARK.SUPERVISOR",
        lv_result="Answered by an agent", timestamp="2023-06-05T09:36:00.000Z",
    )  # fmt: skip
    assert interactions.heading == (
        "time     event            service      customer        agent      result"
    )
    assert interactions.line(end) == (
        "05:36:00 CALL_TERMINATION 1            16503517450     VKUMARK.S… 12 s, Answere…"
    )
    state = AgentEvent(
        timestamp=1463032800123,
        agent_login_id="VKUMARK",
        event_type="NOT_READY",
        not_ready_reason_code="LUNCH",
        phone_number="16503517450",
        result="x" * 99,
    )
    line = agents.line(state)
    assert len(line) == 80
    assert line.index("NOT_READY") == agents.heading.index("event")
    assert line.index("16503517450") == agents.heading.index("phone")


def test_services_and_agents_have_names() -> None:
    """A disposition has only the agent's id. An earlier event of the call has the login."""
    lines = InteractionLines(services={1: "Sales"})
    names = [
        cells(lines.line(event))
        for event in (
            CallDisposition(**CALL, agent_id=7),
            CallTermination(**CALL, agent_id=7, agent_login_id="ANNA"),
            CallDisposition(**CALL, agent_id=7),
        )
    ]  # fmt: skip
    assert [(line[3], line[7]) for line in names] == [
        ("Sales", "7"),
        ("Sales", "ANNA"),
        ("Sales", "ANNA"),
    ]
