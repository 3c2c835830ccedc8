"""Tests with queue log lines as Asterisk writes them and as a disk may damage them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.connectors.asterisk.dialect import ASTERISK
from floorcast.connectors.asterisk.queue_log_lines import parse_line, to_pbx_event
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.mapping import PbxEventMapper
from floorcast.connectors.pbx.pbx_events import (
    AgentConnected,
    CallMissed,
    ConversationEnded,
    DialedNumber,
    DispositionSet,
    MemberRemoved,
    PauseChanged,
    PbxEvent,
    QueueJoined,
    QueueLeft,
)
from floorcast.connectors.pbx.state import PbxState
from floorcast.connectors.pbx.unreadable import Unreadable
from tests.connectors.asterisk.captured import VERSIONS, lines

AT = 1795813659.0


@pytest.mark.parametrize(
    ("line", "pbx_event"),
    [
        (
            "1795813659|pbx-1.0|sales|NONE|ENTERQUEUE||5125550100|1",
            QueueJoined(at=AT, caller="pbx-1.0", queue="sales", number="5125550100"),
        ),
        (
            "1795813659|1.0|sales|Anna|CONNECT|7|1.1|2",
            AgentConnected(at=AT, caller="1.0", queue="sales", agent="Anna", leg="1.1", waited=7.0),
        ),
        (
            "1795813659|1.0|sales|Anna|BLINDTRANSFER|support|agents|1|2|1",
            ConversationEnded(at=AT, caller="1.0", queue="sales", agent="Anna", by="transfer"),
        ),
        (
            "1795813659|1.0|sales|Anna|COMPLETECALLER|0|3|1",
            ConversationEnded(at=AT, caller="1.0", queue="sales", agent="Anna", by="caller"),
        ),
        (
            "1795813659|1.0|sales|NONE|EXITWITHKEY|1|1|1|2",
            QueueLeft(at=AT, caller="1.0", queue="sales", reason="KEY"),
        ),
        (
            "1795813659|1.0|sales|NONE|WITHDRAW|1|1|2|sorry",
            QueueLeft(at=AT, caller="1.0", queue="sales", reason="WITHDRAWN"),
        ),
        (
            "1795813659|1.0|sales|Anna|RINGNOANSWER|3400",
            CallMissed(at=AT, caller="1.0", queue="sales", agent="Anna", ring_seconds=3),
        ),
        (
            "1795813659|NONE|sales|Anna|PAUSE|LUNCH",
            PauseChanged(at=AT, queue="sales", agent="Anna", paused=True, reason="LUNCH"),
        ),
        ("1795813659|NONE|NONE|Anna|PAUSEALL|LUNCH", None),
        ("1795813659|NONE|NONE|1001|AGENTLOGOFF||9", MemberRemoved(at=AT, queue="", agent="1001")),
        ("1795813659|1.0|NONE|NONE|DID|1800", DialedNumber(at=AT, caller="1.0", number="1800")),
        (
            "1795813659|1.0|sales|Anna|CALLSTATUS|SOLD",
            DispositionSet(at=AT, caller="1.0", code="SOLD", agent="Anna"),
        ),
        ("1795813659|NONE|sales|PJSIP/agent2|INFO|hello|x", None),
    ],
)
def test_lines_become_the_expected_pbx_events(line: str, pbx_event: PbxEvent | None) -> None:
    """Each line becomes the expected PBX event. A Uniqueid may have the system's name."""
    assert to_pbx_event(parse_line(line + "\n")) == pbx_event


@pytest.mark.parametrize("line", ["", "hello", "1|2|3|4", "soon|1.0|q|NONE|ABANDON", "-1|a|b|c|d"])
def test_an_invalid_line_is_rejected(line: str) -> None:
    """An invalid line raises an error that shows the line."""
    with pytest.raises(Unreadable):
        parse_line(line)


WORDS = ["ENTERQUEUE", "CONNECT", "COMPLETEAGENT", "ABANDON", "PAUSE", "ADDMEMBER", "QUEUESTART"]
LINES = st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from([*WORDS, "1795813659", "1.0", "q", "NONE", "", "PJSIP/1", "9" * 30]))
    .map("|".join),
    st.sampled_from(lines("22.10.1")).flatmap(
        lambda line: st.integers(0, len(line)).map(lambda at: line[:at] + "|" + line[at:])
    ),
)  # fmt: skip


@given(st.lists(LINES, max_size=60))
def test_any_line_is_parsed_or_rejected(found: list[str]) -> None:
    """Any line is either rejected or parsed."""
    mapper = PbxEventMapper(
        MappingConfig(), ASTERISK, PbxState(), reports_hangups=False, whole_seconds=True
    )
    for line in found:
        try:
            pbx_event = to_pbx_event(parse_line(line))
        except Unreadable:
            continue
        if pbx_event is not None:
            mapper.apply(pbx_event)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_captured_line_can_be_read(version: str) -> None:
    """The captured lines of both Asterisk versions can be read."""
    for line in lines(version):
        parse_line(line)
