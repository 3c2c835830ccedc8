"""Tests that map PBX events to the events of calls."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from floorcast.client import CloudEvent
from floorcast.connectors.asterisk.dialect import ASTERISK
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.mapping import PbxEventMapper
from floorcast.connectors.pbx.pbx_events import (
    AgentConnected,
    AgentStatus,
    BridgeAnnounced,
    BridgeConfirmed,
    BridgeEntered,
    BridgeLeft,
    CallMissed,
    ChannelHungUp,
    ChannelTransferred,
    ConversationEnded,
    DialedNumber,
    DialStarted,
    DispositionSet,
    HoldChanged,
    LocalChannelPaired,
    MemberList,
    MemberRemoved,
    MemberState,
    PauseChanged,
    PbxEvent,
    PbxRestarted,
    QueueJoined,
    QueueLeft,
    RingEnded,
    Ringing,
)
from floorcast.connectors.pbx.state import MAX_ENDED, PbxState, Phase
from floorcast.model.inbound_data import MAX_SERVICES

CALLERS, QUEUES, MEMBERS = ("1.0", "1.1", "pbx-1.2"), ("sales", "support"), ("Anna", "PJSIP/2")
LATER = 1e6


def call_events(
    *pbx_events: PbxEvent, reports_hangups: bool = True
) -> list[tuple[str, float, object]]:
    """Return ids, times, and the details of leaving and ending, without agents."""
    mapper = PbxEventMapper(MappingConfig(), ASTERISK, PbxState(), reports_hangups=reports_hangups)
    events = [event for pbx_event in pbx_events for event in mapper.apply(pbx_event)]
    events += mapper.advance(LATER)
    return [
        (one.id, one.time.timestamp(), one.data.get("reason", one.data.get("lvResult")))
        for one in events
        if one.type != "agent.state"
    ]


JOIN = QueueJoined(at=10, caller="1.0", queue="sales", number="512")
CONNECT = AgentConnected(at=15, caller="1.0", queue="sales", agent="Anna", leg="1.9", waited=5)
LEAVE = QueueLeft(at=20, caller="1.0", queue="sales", reason="TIMEOUT")
STARTED = [("1.0/start", 10.0, None), ("1.0/1/queue", 10.0, None)]


def completed(by: str, at: float = 30.0, caller: str = "1.0") -> ConversationEnded:
    return ConversationEnded(at=at, caller=caller, queue="sales", agent="Anna", by=by)  # type: ignore[arg-type]  # one of three


def test_an_abandoned_call_ends_when_the_caller_leaves_the_queue() -> None:
    """An abandoned call ends when the caller leaves the queue, not when the channel is closed."""
    assert call_events(JOIN, LEAVE, ChannelHungUp(at=20.9, channel="1.0")) == [
        *STARTED,
        ("1.0/end", 20.0, "Abandoned"),
    ]


def test_leaving_the_queue_without_a_hangup_has_a_reason() -> None:
    """Only the queue log has the reason for leaving at once. The call ends with the hangup."""
    gone = ChannelHungUp(at=90, channel="1.0")
    assert call_events(JOIN, LEAVE, gone)[2:] == [
        ("1.0/1/leave", 20.0, "TIMEOUT"),
        ("1.0/end", 90.0, None),
    ]
    assert call_events(JOIN, QueueLeft(at=20, caller="1.0", queue="sales"), gone)[2][2] == "OTHER"


def test_an_abandon_reported_only_by_the_queue_log_ends_the_call() -> None:
    """An abandon in the queue log counts while AMI is disconnected and reports no hangup."""
    gone = QueueLeft(at=20, caller="1.0", queue="sales", reason="ABANDONED")
    for reports_hangups in (True, False):
        assert call_events(JOIN, gone, reports_hangups=reports_hangups)[2:] == [
            ("1.0/end", 20.0, "Abandoned")
        ]


def test_leaving_the_queue_ends_the_call_if_hangups_are_not_reported() -> None:
    """Without hangups, a caller who rejoins a queue has a new call."""
    again = QueueJoined(at=60, caller="1.0", queue="sales")
    assert call_events(JOIN, LEAVE, again, reports_hangups=False)[2:] == [
        ("1.0/1/leave", 20.0, "TIMEOUT"),
        ("1.0/end", 20.0, None),
        ("1.0/2/start", 60.0, None),
        ("1.0/2/1/queue", 60.0, None),
    ]


def test_a_transferred_call_continues_if_the_caller_joins_a_queue() -> None:
    """A transferred call continues if the caller joins a queue. Otherwise, it leaves."""
    rejoin = QueueJoined(at=31.5, caller="1.0", queue="support")
    assert call_events(JOIN, CONNECT, completed("transfer"), rejoin)[2:] == [
        ("1.0/2/queue", 31.5, None)
    ]
    late_hangup = ChannelHungUp(at=50, channel="1.0")
    assert call_events(JOIN, CONNECT, completed("transfer"), late_hangup)[2:] == [
        ("1.0/1/leave", 30.0, "TRANSFER"),
        ("1.0/end", 50.0, None),
    ]
    early_hangup = ChannelHungUp(at=31, channel="1.0")
    assert call_events(JOIN, CONNECT, completed("transfer"), early_hangup)[2:] == [
        ("1.0/1/leave", 30.0, "TRANSFER"),
        ("1.0/end", 31.0, "Transferred"),
    ]


def test_a_completion_after_the_hangup_is_matched_by_its_agent() -> None:
    """A late completion belongs to its agent's call, which ends with the hangup."""
    gone = ChannelHungUp(at=29.5, channel="1.0")
    assert call_events(JOIN, CONNECT, gone, completed("caller", caller=""))[2:] == [
        ("1.0/end", 29.5, "Completed by caller")
    ]
    assert call_events(JOIN, CONNECT, gone)[2:] == [("1.0/end", 29.5, None)]


