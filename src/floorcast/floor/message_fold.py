"""Folds outbound messages into the Email and SMS events of the interaction feed.

A message has no state on the floor. Its event has the data that the source sent, with names
resolved to ids and times in the client's own time zone. Ids are strings in these events, as in the
reference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec import UNSET, UnsetType

from floorcast.floor.days import Calendar
from floorcast.floor.directory import Directory
from floorcast.floor.state import FloorState
from floorcast.model.inbound import EmailAttempt, SmsAttempt
from floorcast.model.inbound_data import EmailAttemptData, SmsAttemptData
from floorcast.model.outbound import EmailEvent, OutboundEvent, SmsEvent

__all__ = ["MessageFold"]

D = TypeVar("D", EmailAttemptData, SmsAttemptData)


class MessageFold:
    """Folds messages. ``at`` is an event's time in ms, which ``calendar`` formats."""

    def __init__(self, state: FloorState, calendar: Calendar) -> None:
        self._state = state
        self._calendar = calendar

    def email(self, event: EmailAttempt, at: int, _now: int, event_id: str) -> OutboundEvent:
        """Fold a step of an outbound email, such as its attempt or delivery."""
        return self._sent("EMAIL", _email_event, event.data, at, event_id)

    def sms(self, event: SmsAttempt, at: int, _now: int, event_id: str) -> OutboundEvent:
        """Fold a step of an outbound SMS, such as its attempt or delivery."""
        return self._sent("SMS", _sms_event, event.data, at, event_id)

    def _sent(
        self,
        kind: str,
        make: Callable[[int, D, int, str, str, Directory], EmailEvent | SmsEvent],
        data: D,
        at: int,
        event_id: str,
    ) -> OutboundEvent:
        client, directory = self._state.client, self._state.directory
        service, stamp = directory.service(data.service), self._calendar.stamp(at)
        feed_event = make(client, data, service, stamp, event_id, directory)
        return OutboundEvent(
            "interaction", kind, service, directory.call_center_of(service), feed_event
        )


def _email_event(
    client: int,
    data: EmailAttemptData,
    service: int,
    stamp: str,
    event_id: str,
    directory: Directory,
) -> EmailEvent:
    return EmailEvent(
        event_id=event_id,
        client_id=str(client),
        call_center_id=_text(directory.call_center_of(service)),
        service_id=str(service),
        timestamp=stamp,
        campaign_id=_campaign(data, directory),
        session_id=data.session_id,
        from_email=data.from_email,
        to_email=data.to_email,
        acct_transaction_id=_text(data.acct_transaction_id),
        event_type=data.event_type,
        thread_id=_text(data.thread_id),
        account_number=_text(data.account_number),
        campaign_type=data.campaign_type,
        campaign_type_id=_when_known(data.campaign_type_id),
        carrier=data.carrier,
        call_start_time=_when_known(data.call_start_time),
    )


def _sms_event(
    client: int,
    data: SmsAttemptData,
    service: int,
    stamp: str,
    event_id: str,
    directory: Directory,
) -> SmsEvent:
    return SmsEvent(
        event_id=event_id,
        client_id=str(client),
        call_center_id=_text(directory.call_center_of(service)),
        service_id=str(service),
        timestamp=stamp,
        campaign_id=_campaign(data, directory),
        session_id=data.session_id,
        phone_number=data.phone_number,
        acct_transaction_id=_text(data.acct_transaction_id),
        event_type=data.event_type,
        thread_id=_text(data.thread_id),
        account_number=_text(data.account_number),
        campaign_type=data.campaign_type,
        carrier=data.carrier,
        sms_code=_text(data.sms_code),
        campaign_type_id=_when_known(data.campaign_type_id),
        call_start_time=_when_known(data.call_start_time),
    )


def _campaign(data: EmailAttemptData | SmsAttemptData, directory: Directory) -> str | None:
    return None if data.campaign is None else str(directory.campaign(data.campaign))


def _text(value: str | int | None) -> str | None:
    return None if value is None else str(value)


def _when_known(value: str | int | None) -> str | UnsetType:
    return UNSET if value is None else str(value)
