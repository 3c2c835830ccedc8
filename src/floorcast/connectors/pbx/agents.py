"""Applies PBX events to the agents of one PBX. No I/O."""

from __future__ import annotations

from math import floor

from msgspec import structs

from floorcast.connectors.pbx.agent_states import UNREACHABLE_STATES, AgentStateReporter, Emit
from floorcast.connectors.pbx.config import Dialect, MappingConfig
from floorcast.connectors.pbx.pbx_events import (
    AgentConnected,
    AgentStatus,
    CallMissed,
    ChannelHungUp,
    HoldChanged,
    MemberList,
    MemberRemoved,
    MemberState,
    PauseChanged,
    PbxEvent,
    RingEnded,
    Ringing,
)
from floorcast.connectors.pbx.state import Membership, PbxAgent, PbxCall, PbxState

__all__ = ["Agents"]

# Seconds that a device must be in use without a queue call before it counts as in a direct call.
DIRECT_CALL_AFTER_SECONDS = 1.0
MAX_UNKNOWN = 1_000  # unknown interfaces that are logged
BUSY = {2, 3, 7, 8}  # in use, busy, ringing and in use, on hold
FREE, UNREACHABLE = 1, 5


class Agents:
    """Applies PBX events to agents, and reports each change of an agent's state once."""

    def __init__(
        self, config: MappingConfig, dialect: Dialect, state: PbxState, emit: Emit
    ) -> None:
        self._config = config
        self._state = state
        self._states = AgentStateReporter(config, dialect, emit)
        self.call_ids = self._states.call_ids
        self.skipped = self._states.skipped
        self.unknown_interfaces: set[str] = set()
        self._timed = set(state.agents)
        # by channel, so that a hangup or a hold takes one lookup instead of one per agent
        self._reserved = {one.reserved: one.name for one in state.agents.values() if one.reserved}
        self._legs = {one.leg: one.name for one in state.agents.values() if one.leg}

    def agent_of(self, member: str) -> PbxAgent:
        """Return the agent of a queue member."""
        name = self._state.interfaces.get(member, member)
        return self._state.agent(
            self._config.agents.get(member) or self._config.agents.get(name, name)
        )

    def apply(self, event: PbxEvent) -> None:
        """Apply a PBX event that concerns only an agent."""
        match event:
            case MemberState():
                self._apply_member(event)
            case MemberList():
                self._apply_member_list(event)
            case MemberRemoved():
                self._remove_member(event)
            case PauseChanged():
                self._apply_pause(event)
            case AgentStatus():
                self._apply_agent_status(event)
            case RingEnded():
                self._ring_ended(event)
            case HoldChanged():
                self._apply_hold(event)

    def offer(self, event: Ringing, call: PbxCall) -> None:
        """Offer a call to an agent."""
        agent = self._queue_member(event.agent, event.queue)
        agent.reserved = event.leg or call.caller
        self._reserved[agent.reserved] = agent.name
        agent.wrap_until, agent.bridging = None, None
        self._states.send_if_changed(agent, event.at, call)

    def note_missed(self, agent: PbxAgent, event: CallMissed) -> None:
        """Note that an agent did not answer a call. A pause may follow."""
        self._queue_member(event.agent, event.queue)
        self._reserved.pop(agent.reserved, None)
        agent.reserved, agent.bridging = "", None
        self._states.send_if_changed(agent, event.at)

    def connect(self, event: AgentConnected, call: PbxCall) -> str:
        """Connect an agent to a call. Returns the agent's name."""
        agent = self._queue_member(event.agent, event.queue)
        self._begin_call(agent, event.leg, call)
        self._states.send_if_changed(
            agent, event.at, call, event_id=f"{call.key}/{call.turn}/connect/{agent.name}"
        )
        return agent.name

    def _begin_call(self, agent: PbxAgent, leg: str, call: PbxCall) -> None:
        self._legs.pop(agent.leg, None)
        self._reserved.pop(agent.reserved, None)
        agent.call, agent.leg, agent.held, agent.reserved = call.caller, leg, False, ""
        agent.wrap_until, agent.busy_since, agent.direct = None, None, False
        agent.bridging = None
        if leg:
            self._legs[leg] = agent.name

    def end_call(self, name: str, call: PbxCall | None, at: float, result: str) -> None:
        """End an agent's call. Wrap-up follows if the queue has a wrap-up time."""
        agent = self._state.agent(name)
        if not agent.call or (call is not None and agent.call != call.caller):
            return
        seconds = self._config.wrap_up(call.queue, agent.wrap_up) if call else 0.0
        self._legs.pop(agent.leg, None)
        agent.call, agent.leg, agent.held, agent.busy_since = "", "", False, None
        agent.wrap_until = at + seconds
        self._states.send_if_changed(agent, at, call, result=result)
        if not seconds:
            agent.wrap_until = None
            self._states.send_if_changed(agent, at)
        self._timed.add(name)

    def note_hangup(self, event: ChannelHungUp) -> None:
        """Note that a channel hung up, which ends its ringing."""
        self._ring_ended(RingEnded(at=event.at, leg=event.channel))

    def agent_with_interface(self, interface: str) -> str:
        """Return the name of the agent with this interface, or an empty string if there is none."""
        known = interface in self._state.interfaces or interface in self._config.agents
        return self.agent_of(interface).name if known else ""

    def caller_on_channel(self, channel: str) -> str:
        """Return the caller to whom an agent talks on this channel, or an empty string."""
        name = self._legs.get(channel)
        return self._state.agents[name].call if name else ""

    def is_in_call(self, name: str, call: PbxCall) -> bool:
        """Return whether an agent is in this call."""
        agent = self._state.agents.get(name)
        return agent is not None and agent.call == call.caller

    def ring_transferred(self, name: str, leg: str, call: PbxCall, at: float) -> None:
        """Note that this agent's telephone rings for a call that another agent transferred."""
        agent = self._state.agent(name)
        if not agent.call:
            agent.reserved, agent.wrap_until = leg, None
            self._reserved[leg] = name
            self._states.send_if_changed(agent, at, call)

    def take_over(self, name: str, leg: str, call: PbxCall, at: float) -> None:
        """Note that an agent has taken over a call that another agent transferred."""
        agent = self._state.agent(name)
        self._begin_call(agent, leg, call)
        event_id = f"{call.key}/{call.turn}/passed/{name}/{int(at)}"
        self._states.send_if_changed(agent, at, call, event_id=event_id)

    def note_transfer(self, name: str, call: PbxCall, other: str, at: float) -> None:
        """Note that an agent transferred the current call to another agent."""
        if self.is_in_call(name, call) and name != other:
            agent = self._state.agent(name)
            self._states.send(agent, "AGENT_TRANSFER_COMPLETE_AGENT2", at, {"agent2": other}, call)

    def log_off_all(self, at: float) -> None:
        """Log off all agents, because the queues no longer have members."""
        for name in list(self._state.agents):
            agent = self._state.agent(name)
            agent.queues, agent.reserved, agent.wrap_until = {}, "", None
            agent.busy_since, agent.direct = None, False
            self._states.send_if_changed(agent, at)

    def advance(self, now: float) -> None:
        """End wrap-ups that are due, and report devices that have been in use long enough."""
        for name in sorted(self._timed):
            agent = self._state.agents.get(name)
            if agent is None or (agent.wrap_until is None and agent.busy_since is None):
                self._timed.discard(name)
                continue
            if agent.wrap_until is not None and agent.wrap_until <= now:
                ended, agent.wrap_until = agent.wrap_until, None
                self._states.send_if_changed(self._state.agent(name), ended)
            if agent.busy_since is not None and agent.busy_since + DIRECT_CALL_AFTER_SECONDS <= now:
                began, agent.busy_since = agent.busy_since, None
                agent.direct = not agent.call and not agent.reserved
                self._states.send_if_changed(self._state.agent(name), began)

    # --- changes to agents ----------------------------------------------------------------------

    def _queue_member(self, member: str, queue: str) -> PbxAgent:
        """Return a queue member's agent, and add the agent to the queue if necessary.

        An agent who is offered a queue's call must be a member of the queue.
        """
        agent = self.agent_of(member)
        if queue not in agent.queues:
            agent.queues = {**agent.queues, queue: Membership()}
        return agent

    def _is_unknown(self, member: str) -> bool:
        """Return whether ``member`` is an interface that belongs to no known agent."""
        known = (
            self._config.agents.keys() | self._state.interfaces.keys() | self._state.agents.keys()
        )
        if "/" not in member or member in known:
            return False
        if len(self.unknown_interfaces) < MAX_UNKNOWN:
            self.unknown_interfaces.add(member)
        return True

    def _apply_member(self, event: MemberState) -> None:
        if not event.interface and self._is_unknown(event.agent):
            return
        agent = self._enroll(event)
        at = event.at if event.since is None else event.since
        self._states.send_if_changed(agent, at, logged_in=event.logged_in)

    def _apply_member_list(self, event: MemberList) -> None:
        excluded = event.excluded
        agents = {agent.name for agent in self._state.agents.values() if agent.queues} - excluded
        for name in agents:
            self._state.agent(name).queues = {}
        times: dict[str, tuple[float, float]] = {}
        for one in event.members:
            if self.agent_of(one.agent).name in excluded:
                continue
            agent = self._enroll(one)
            since, logged_in = times.get(agent.name, (0.0, one.at))
            times[agent.name] = (
                max(since, one.at if one.since is None else one.since),
                min(logged_in, one.at if one.logged_in is None else one.logged_in),
            )
        for name in sorted(agents | times.keys()):
            agent = self._state.agent(name)
            since, logged_in = times.get(name, (event.at, event.at))
            if since < agent.shown_at:  # an earlier state than the one that was sent
                since = event.at
            if logged_in < agent.shown_at:
                logged_in = since
            self._states.send_if_changed(agent, since, logged_in=logged_in)

    def _enroll(self, event: MemberState) -> PbxAgent:
        self._state.set_interface(event.interface, event.agent)
        agent = self.agent_of(event.agent)
        before = agent.queues.get(event.queue)
        status = event.status
        if before is not None and status is None:
            return agent  # the queue log only reports the membership
        agent.queues = {
            **agent.queues,
            event.queue: Membership(
                dynamic=event.dynamic,
                status=status if status is not None else before.status if before else 0,
                paused=event.paused,
                paused_at=before.paused_at if before else 0.0,
                penalty=event.penalty,
            ),
        }
        agent.wrap_up = event.wrap_up
        if event.paused and event.reason:
            agent.reason = event.reason
        if status is not None:
            self._apply_device_state(agent, status, event.at)
        return agent

    def _apply_device_state(self, agent: PbxAgent, status: int, at: float) -> None:
        if status == FREE:
            agent.reserved, agent.busy_since, agent.direct = "", None, False
        elif status in BUSY and not agent.call and not agent.direct:
            agent.busy_since = at if agent.busy_since is None else agent.busy_since
            self._timed.add(agent.name)
        elif status in UNREACHABLE_STATES:
            agent.busy_since, agent.direct = None, False

    def _remove_member(self, event: MemberRemoved) -> None:
        if self._is_unknown(event.agent):
            return
        agent = self.agent_of(event.agent)
        queues_left = {event.queue} if event.queue else set(agent.queues)
        agent.queues = {
            queue: membership
            for queue, membership in agent.queues.items()
            if queue not in queues_left
        }
        self._states.send_if_changed(agent, event.at)

    def _apply_pause(self, event: PauseChanged) -> None:
        agent = self._queue_member(event.agent, event.queue)
        membership = agent.queues[event.queue]
        if event.at < floor(membership.paused_at):
            return  # a late PBX event from the other source
        membership.paused, membership.paused_at = event.paused, event.at
        if event.paused:
            agent.reason = event.reason
            agent.wrap_until = None
        self._states.send_if_changed(agent, event.at)

    def _apply_agent_status(self, event: AgentStatus) -> None:
        agent = self.agent_of(event.agent)
        now = FREE if event.present else UNREACHABLE
        agent.queues = {
            queue: structs.replace(one, dynamic=False, status=now, paused=event.paused)
            for queue, one in agent.queues.items()
        }
        if event.paused:
            agent.reason = event.reason
        if event.paused or not event.present:
            agent.wrap_until = None
        self._states.send_if_changed(agent, event.at)

    def _ring_ended(self, event: RingEnded) -> None:
        name = self._reserved.pop(event.leg, None)
        if name is None:
            return
        agent = self._state.agent(name)
        if agent.reserved == event.leg:
            agent.reserved = ""
            self._states.send_if_changed(agent, event.at)

    def _apply_hold(self, event: HoldChanged) -> None:
        name = self._legs.get(event.channel)
        if name is None:
            return
        agent = self._state.agent(name)
        if agent.call and agent.leg == event.channel and agent.held != event.on:
            agent.held = event.on
            self._states.send_if_changed(agent, event.at, self._state.calls.get(agent.call))
