"""Converts FreeSWITCH events to PBX events. No I/O."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct, field, structs

from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.numbers import duration, whole_number
from floorcast.connectors.pbx.pbx_events import (
    AgentConnected,
    AgentStatus,
    BridgeAnnounced,
    BridgeConfirmed,
    CallerFields,
    CallMissed,
    ChannelHungUp,
    ConversationEnded,
    DispositionSet,
    EndedBy,
    HoldChanged,
    MemberFields,
    MissedReason,
    PbxEvent,
    QueueJoined,
    QueueLeft,
    Ringing,
)
from floorcast.connectors.pbx.unreadable import Unreadable
from floorcast.model.undecodable import UNDECODABLE

__all__ = [
    "IN_A_CALL",
    "LOGGED_OUT",
    "RECEIVING",
    "EslEvent",
    "EslEventConverter",
    "agent_status",
    "event_time",
    "leg_of_offer",
]

CALLCENTER = "callcenter::info"
ON_BREAK, LOGGED_OUT = "On Break", "Logged Out"  # any other status means available
IN_A_CALL = "In a queue call"
RECEIVING = "Receiving"  # the state of an agent whose telephone rings
MAX_EPOCH = 2**33  # seconds; the year 2242
LEAVE_REASONS = {
    "NONE": "",  # the caller hung up just as an agent was found
    "BREAK_OUT": "",  # the caller hung up, or was removed from the queue
    "TIMEOUT": "TIMEOUT",
    "NO_AGENT_TIMEOUT": "EMPTY",
    "EXIT_WITH_KEY": "KEY",
}
"""Maps a CC-Cancel-Reason to a reason for leaving, which is empty if the hangup determines it."""
MISSED_REASONS: dict[str, MissedReason] = {
    "USER_BUSY": "BUSY",
    "NORMAL_CIRCUIT_CONGESTION": "BUSY",
    "CALL_REJECTED": "REFUSED",
    "ORIGINATOR_CANCEL": "CANCELLED",
}
"""Maps a CC-Hangup-Cause of bridge-agent-fail to a reason. All other causes mean no answer."""
HUNG_UP_BY: dict[str, EndedBy] = {"recv_bye": "caller", "send_bye": "agent"}


class EslEvent(Struct, frozen=True, kw_only=True):
    """The headers that the connector uses, of the many in an event. A missing header is empty."""

    name: str = field(default="", name="Event-Name")
    subclass: str = field(default="", name="Event-Subclass")
    core: str = field(default="", name="Core-UUID")
    sequence: str = field(default="", name="Event-Sequence")
    microseconds: str = field(default="", name="Event-Date-Timestamp")
    channel: str = field(default="", name="Unique-ID")
    disposition: str = field(default="", name="variable_sip_hangup_disposition")
    dialed: str = field(default="", name="Caller-Destination-Number")
    action: str = field(default="", name="CC-Action")
    queue: str = field(default="", name="CC-Queue")
    caller: str = field(default="", name="CC-Member-Session-UUID")
    number: str = field(default="", name="CC-Member-CID-Number")
    agent: str = field(default="", name="CC-Agent")
    agent_channel: str = field(default="", name="CC-Agent-UUID")
    agent_status: str = field(default="", name="CC-Agent-Status")
    agent_state: str = field(default="", name="CC-Agent-State")
    bridged: str = field(default="", name="CC-Agent-Bridged")
    cause: str = field(default="", name="CC-Cause")
    hangup_cause: str = field(default="", name="CC-Hangup-Cause")
    cancel_reason: str = field(default="", name="CC-Cancel-Reason")
    exit_key: str = field(default="", name="variable_cc_exit_key")
    called: str = field(default="", name="CC-Agent-Called-Time")
    aborted: str = field(default="", name="CC-Agent-Aborted-Time")
    term_code: str = field(default="", name="TermCode")
    code: str = field(default="", name="Code")
    named_agent: str = field(default="", name="Agent")

    def at_time(self, at: float) -> EslEvent:
        """Return the event with another time, in epoch seconds."""
        return structs.replace(self, microseconds=str(round(at * 1e6)))

    def require(self, *names: str) -> None:
        """Raise Unreadable if one of these headers is missing."""
        for name in names:
            if not getattr(self, name):
                raise Unreadable(f"{self.action or self.name} without {_HEADERS[name]}")


_HEADERS = {one.name: one.encode_name for one in msgspec.structs.fields(EslEvent)}
_decode = msgspec.json.Decoder(EslEvent).decode
_decode_all = msgspec.json.Decoder(dict[str, object]).decode


class EslEventConverter:
    """Converts events to PBX events, in order, using the names in a configuration."""

    def __init__(self, config: MappingConfig) -> None:
        self._config = config
        self._did = f"variable_{config.did_variable}" if config.did_variable else ""
        self._converters: dict[str, Callable[[EslEvent, float], PbxEvent | None]] = {
            "member-queue-resume": _joined,
            "member-queue-start": _joined,
            "agent-offering": _ringing,
            "bridge-agent-start": _bridge_announced,
            "agent-state-change": _state_changed,
            "agent-status-change": self._status,
            "bridge-agent-end": _bridge_ended,
            "bridge-agent-fail": _missed,
            "member-queue-end": _left,
        }

    @staticmethod
    def decode(body: bytes) -> EslEvent:
        """Decode a JSON event. Raises Unreadable."""
        try:
            return _decode(body)
        except UNDECODABLE as error:
            raise Unreadable(f"an event that cannot be decoded ({error}): {body[:80]!r}") from None

    def convert(self, event: EslEvent, body: bytes, received: float) -> PbxEvent | None:
        """Convert an event. Returns None if it does not concern calls or agents.

        ``received`` is the time of an event that has no time of its own. Raises Unreadable if a
        required header is missing.
        """
        at = event_time(event, received)
        if event.name == "CUSTOM":
            if event.subclass == CALLCENTER:
                converter = self._converters.get(event.action)
                pbx_event = converter(event, at) if converter else None
                return (
                    self._with_dialed(pbx_event, body)
                    if isinstance(pbx_event, QueueJoined)
                    else pbx_event
                )
            return self._disposition(event, at)
        if event.name == "CHANNEL_HANGUP_COMPLETE":
            event.require("channel")
            return ChannelHungUp(
                at=at, channel=event.channel, by=HUNG_UP_BY.get(event.disposition, "")
            )
        if event.name in {"CHANNEL_HOLD", "CHANNEL_UNHOLD"}:
            event.require("channel")
            return HoldChanged(at=at, channel=event.channel, on=event.name == "CHANNEL_HOLD")
        return None

    def _with_dialed(self, pbx_event: QueueJoined, body: bytes) -> QueueJoined:
        if not self._did:
            return pbx_event
        dialed = _decode_all(body).get(self._did, "")
        return msgspec.structs.replace(pbx_event, dialed=dialed if isinstance(dialed, str) else "")

    def _status(self, event: EslEvent, at: float) -> PbxEvent:
        event.require("agent", "agent_status")
        return agent_status(event.agent, event.agent_status, at, self._config)

    def _disposition(self, event: EslEvent, at: float) -> PbxEvent | None:
        if not self._config.disposition_event or event.subclass != self._config.disposition_event:
            return None
        event.require("channel")
        code = event.term_code or event.code
        return DispositionSet(at=at, caller=event.channel, code=code, agent=event.named_agent)


def agent_status(agent: str, status: str, at: float, config: MappingConfig) -> AgentStatus:
    """Return the PBX event for an agent's status.

    mod_callcenter has only one kind of break. The configuration may give a reason for it.
    """
    paused = status == ON_BREAK
    reason = config.reasons.get(ON_BREAK, "") if paused else ""
    present = status != LOGGED_OUT
    return AgentStatus(at=at, agent=agent, present=present, paused=paused, reason=reason)


def event_time(event: EslEvent, received: float) -> float:
    """Return the event's own time in epoch seconds, or ``received`` if it has none."""
    text = event.microseconds
    at = int(text) / 1e6 if text.isascii() and text.isdigit() and len(text) < 19 else received
    return at if at < MAX_EPOCH else received


