"""Converts data from the followed server to changes for the spool. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from floorcast.client import CloudEvent
from floorcast.client.events import AgentEvent, CallTermination, Interaction
from floorcast.connectors.livevox.feed_mapping import FeedMapper
from floorcast.connectors.livevox.list_mapping import ListMapper
from floorcast.connectors.livevox.state import FeedState
from floorcast.connectors.pbx.source_clock import IMPOSSIBLY_AHEAD_SECONDS
from floorcast.connectors.pbx.spool_writer import SpoolStep
from floorcast.connectors.pbx.unreadable import ConnectorWarnings, Unreadable

__all__ = ["FeedItem", "FeedName", "ListResponse", "LivevoxProcessor"]

FeedName = Literal["agent", "interaction"]


class FeedItem(NamedTuple):
    """An event of a feed and the token after it.

    If ``event`` is None, the feed reached the token without an event.
    """

    feed: FeedName
    token: str
    at: float
    event: AgentEvent | Interaction | None = None
    raw: bytes = b""


class ListResponse(NamedTuple):
    """The rows of a response and its arrival time (epoch seconds)."""

    name: Literal["waiting", "campaigns", "statuses"]
    rows: Sequence[Any]
    at: float


class LivevoxProcessor:
    """Collects the data to store: events, changed rows and changed positions."""

    def __init__(
        self,
        source: str,
        rows: Iterable[tuple[str, str, bytes]],
        warnings: ConnectorWarnings,
    ) -> None:
        self._state = FeedState()
        for row in rows:
            self._state.restore(*row)
        self._feeds = FeedMapper(source, self._state)
        self._lists = ListMapper(source, self._state, warnings.count_unreadable)
        self._warnings = warnings
        self._events: list[CloudEvent] = []
        self._position: dict[str, str] = {}
        self.last_at = 0.0

    def answer_is_known(self, event: CallTermination) -> bool:
        """Return whether no other event is needed to know the call's answer.

        This is true if nobody answered, or if an IN_CALL or an earlier end has given the answer.
        """
        number, session = event.transaction_id, event.session_id
        if number is None or not session or not event.operator_transfer_successful:
            return True
        key = f"{number}/{session}"
        call = self._state.calls.get(key)
        return key in self._state.ended or (call is not None and call.answered is not None)

    def apply(self, item: FeedItem | ListResponse) -> None:
        """Apply a received item.

        An item that cannot become an event is counted. Only the first item of each kind is logged.
        """
        try:
            events = (
                self._map_list(item)
                if isinstance(item, ListResponse)
                else self._map_feed_item(item)
            )
        except Unreadable as error:
            self._warnings.count_unreadable(error)
            events = []
        self._events += events
        if isinstance(item, FeedItem):
            if item.token:
                self._position[item.feed] = item.token
            if events:
                self.last_at = max(self.last_at, events[-1].time.timestamp())

    def advance(self, now: float) -> None:
        """Do nothing, because the passage of time has no effect."""

    def take_step(self) -> SpoolStep:
        """Return the changes since the last step."""
        events, self._events = self._events, []
        position: Mapping[str, str] = self._position
        self._position = {}
        return SpoolStep(events, self._state.take_changes(), position)

    def _map_feed_item(self, item: FeedItem) -> list[CloudEvent]:
        if item.event is None:
            return []
        if isinstance(item.event, AgentEvent):
            # the agent's later events would count as earlier ones
            if (item.event.timestamp or 0) / 1000 > item.at + IMPOSSIBLY_AHEAD_SECONDS:
                raise Unreadable("an agent event from the future")
            return self._feeds.map_agent_event(item.event, item.raw)
        return self._feeds.map_interaction(item.event, item.raw, round(item.at * 1000))

    def _map_list(self, item: ListResponse) -> list[CloudEvent]:
        now = round(item.at * 1000)
        if item.name == "waiting":
            return self._lists.map_waiting_calls(item.rows)
        if item.name == "campaigns":
            return self._lists.map_campaigns(item.rows, now)
        return self._lists.map_statuses(item.rows, now)
