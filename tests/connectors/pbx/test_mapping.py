"""Calls, from signs to events."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from floorcast.client import CloudEvent
from floorcast.connectors.asterisk.dialect import ASTERISK
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.mapping import Mapping
from floorcast.connectors.pbx.signs import (
    AgentStatus,
    Bridging,
    Completed,
    Confirmed,
    Connected,
    Dialed,
    Disposed,
    Held,
    HungUp,
    Joined,
    Left,
    Member,
    MemberGone,
    Missed,
    Paused,
    Rang,
    Restarted,
    RingEnded,
    Roster,
    Sign,
    Swapped,
)
from floorcast.connectors.pbx.state import MAX_ENDED, Phase, State

CALLERS, QUEUES, MEMBERS = ("1.0", "1.1", "pbx-1.2"), ("sales", "support"), ("Anna", "PJSIP/2")
LATER = 1e6


def told(*signs: Sign, hangups: bool = True) -> list[tuple[str, float, object]]:
    """Ids, times, and what is told of leaving and ending; agents apart."""
    mapping = Mapping(MappingConfig(), ASTERISK, State(), hangups=hangups)
    events = [event for sign in signs for event in mapping.apply(sign)]
    events += mapping.advance(LATER)
    return [
        (one.id, one.time.timestamp(), one.data.get("reason", one.data.get("lvResult")))
        for one in events
        if one.type != "agent.state"
    ]


JOIN = Joined(at=10, caller="1.0", queue="sales", number="512")
CONNECT = Connected(at=15, caller="1.0", queue="sales", agent="Anna", leg="1.9", waited=5)
LEAVE = Left(at=20, caller="1.0", queue="sales", reason="TIMEOUT")
BEGUN = [("1.0/start", 10.0, None), ("1.0/1/queue", 10.0, None)]


def complete(by: str, at: float = 30.0, caller: str = "1.0") -> Completed:
    return Completed(at=at, caller=caller, queue="sales", agent="Anna", by=by)  # type: ignore[arg-type]  # one of three


def test_a_hangup_while_leaving_is_an_abandon() -> None:
    """It ended when the caller left the queue, not when the channel was gone."""
    assert told(JOIN, LEAVE, HungUp(at=20.9, channel="1.0")) == [
        *BEGUN,
        ("1.0/end", 20.0, "Abandoned"),
    ]


def test_a_caller_who_stays_has_left_for_a_reason() -> None:
    """Told by the queue log at once, by AMI not at all; the end comes with the hangup."""
    gone = HungUp(at=90, channel="1.0")
    assert told(JOIN, LEAVE, gone)[2:] == [
        ("1.0/1/leave", 20.0, "TIMEOUT"),
        ("1.0/end", 90.0, None),
    ]
    assert told(JOIN, Left(at=20, caller="1.0", queue="sales"), gone)[2][2] == "OTHER"


def test_an_abandon_that_only_the_queue_log_tells_is_one() -> None:
    """AMI was away, and so was the hangup."""
    gone = Left(at=20, caller="1.0", queue="sales", reason="ABANDONED")
    for hangups in (True, False):
        assert told(JOIN, gone, hangups=hangups)[2:] == [("1.0/end", 20.0, "Abandoned")]


def test_without_hangups_a_call_that_left_has_ended() -> None:
    """If its caller comes back, that is another call."""
    again = Joined(at=60, caller="1.0", queue="sales")
    assert told(JOIN, LEAVE, again, hangups=False)[2:] == [
        ("1.0/1/leave", 20.0, "TIMEOUT"),
        ("1.0/end", 20.0, None),
        ("1.0/2/start", 60.0, None),
        ("1.0/2/1/queue", 60.0, None),
    ]


def test_a_transfer_goes_on_when_the_caller_joins_again() -> None:
    """Else the call leaves, and ends with its caller."""
    back = Joined(at=31.5, caller="1.0", queue="support")
    assert told(JOIN, CONNECT, complete("transfer"), back)[2:] == [("1.0/2/queue", 31.5, None)]
    assert told(JOIN, CONNECT, complete("transfer"), HungUp(at=50, channel="1.0"))[2:] == [
        ("1.0/1/leave", 30.0, "TRANSFER"),
        ("1.0/end", 50.0, None),
    ]
    assert told(JOIN, CONNECT, complete("transfer"), HungUp(at=31, channel="1.0"))[2:] == [
        ("1.0/1/leave", 30.0, "TRANSFER"),
        ("1.0/end", 31.0, "Transferred"),
    ]


def test_a_completion_may_come_after_the_hangup_and_name_no_call() -> None:
    """It belongs to the call that its agent is in; the end is the hangup's."""
    gone = HungUp(at=29.5, channel="1.0")
    assert told(JOIN, CONNECT, gone, complete("caller", caller=""))[2:] == [
        ("1.0/end", 29.5, "Completed by caller")
    ]
    assert told(JOIN, CONNECT, gone)[2:] == [("1.0/end", 29.5, None)]