def test_a_connect_without_a_join_implies_the_join() -> None:
    """The time of the missing join is derived from the wait in the connect."""
    assert call_events(CONNECT, completed("agent")) == [
        *STARTED,
        ("1.0/end", 30.0, "Completed by agent"),
    ]


def test_an_attended_transfer_swaps_ids() -> None:
    """The consulting agent waits in the queue, and the caller then takes the agent's place."""
    consult = QueueJoined(at=20, caller="1.5", queue="support")
    transfer = ChannelTransferred(
        at=25, transferer="1.9", transferee="1.0", second_transferer="1.5"
    )
    answered = AgentConnected(at=26, caller="1.0", queue="support", agent="Bob", waited=6)
    done = ConversationEnded(at=40, caller="1.0", queue="support", agent="Bob", by="caller")
    found = call_events(
        JOIN, CONNECT, consult, transfer, answered, done, ChannelHungUp(at=40.1, channel="1.0")
    )
    assert [one[0] for one in found] == [
        "1.0/start",
        "1.0/1/queue",
        "1.5/start",
        "1.5/1/queue",
        "1.0/1/leave",
        "1.0/end",
        "1.5/end",
    ]
    # The queue log does not report the swap. The wait identifies the call.
    late = call_events(JOIN, CONNECT, consult, answered, done, reports_hangups=False)
    assert {one[0] for one in late} >= {"1.0/end", "1.5/end"}
    assert len([one for one in late if one[0].endswith("/start")]) == 2


def test_the_end_of_a_transferred_call_frees_its_agent() -> None:
    """On a busy PBX, the queue log's line about the transfer can follow the next agent's answer."""
    consult = QueueJoined(at=20, caller="1.5", queue="support")
    answered = AgentConnected(at=26, caller="1.0", queue="support", agent="Bob", waited=6)
    done = ConversationEnded(at=40, caller="1.0", queue="support", agent="Bob", by="caller")
    lines = (JOIN, CONNECT, consult, answered, completed("transfer", at=26), done)
    last = {one.split()[0]: one.split()[1] for one in states(*lines, reports_hangups=False)}
    assert (last["Anna"], last["Bob"]) == ("READY", "READY")


