"""Tests of agents' states."""

from __future__ import annotations

from floorcast.connectors.asterisk.dialect import ASTERISK
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.mapping import PbxEventMapper
from floorcast.connectors.pbx.pbx_events import (
    AgentConnected,
    ChannelHungUp,
    ConversationEnded,
    HoldChanged,
    MemberList,
    MemberRemoved,
    MemberState,
    PauseChanged,
    PbxEvent,
    QueueJoined,
    Ringing,
)
from floorcast.connectors.pbx.state import PbxState


def agent_states(
    *pbx_events: PbxEvent, config: MappingConfig | None = None, now: float = 0.0
) -> list[str]:
    """Return the states of all agents, with their data."""
    mapper = PbxEventMapper(config or MappingConfig(), ASTERISK, PbxState(), reports_hangups=True)
    events = [event for pbx_event in pbx_events for event in mapper.apply(pbx_event)]
    events += mapper.advance(now)
    return [
        " ".join(
            str(event.data[name])
            for name in ("eventType", "reason", "lineNumber", "services")
            if name in event.data
        )
        for event in events
        if event.type == "agent.state"
    ]


def member(at: float, queue: str = "sales", **more: object) -> MemberState:
    return MemberState(at=at, queue=queue, agent="Anna", interface="PJSIP/1", **more)  # type: ignore[arg-type]  # of the caller's choice


CALL = (
    QueueJoined(at=10, caller="1.0", queue="sales"),
    Ringing(at=11, caller="1.0", queue="sales", agent="Anna", leg="1.1"),
    AgentConnected(at=12, caller="1.0", queue="sales", agent="Anna", leg="1.1"),
)
END = ConversationEnded(at=20, caller="1.0", queue="sales", agent="Anna", by="caller")


def test_a_static_member_is_logged_in_while_its_device_is_reachable() -> None:
    """A static member is logged in while its device is reachable.

    A dynamic member is logged in while it is a member.
    """
    static: list[PbxEvent] = [member(1, dynamic=False, status=status) for status in (5, 1, 5)]
    assert agent_states(*static) == ["LOGON ['sales']", "READY ['sales']", "LOGOFF"]
    dynamic: list[PbxEvent] = [
        member(1, status=5),
        MemberRemoved(at=2, queue="sales", agent="Anna"),
    ]
    assert agent_states(*dynamic) == ["LOGON ['sales']", "READY ['sales']", "LOGOFF"]


def test_an_agent_is_not_ready_when_paused_in_all_queues() -> None:
    """An agent is not ready when paused in all queues. A new reason is a new state.

    The configuration may translate reasons.
    """
    pauses = [
        PauseChanged(at=3, queue=queue, agent="Anna", paused=paused, reason=reason)
        for paused, reason in [(True, "coffee"), (True, "Meeting"), (False, "")]
        for queue in ("sales", "support")
    ]
    config = MappingConfig(reasons={"coffee": "BREAK"})
    assert agent_states(
        member(1, status=1), member(2, "support", status=1), *pauses, config=config
    ) == [
        "LOGON ['sales']",
        "READY ['sales']",
        "READY ['sales', 'support']",
        "NOT_READY BREAK",
        "NOT_READY Meeting",
        "READY",
    ]


def test_services_are_ordered_by_home_then_penalty() -> None:
    """An agent's time between calls counts for the first service."""
    pbx_events = [member(1, "a", penalty=2), member(2, "b", penalty=1), member(3, "c", penalty=3)]
    assert agent_states(*pbx_events)[-1] == "READY ['b', 'a', 'c']"
    config = MappingConfig(home_queues={"Anna": "c"}, services={"c": "Chat"})
    assert agent_states(*pbx_events, config=config)[-1] == "READY ['Chat', 'b', 'a']"


def test_the_queue_sets_the_wrap_up_time() -> None:
    """By default there is no wrap-up. The next call ends wrap-up early."""
    states = ["LOGON ['sales']", "RESERVED ['sales']", "IN_CALL", "WRAP_UP"]
    assert agent_states(*CALL, END, now=21.0) == [*states, "READY"]
    config = MappingConfig(wrap_up_seconds={"*": 5.0})
    assert agent_states(*CALL, END, config=config, now=24.0) == states
    assert agent_states(*CALL, END, config=config, now=25.0) == [*states, "READY"]
    again = Ringing(at=22, caller="1.0", queue="sales", agent="Anna", leg="1.2")
    assert agent_states(*CALL, END, again, config=config)[-1] == "RESERVED"


def test_a_hold_follows_the_agents_channel() -> None:
    """An Unhold without a Hold, which precedes a transfer, is ignored."""
    holds = [
        HoldChanged(at=13 + n, channel="1.1", on=on) for n, on in enumerate([False, True, False])
    ]
    other = HoldChanged(at=12.5, channel="1.0", on=True)
    assert agent_states(*CALL, other, *holds)[3:] == ["AGENT_HOLD", "AGENT_RESUMED"]


def test_a_device_in_use_without_a_queue_call_is_in_a_direct_call() -> None:
    """A device must be in use for a second, because its state may arrive before the call's end."""
    busy = member(30, status=2)
    assert agent_states(member(1, status=1), busy, now=30.5)[-1] == "READY ['sales']"
    assert agent_states(member(1, status=1), busy, now=31.0)[-1] == "IN_CALL DIRECT"
    assert agent_states(member(1, status=1), busy, member(40, status=1))[-1] == "READY"
    assert agent_states(*CALL, member(13, status=2), END, now=99)[-2:] == ["WRAP_UP", "READY"]


def test_a_hangup_while_a_phone_rings_frees_the_agent() -> None:
    """The hangup of the ringing channel frees the agent."""
    assert agent_states(*CALL[:2], ChannelHungUp(at=12, channel="1.1"))[-1] == "READY"


def test_agents_missing_from_the_list_are_logged_off() -> None:
    """Agents missing from the list of members are logged off.

    Each other agent is reported once, with its own times.
    """
    member_list = MemberList(
        at=50,
        members=(
            member(50, "sales", paused=True, reason="LUNCH", since=45.0, logged_in=8.0),
            member(50, "support", paused=True, reason="LUNCH", since=46.0, logged_in=9.0),
        ),
    )
    bob = MemberState(at=1, queue="sales", agent="Bob", interface="PJSIP/2")
    mapper = PbxEventMapper(MappingConfig(), ASTERISK, PbxState(), reports_hangups=True)
    mapper.apply(bob)
    events = mapper.apply(member_list)
    reported = [(e.data["agent"], e.data["eventType"], e.time.timestamp()) for e in events]
    assert reported == [
        ("Anna", "LOGON", 8.0),
        ("Anna", "NOT_READY", 46.0),
        ("Bob", "LOGOFF", 50.0),
    ]


def test_an_interface_without_a_known_agent_is_skipped() -> None:
    """An interface in ADDMEMBER is skipped until AMI or the configuration names its agent."""
    added = MemberState(at=1, queue="sales", agent="PJSIP/9")
    mapper = PbxEventMapper(MappingConfig(), ASTERISK, PbxState(), reports_hangups=False)
    assert mapper.apply(added) == []
    assert mapper.unknown_interfaces() == {"PJSIP/9"}
    known = MappingConfig(agents={"PJSIP/9": "Anna"})
    assert [
        e.data["agent"]
        for e in PbxEventMapper(known, ASTERISK, PbxState(), reports_hangups=False).apply(added)
    ] == [
        "Anna",
        "Anna",
    ]
