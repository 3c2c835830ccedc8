"""Tests of the comparison with FreeSWITCH after an outage."""

from __future__ import annotations

from msgspec import structs

from floorcast.connectors.freeswitch.dialect import FREESWITCH
from floorcast.connectors.freeswitch.snapshot import FreeswitchSnapshot, missed_events
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.mapping import PbxEventMapper
from floorcast.connectors.pbx.pbx_events import (
    AgentConnected,
    ChannelHungUp,
    MemberState,
    PbxEvent,
    QueueJoined,
    Ringing,
)
from floorcast.connectors.pbx.state import PbxState
from tests.connectors.freeswitch.dialogues import (
    ANNA,
    BOB,
    SALES,
    SUPPORT,
    Caller,
    agent_row,
    tier_row,
)
from tests.connectors.freeswitch.fake_esl import Row

CONFIG = MappingConfig()
CALLER = Caller("u")
JOINED = QueueJoined(at=100.5, caller="u", queue=SALES)
CONNECTED = AgentConnected(at=110.5, caller="u", queue=SALES, agent=ANNA, leg="leg-u")
LOGGED_IN = MemberState(at=1.0, queue=SALES, agent=ANNA, dynamic=False, status=1)
TALKING = agent_row(ANNA, state="In a queue call", last_bridge_start="110", uuid="leg-u")


def snapshot(existing: str = "", ended: str = "", **lists: list[Row]) -> FreeswitchSnapshot:
    """Return a snapshot at 200 s, after an outage since 150 s, by default with Anna logged in."""
    now = {"agents": [agent_row(ANNA)], "tiers": [tier_row(ANNA)], **lists}
    return FreeswitchSnapshot(
        at=200.0,
        last_at=150.0,
        existing=set(existing.split()),
        ended=set(ended.split()),
        agents=now["agents"],
        tiers=now["tiers"],
        members=now.get("members", []),
    )


def compare(
    *before: PbxEvent,
    since: str = "",
    channels: Row | None = None,
    existing: str = "",
    ended: str = "",
    **lists: list[Row],
) -> list[tuple[str, float]]:
    """Return the events of a comparison with their times."""
    state = PbxState()
    mapper = PbxEventMapper(CONFIG, FREESWITCH, state, reports_hangups=True)
    for pbx_event in before:
        mapper.apply(pbx_event)
    mapper.advance(150.0)
    found = structs.replace(snapshot(existing, ended, **lists), channels=channels or {})
    pbx_events = missed_events(found, state, CONFIG, set(since.split()))
    events = [event for pbx_event in pbx_events for event in mapper.apply(pbx_event)]
    events += mapper.advance(300.0)
    return [(str(e.data.get("eventType", e.type)), e.time.timestamp()) for e in events]


def test_a_call_that_began_during_the_outage_has_its_join_time() -> None:
    """A new call joined at the time in its row. Rows of ended or abandoned calls are ignored."""
    rows = [CALLER.row(170)]
    found = [("call.start", 170.0), ("call.queue", 170.0)]
    assert compare(LOGGED_IN, members=rows, existing="u") == found
    assert compare(LOGGED_IN, members=rows, ended="u") == []
    assert compare(LOGGED_IN, members=rows) == []
    assert compare(LOGGED_IN, members=[CALLER.row(170, "Abandoned")], existing="u") == []
    assert compare(LOGGED_IN, members=rows, existing="u", since="u") == []


def test_a_known_wait_continues() -> None:
    """A known wait continues, even if the row's whole second is before the event's time."""
    assert compare(LOGGED_IN, JOINED, members=[CALLER.row(100)], existing="u") == []


def test_a_call_answered_during_the_outage_is_with_its_agent() -> None:
    """A call is assigned to an agent only if the agent's row agrees.

    Either row may be stale for hours.
    """
    rows = [CALLER.row(100, "Answered", ANNA)]
    assert compare(LOGGED_IN, JOINED, members=rows, existing="u", agents=[TALKING]) == [
        ("IN_CALL", 110.0)
    ]
    assert compare(LOGGED_IN, JOINED, members=rows, existing="u") == []
    assert compare(LOGGED_IN, members=rows, existing="u", agents=[TALKING]) == [
        ("call.start", 100.0),
        ("call.queue", 100.0),
        ("IN_CALL", 110.0),
    ]
    assert compare(LOGGED_IN, JOINED, CONNECTED, members=rows, existing="u", agents=[TALKING]) == []


def test_a_call_without_a_session_has_ended() -> None:
    """A call without a session ended with its agent's last call, or at the last event."""
    assert compare(LOGGED_IN, JOINED, ended="u") == [("call.end", 150.0)]
    ended = [agent_row(ANNA, last_bridge_end="140")]
    talked = [("WRAP_UP", 140.0), ("READY", 140.0), ("call.end", 140.0)]
    assert sorted(compare(LOGGED_IN, JOINED, CONNECTED, ended="u", agents=ended)) == sorted(talked)


