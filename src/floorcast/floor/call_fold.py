"""Folds events about calls. Each one updates its call, and some also return an event for a feed."""

from __future__ import annotations

from floorcast.floor import voice_events
from floorcast.floor.agent_fold import AgentFold
from floorcast.floor.call_details import CallDetails
from floorcast.floor.call_effects import CallEffects
from floorcast.floor.intervals import leave_reason
from floorcast.floor.queue_segments import ANSWER, END, LEAVE, QUEUE, START, UPDATE, Step
from floorcast.floor.state import FloorState
from floorcast.model.inbound import (
    AgentMissed,
    CallAnswer,
    CallDisposition,
    CallEnd,
    CallLeave,
    CallQueue,
    CallStart,
    CallUpdate,
)
from floorcast.model.outbound import OutboundEvent

__all__ = ["CALL_EVENT_TYPES", "CallFold"]

CALL_EVENT_TYPES = frozenset(
    {CallStart, CallQueue, CallAnswer, CallEnd, CallDisposition}
    | {CallLeave, CallUpdate, AgentMissed}
)
"""The types of events about a call. Events about an agent's state are not included."""


class CallFold:
    """Folds the events of one floor's calls.

    ``at`` is an event's own time and ``now`` is when it was recorded, in ms. ``event_id`` is the
    event's id in a feed.
    """

    def __init__(
        self, state: FloorState, calls: CallEffects, details: CallDetails, agents: AgentFold
    ) -> None:
        self._state = state
        self._calls = calls
        self._table = calls.table
        self._details = details
        self._agents = agents

    def start(self, event: CallStart, at: int, now: int, event_id: str) -> OutboundEvent:
        """Fold the start of a call."""
        data, directory = event.data, self._state.directory
        call = self._table.touch((int(data.transaction_id), data.session_id), at, now)
        service = directory.service(data.service)
        late = self._details.start(call, at, data) or at < call.last_step
        self._calls.apply_step(call, Step(at, START, service, None))
        attribution = voice_events.Attribution(call, directory, None, service if late else None)
        feed_event = voice_events.call_start(self._state.client, call, at, event_id, attribution)
        if late:
            voice_events.prefer_sent(feed_event, data, data.direction, directory)
        return OutboundEvent(
            "interaction", "VOICE", attribution.service, attribution.call_center, feed_event
        )

    def queue(self, event: CallQueue, at: int, now: int, _event_id: str) -> None:
        """Fold the event of a call that joined a service's queue."""
        data = event.data
        call = self._table.touch((int(data.transaction_id), data.session_id), at, now)
        if data.skill is not None or data.priority is not None:
            self._details.queue(call, at, data)
        service = None if data.service is None else self._state.directory.service(data.service)
        self._calls.apply_step(call, Step(at, QUEUE, service, None))

    def answer(self, event: CallAnswer, at: int, now: int, _event_id: str) -> None:
        """Fold the answer to a call. The agent may be unknown."""
        data = event.data
        call = self._table.touch((int(data.transaction_id), data.session_id), at, now)
        agent_id = None if data.agent is None else self._state.directory.agent(data.agent)
        self._calls.apply_step(call, Step(at, ANSWER, None, agent_id))
        if agent_id is not None:
            self._agents.answered(agent_id, call, at, now)

    def end(self, event: CallEnd, at: int, now: int, event_id: str) -> OutboundEvent:
        """Fold the end of a call."""
        data, directory = event.data, self._state.directory
        call = self._table.touch((int(data.transaction_id), data.session_id), at, now)
        late = self._details.end(call, at, data) or at < call.last_step
        service = None if data.service is None else directory.service(data.service)
        self._calls.apply_step(call, Step(at, END, service, None))
        named = data.agent if data.agent is not None else data.agent_id
        agent = None if named is None else directory.agent(named)
        attribution = voice_events.Attribution(call, directory, agent, service if late else None)
        threshold = None
        if attribution.service is not None and attribution.service in directory.services:
            threshold = directory.services[attribution.service].sla_seconds
        feed_event = voice_events.call_termination(
            self._state.client, call, data, at, event_id, attribution, threshold
        )
        if late:
            voice_events.prefer_sent(feed_event, data, data.call_direction, directory)
        return OutboundEvent(
            "interaction", "VOICE", attribution.service, attribution.call_center, feed_event
        )

    def leave(self, event: CallLeave, at: int, now: int, _event_id: str) -> None:
        """Fold the event of a call that left its queue unanswered."""
        data = event.data
        call = self._table.touch((int(data.transaction_id), data.session_id), at, now)
        self._calls.apply_step(call, Step(at, LEAVE, None, None, leave_reason(data.reason)))

    def update(self, event: CallUpdate, at: int, now: int, _event_id: str) -> None:
        """Fold a correction of the call's members."""
        data = event.data
        call = self._table.touch((int(data.transaction_id), data.session_id), at, now)
        service = None if data.service is None else self._state.directory.service(data.service)
        self._details.update(call, at, data)
        self._calls.apply_step(call, Step(at, UPDATE, service, None))

    def missed(self, event: AgentMissed, at: int, now: int, _event_id: str) -> None:
        """Fold an offer that an agent missed. No state changes, but the call stays in memory.

        The offer counts for the service that the event names, or else for the one that has the call
        at the event's time.
        """
        data, directory = event.data, self._state.directory
        directory.agent(data.agent)
        key = (int(data.transaction_id), data.session_id)
        if data.service is None:
            self._calls.miss(self._table.touch(key, at, now), at)
            return
        if key in self._table.calls:
            self._table.touch(key, at, now)
        self._calls.tally.counts.missed(directory.service(data.service), at, 1)

    def disposition(
        self, event: CallDisposition, at: int, now: int, event_id: str
    ) -> OutboundEvent:
        """Fold a term code that was set for a call."""
        data, directory = event.data, self._state.directory
        call = self._table.touch((int(data.transaction_id), data.session_id), at, now)
        agent = None if data.agent is None else directory.agent(data.agent)
        if data.account is not None:
            self._details.disposition(call, at, data)
        self._calls.dispositions.set(call, at, data.term_code, agent)
        self._table.sizes.measure(call)
        attribution = voice_events.Attribution(call, directory, agent)
        feed_event = voice_events.call_disposition(
            self._state.client, call, data, at, event_id, attribution
        )
        return OutboundEvent(
            "interaction", "VOICE", attribution.service, attribution.call_center, feed_event
        )
