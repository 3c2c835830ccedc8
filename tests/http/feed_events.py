"""Minimal events for tests of the feeds."""

from __future__ import annotations

from floorcast.model.outbound import AgentEvent, CallStartEvent, SmsEvent

__all__ = ["agent_event", "call_start", "sms"]


def agent_event(event_id: str) -> AgentEvent:
    """Return the event of an agent who becomes ready."""
    return AgentEvent(
        timestamp=1,
        client_id=1,
        agent_id=1,
        line_number="ACD",
        event_type="READY",
        seq_num=1,
        event_id=event_id,
    )


def call_start(event_id: str) -> CallStartEvent:
    """Return the event of a call that begins."""
    return CallStartEvent(
        event_id=event_id,
        call_event_type="CALL_START",
        interaction_type="VOICE",
        transaction_id=1,
        client_id=1,
        service_id=1,
        call_center_id=1,
        session_id="s",
        campaign_id=None,
        phone_dialed=None,
        account=None,
        operator_phone=None,
        area_code_state=None,
        call_direction=None,
        campaign_type=None,
        agent_login_id=None,
        agent_id=None,
        start="t",
        timestamp="t",
    )


def sms(event_id: str) -> SmsEvent:
    """Return the event of an SMS that was sent."""
    return SmsEvent(
        event_id=event_id,
        client_id="1",
        call_center_id="1",
        service_id="1",
        timestamp="t",
        campaign_id=None,
        session_id=None,
        phone_number=None,
        acct_transaction_id=None,
        event_type="Attempt",
        thread_id=None,
        account_number=None,
        campaign_type=None,
        carrier=None,
        sms_code=None,
    )