def test_a_caller_no_longer_in_the_queue_or_with_the_agent_has_left() -> None:
    """A caller who is no longer in the queue or with the agent has left."""
    assert compare(LOGGED_IN, JOINED, existing="u") == [("call.leave", 150.0)]
    found = compare(LOGGED_IN, JOINED, CONNECTED, existing="u")
    assert sorted(found) == [("READY", 150.0), ("WRAP_UP", 150.0), ("call.leave", 150.0)]


def test_changes_after_the_queries_are_kept() -> None:
    """Agents and calls that changed after the queries keep their new state."""
    joined = QueueJoined(at=200.5, caller="u", queue=SALES)
    assert compare(LOGGED_IN, joined, ended="u") == []
    connected = AgentConnected(at=200.7, caller="u", queue=SALES, agent=ANNA)
    rows = [CALLER.row(200)]
    assert compare(LOGGED_IN, joined, connected, members=rows, existing="u") == []


def test_agents_have_their_state_times_and_wrap_up() -> None:
    """An agent's time is the status change or the end of the last call, whichever is later."""
    rows = [agent_row(ANNA, "On Break", last_status_change="170")]
    assert compare(LOGGED_IN, agents=rows) == [("NOT_READY", 170.0)]
    assert compare(agents=rows) == [("LOGON", 170.0), ("NOT_READY", 170.0)]
    away = [agent_row(ANNA, "Logged Out", last_status_change="0")]
    assert compare(LOGGED_IN, agents=away) == [("LOGOFF", 200.0)]
    assert compare(LOGGED_IN, tiers=[]) == [("LOGOFF", 200.0)]
    assert compare(LOGGED_IN, tiers=[tier_row(ANNA), tier_row("nobody"), tier_row("")]) == []
    assert compare(LOGGED_IN, tiers=[tier_row(ANNA, SUPPORT)]) == [("READY", 200.0)]


def test_a_stale_offer_frees_the_agent() -> None:
    """An offered agent is free again unless the caller still exists."""
    offered = Ringing(at=120.0, caller="u", queue=SALES, agent=ANNA, leg="x")
    before = (LOGGED_IN, JOINED, offered)
    assert compare(*before, members=[CALLER.row(100, "Trying", ANNA)], existing="u") == []
    assert compare(*before, members=[CALLER.row(100)], existing="u") == [("READY", 200.0)]


def test_a_telephone_that_began_to_ring_during_the_outage_reserves_its_agent() -> None:
    """The agent's row and the caller's row must both report the offer, because one may be stale."""
    receiving = agent_row(ANNA, state="Receiving")
    offered = CALLER.row(100, "Trying", ANNA)
    for agent, member, existing, is_reserved in (
        (receiving, offered, "u", True),
        (agent_row(ANNA, state="Waiting"), offered, "u", False),
        (receiving, CALLER.row(100, "Waiting"), "u", False),
        (receiving, offered, "", False),
    ):
        found = compare(JOINED, agents=[agent], members=[member], existing=existing)
        assert (("RESERVED", 200.0) in found) == is_reserved
    known = (LOGGED_IN, JOINED)
    found = compare(*known, agents=[receiving], members=[offered], existing="u")
    assert found == [("RESERVED", 200.0)]


def test_a_caller_who_is_offered_to_all_agents_reserves_those_whose_telephones_ring() -> None:
    """With ring-all, the caller's row names no agent. The tiers tell who is offered a call."""
    agents = [agent_row(ANNA, state="Receiving"), agent_row(BOB, state="Waiting")]
    rows = [CALLER.row(100, "Trying", "ring-all")]
    offering = [tier_row(ANNA) | {"state": "Offering"}, tier_row(BOB) | {"state": "Ready"}]
    found = compare(LOGGED_IN, JOINED, existing="u", agents=agents, tiers=offering, members=rows)
    assert found == [
        ("LOGON", 200.0),
        ("READY", 200.0),
        ("RESERVED", 200.0),
    ]
    offered = Ringing(at=120.0, caller="u", queue=SALES, agent=ANNA, leg=f"{ANNA}<u")
    found = compare(
        *(LOGGED_IN, JOINED, offered), existing="u", agents=agents, tiers=offering, members=rows
    )
    assert found == [("LOGON", 200.0), ("READY", 200.0)]  # Bob's; Anna stays reserved


def test_a_missed_hold_is_restored() -> None:
    """A missed hold is found in the callstate of the agent's channel."""
    before = (LOGGED_IN, JOINED, CONNECTED)
    rows = [CALLER.row(100, "Answered", ANNA)]
    for callstate, expected in (("HELD", [("AGENT_HOLD", 200.0)]), ("ACTIVE", [])):
        channels = {"leg-u": callstate}
        found = compare(*before, existing="u", channels=channels, members=rows, agents=[TALKING])
        assert found == expected


def test_an_ended_call_is_forgotten_with_its_session() -> None:
    """The number of remembered ended calls is bounded, and old sessions are not queried forever."""
    ended = ChannelHungUp(at=120.0, channel="u")
    assert compare(LOGGED_IN, JOINED, CONNECTED, ended, ended="u") == []