def test_a_connect_without_a_join_makes_up_for_it() -> None:
    """The time of the join follows from how long the caller waited."""
    assert told(CONNECT, complete("agent")) == [
        *BEGUN,
        ("1.0/end", 30.0, "Completed by agent"),
    ]


def test_an_attended_transfer_swaps_ids() -> None:
    """The agent who consults waits in the queue; then the caller is in their place."""
    consult = Joined(at=20, caller="1.5", queue="support")
    swap = Swapped(at=25, channel="1.5", to="1.0")
    taken = Connected(at=26, caller="1.0", queue="support", agent="Bob", waited=6)
    done = Completed(at=40, caller="1.0", queue="support", agent="Bob", by="caller")
    found = told(JOIN, CONNECT, consult, swap, taken, done, HungUp(at=40.1, channel="1.0"))
    assert [one[0] for one in found] == [
        "1.0/start",
        "1.0/1/queue",
        "1.5/start",
        "1.5/1/queue",
        "1.0/1/leave",
        "1.0/end",
        "1.5/end",
    ]
    # The queue log says nothing of the swap: the wait tells which call it is.
    late = told(JOIN, CONNECT, consult, taken, done, hangups=False)
    assert {one[0] for one in late} >= {"1.0/end", "1.5/end"}
    assert len([one for one in late if one[0].endswith("/start")]) == 2


def test_an_end_that_does_not_say_by_whom_waits_for_the_hangup() -> None:
    """Within two seconds the call has ended then; later it had left, for a place unknown."""
    ended = complete("")
    assert told(JOIN, CONNECT, ended, HungUp(at=31, channel="1.0", by="agent"))[2:] == [
        ("1.0/end", 31.0, "Completed by agent")
    ]
    assert told(JOIN, CONNECT, ended, HungUp(at=50, channel="1.0"))[2:] == [
        ("1.0/1/leave", 30.0, "TRANSFER"),
        ("1.0/end", 50.0, None),
    ]
    back = Joined(at=31.5, caller="1.0", queue="support")
    assert told(JOIN, CONNECT, ended, back)[2:] == [("1.0/2/queue", 31.5, None)]
    first = HungUp(at=29.5, channel="1.0", by="caller")
    assert told(JOIN, CONNECT, first, ended)[2:] == [("1.0/end", 29.5, "Completed by caller")]


def test_a_bridge_counts_once_it_is_confirmed() -> None:
    """From its announcement on; the end of the talk confirms it, too."""

    def answered(*signs: Sign) -> list[float]:
        mapping = Mapping(MappingConfig(), ASTERISK, State(), hangups=True)
        events = [event for sign in (JOIN, *signs) for event in mapping.apply(sign)]
        return [e.time.timestamp() for e in events if e.data.get("eventType") == "IN_CALL"]

    bridging = Bridging(at=15, connected=CONNECT)
    assert answered(bridging) == []
    assert answered(bridging, Confirmed(at=15.2, agent="Anna")) == [15.0]
    assert answered(bridging, complete("")) == [15.0]
    failed = Missed(at=16, caller="1.0", queue="sales", agent="Anna", ring_seconds=1)
    assert answered(bridging, failed, Confirmed(at=17, agent="Anna")) == []


def test_a_restart_leaves_no_agent_in_a_call() -> None:
    """Nor one whose caller had just hung up."""
    state = State()
    mapping = Mapping(MappingConfig(), ASTERISK, state, hangups=True)
    for sign in (JOIN, CONNECT, HungUp(at=29.5, channel="1.0"), Restarted(at=30)):
        mapping.apply(sign)
    assert state.calls == {}
    assert [one.call for one in state.agents.values()] == [""]


def test_numbers_and_term_codes() -> None:
    """The dialed number comes before the join, codes whenever they like."""
    mapping = Mapping(MappingConfig(), ASTERISK, State(), hangups=True)
    mapping.apply(Dialed(at=9, caller="1.0", number="1800"))
    start = mapping.apply(JOIN)[0]
    assert (start.data["callerId"], start.data["phoneDialed"]) == ("512", "1800")
    codes = [Disposed(at=11 + n, caller="1.0", code=code) for n, code in enumerate("AB")]
    events = [event for code in codes for event in mapping.apply(code)]
    assert [(one.id, one.data["termCode"]) for one in events] == [
        ("1.0/disposition/1", "A"),
        ("1.0/disposition/2", "B"),
    ]


def test_a_reason_may_be_learned_late() -> None:
    """From the queue log, a moment after AMI has said that the caller left."""
    mapping = Mapping(MappingConfig(), ASTERISK, State(), hangups=True)
    mapping.apply(JOIN)
    mapping.apply(Left(at=20, caller="1.0", queue="sales"))
    mapping.know_reason("1.0", "EMPTY")
    assert [one.data["reason"] for one in mapping.advance(LATER)] == ["EMPTY"]


