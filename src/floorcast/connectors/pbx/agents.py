"""Applies signs to the agents of one PBX. No I/O."""

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
DIRECT_AFTER = 1.0
MAX_UNKNOWN = 1_000  # unknown interfaces that are logged
BUSY = {2, 3, 7, 8}  # in use, busy, ringing and in use, on hold
FREE, UNREACHABLE = 1, 5


class Agents:
    """Applies signs to agents, and reports each change of an agent once."""

    def __init__(
        self, config: MappingConfig, dialect: Dialect, state: PbxState, emit: Emit
    ) -> None:
        self._config = config
        self._state = state
        self._told = AgentStateReporter(config, dialect, emit)
        self.named_call = self._told.named_call
        self.unknown: set[str] = set()
        self._timed = set(state.agents)
        # by channel, so that a hangup or a hold takes one lookup instead of one per agent
        self._reserved = {one.reserved: one.name for one in state.agents.values() if one.reserved}
        self._legs = {one.leg: one.name for one in state.agents.values() if one.leg}

    def named(self, member: str) -> PbxAgent:
        """Return the agent of a queue member."""
        name = self._state.interfaces.get(member, member)
        return self._state.agent(
            self._config.agents.get(member) or self._config.agents.get(name, name)
        )

    def apply(self, sign: PbxEvent) -> None:
        """Apply a sign that concerns only an agent."""
        match sign:
            case MemberState():
                self._member(sign)
            case MemberList():
                self._roster(sign)
            case MemberRemoved():
                self._gone(sign)
            case PauseChanged():
                self._pause(sign)
            case AgentStatus():
                self._status(sign)
            case RingEnded():
                self._ring_ended(sign)
            case HoldChanged():
                self._hold(sign)

    def ring(self, sign: Ringing, call: PbxCall) -> None:
        """Offer a call to an agent."""
        agent = self._in_queue(sign.agent, sign.queue)
        agent.reserved = sign.leg or call.caller
        self._reserved[agent.reserved] = agent.name
        agent.wrap_until, agent.bridging = None, None
        self._told.show(agent, sign.at, call)

    def missed(self, agent: PbxAgent, sign: CallMissed) -> None:
        """Note that an agent did not answer a call. A pause may follow."""
        self._in_queue(sign.agent, sign.queue)
        self._reserved.pop(agent.reserved, None)
        agent.reserved, agent.bridging = "", None
        self._told.show(agent, sign.at)

    def connect(self, sign: AgentConnected, call: PbxCall) -> str:
        """Connect an agent to a call. Returns the agent's name."""
        agent = self._in_queue(sign.agent, sign.queue)
        self._begin_talk(agent, sign.leg, call)
        self._told.show(agent, sign.at, call, number=f"{call.key}/{call.turn}/connect/{agent.name}")
        return agent.name

    def _begin_talk(self, agent: PbxAgent, leg: str, call: PbxCall) -> None:
        self._legs.pop(agent.leg, None)
        self._reserved.pop(agent.reserved, None)
        agent.call, agent.leg, agent.held, agent.reserved = call.caller, leg, False, ""
        agent.wrap_until, agent.busy_since, agent.direct = None, None, False
        agent.bridging = None
        if leg:
            self._legs[leg] = agent.name

    def complete(self, name: str, call: PbxCall | None, at: float, result: str) -> None:
        """End an agent's call. Wrap-up follows if the queue has a wrap-up time."""
        agent = self._state.agent(name)
        if not agent.call or (call is not None and agent.call != call.caller):
            return
        seconds = self._config.wrap_up(call.queue, agent.wrap_up) if call else 0.0
        self._legs.pop(agent.leg, None)
        agent.call, agent.leg, agent.held, agent.busy_since = "", "", False, None
        agent.wrap_until = at + seconds
        self._told.show(agent, at, call, result=result)
        if not seconds:
            agent.wrap_until = None
            self._told.show(agent, at)
        self._timed.add(name)

    def hung_up(self, sign: ChannelHungUp) -> None:
        """End the ring of a channel that hung up, if it was ringing."""
        self._ring_ended(RingEnded(at=sign.at, leg=sign.channel))

    def with_interface(self, interface: str) -> str:
        """Return the name of the agent with this interface, or an empty string."""
        known = interface in self._state.interfaces or interface in self._config.agents
        return self.named(interface).name if known else ""

    def call_of_leg(self, channel: str) -> str:
        """Return the caller that an agent talks to on this channel, or an empty string."""
        name = self._legs.get(channel)
        return self._state.agents[name].call if name else ""

    def is_with(self, name: str, call: PbxCall) -> bool:
        """Return whether an agent is in this call."""
        agent = self._state.agents.get(name)
        return agent is not None and agent.call == call.caller

    def ring_directly(self, name: str, leg: str, call: PbxCall, at: float) -> None:
        """Note that this agent's telephone rings for a call that another agent passed on."""
        agent = self._state.agent(name)
        if not agent.call:
            agent.reserved, agent.wrap_until = leg, None
            self._reserved[leg] = name
            self._told.show(agent, at, call)

    def take_over(self, name: str, leg: str, call: PbxCall, at: float) -> None:
        """Note that an agent has taken over a call that another agent passed on."""
        agent = self._state.agent(name)
        self._begin_talk(agent, leg, call)
        number = f"{call.key}/{call.turn}/passed/{name}/{int(at)}"
        self._told.show(agent, at, call, number=number)

    def passed_on(self, name: str, call: PbxCall, other: str, at: float) -> None:
        """Note that an agent passed the current call on to another agent."""
        if self.is_with(name, call) and name != other:
            agent = self._state.agent(name)
            self._told.send(agent, "AGENT_TRANSFER_COMPLETE_AGENT2", at, {"agent2": other}, call)

    def all_gone(self, at: float) -> None:
        """Log off all agents, because the queues no longer have members."""
        for name in list(self._state.agents):
            agent = self._state.agent(name)
            agent.queues, agent.reserved, agent.wrap_until = {}, "", None
            agent.busy_since, agent.direct = None, False
            self._told.show(agent, at)

    def advance(self, now: float) -> None:
        """End wrap-ups that are due, and report devices that have been in use long enough."""
        for name in sorted(self._timed):
            agent = self._state.agents.get(name)
            if agent is None or (agent.wrap_until is None and agent.busy_since is None):
                self._timed.discard(name)
                continue
            if agent.wrap_until is not None and agent.wrap_until <= now:
                ended, agent.wrap_until = agent.wrap_until, None
                self._told.show(self._state.agent(name), ended)
            if agent.busy_since is not None and agent.busy_since + DIRECT_AFTER <= now:
                began, agent.busy_since = agent.busy_since, None
                agent.direct = not agent.call and not agent.reserved
                self._told.show(self._state.agent(name), began)

    # --- what changes an agent ------------------------------------------------------------------

    def _in_queue(self, member: str, queue: str) -> PbxAgent:
        """Return a queue member's agent, and add the agent to the queue if necessary.

        An agent who is offered a queue's call must be a member of the queue.
        """
        agent = self.named(member)
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
        if len(self.unknown) < MAX_UNKNOWN:
            self.unknown.add(member)
        return True

    def _member(self, sign: MemberState) -> None:
        if not sign.interface and self._is_unknown(sign.agent):
            return
        agent = self._enroll(sign)
        at = sign.at if sign.since is None else sign.since
        self._told.show(agent, at, logged_in=sign.logged_in)

    def _roster(self, sign: MemberList) -> None:
        alone = sign.left_alone
        agents = {agent.name for agent in self._state.agents.values() if agent.queues} - alone
        for name in agents:
            self._state.agent(name).queues = {}
        shown: dict[str, tuple[float, float]] = {}
        for one in sign.members:
            if self.named(one.agent).name in alone:
                continue
            agent = self._enroll(one)
            since, logged_in = shown.get(agent.name, (0.0, one.at))
            shown[agent.name] = (
                max(since, one.at if one.since is None else one.since),
                min(logged_in, one.at if one.logged_in is None else one.logged_in),
            )
        for name in sorted(agents | shown.keys()):
            agent = self._state.agent(name)
            since, logged_in = shown.get(name, (sign.at, sign.at))
            if since < agent.shown_at:  # an earlier state that was already shown
                since = sign.at
            if logged_in < agent.shown_at:
                logged_in = since
            self._told.show(agent, since, logged_in=logged_in)

    def _enroll(self, sign: MemberState) -> PbxAgent:
        self._state.keep_interface(sign.interface, sign.agent)
        agent = self.named(sign.agent)
        before = agent.queues.get(sign.queue)
        status = sign.status
        if before is not None and status is None:
            return agent  # the queue log only reports the membership
        agent.queues = {
            **agent.queues,
            sign.queue: Membership(
                dynamic=sign.dynamic,
                status=status if status is not None else before.status if before else 0,
                paused=sign.paused,
                paused_at=before.paused_at if before else 0.0,
                penalty=sign.penalty,
            ),
        }
        agent.wrap_up = sign.wrap_up
        if sign.paused and sign.reason:
            agent.reason = sign.reason
        if status is not None:
            self._device(agent, status, sign.at)
        return agent

    def _device(self, agent: PbxAgent, status: int, at: float) -> None:
        if status == FREE:
            agent.reserved, agent.busy_since, agent.direct = "", None, False
        elif status in BUSY and not agent.call and not agent.direct:
            agent.busy_since = at if agent.busy_since is None else agent.busy_since
            self._timed.add(agent.name)
        elif status in UNREACHABLE_STATES:
            agent.busy_since, agent.direct = None, False

    def _gone(self, sign: MemberRemoved) -> None:
        if self._is_unknown(sign.agent):
            return
        agent = self.named(sign.agent)
        left = {sign.queue} if sign.queue else set(agent.queues)
        agent.queues = {one: of for one, of in agent.queues.items() if one not in left}
        self._told.show(agent, sign.at)

    def _pause(self, sign: PauseChanged) -> None:
        agent = self._in_queue(sign.agent, sign.queue)
        here = agent.queues[sign.queue]
        if sign.at < floor(here.paused_at):
            return  # a late sign from the other source
        here.paused, here.paused_at = sign.paused, sign.at
        if sign.paused:
            agent.reason = sign.reason
            agent.wrap_until = None
        self._told.show(agent, sign.at)

    def _status(self, sign: AgentStatus) -> None:
        agent = self.named(sign.agent)
        now = FREE if sign.present else UNREACHABLE
        agent.queues = {
            queue: structs.replace(one, dynamic=False, status=now, paused=sign.paused)
            for queue, one in agent.queues.items()
        }
        if sign.paused:
            agent.reason = sign.reason
        if sign.paused or not sign.present:
            agent.wrap_until = None
        self._told.show(agent, sign.at)

    def _ring_ended(self, sign: RingEnded) -> None:
        name = self._reserved.pop(sign.leg, None)
        if name is None:
            return
        agent = self._state.agent(name)
        if agent.reserved == sign.leg:
            agent.reserved = ""
            self._told.show(agent, sign.at)

    def _hold(self, sign: HoldChanged) -> None:
        name = self._legs.get(sign.channel)
        if name is None:
            return
        agent = self._state.agent(name)
        if agent.call and agent.leg == sign.channel and agent.held != sign.on:
            agent.held = sign.on
            self._told.show(agent, sign.at, self._state.calls.get(agent.call))
