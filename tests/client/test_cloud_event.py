"""Tests that the intake can read the CloudEvents envelope."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from floorcast.client.cloud_event import CloudEvent
from floorcast.model.inbound import CallEnd, InboundEvent


def test_intake_decodes_an_encoded_event() -> None:
    """An encoded event decodes as the class of its type, with the same id, source and time."""
    at = datetime(2026, 3, 4, 10, 0, 0, 250_000, tzinfo=UTC)
    data: dict[str, object] = {"transactionId": 7, "sessionId": "s"}
    event = CloudEvent(id="1", source="bank", type="call.end", time=at, data=data)
    read = msgspec.json.decode(msgspec.json.encode(event), type=InboundEvent)
    assert isinstance(read, CallEnd)
    assert (read.id, read.source, read.time) == ("1", "bank", at)
    assert (read.data.transaction_id, read.data.session_id) == (7, "s")