def test_the_memory_of_ended_calls_has_a_bound() -> None:
    """Where no hangup says that a caller is gone."""
    state = State()
    mapping = Mapping(MappingConfig(), ASTERISK, state, hangups=False)
    for number in range(MAX_ENDED + 50):
        mapping.apply(Joined(at=number, caller=f"{number}.0", queue="sales"))
        mapping.apply(Left(at=number, caller=f"{number}.0", queue="sales", reason="ABANDONED"))
    assert len(state.calls) == MAX_ENDED
    assert f"{MAX_ENDED + 49}.0" in state.calls


MOMENTS = st.floats(0, 60)
caller, queue, member = (st.sampled_from(one) for one in (CALLERS, QUEUES, MEMBERS))
SIGNS = st.one_of(
    st.builds(Joined, at=MOMENTS, caller=caller, queue=queue),
    st.builds(Connected, at=MOMENTS, caller=caller, queue=queue, agent=member, leg=caller),
    st.builds(
        Completed,
        at=MOMENTS,
        caller=caller,
        queue=queue,
        agent=member,
        by=st.sampled_from(["", "caller", "agent", "transfer"]),
    ),
    st.builds(Left, at=MOMENTS, caller=caller, queue=queue, reason=st.sampled_from(["", "KEY"])),
    st.builds(Rang, at=MOMENTS, caller=caller, queue=queue, agent=member, leg=caller),
    st.builds(RingEnded, at=MOMENTS, leg=caller),
    st.builds(
        Missed, at=MOMENTS, caller=caller, queue=queue, agent=member, ring_seconds=st.just(3)
    ),
    st.builds(HungUp, at=MOMENTS, channel=caller, by=st.sampled_from(["", "caller"])),
    st.builds(
        Bridging,
        at=MOMENTS,
        connected=st.builds(Connected, at=MOMENTS, caller=caller, queue=queue, agent=member),
    ),
    st.builds(Confirmed, at=MOMENTS, agent=member),
    st.builds(AgentStatus, at=MOMENTS, agent=member, present=st.booleans(), paused=st.booleans()),
    st.builds(Held, at=MOMENTS, channel=caller, on=st.booleans()),
    st.builds(
        Member,
        at=MOMENTS,
        queue=queue,
        agent=member,
        status=st.none() | st.integers(0, 8),
        paused=st.booleans(),
    ),
    st.builds(MemberGone, at=MOMENTS, queue=queue | st.just(""), agent=member),
    st.builds(Paused, at=MOMENTS, queue=queue, agent=member, paused=st.booleans()),
    st.builds(Disposed, at=MOMENTS, caller=caller, code=st.just("A")),
    st.builds(Swapped, at=MOMENTS, channel=caller, to=caller),
    st.builds(Restarted, at=MOMENTS, empty=st.booleans()),
    st.builds(Roster, at=MOMENTS, members=st.just(())),
)


@given(st.lists(SIGNS, max_size=60), st.booleans())
def test_whatever_is_told_calls_make_sense(signs: list[Sign], hangups: bool) -> None:
    """A call begins before anything is told of it, and nothing is told of it after its end."""
    state = State()
    mapping = Mapping(MappingConfig(), ASTERISK, state, hangups=hangups)
    events = [
        event for sign in sorted(signs, key=lambda one: one.at) for event in mapping.apply(sign)
    ]
    events += mapping.advance(LATER)
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


def busy_hour(agents: int, calls: int) -> list[Sign]:
    """A floor on which everybody is always in a call."""
    signs: list[Sign] = []
    for number in range(calls):
        at, name, leg = number * 0.01, f"{number}.0", f"{number}.1"
        agent, line = f"agent{number % agents}", f"queue{number % 200}"
        signs += [
            Joined(at=at, caller=name, queue=line),
            Rang(at=at, caller=name, queue=line, agent=agent, leg=leg),
            Left(at=at, caller=name, queue=line),
            Connected(at=at, caller=name, queue=line, agent=agent, leg=leg),
            Completed(at=at + 0.005, caller=name, queue=line, agent=agent, by="caller"),
            HungUp(at=at + 0.005, channel=leg),
            HungUp(at=at + 0.005, channel=name),
        ]
    return signs


def spent(agents: int, calls: int) -> float:
    """Seconds of the processor."""
    mapping = Mapping(MappingConfig(), ASTERISK, State(), hangups=True)
    signs = busy_hour(agents, calls)
    events: list[CloudEvent] = []
    began = time.process_time()
    for sign in signs:
        events += mapping.apply(sign)
    return time.process_time() - began


def test_a_sign_costs_the_same_on_a_large_floor() -> None:
    """A hundred times the agents, the same calls: less than four times the work."""
    spent(10, 200)
    assert min(spent(1000, 1000) for _ in range(3)) < 4 * min(spent(10, 1000) for _ in range(3))