def _caller_fields(event: EslEvent, at: float) -> CallerFields:
    event.require("caller", "queue")
    return {"at": at, "caller": event.caller, "queue": event.queue}


def _member_fields(event: EslEvent, at: float) -> MemberFields:
    event.require("agent")
    return {**_caller_fields(event, at), "agent": event.agent}


def _joined(event: EslEvent, at: float) -> PbxEvent:
    return QueueJoined(**_caller_fields(event, at), number=event.number, dialed=event.dialed)


def _ringing(event: EslEvent, at: float) -> PbxEvent:
    return Ringing(**_member_fields(event, at), leg=leg_of_offer(event.agent, event.caller))


def leg_of_offer(agent: str, caller: str) -> str:
    """Return a name for the agent's channel, which is not known until the agent answers.

    With ring-all, several agents ring for one caller.
    """
    return f"{agent}<{caller}"


def _bridge_announced(event: EslEvent, at: float) -> PbxEvent:
    connected = AgentConnected(**_member_fields(event, at), leg=event.agent_channel)
    return BridgeAnnounced(at=at, connected=connected)


def _state_changed(event: EslEvent, at: float) -> PbxEvent | None:
    event.require("agent", "agent_state")
    return BridgeConfirmed(at=at, agent=event.agent) if event.agent_state == IN_A_CALL else None


def _bridge_ended(event: EslEvent, at: float) -> PbxEvent:
    if event.bridged == "false":
        return _missed(event, at, "CANCELLED")
    return _completed(event, at)


def _completed(event: EslEvent, at: float) -> PbxEvent:
    return ConversationEnded(**_member_fields(event, at), by="")


def _missed(event: EslEvent, at: float, reason: MissedReason | None = None) -> PbxEvent:
    called, aborted = whole_number(event.called), whole_number(event.aborted)
    rang = duration(str(int(max(0.0, aborted - called)))) if called else 0.0
    return CallMissed(
        **_member_fields(event, at),
        ring_seconds=round(rang),
        reason=reason or MISSED_REASONS.get(event.hangup_cause, "NO_ANSWER"),
    )


def _left(event: EslEvent, at: float) -> PbxEvent:
    if event.cause == "Terminated":  # the agent left, not the caller
        return _completed(event, at)
    return QueueLeft(
        **_caller_fields(event, at),
        reason=LEAVE_REASONS.get(event.cancel_reason, "OTHER"),
        key=event.exit_key,
    )
