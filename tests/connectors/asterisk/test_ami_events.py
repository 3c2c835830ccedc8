"""Tests that convert AMI events to PBX events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.connectors.asterisk.ami_events import AmiEventConverter
from floorcast.connectors.asterisk.dialect import ASTERISK
from floorcast.connectors.asterisk.frames import AmiFrame
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.mapping import PbxEventMapper
from floorcast.connectors.pbx.pbx_events import (
    CallMissed,
    ChannelTransferred,
    ConversationEnded,
    DispositionSet,
    PbxEvent,
    PbxRestarted,
    QueueJoined,
    QueueLeft,
)
from floorcast.connectors.pbx.state import PbxState
from floorcast.connectors.pbx.unreadable import Unreadable
from tests.connectors.asterisk.captured import frames

CALL = {"Timestamp": "5.25", "Uniqueid": "1.0", "Queue": "sales", "MemberName": "Anna"}


@pytest.mark.parametrize(
    ("frame", "pbx_event"),
    [
        (
            {
                "Event": "QueueCallerJoin",
                **CALL,
                "CallerIDNum": "<unknown>",
                "ChanVariable:DID": "8",
            },
            QueueJoined(at=5.25, caller="1.0", queue="sales", dialed="8"),
        ),
        (
            {"Event": "AgentComplete", "Timestamp": "5", "Queue": "sales", "MemberName": "Anna"},
            ConversationEnded(at=5.0, caller="", queue="sales", agent="Anna", by="agent"),
        ),
        (
            {"Event": "AgentRingNoAnswer", **CALL, "RingTime": "3000"},
            CallMissed(at=5.25, caller="1.0", queue="sales", agent="Anna", ring_seconds=3),
        ),
        (
            {"Event": "UserEvent", "UserEvent": "Sale", "Uniqueid": "1.0", "TermCode": "SOLD"},
            DispositionSet(at=9.0, caller="1.0", code="SOLD"),
        ),
        ({"Event": "UserEvent", "UserEvent": "Other", "Uniqueid": "1.0"}, None),
        (
            {
                "Event": "AttendedTransfer",
                "OrigTransfererUniqueid": "1.1",
                "SecondTransfererUniqueid": "1.5",
                "TransfereeUniqueid": "1.0",
                "TransferTargetUniqueid": "1.6",
            },
            ChannelTransferred(
                at=9.0, transferer="1.1", transferee="1.0", second_transferer="1.5", target="1.6"
            ),
        ),
        ({"Event": "Shutdown", "Timestamp": "nonsense"}, PbxRestarted(at=9.0, empty=True)),
        ({"Event": "Newexten"}, None),
    ],
)
def test_events_become_the_expected_pbx_events(frame: AmiFrame, pbx_event: PbxEvent | None) -> None:
    """Each event becomes the expected PBX event.

    Ring times are in ms. An event without a time has the time of its arrival.
    """
    assert AmiEventConverter("DID", "Sale").convert(frame, 9.0) == pbx_event


def test_only_an_exit_without_a_preceding_abandon_has_the_reason_key() -> None:
    """QueueCallerAbandon may also announce a timeout, so it leaves the reason unknown."""
    events = AmiEventConverter()
    leave = {"Event": "QueueCallerLeave", **CALL}
    assert events.convert({"Event": "QueueCallerAbandon", **CALL}, 9.0) is None
    assert events.convert(leave, 9.0) == QueueLeft(at=5.25, caller="1.0", queue="sales")
    assert events.convert(leave, 9.0) == QueueLeft(
        at=5.25, caller="1.0", queue="sales", reason="KEY"
    )


def test_an_event_without_a_required_member_is_unreadable() -> None:
    """An event without a required member raises an error that names the member."""
    with pytest.raises(Unreadable, match="QueueCallerJoin without Uniqueid"):
        AmiEventConverter().convert({"Event": "QueueCallerJoin", "Queue": "q"}, 9.0)


@st.composite
def damaged(draw: st.DrawFn) -> AmiFrame:
    """Return a captured frame in which members are missing or exchanged."""
    frame = dict(draw(st.sampled_from(frames("22.10.1"))))
    for name in draw(st.lists(st.sampled_from(sorted(frame)), max_size=3)):
        value = draw(st.sampled_from(["", "1795813658.0", "-1", "9" * 40, "nan", "Anna Sales"]))
        if draw(st.booleans()):
            frame.pop(name, None)
        else:
            frame[name] = value
    return frame


@given(st.lists(damaged(), max_size=80))
def test_any_frame_is_parsed_or_rejected(found: list[AmiFrame]) -> None:
    """Frames may come in any order, and any of their members may be missing."""
    events, mapper = (
        AmiEventConverter("DID", "Sale"),
        PbxEventMapper(MappingConfig(), ASTERISK, PbxState(), reports_hangups=True),
    )
    for frame in found:
        try:
            pbx_event = events.convert(frame, 1795813658.0)
        except Unreadable:
            continue
        if pbx_event is not None:
            mapper.apply(pbx_event)
    mapper.advance(2e9)
