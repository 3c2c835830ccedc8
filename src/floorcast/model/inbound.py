"""Inbound events: CloudEvents 1.0, one class per ``type`` (section 8 of the contract).

Required members have no default. Other members are None if they were not sent. Unknown members are
ignored. An *entity* (service, campaign, agent, team) is named by its id or by a string, which
``floorcast.floor.directory`` resolves.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from hashlib import blake2b
from math import floor
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from floorcast.model.inbound_data import (
    AgentMissedData,
    AgentStateData,
    AlertTransitionData,
    CallAnswerData,
    CallDispositionData,
    CallEndData,
    CallLeaveData,
    CallQueueData,
    CallStartData,
    CallUpdateData,
    CampaignUpdateData,
    EmailAttemptData,
    SmsAttemptData,
    Time,
)
from floorcast.model.name_lists import packed
from floorcast.model.undecodable import UNDECODABLE

__all__ = [
    "ALERT_SOURCE",
    "AgentMissed",
    "AgentState",
    "AlertTransition",
    "CallAnswer",
    "CallDisposition",
    "CallEnd",
    "CallLeave",
    "CallQueue",
    "CallStart",
    "CallUpdate",
    "CampaignUpdate",
    "EmailAttempt",
    "InboundEvent",
    "LoggedEvent",
    "SmsAttempt",
    "UnknownEvent",
    "milliseconds",
    "read_lines",
]

Identity = Annotated[str, Meta(min_length=1, max_length=1024)]


class _Event(Struct, tag_field="type", kw_only=True, gc=False):
    id: Identity
    source: Identity
    specversion: Literal["1.0"]
    time: Time | None = None


class AgentState(_Event, tag="agent.state"):
    """See ``AgentStateData``."""

    data: AgentStateData


class CallStart(_Event, tag="call.start"):
    """See ``CallStartData``."""

    data: CallStartData


class CallQueue(_Event, tag="call.queue"):
    """See ``CallQueueData``."""

    data: CallQueueData


class CallAnswer(_Event, tag="call.answer"):
    """See ``CallAnswerData``."""

    data: CallAnswerData


class CallEnd(_Event, tag="call.end"):
    """See ``CallEndData``."""

    data: CallEndData


class CallDisposition(_Event, tag="call.disposition"):
    """See ``CallDispositionData``."""

    data: CallDispositionData


class CallLeave(_Event, tag="call.leave"):
    """See ``CallLeaveData``."""

    data: CallLeaveData


class CallUpdate(_Event, tag="call.update"):
    """See ``CallUpdateData``."""

    data: CallUpdateData


class AgentMissed(_Event, tag="agent.missed"):
    """See ``AgentMissedData``."""

    data: AgentMissedData


class EmailAttempt(_Event, tag="email.attempt"):
    """See ``EmailAttemptData``."""

    data: EmailAttemptData


class SmsAttempt(_Event, tag="sms.attempt"):
    """See ``SmsAttemptData``."""

    data: SmsAttemptData


class CampaignUpdate(_Event, tag="campaign.update"):
    """See ``CampaignUpdateData``."""

    data: CampaignUpdateData


InboundEvent = (
    AgentState
    | CallStart
    | CallQueue
    | CallAnswer
    | CallEnd
    | CallDisposition
    | CallLeave
    | CallUpdate
    | AgentMissed
    | EmailAttempt
    | SmsAttempt
    | CampaignUpdate
)


class UnknownEvent(Struct, gc=False):
    """A line in the log that a newer release wrote and that this release cannot read.

    The line stays in the log unchanged and does not count in any figure. If the same event is sent
    again, it is recognized as a duplicate.
    """

    id: str
    source: str
    data: None = None


ALERT_SOURCE = "floorcast:alerts"
"""The source of every ``AlertTransition``. No other event may use it."""


class AlertTransition(_Event, tag="alert.transition"):
    """See ``AlertTransitionData``. Only floorcast itself writes this event to the log."""

    data: AlertTransitionData


LoggedEvent = InboundEvent | AlertTransition | UnknownEvent


class _Envelope(Struct, gc=False):
    id: str
    source: str


# in bytes; the names of a longer entry would take much memory before they are packed
_LONG_ENTRY = 1 << 20
_event_decoder = msgspec.json.Decoder(InboundEvent | AlertTransition)
_envelope_decoder = msgspec.json.Decoder(_Envelope)


def read_lines(payload: bytes) -> list[LoggedEvent]:
    """Read the events in a log entry, one per line that is not blank. Raises no errors."""
    if len(payload) <= _LONG_ENTRY:
        with suppress(*UNDECODABLE):
            return [_pack_services(event) for event in _event_decoder.decode_lines(payload)]
    lines = payload.split(b"\n")
    return [_read_line(line) for line in lines if line and not line.isspace()]


def _read_line(line: bytes) -> LoggedEvent:
    with suppress(*UNDECODABLE):
        return _pack_services(_event_decoder.decode(line))
    with suppress(*UNDECODABLE):
        envelope = _envelope_decoder.decode(line)
        return UnknownEvent(envelope.id, envelope.source)
    return UnknownEvent(blake2b(line, digest_size=16).hexdigest(), "")


def _pack_services(event: LoggedEvent) -> LoggedEvent:
    if type(event) is AgentState and event.data.services is not None:
        event.data.services = packed(event.data.services)
    return event


def milliseconds(moment: datetime) -> int:
    """Convert a time to whole epoch milliseconds, rounded down."""
    # adds half a microsecond, because seconds as a float are off by up to that much
    return floor(moment.timestamp() * 1000 + 0.0005)
