"""Looks up the calls that agents' events and answers name, and applies the events to them."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping

from floorcast.floor.agents import (
    SENT_ACCOUNT,
    SENT_DIRECTION,
    SENT_PHONE,
    CurrentCall,
    FloorAgent,
    short_text,
)
from floorcast.floor.call_effects import CallEffects
from floorcast.floor.calls import Call, Key
from floorcast.floor.directory import NO_SERVICE
from floorcast.floor.queue_segments import ANSWER, Step
from floorcast.floor.state import FloorState
from floorcast.model.inbound_data import CallRef

__all__ = ["AgentCalls", "NamedCalls", "service_answered_on"]

NAMED_CALLS = 4  # of each agent's last calls, one is the current call


class NamedCalls:
    """An index of the calls that agents' events named last. It is rebuilt at startup.

    Among them are the current calls of ``agents``.
    """

    def __init__(self, agents: Mapping[int, FloorAgent]) -> None:
        self._agents = agents
        self._named: dict[int, deque[Key]] = {}
        self._agents_by_call: dict[Key, set[int]] = {}
        for agent in agents.values():
            for call in (agent.offered, agent.call):
                if call is not None and call.key is not None:
                    self.note(agent.id, call.key)

    def agents_of(self, key: Key) -> Collection[int]:
        """Return the agents whose current call this may be."""
        return self._agents_by_call.get(key, ())

    def note(self, agent: int, key: Key) -> None:
        """Note that an agent's event named the call, which may be the agent's current call."""
        named = self._named.get(agent)
        if named is None:
            named = self._named[agent] = deque()
        elif key in named:
            if named[-1] != key:
                named.remove(key)
                named.append(key)
            return
        named.append(key)
        self._agents_by_call.setdefault(key, set()).add(agent)
        if len(named) > NAMED_CALLS:
            self._forget(agent, named.popleft())

    def forget_agents(self) -> None:
        """Forget the calls of agents that have left."""
        if len(self._named) > len(self._agents):
            for agent in self._named.keys() - self._agents.keys():
                for key in self._named.pop(agent):
                    self._forget(agent, key)

    def _forget(self, agent: int, key: Key) -> None:
        agents = self._agents_by_call[key]
        agents.discard(agent)
        if not agents:
            del self._agents_by_call[key]


class AgentCalls:
    """Looks up agents' calls among the calls in memory, and updates them."""

    def __init__(self, state: FloorState, calls: CallEffects, named: NamedCalls) -> None:
        self._state = state
        self._calls = calls
        self._named = named

    def referenced_call(self, ref: CallRef, agent: int, at: int, *, is_answer: bool) -> CurrentCall:
        """Return the call that an agent's event names, completed from known data.

        ``at`` is the event's time in ms.
        """
        named = None if ref.service is None else self._state.directory.service(ref.service)
        call = CurrentCall(
            None if ref.transaction_id is None else int(ref.transaction_id),
            ref.session_id,
            named,
            ref.phone_number,
            ref.account,
            ref.campaign_type,
            ref.direction,
            named,
            sent=(ref.phone_number is not None) * SENT_PHONE
            | (ref.account is not None) * SENT_ACCOUNT
            | (ref.direction is not None) * SENT_DIRECTION,
        )
        key = call.key
        known = None if key is None else self._calls.table.calls.get(key)
        if key is not None:
            self._named.note(agent, key)
        if key is None or known is None:
            return call
        call.phone, call.account, call.direction = call.members_now(known)
        if call.campaign_type is None:
            call.campaign_type = short_text(known.campaign_type)
        if named is None:
            call.service = (
                _or_none(known.current_service) if is_answer else self._service_of(key, agent)
            )
            call.answered_service = (
                call.service if is_answer else service_answered_on(known, agent, at)
            )
        return call

    def answered_call(self, call: Call, agent: int, at: int) -> CurrentCall:
        """Return the call of a ``call.answer`` that named an agent at ``at`` (ms)."""
        self._named.note(agent, call.key)
        current = CurrentCall(call.transaction, call.session)
        current.phone, current.account, current.direction = current.members_now(call)
        current.campaign_type = short_text(call.campaign_type)
        current.service = self._service_of(call.key, agent)
        current.answered_service = service_answered_on(call, agent, at)
        return current

    def keep_members(self, call: Call) -> None:
        """Copy the data of a call that leaves memory to the agents whose current call it is."""
        for number in self._named.agents_of(call.key):
            agent = self._state.agents.get(number)  # None if it has left, perhaps just now
            for current in () if agent is None else (agent.call, agent.offered):
                if current is not None and current.key == call.key:
                    current.phone, current.account, current.direction = current.members_now(call)

    def apply_to_call(
        self,
        agent: FloorAgent,
        kind: str,
        ref: CurrentCall,
        key: Key,
        service: int | None,
        at: int,
        now: int,
    ) -> None:
        """Update the call that an agent's event names. An In Call event answers the call."""
        table = self._calls.table
        if kind == "IN_CALL":
            call = table.calls[key]
            if call.direction is None:
                self._calls.tally.set_direction(call, ref.direction)
            self._calls.apply_step(call, Step(at, ANSWER, service, agent.id))
            self._calls.tally.reassigned[key].add(agent.id)
        if kind != "IN_CALL" and key in table.calls:  # an In Call event has touched it already
            table.touch(key, at, now)
        if ref.service is None:
            ref.service = self._service_of(key, agent.id)

    def _service_of(self, key: Key, agent: int) -> int | None:
        """Return the service on which the agent had the call, or else the call's service."""
        known = self._calls.table.calls.get(key)
        if known is None:
            return None
        segment = known.last_segment_of(agent)
        return _or_none(known.current_service if segment is None else segment.service)


def service_answered_on(call: Call, agent: int, at: int) -> int | None:
    """Return the service on which the agent had the call at ``at``; None if there is none."""
    segment = call.segment_answered_by(agent, at)
    return None if segment is None else _or_none(segment.service)


def _or_none(service: int) -> int | None:
    return None if service == NO_SERVICE else service
