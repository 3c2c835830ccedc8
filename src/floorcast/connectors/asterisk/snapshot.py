"""Compares Asterisk's current state with the connector's state after a reconnect. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from floorcast.connectors.asterisk.ami_events import member_state
from floorcast.connectors.asterisk.frames import AmiFrame
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.numbers import duration, whole_number
from floorcast.connectors.pbx.pbx_events import (
    AgentConnected,
    ChannelHungUp,
    ConversationEnded,
    MemberList,
    MemberState,
    PbxEvent,
    PbxRestarted,
    QueueJoined,
    QueueLeft,
    Ringing,
)
from floorcast.connectors.pbx.state import PbxCall, PbxState, Phase

__all__ = ["MEMBER_TIMES", "AsteriskSnapshot", "missed_events"]

UP = "6"  # the ChannelState of a channel that has answered
MEMBER_TIMES = ("LoginTime", "LastCall", "LastPause")  # fields of a QueueMember


class AsteriskSnapshot(Struct, kw_only=True):
    """The replies to CoreStatus, QueueStatus and CoreShowChannels.

    ``at`` is the time of the replies, by Asterisk's clock. ``started`` is the time when the
    Asterisk process started, from CoreStatus.
    """

    at: float
    started: str
    members: list[AmiFrame] = []
    entries: list[AmiFrame] = []
    channels: list[AmiFrame] = []


def missed_events(
    snapshot: AsteriskSnapshot, state: PbxState, config: MappingConfig, started_before: str
) -> list[PbxEvent]:
    """Return the missed PBX events, as far as they can be reconstructed."""
    restarted = bool(started_before) and started_before != snapshot.started
    member_list = MemberList(at=snapshot.at, members=tuple(_members(snapshot)))
    if restarted:
        ended = PbxRestarted(at=state.last_at, empty=True)
        joins, connects = _joins(snapshot, None), _connects(snapshot, None)
        return [ended, *joins, *connects, member_list, *_rings(snapshot)]
    return [
        *_hangups(snapshot, state),
        *_joins(snapshot, state),
        *_connects(snapshot, state),
        *_completions(snapshot, state, config),
        *_leaves(snapshot, state),
        member_list,
        *_rings(snapshot),
    ]


def _members(snapshot: AsteriskSnapshot) -> Iterator[MemberState]:
    for frame in snapshot.members:
        if not frame.get("Queue") or not (frame.get("Name") or frame.get("Location")):
            continue
        login = _time(frame, "LoginTime", snapshot)
        times = [login, _time(frame, "LastCall", snapshot)]
        if frame.get("Paused") == "1":
            times.append(_time(frame, "LastPause", snapshot))
        yield member_state(frame, snapshot.at, max(times) or None, login or None)


def _hangups(snapshot: AsteriskSnapshot, state: PbxState) -> Iterator[PbxEvent]:
    """Yield a hangup, at the best known time, for each call that no longer exists."""
    existing = {frame.get("Uniqueid", "") for frame in snapshot.channels}
    existing |= {state.aliases[one] for one in existing if one in state.aliases}
    last_calls = {
        frame.get("Name", ""): _time(frame, "LastCall", snapshot) for frame in snapshot.members
    }
    for call in list(state.calls.values()):
        if call.phase is Phase.ENDED or {call.caller, call.channel} & existing:
            continue
        at = max(state.last_at, call.since)
        if call.phase is Phase.TALKING and last_calls.get(call.agent, 0.0) > call.since:
            at = last_calls[call.agent]
        yield ChannelHungUp(at=at, channel=call.channel or call.caller)


def _joins(snapshot: AsteriskSnapshot, state: PbxState | None) -> Iterator[PbxEvent]:
    for frame in snapshot.entries:
        caller, queue = frame.get("Uniqueid", ""), frame.get("Queue", "")
        call = state.call(caller) if state else None
        waits = call is not None and call.phase is Phase.WAITING and call.queue == queue
        if caller and queue and not waits:
            at = max(0.0, snapshot.at - duration(frame.get("Wait", "")))
            number = frame.get("CallerIDNum", "")
            number = "" if number in {"<unknown>", "unknown"} else number
            yield QueueJoined(at=at, caller=caller, queue=queue, number=number)


def _connects(snapshot: AsteriskSnapshot, state: PbxState | None) -> Iterator[PbxEvent]:
    """Yield an AgentConnected for each agent who is in a bridge with a queue's caller."""
    for leg, other, member in _bridged(snapshot):
        caller = other.get("Uniqueid", "")
        call = state.call(caller) if state else None
        queue = call.queue if call else _queue_of(other)
        if not queue or (call and call.phase is Phase.TALKING and call.agent):
            continue
        began = max(0.0, snapshot.at - _seconds(leg.get("Duration", "")))
        at = max(began, call.since) if call else began
        yield AgentConnected(
            at=at, caller=caller, queue=queue, agent=member, leg=leg.get("Uniqueid", "")
        )


