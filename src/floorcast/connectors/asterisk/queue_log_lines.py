"""Converts a line of ``queue_log`` to a PBX event. No I/O.

A line is ``epoch|call id|queue|member|event|data|...``. ``member`` is the member's name. In
ADDMEMBER and REMOVEMEMBER, it is the interface unless ``log_membername_as_agent=yes``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from floorcast.connectors.pbx.numbers import duration
from floorcast.connectors.pbx.pbx_events import (
    ABANDONED,
    AgentConnected,
    CallerFields,
    CallMissed,
    ConversationEnded,
    DialedNumber,
    DispositionSet,
    EndedBy,
    MemberFields,
    MemberRemoved,
    MemberState,
    PauseChanged,
    PbxEvent,
    PbxRestarted,
    QueueJoined,
    QueueLeft,
)
from floorcast.connectors.pbx.unreadable import Unreadable
from floorcast.connectors.recording_file import CUT

__all__ = ["QueueLogLine", "parse_line", "to_pbx_event"]

MAX_FIELDS = 16  # enough for a stray | in free text
MAX_EPOCH = 2**33  # seconds; the year 2242


class QueueLogLine(NamedTuple):
    """The fields of a line. ``data`` may have any number of fields."""

    at: float
    caller: str
    queue: str
    member: str
    event: str
    data: Sequence[str]

    def field(self, index: int) -> str:
        """Return a field of the data, or an empty string if the line does not have it."""
        return self.data[index] if index < len(self.data) else ""


def parse_line(line: str) -> QueueLogLine:
    """Return the fields of a line. Raises Unreadable."""
    if CUT.decode() in line:
        raise Unreadable(f"a line that was cut: {line[:200]!r}")
    fields = line.rstrip("\r\n").split("|", MAX_FIELDS)
    if len(fields) < 5:
        raise Unreadable(f"a line with fewer than five fields: {line[:200]!r}")
    epoch, caller, queue, member, event, *data = fields
    if not (epoch.isascii() and epoch.isdigit() and len(epoch) <= 10 and int(epoch) < MAX_EPOCH):
        raise Unreadable(f"a line that does not begin with a time: {line[:200]!r}")
    return QueueLogLine(float(epoch), caller, queue, member, event, data)


def to_pbx_event(line: QueueLogLine) -> PbxEvent | None:
    """Convert a line. Returns None if it does not concern calls or agents."""
    converter = _CONVERTERS.get(line.event)
    return converter(line) if converter else None


def _caller_fields(line: QueueLogLine) -> CallerFields:
    return {"at": line.at, "caller": line.caller, "queue": line.queue}


def _member_fields(line: QueueLogLine) -> MemberFields:
    return {**_caller_fields(line), "agent": line.member}


def _joined(line: QueueLogLine) -> PbxEvent:
    return QueueJoined(**_caller_fields(line), number=line.field(1))


def _connected(line: QueueLogLine) -> PbxEvent:
    return AgentConnected(**_member_fields(line), leg=line.field(1), waited=duration(line.field(0)))


def _completed(by: EndedBy) -> Callable[[QueueLogLine], PbxEvent]:
    def convert(line: QueueLogLine) -> PbxEvent:
        return ConversationEnded(**_member_fields(line), by=by)

    return convert


def _left(reason: str) -> Callable[[QueueLogLine], PbxEvent]:
    def convert(line: QueueLogLine) -> PbxEvent:
        return QueueLeft(**_caller_fields(line), reason=reason)

    return convert


def _missed(line: QueueLogLine) -> PbxEvent:
    ring_seconds = round(duration(line.field(0), per_second=1000))
    return CallMissed(**_member_fields(line), ring_seconds=ring_seconds)


def _paused(line: QueueLogLine) -> PbxEvent:
    return PauseChanged(
        at=line.at,
        queue=line.queue,
        agent=line.member,
        paused=line.event == "PAUSE",
        reason=line.field(0) if line.event == "PAUSE" else "",
    )


def _added(line: QueueLogLine) -> PbxEvent:
    return MemberState(at=line.at, queue=line.queue, agent=line.member)


def _removed(line: QueueLogLine) -> PbxEvent:
    return MemberRemoved(at=line.at, queue=line.queue, agent=line.member)


def _logged_off(line: QueueLogLine) -> PbxEvent:
    return MemberRemoved(at=line.at, queue="", agent=line.member)


def _dialed(line: QueueLogLine) -> PbxEvent:
    return DialedNumber(at=line.at, caller=line.caller, number=line.field(0))


def _disposed(line: QueueLogLine) -> PbxEvent:
    member = "" if line.member == "NONE" else line.member
    return DispositionSet(at=line.at, caller=line.caller, code=line.field(0), agent=member)


def _restarted(line: QueueLogLine) -> PbxEvent:
    return PbxRestarted(at=line.at)


_CONVERTERS: dict[str, Callable[[QueueLogLine], PbxEvent]] = {
    "ENTERQUEUE": _joined,
    "CONNECT": _connected,
    "COMPLETECALLER": _completed("caller"),
    "COMPLETEAGENT": _completed("agent"),
    "BLINDTRANSFER": _completed("transfer"),
    "ATTENDEDTRANSFER": _completed("transfer"),
    "TRANSFER": _completed("transfer"),
    "ABANDON": _left(ABANDONED),
    "EXITWITHTIMEOUT": _left("TIMEOUT"),
    "EXITWITHKEY": _left("KEY"),
    "EXITEMPTY": _left("EMPTY"),
    "WITHDRAW": _left("WITHDRAWN"),
    "RINGNOANSWER": _missed,
    "PAUSE": _paused,
    "UNPAUSE": _paused,
    "ADDMEMBER": _added,
    "REMOVEMEMBER": _removed,
    "AGENTLOGOFF": _logged_off,
    "DID": _dialed,
    "CALLSTATUS": _disposed,
    "QUEUESTART": _restarted,
}
