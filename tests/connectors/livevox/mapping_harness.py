"""Sends the events of another server's feeds through the mappers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from floorcast.client import CloudEvent
from floorcast.client.events import read_agent_event, read_interaction
from floorcast.connectors.livevox.feed_mapping import FeedMapper
from floorcast.connectors.livevox.list_mapping import ListMapper
from floorcast.connectors.livevox.state import FeedState
from floorcast.connectors.pbx.unreadable import Unreadable

__all__ = ["NAMED", "NOON", "MappingHarness", "iso", "ms_after_noon"]

NOON = 1_795_428_000_000  # ms
NAMED: dict[str, Any] = {"transactionId": 7, "sessionId": "s7"}


def iso(at: int) -> str:
    """Return a time as the interaction feed prints it."""
    return datetime.fromtimestamp((NOON + at) / 1000, UTC).isoformat(timespec="milliseconds")


class MappingHarness:
    """The mappers of one source, and all events that the feeds' mapper has returned."""

    def __init__(self) -> None:
        self.state = FeedState()
        self.feeds = FeedMapper("other", self.state)
        self.skipped: list[Unreadable] = []
        self.lists = ListMapper("other", self.state, self.skipped.append)
        self.events: list[CloudEvent] = []

    def agent(self, kind: str, at: int, agent: int = 1, **more: object) -> list[CloudEvent]:
        """Map an event of the agent feed."""
        raw = msgspec.json.encode(
            {
                "timestamp": NOON + at,
                "agentId": agent,
                "agentLoginId": f"A{agent}",
                "eventType": kind,
                "eventId": f"a{agent}/{at}/{kind}",
                **more,
            }
        )
        return self._add(self.feeds.map_agent_event(read_agent_event(raw), raw))

    def call(self, kind: str, at: int, **more: object) -> list[CloudEvent]:
        """Map an event of the interaction feed about the call."""
        raw = msgspec.json.encode(
            {
                **NAMED,
                "interactionType": "VOICE",
                "callEventType": kind,
                "eventId": f"{kind}/{at}",
                "timestamp": iso(at),
                "serviceId": 5,
                "callDirection": "INBOUND",
                **more,
            }
        )
        return self._add(self.feeds.map_interaction(read_interaction(raw), raw, NOON))

    def ended(self, at: int, hold: int, *, success: int = 1, **more: object) -> list[CloudEvent]:
        """Map the call's end, which has the wait in whole seconds."""
        members = {"transferHoldDuration": hold, "operatorTransfer": 1, "start": iso(0)}
        outcome = {"operatorTransferSuccessful": success, "end": iso(at)}
        return self.call("CALL_TERMINATION", at, **{**members, **outcome, **more})

    def _add(self, events: list[CloudEvent]) -> list[CloudEvent]:
        self.events += events
        return events

    def queues(self) -> list[tuple[int, object]]:
        """Return the times and services at which the call began to wait."""
        return [
            (ms_after_noon(one), one.data.get("service"))
            for one in self.events
            if one.type == "call.queue"
        ]


def ms_after_noon(event: CloudEvent) -> int:
    """Return an event's time in ms after noon."""
    return round(event.time.timestamp() * 1000) - NOON
