"""Tests of PBX events that would become events which the server refuses."""

from __future__ import annotations

import pytest

from floorcast.connectors.pbx.event_check import check_event
from floorcast.connectors.pbx.pbx_events import (
    AgentConnected,
    BridgeAnnounced,
    ConversationEnded,
    MemberList,
    MemberRemoved,
    MemberState,
    PbxEvent,
    QueueJoined,
)
from floorcast.connectors.pbx.unreadable import Unreadable

JOINED = QueueJoined(at=1.0, caller="1.0", queue="sales", number="555")
ENDED = ConversationEnded(at=1.0, caller="", queue="sales", agent="Anna", by="agent")
REMOVED = MemberRemoved(at=1.0, queue="", agent="Anna")


def connected(agent: str) -> AgentConnected:
    return AgentConnected(at=1.0, caller="1.0", queue="sales", agent=agent)


@pytest.mark.parametrize("event", [JOINED, ENDED, REMOVED])
def test_valid_events_are_not_changed(event: PbxEvent) -> None:
    """An event is returned as it is. Some of its names may be empty."""
    skipped: list[Unreadable] = []
    assert check_event(event, skipped.append) is event
    assert skipped == []


@pytest.mark.parametrize(
    "event",
    [
        QueueJoined(at=1.0, caller="", queue="sales"),
        QueueJoined(at=1.0, caller="1.0", queue="q" * 257),
        connected("a" * 257),
        BridgeAnnounced(at=1.0, connected=connected("")),
    ],
)
def test_an_event_with_an_empty_or_a_very_long_name_is_skipped(event: PbxEvent) -> None:
    """The server would refuse every event with this name."""
    skipped: list[Unreadable] = []
    assert check_event(event, skipped.append) is None
    assert len(skipped) == 1
    assert len(str(skipped[0])) < 200


def test_the_other_members_of_a_list_remain() -> None:
    """An agent is not lost because of one queue."""
    members = tuple(
        MemberState(at=1.0, queue=queue, agent="Anna") for queue in ("sales", "q" * 257)
    )
    skipped: list[Unreadable] = []
    found = check_event(MemberList(at=1.0, members=members), skipped.append)
    assert found == MemberList(at=1.0, members=members[:1])
    assert len(skipped) == 1


def test_an_optional_text_that_is_too_long_is_removed() -> None:
    """The call is more important than its number."""
    event = QueueJoined(at=1.0, caller="1.0", queue="sales", number="5" * 5000)
    skipped: list[Unreadable] = []
    found = check_event(event, skipped.append)
    assert found == QueueJoined(at=1.0, caller="1.0", queue="sales")