def test_a_completion_without_a_known_party_waits_for_the_hangup() -> None:
    """A call has ended if the hangup follows within two seconds. Otherwise, it has left."""
    ended = completed("")
    hangup = ChannelHungUp(at=31, channel="1.0", by="agent")
    assert call_events(JOIN, CONNECT, ended, hangup)[2:] == [
        ("1.0/end", 31.0, "Completed by agent")
    ]
    assert call_events(JOIN, CONNECT, ended, ChannelHungUp(at=50, channel="1.0"))[2:] == [
        ("1.0/1/leave", 30.0, "TRANSFER"),
        ("1.0/end", 50.0, None),
    ]
    rejoin = QueueJoined(at=31.5, caller="1.0", queue="support")
    assert call_events(JOIN, CONNECT, ended, rejoin)[2:] == [("1.0/2/queue", 31.5, None)]
    first = ChannelHungUp(at=29.5, channel="1.0", by="caller")
    assert call_events(JOIN, CONNECT, first, ended)[2:] == [
        ("1.0/end", 29.5, "Completed by caller")
    ]


def test_an_agent_is_in_call_only_after_the_bridge_is_confirmed() -> None:
    """IN_CALL has the time when the bridge was announced. The end of the talk also confirms it."""

    def answered(*pbx_events: PbxEvent) -> list[float]:
        mapper = PbxEventMapper(MappingConfig(), ASTERISK, PbxState(), reports_hangups=True)
        events = [event for pbx_event in (JOIN, *pbx_events) for event in mapper.apply(pbx_event)]
        return [e.time.timestamp() for e in events if e.data.get("eventType") == "IN_CALL"]

    bridging = BridgeAnnounced(at=15, connected=CONNECT)
    assert answered(bridging) == []
    assert answered(bridging, BridgeConfirmed(at=15.2, agent="Anna")) == [15.0]
    assert answered(bridging, completed("")) == [15.0]
    failed = CallMissed(at=16, caller="1.0", queue="sales", agent="Anna", ring_seconds=1)
    assert answered(bridging, failed, BridgeConfirmed(at=17, agent="Anna")) == []


def test_a_restart_leaves_no_agent_in_a_call() -> None:
    """After a restart, no agent is in a call, even if the caller had just hung up."""
    state = PbxState()
    mapper = PbxEventMapper(MappingConfig(), ASTERISK, state, reports_hangups=True)
    for pbx_event in (JOIN, CONNECT, ChannelHungUp(at=29.5, channel="1.0"), PbxRestarted(at=30)):
        mapper.apply(pbx_event)
    assert {one.phase for one in state.calls.values()} == {Phase.ENDED}
    assert [one.call for one in state.agents.values()] == [""]


def test_dialed_numbers_and_term_codes_are_mapped() -> None:
    """The dialed number precedes the join, and term codes may come at any time."""
    mapper = PbxEventMapper(MappingConfig(), ASTERISK, PbxState(), reports_hangups=True)
    mapper.apply(DialedNumber(at=9, caller="1.0", number="1800"))
    start = mapper.apply(JOIN)[0]
    assert (start.data["callerId"], start.data["phoneDialed"]) == ("512", "1800")
    codes = [DispositionSet(at=11 + n, caller="1.0", code=code) for n, code in enumerate("AB")]
    events = [event for code in codes for event in mapper.apply(code)]
    assert [(one.id, one.data["termCode"]) for one in events] == [
        ("1.0/disposition/1", "A"),
        ("1.0/disposition/2", "B"),
    ]


def test_a_leave_reason_from_the_queue_log_is_used() -> None:
    """The queue log has the reason shortly after AMI has reported the exit."""
    mapper = PbxEventMapper(MappingConfig(), ASTERISK, PbxState(), reports_hangups=True)
    mapper.apply(JOIN)
    mapper.apply(QueueLeft(at=20, caller="1.0", queue="sales"))
    mapper.set_leave_reason("1.0", "EMPTY")
    assert [one.data["reason"] for one in mapper.advance(LATER)] == ["EMPTY"]


def test_the_number_of_remembered_ended_calls_is_bounded() -> None:
    """The number of remembered calls is bounded even if no hangup is reported."""
    state = PbxState()
    mapper = PbxEventMapper(MappingConfig(), ASTERISK, state, reports_hangups=False)
    for number in range(MAX_ENDED + 50):
        mapper.apply(QueueJoined(at=number, caller=f"{number}.0", queue="sales"))
        mapper.apply(QueueLeft(at=number, caller=f"{number}.0", queue="sales", reason="ABANDONED"))
    assert len(state.calls) == MAX_ENDED
    assert f"{MAX_ENDED + 49}.0" in state.calls


