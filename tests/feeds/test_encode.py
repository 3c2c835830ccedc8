"""Encoding: the members as the reference prints them, on one line."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from floorcast.feeds.encode import encode
from floorcast.model.outbound import AgentEvent
from tests.http.fed import sms


@given(st.text())
def test_an_event_is_one_line(text: str) -> None:
    """Whatever a source wrote into it: feeds join events by line breaks."""
    event = sms("id")
    event.carrier = text
    body = encode(event)
    assert b"\n" not in body
    assert b"\r" not in body
    assert json.loads(body)["carrier"] == text


def test_what_does_not_apply_is_left_out_or_null() -> None:
    """Left out of an agent event, null in an interaction event."""
    agent = AgentEvent(
        timestamp=1,
        client_id=2,
        agent_id=3,
        line_number="ACD",
        event_type="READY",
        seq_num=4,
        event_id="e",
    )
    assert encode(agent) == (
        b'{"timestamp":1,"clientId":2,"agentId":3,"lineNumber":"ACD","eventType":"READY",'
        b'"seqNum":4,"eventId":"e"}'
    )
    assert json.loads(encode(sms("id")))["carrier"] is None
    assert "campaignTypeId" not in json.loads(encode(sms("id")))
