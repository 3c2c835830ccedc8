"""Converts AMI events to PBX events. No I/O."""

from __future__ import annotations

from collections.abc import Callable

from floorcast.connectors.asterisk.frames import AmiFrame
from floorcast.connectors.pbx.bridges import interface_of
from floorcast.connectors.pbx.numbers import duration, whole_number
from floorcast.connectors.pbx.pbx_events import (
    AgentConnected,
    BridgeEntered,
    BridgeLeft,
    CallerFields,
    CallMissed,
    ChannelHungUp,
    ChannelTransferred,
    ConversationEnded,
    DialStarted,
    DispositionSet,
    EndedBy,
    HoldChanged,
    LocalChannelPaired,
    MemberFields,
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
from floorcast.connectors.pbx.unreadable import Unreadable

__all__ = ["AmiEventConverter", "member_state"]

MAX_ABANDONED = 10_000  # callers with a QueueCallerAbandon but no QueueCallerLeave yet
_BY: dict[str, EndedBy] = {"caller": "caller", "agent": "agent", "transfer": "transfer"}


class AmiEventConverter:
    """Converts AMI events to PBX events, in order.

    ``did_variable`` and ``disposition_event`` are settings. ``replies`` is true if the events
    include replies to QueueStatus, which describe queue members.
    """

    def __init__(
        self, did_variable: str = "", disposition_event: str = "", *, replies: bool = False
    ) -> None:
        self._did = f"ChanVariable:{did_variable}" if did_variable else ""
        self._disposition_event = disposition_event
        self._abandoned: dict[str, None] = {}
        self._converters: dict[str, Callable[[AmiFrame, float], PbxEvent | None]] = {
            "QueueCallerJoin": self._joined,
            "QueueCallerAbandon": self._note_abandon,
            "QueueCallerLeave": self._left,
            "AgentConnect": self._connected,
            "AgentComplete": self._completed,
            "AgentCalled": self._ringing,
            "AgentRingNoAnswer": self._missed,
            "DialEnd": self._ring_ended,
            "Hangup": self._hung_up,
            "Hold": self._hold,
            "Unhold": self._hold,
            "QueueMemberAdded": self._status,
            "QueueMemberStatus": self._status,
            "QueueMemberPause": self._paused,
            "QueueMemberRemoved": self._removed,
            "AttendedTransfer": self._attended_transfer,
            "BlindTransfer": self._blind_transfer,
            "DialBegin": self._dial_started,
            "BridgeEnter": self._entered,
            "BridgeLeave": self._left_bridge,
            "LocalBridge": self._paired,
            "UserEvent": self._user_event,
            "Shutdown": self._shutdown,
        }
        if replies:
            self._converters["QueueMember"] = self._status

    def convert(self, frame: AmiFrame, received: float) -> PbxEvent | None:
        """Convert an event. Returns None if it does not concern calls or agents.

        ``received`` is the time when the frame arrived. It is used if the server does not send
        timestamps (``timestampevents``). Raises Unreadable if a required field is missing.
        """
        converter = self._converters.get(frame.get("Event", ""))
        if converter is None:
            return None
        at = _time(frame, received)
        try:
            return converter(frame, at)
        except KeyError as missing:
            raise Unreadable(f"{frame['Event']} without {missing.args[0]}") from None

    def _joined(self, frame: AmiFrame, at: float) -> PbxEvent:
        dialed = frame.get(self._did, "") if self._did else ""
        number = frame.get("CallerIDNum", "")
        return QueueJoined(
            **_caller_fields(frame, at),
            number="" if number == "<unknown>" else number,
            dialed=dialed,
        )

    def _note_abandon(self, frame: AmiFrame, _at: float) -> None:
        self._abandoned[frame["Uniqueid"]] = None
        if len(self._abandoned) > MAX_ABANDONED:
            del self._abandoned[next(iter(self._abandoned))]

    def _left(self, frame: AmiFrame, at: float) -> PbxEvent:
        caller = frame["Uniqueid"]
        # every exit except an answer or a pressed key is preceded by a QueueCallerAbandon
        announced = caller in self._abandoned
        self._abandoned.pop(caller, None)
        return QueueLeft(**_caller_fields(frame, at), reason="" if announced else "KEY")

    def _connected(self, frame: AmiFrame, at: float) -> PbxEvent:
        return AgentConnected(
            **_member_fields(frame, at),
            leg=frame.get("DestUniqueid", ""),
            waited=duration(frame.get("HoldTime", "")),
        )

    def _completed(self, frame: AmiFrame, at: float) -> PbxEvent:
        return ConversationEnded(
            at=at,
            caller=frame.get("Uniqueid", ""),
            queue=frame["Queue"],
            agent=_member(frame),
            by=_BY.get(frame.get("Reason", ""), "agent"),
        )

    def _ringing(self, frame: AmiFrame, at: float) -> PbxEvent:
        return Ringing(**_member_fields(frame, at), leg=frame.get("DestUniqueid", ""))

    def _missed(self, frame: AmiFrame, at: float) -> PbxEvent:
        ring_seconds = round(duration(frame.get("RingTime", ""), per_second=1000))
        return CallMissed(**_member_fields(frame, at), ring_seconds=ring_seconds)

    def _ring_ended(self, frame: AmiFrame, at: float) -> PbxEvent | None:
        if frame.get("DialStatus") == "ANSWER":
            return None
        return RingEnded(at=at, leg=frame["DestUniqueid"])

    def _hung_up(self, frame: AmiFrame, at: float) -> PbxEvent:
        return ChannelHungUp(at=at, channel=frame["Uniqueid"])

    def _hold(self, frame: AmiFrame, at: float) -> PbxEvent:
        return HoldChanged(at=at, channel=frame["Uniqueid"], on=frame["Event"] == "Hold")

    def _paused(self, frame: AmiFrame, at: float) -> PbxEvent:
        paused = frame.get("Paused") == "1"
        reason = frame.get("PausedReason", frame.get("Reason", "")) if paused else ""
        return PauseChanged(
            at=at, queue=frame["Queue"], agent=_member(frame), paused=paused, reason=reason
        )

    def _status(self, frame: AmiFrame, at: float) -> PbxEvent:
        return member_state(frame, at)

    def _removed(self, frame: AmiFrame, at: float) -> PbxEvent:
        return MemberRemoved(at=at, queue=frame["Queue"], agent=_member(frame))

    def _attended_transfer(self, frame: AmiFrame, at: float) -> PbxEvent | None:
        transferee = frame.get("TransfereeUniqueid")
        if not transferee or frame.get("Result", "Success") != "Success":
            return None
        return ChannelTransferred(
            at=at,
            transferer=frame["OrigTransfererUniqueid"],
            transferee=transferee,
            second_transferer=frame["SecondTransfererUniqueid"],
            target=frame.get("TransferTargetUniqueid", ""),
        )

    def _blind_transfer(self, frame: AmiFrame, at: float) -> PbxEvent | None:
        transferee = frame.get("TransfereeUniqueid")
        if not transferee or frame.get("Result", "Success") != "Success":
            return None
        return ChannelTransferred(
            at=at, transferer=frame["TransfererUniqueid"], transferee=transferee
        )

    def _dial_started(self, frame: AmiFrame, at: float) -> PbxEvent | None:
        interface = interface_of(frame["DestChannel"])
        caller = frame.get("Uniqueid")
        leg = frame["DestUniqueid"]
        return DialStarted(at=at, caller=caller, leg=leg, interface=interface) if caller else None

    def _entered(self, frame: AmiFrame, at: float) -> PbxEvent:
        channel, name = frame["Uniqueid"], frame["Channel"]
        return BridgeEntered(at=at, bridge=frame["BridgeUniqueid"], channel=channel, name=name)

    def _left_bridge(self, frame: AmiFrame, at: float) -> PbxEvent:
        return BridgeLeft(at=at, bridge=frame["BridgeUniqueid"], channel=frame["Uniqueid"])

    def _paired(self, frame: AmiFrame, at: float) -> PbxEvent:
        return LocalChannelPaired(
            at=at, one=frame["LocalOneUniqueid"], two=frame["LocalTwoUniqueid"]
        )

    def _user_event(self, frame: AmiFrame, at: float) -> PbxEvent | None:
        if not self._disposition_event or frame.get("UserEvent") != self._disposition_event:
            return None
        return DispositionSet(
            at=at,
            caller=frame["Uniqueid"],
            code=frame.get("TermCode", frame.get("Code", "")),
            agent=frame.get("Agent", ""),
        )

    def _shutdown(self, _frame: AmiFrame, at: float) -> PbxEvent:
        return PbxRestarted(at=at, empty=True)


def member_state(
    frame: AmiFrame, at: float, since: float | None = None, logged_in: float | None = None
) -> MemberState:
    """Return the queue member in an event or in a reply to QueueStatus.

    The two have different field names. Raises KeyError if the frame does not have a queue and a
    member.
    """
    paused = frame.get("Paused") == "1"
    return MemberState(
        at=at,
        queue=frame["Queue"],
        agent=_member(frame),
        interface=frame.get("Interface", frame.get("Location", "")),
        dynamic=frame.get("Membership", "dynamic") == "dynamic",
        status=int(whole_number(frame.get("Status", ""))),
        paused=paused,
        reason=frame.get("PausedReason", "") if paused else "",
        penalty=int(whole_number(frame.get("Penalty", ""))),
        since=since,
        logged_in=logged_in,
    )


def _caller_fields(frame: AmiFrame, at: float) -> CallerFields:
    return {"at": at, "caller": frame["Uniqueid"], "queue": frame["Queue"]}


def _member_fields(frame: AmiFrame, at: float) -> MemberFields:
    return {**_caller_fields(frame, at), "agent": _member(frame)}


def _member(frame: AmiFrame) -> str:
    for name in ("MemberName", "Name", "Interface", "Location"):
        if found := frame.get(name):
            return found
    raise KeyError("MemberName")


def _time(frame: AmiFrame, received: float) -> float:
    try:
        at = float(frame["Timestamp"])
    except (KeyError, ValueError):
        return received
    return at if 0 <= at < 2**33 else received