MOMENTS = st.floats(0, 60)
caller, queue, member = (st.sampled_from(one) for one in (CALLERS, QUEUES, MEMBERS))
PBX_EVENTS = st.one_of(
    st.builds(QueueJoined, at=MOMENTS, caller=caller, queue=queue),
    st.builds(AgentConnected, at=MOMENTS, caller=caller, queue=queue, agent=member, leg=caller),
    st.builds(
        ConversationEnded,
        at=MOMENTS,
        caller=caller,
        queue=queue,
        agent=member,
        by=st.sampled_from(["", "caller", "agent", "transfer"]),
    ),
    st.builds(
        QueueLeft, at=MOMENTS, caller=caller, queue=queue, reason=st.sampled_from(["", "KEY"])
    ),
    st.builds(Ringing, at=MOMENTS, caller=caller, queue=queue, agent=member, leg=caller),
    st.builds(RingEnded, at=MOMENTS, leg=caller),
    st.builds(
        CallMissed, at=MOMENTS, caller=caller, queue=queue, agent=member, ring_seconds=st.just(3)
    ),
    st.builds(ChannelHungUp, at=MOMENTS, channel=caller, by=st.sampled_from(["", "caller"])),
    st.builds(
        BridgeAnnounced,
        at=MOMENTS,
        connected=st.builds(AgentConnected, at=MOMENTS, caller=caller, queue=queue, agent=member),
    ),
    st.builds(BridgeConfirmed, at=MOMENTS, agent=member),
    st.builds(AgentStatus, at=MOMENTS, agent=member, present=st.booleans(), paused=st.booleans()),
    st.builds(HoldChanged, at=MOMENTS, channel=caller, on=st.booleans()),
    st.builds(
        MemberState,
        at=MOMENTS,
        queue=queue,
        agent=member,
        interface=st.sampled_from(["", "PJSIP/2"]),
        status=st.none() | st.integers(0, 8),
        paused=st.booleans(),
    ),
    st.builds(MemberRemoved, at=MOMENTS, queue=queue | st.just(""), agent=member),
    st.builds(PauseChanged, at=MOMENTS, queue=queue, agent=member, paused=st.booleans()),
    st.builds(DispositionSet, at=MOMENTS, caller=caller, code=st.just("A")),
    st.builds(
        ChannelTransferred,
        at=MOMENTS,
        transferer=caller,
        transferee=caller,
        second_transferer=caller | st.just(""),
    ),
    st.builds(BridgeEntered, at=MOMENTS, bridge=queue, channel=caller, name=st.just("PJSIP/2-1")),
    st.builds(BridgeLeft, at=MOMENTS, bridge=queue, channel=caller),
    st.builds(LocalChannelPaired, at=MOMENTS, one=caller, two=caller),
    st.builds(DialStarted, at=MOMENTS, caller=caller, leg=caller, interface=st.just("PJSIP/2")),
    st.builds(PbxRestarted, at=MOMENTS, empty=st.booleans()),
    st.builds(MemberList, at=MOMENTS, members=st.just(())),
)


@given(st.lists(PBX_EVENTS, max_size=60), st.booleans())
def test_random_pbx_events_produce_consistent_calls(
    pbx_events: list[PbxEvent], reports_hangups: bool
) -> None:
    """No event of a call precedes its beginning or follows its end, which frees its agent."""
    state = PbxState()
    mapper = PbxEventMapper(MappingConfig(), ASTERISK, state, reports_hangups=reports_hangups)
    events = [
        event
        for pbx_event in sorted(pbx_events, key=lambda one: one.at)
        for event in mapper.apply(pbx_event)
    ]
    events += mapper.advance(LATER)
    open_calls: set[object] = set()
    for event in events:
        call = event.data.get("sessionId")
        match event.type:
            case "call.start":
                open_calls.add(call)
            case "call.end":
                assert call in open_calls
                open_calls.discard(call)
            case "call.queue" | "call.leave" | "agent.missed":
                assert call in open_calls
    phases = {one.phase for one in state.calls.values()}
    assert not phases & {Phase.LEAVING, Phase.TRANSFERRING, Phase.HANGING_UP, Phase.PARTED}
    calls = {f"{one.key}@asterisk" for one in state.calls.values() if one.phase is not Phase.ENDED}
    assert open_calls == calls
    ended = {one.caller for one in state.calls.values() if one.phase is Phase.ENDED}
    assert not ended & {agent.call for agent in state.agents.values()}