def _rings(snapshot: AsteriskSnapshot) -> Iterator[PbxEvent]:
    """Yield a Ringing for each member who is called, and does not answer yet, for a caller."""
    waiting = {frame.get("Uniqueid", ""): frame for frame in snapshot.entries}
    names = _names_by_location(snapshot)
    for leg in snapshot.channels:
        member = names.get(leg.get("Channel", "").rpartition("-")[0])
        entry = waiting.get(leg.get("Linkedid", ""))  # of a channel that was never bridged
        if member and entry and leg.get("ChannelState", UP) != UP and not leg.get("BridgeId"):
            yield Ringing(
                at=snapshot.at,  # after the state in the list of members
                caller=entry["Uniqueid"],
                queue=entry.get("Queue", ""),
                agent=member,
                leg=leg.get("Uniqueid", ""),
            )


def _completions(
    snapshot: AsteriskSnapshot, state: PbxState, config: MappingConfig
) -> Iterator[PbxEvent]:
    """Yield a ConversationEnded for each caller still connected, but not to the same agent."""
    existing = {frame.get("Uniqueid", "") for frame in snapshot.channels}
    waiting = {frame.get("Uniqueid", "") for frame in snapshot.entries}
    bridged_pairs = {
        (other.get("Uniqueid", ""), config.agents.get(member, member))
        for _, other, member in _bridged(snapshot)
    }
    for call in _open(state, Phase.TALKING):
        names = {call.caller} | {one for one, to in state.aliases.items() if to == call.caller}
        is_separated = not any((name, call.agent) in bridged_pairs for name in names)
        if names & existing and not names & waiting and is_separated:
            at = max(state.last_at, call.since)
            yield ConversationEnded(
                at=at, caller=call.caller, queue=call.queue, agent=call.agent, by="transfer"
            )


def _leaves(snapshot: AsteriskSnapshot, state: PbxState) -> Iterator[PbxEvent]:
    """Yield a QueueLeft for each caller who is still connected but has left the queue."""
    existing = {frame.get("Uniqueid", "") for frame in snapshot.channels}
    waiting = {frame.get("Uniqueid", "") for frame in snapshot.entries}
    bridged = {other.get("Uniqueid", "") for _, other, _ in _bridged(snapshot)}
    for call in _open(state, Phase.WAITING):
        if call.caller in existing - waiting - bridged:
            at = max(state.last_at, call.since)
            yield QueueLeft(at=at, caller=call.caller, queue=call.queue)


def _open(state: PbxState, phase: Phase) -> list[PbxCall]:
    return [call for call in state.calls.values() if call.phase is phase]


def _bridged(snapshot: AsteriskSnapshot) -> Iterator[tuple[AmiFrame, AmiFrame, str]]:
    """Yield a member's channel, another channel in its bridge, and the member's name."""
    names = _names_by_location(snapshot)
    bridges = defaultdict(list)
    for frame in snapshot.channels:
        if frame.get("BridgeId"):
            bridges[frame["BridgeId"]].append(frame)
    for together in bridges.values():
        for leg in together:
            member = names.get(leg.get("Channel", "").rpartition("-")[0])
            if member:
                for other in together:
                    if other is not leg:
                        yield leg, other, member


def _names_by_location(snapshot: AsteriskSnapshot) -> dict[str, str]:
    return {frame.get("Location", ""): frame.get("Name", "") for frame in snapshot.members}


def _queue_of(channel: AmiFrame) -> str:
    if channel.get("Application") != "Queue":
        return ""
    return channel.get("ApplicationData", "").partition(",")[0]


def _seconds(text: str) -> float:
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return 0.0
    hours, minutes, rest = (int(part[:9]) for part in parts)
    return duration(str(hours * 3600 + minutes * 60 + rest))


def _time(frame: AmiFrame, name: str, snapshot: AsteriskSnapshot) -> float:
    """Return a field's time, or 0 if it is unknown. No state can begin after the snapshot."""
    return min(whole_number(frame.get(name, "")), snapshot.at)