def busy_hour(agents: int, calls: int) -> list[PbxEvent]:
    """Return the PBX events of a floor on which every agent is always in a call."""
    pbx_events: list[PbxEvent] = []
    for number in range(calls):
        at, name, leg = number * 0.01, f"{number}.0", f"{number}.1"
        agent, line = f"agent{number % agents}", f"queue{number % 200}"
        pbx_events += [
            QueueJoined(at=at, caller=name, queue=line),
            Ringing(at=at, caller=name, queue=line, agent=agent, leg=leg),
            QueueLeft(at=at, caller=name, queue=line),
            AgentConnected(at=at, caller=name, queue=line, agent=agent, leg=leg),
            ConversationEnded(at=at + 0.005, caller=name, queue=line, agent=agent, by="caller"),
            ChannelHungUp(at=at + 0.005, channel=leg),
            ChannelHungUp(at=at + 0.005, channel=name),
        ]
    return pbx_events


def cpu_seconds(agents: int, calls: int) -> float:
    """Return the CPU seconds that it takes to map a busy hour."""
    mapper = PbxEventMapper(MappingConfig(), ASTERISK, PbxState(), reports_hangups=True)
    pbx_events = busy_hour(agents, calls)
    events: list[CloudEvent] = []
    began = time.process_time()
    for pbx_event in pbx_events:
        events += mapper.apply(pbx_event)
    return time.process_time() - began


def test_the_cost_of_a_pbx_event_does_not_grow_with_the_floor() -> None:
    """A hundred times as many agents with the same calls take less than four times the work."""
    cpu_seconds(10, 200)
    assert min(cpu_seconds(1000, 1000) for _ in range(3)) < 4 * min(
        cpu_seconds(10, 1000) for _ in range(3)
    )


BOB = MemberState(at=5, queue="support", agent="Bob", interface="PJSIP/bob", status=1)
TALK: tuple[PbxEvent, ...] = (
    BOB,
    JOIN,
    BridgeEntered(at=15, bridge="one", channel="1.9", name="PJSIP/anna-1"),
    BridgeEntered(at=15, bridge="one", channel="1.0", name="PJSIP/trunk-1"),
    CONNECT,
)
BOB_ENTERED = BridgeEntered(at=35, bridge="two", channel="1.5", name="PJSIP/bob-1")
BLIND_TRANSFER = ChannelTransferred(at=30, transferer="1.9", transferee="1.0")
BOB_RINGS = DialStarted(at=30.1, caller="1.0", leg="1.5", interface="PJSIP/bob")


def states(*pbx_events: PbxEvent, reports_hangups: bool = True) -> list[str]:
    """Return the states of agents without their calls."""
    mapper = PbxEventMapper(MappingConfig(), ASTERISK, PbxState(), reports_hangups=reports_hangups)
    events = [event for pbx_event in pbx_events for event in mapper.apply(pbx_event)]
    events += mapper.advance(LATER)
    return [
        f"{one.data['agent']} {one.data['eventType']} {one.time.timestamp():g}"
        if one.type == "agent.state"
        else f"{one.type} {one.time.timestamp():g}"
        for one in events
    ][4:]


def test_a_call_transferred_to_an_agent_remains_one_call() -> None:
    """The first agent is free after the transfer, and the second has the call once bridged."""
    moved = BridgeEntered(at=35, bridge="two", channel="1.0", name="PJSIP/trunk-1")
    gone: list[PbxEvent] = [
        BridgeLeft(at=30, bridge="one", channel="1.0"),
        ChannelHungUp(at=30, channel="1.9"),
    ]
    complete_now = completed("transfer", at=30.0)
    assert states(
        *TALK,
        BLIND_TRANSFER,
        complete_now,
        *gone,
        BOB_RINGS,
        BOB_ENTERED,
        moved,
        ChannelHungUp(at=50, channel="1.0"),
    ) == [
        "Anna LOGON 15",
        "Anna IN_CALL 15",
        "Anna AGENT_TRANSFER_COMPLETE_AGENT2 30",
        "Anna WRAP_UP 30",
        "Anna READY 30",
        "Bob RESERVED 30.1",
        "Bob IN_CALL 35",
        "Bob WRAP_UP 50",
        "Bob READY 50",
        "call.end 50",
    ]


def test_an_agent_who_does_not_answer_a_transfer_becomes_ready() -> None:
    """If the second agent does not answer, the call goes on to the dialplan's destination."""
    ended, hangup = RingEnded(at=40, leg="1.5"), ChannelHungUp(at=90, channel="1.0")
    assert states(*TALK, BLIND_TRANSFER, BOB_RINGS, ended, hangup)[5:] == [
        "Bob RESERVED 30.1",
        "Bob READY 40",
        "call.leave 30",
        "call.end 90",
    ]


def test_a_completion_followed_by_a_transfer_is_a_transfer() -> None:
    """An AgentComplete by the agent may precede an AttendedTransfer, as Asterisk reports it."""
    consultation: list[PbxEvent] = [
        BridgeEntered(at=20, bridge="two", channel="1.6", name="Local/81@agents-1;1"),
        LocalChannelPaired(at=20, one="1.6", two="1.7"),
        BridgeEntered(at=20, bridge="three", channel="1.7", name="Local/81@agents-1;2"),
        BridgeEntered(at=20, bridge="three", channel="1.5", name="PJSIP/bob-1"),
        BridgeLeft(at=30, bridge="one", channel="1.9"),
    ]
    put_through: list[PbxEvent] = [
        completed("agent", at=30.0),
        BridgeEntered(at=30.01, bridge="one", channel="1.6", name="Local/81@agents-1;1"),
        ChannelTransferred(
            at=30.02, transferer="1.9", transferee="1.0", second_transferer="1.9", target="1.6"
        ),
    ]
    assert states(*TALK, *consultation, *put_through, ChannelHungUp(at=50, channel="1.0"))[2:] == [
        "Anna AGENT_TRANSFER_COMPLETE_AGENT2 30",
        "Anna WRAP_UP 30",
        "Anna READY 30",
        "Bob IN_CALL 30.02",
        "Bob WRAP_UP 50",
        "Bob READY 50",
        "call.end 50",
    ]


def test_a_transferred_call_ends_when_the_second_agent_hangs_up() -> None:
    """The call ends when the second agent hangs up, or leaves if the caller stays."""
    moved = BridgeEntered(at=35, bridge="two", channel="1.0", name="PJSIP/trunk-1")
    pbx_events: list[PbxEvent] = [
        *TALK,
        BLIND_TRANSFER,
        BOB_RINGS,
        BOB_ENTERED,
        moved,
        ChannelHungUp(at=60, channel="1.5"),
    ]
    assert states(*pbx_events, ChannelHungUp(at=60.1, channel="1.0"))[7:] == [
        "Bob WRAP_UP 60",
        "Bob READY 60",
        "call.end 60",
    ]
    assert states(*pbx_events, ChannelHungUp(at=70, channel="1.0"))[-2:] == [
        "call.leave 60",
        "call.end 70",
    ]


def test_a_transfer_behind_a_local_channel_continues_in_another_queue() -> None:
    """The far half joins the other queue. The first queue's call ends with the caller's."""
    local_channel: list[PbxEvent] = [
        JOIN,
        LocalChannelPaired(at=14, one="1.9", two="1.8"),
        BridgeEntered(at=14, bridge="far", channel="1.7", name="PJSIP/desk-1"),
        BridgeEntered(at=14, bridge="far", channel="1.8", name="Local/9@agents-1;2"),
        BridgeEntered(at=15, bridge="one", channel="1.9", name="Local/9@agents-1;1"),
        BridgeEntered(at=15, bridge="one", channel="1.0", name="PJSIP/trunk-1"),
        CONNECT,
    ]
    second_queue: list[PbxEvent] = [
        ChannelTransferred(at=30, transferer="1.7", transferee="1.8"),
        QueueJoined(at=30.1, caller="1.8", queue="support"),
        AgentConnected(at=40, caller="1.8", queue="support", agent="Bob", leg="1.5"),
    ]
    ends: list[PbxEvent] = [
        completed("caller", at=50.0),
        ConversationEnded(at=50, caller="1.8", queue="support", agent="Bob", by="caller"),
        ChannelHungUp(at=50, channel="1.8"),
        ChannelHungUp(at=50, channel="1.0"),
    ]
    assert [one[:2] for one in call_events(*local_channel, *second_queue, *ends)] == [
        ("1.0/start", 10.0),
        ("1.0/1/queue", 10.0),
        ("1.0/2/queue", 30.1),
        ("1.0/end", 50.0),
    ]


def test_a_transfer_before_the_callers_bridge_is_recognized() -> None:
    """The near half of the Local channel belongs to the agent and identifies the call."""
    local_channel: list[PbxEvent] = [
        JOIN,
        LocalChannelPaired(at=14, one="1.9", two="1.8"),
        CONNECT,
        ChannelTransferred(at=15.01, transferer="1.7", transferee="1.8"),
        QueueJoined(at=15.02, caller="1.8", queue="support"),
    ]
    assert [one[0] for one in call_events(*local_channel)] == [
        "1.0/start",
        "1.0/1/queue",
        "1.0/2/queue",
    ]


def test_a_transfer_by_the_caller_does_not_change_the_agents_state() -> None:
    """A transfer by the caller is not taken for a transfer by the agent."""
    assert states(*TALK, ChannelTransferred(at=30, transferer="1.0", transferee="1.9"))[2:] == []


def test_a_hold_behind_a_local_channel_is_attributed_to_the_agent() -> None:
    """A hold is found even if the telephone's channel is not the channel in the queue."""
    local_channel: list[PbxEvent] = [
        LocalChannelPaired(at=14, one="1.9", two="1.8"),
        BridgeEntered(at=16, bridge="far", channel="1.7", name="PJSIP/desk-1"),
        BridgeEntered(at=16, bridge="far", channel="1.8", name="Local/9@agents-1;2"),
    ]
    held = HoldChanged(at=20, channel="1.7", on=True)
    assert states(*TALK, *local_channel, held)[2:] == ["Anna AGENT_HOLD 20"]


def test_rereading_the_lines_of_an_ended_call_adds_no_events() -> None:
    """After a kill, the connector reads the last second of the queue log again."""
    mapper = PbxEventMapper(MappingConfig(), ASTERISK, PbxState(), reports_hangups=True)
    done: list[PbxEvent] = [
        JOIN,
        CONNECT,
        completed("caller"),
        ChannelHungUp(at=30.1, channel="1.0"),
    ]
    first = [event for pbx_event in done for event in mapper.apply(pbx_event)]
    assert [event.type for event in first].count("call.end") == 1
    assert [event for pbx_event in done[:3] for event in mapper.apply(pbx_event)] == []


def test_a_call_leave_is_delayed_until_its_reason_arrives() -> None:
    """The channel is queried because AMI's event has no reason. The response may be late."""
    mapper = PbxEventMapper(MappingConfig(), ASTERISK, PbxState(), reports_hangups=True)
    mapper.apply(JOIN)
    mapper.apply(QueueLeft(at=20, caller="1.0", queue="sales"))
    assert mapper.advance(23.0) == []
    mapper.set_leave_reason("1.0", "TIMEOUT")
    (left,) = mapper.advance(23.1)
    assert (left.data["reason"], left.time.timestamp()) == ("TIMEOUT", 20.0)


def test_an_agent_in_too_many_queues_is_sent_with_those_that_fit() -> None:
    """The server refuses an event with more services, and the agent would then not be shown."""
    mapper = PbxEventMapper(MappingConfig(), ASTERISK, PbxState(), reports_hangups=True)
    queues = [f"queue {number:04}" for number in range(MAX_SERVICES + 2)]
    members = [
        MemberState(at=1.0, queue=queue, agent="Anna", dynamic=True, status=1, penalty=number)
        for number, queue in enumerate(queues)
    ]
    logon, ready = mapper.apply(MemberList(at=1.0, members=tuple(members)))
    assert logon.data["services"] == ready.data["services"] == queues[:MAX_SERVICES]
    (skipped,) = mapper.take_skipped()
    assert "the last 2 by penalty and name were skipped" in str(skipped)
    assert mapper.take_skipped() == []
