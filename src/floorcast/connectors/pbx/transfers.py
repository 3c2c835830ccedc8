"""Follows transfers at a PBX. No I/O.

The agent to whom a call is transferred is found from channels and bridges.
"""

from __future__ import annotations

from floorcast.connectors.pbx.agents import Agents
from floorcast.connectors.pbx.bridges import Bridges
from floorcast.connectors.pbx.call_phases import TAKEOVER_PHASES, TRANSFER_GRACE, CallPhases
from floorcast.connectors.pbx.pbx_events import (
    BridgeEntered,
    ChannelTransferred,
    DialStarted,
    HoldChanged,
)
from floorcast.connectors.pbx.state import PbxCall, PbxState, Phase

__all__ = ["Transfers"]


class Transfers:
    """Follows calls that agents transfer. A resynchronization replaces ``bridges``."""

    def __init__(self, state: PbxState, phases: CallPhases) -> None:
        self._state = state
        self._phases = phases
        self._agents: Agents = phases.agents
        self.bridges = Bridges()
        self._rings: dict[str, str] = {}  # the caller by the channel that rings after a transfer

    def transfer(self, event: ChannelTransferred) -> None:
        """Handle a blind or attended transfer by an agent."""
        call = self._transferred_call(event)
        other = self._consultation_call(event, call)
        if other is not None:
            self._put_through(call, other, event)
        elif call is not None:
            if event.transferee not in {call.caller, call.channel}:
                self._state.add_alias(event.transferee, call.caller)
            if call.phase is Phase.TALKING:
                self._phases.begin_transfer(call, event.at)
            elif call.phase is Phase.COMPLETED:
                self._phases.begin_transfer(call, call.since)
            if event.second_transferer:
                self._find_agent(
                    call, event.at, excluding={event.transferer, event.second_transferer}
                )

    def dial_started(self, event: DialStarted) -> None:
        """Note that a telephone is being called.

        If an agent transferred the call, the telephone's agent is the call's next agent.
        """
        call = self._state.call(event.caller) if self._phases.takeover_candidates else None
        if call is None or call.phase is not Phase.TRANSFERRING:
            return
        name = self._agents.agent_with_interface(event.interface)
        if name:
            self._agents.note_transfer(call.agent, call, name, call.since)
            self._phases.free_agent(call)
            self._agents.ring_transferred(name, event.leg, call, event.at)
            self._rings[event.leg] = call.caller
            call.due = 0.0  # wait until the telephone has rung
            self._state.store_call(call)

    def ring_ended(self, leg: str, at: float) -> None:
        """Note that a telephone stopped ringing.

        If it rang for a transferred call, the call waits briefly for another telephone to ring.
        """
        call = self._state.calls.get(self._rings.pop(leg, ""))
        if (
            call is not None
            and call.phase is Phase.TRANSFERRING
            and call.caller not in {*self._rings.values()}
        ):
            self._phases.set_due(call, at + TRANSFER_GRACE)

    def enter(self, event: BridgeEntered) -> None:
        """Handle a channel that entered a bridge: the call may have reached another agent."""
        self.bridges.enter(event.bridge, event.channel, event.name)
        if not self._phases.takeover_candidates:
            return
        for one in self.bridges.reachable_from(event.channel):
            call = self._state.call(one)
            if call is not None and call.phase in TAKEOVER_PHASES:
                self._find_agent(call, event.at, excluding=set())
                return

    def hold(self, event: HoldChanged) -> None:
        """Handle a hold.

        The telephone may be behind a Local channel. Its agent is therefore found through the call
        that the telephone hears.
        """
        channel = event.channel
        if not self._agents.caller_on_channel(channel) and self._state.call(channel) is None:
            for one in self.bridges.reachable_from(channel):
                call = self._state.call(one)
                if call and call.phase is Phase.TALKING:
                    channel = self._state.agent(call.agent).leg
        self._agents.apply(HoldChanged(at=event.at, channel=channel, on=event.on))

    def _transferred_call(self, event: ChannelTransferred) -> PbxCall | None:
        """Return the call if its own agent transferred it.

        Returns None if there is no such call, or if a caller transferred an agent.
        """
        for one in self.bridges.reachable_from(event.transferee):
            # the caller may enter the bridge only after the agent's transfer
            agent_call = self._state.calls.get(self._agents.caller_on_channel(one))
            call = self._state.call(one) or agent_call
            if call and call.phase in {Phase.TALKING, Phase.COMPLETED, Phase.TRANSFERRING}:
                return None if event.transferer in {call.caller, call.channel} else call
        return None

    def _consultation_call(self, event: ChannelTransferred, call: PbxCall | None) -> PbxCall | None:
        """Return the consultation call that the agent made before an attended transfer."""
        if not event.second_transferer:
            return None
        for one in (
            event.second_transferer,
            *self.bridges.reachable_from(event.target or event.second_transferer),
        ):
            other = self._state.call(one)
            if other and other is not call and other.phase is not Phase.ENDED:
                return other
        return None

    def _put_through(self, call: PbxCall | None, other: PbxCall, event: ChannelTransferred) -> None:
        """Replace the consulting agent with the caller in the consultation call.

        The consultation call continues with the caller.
        """
        if call is not None:
            if other.phase is Phase.TALKING:
                self._agents.note_transfer(call.agent, call, other.agent, event.at)
            self._agents.end_call(call.agent, call, event.at, "Transferred")
            self._phases.emit_leave(call, "TRANSFER", event.at)
            self._phases.end(call, event.at, "Transferred")
        self._state.add_alias(event.transferee, other.caller)
        if event.second_transferer == (other.channel or other.caller):
            other.channel = event.transferee
        self._state.store_call(other)

    def _find_agent(self, call: PbxCall, at: float, excluding: set[str]) -> None:
        """Give the call to the agent whose telephone it has reached, if there is one."""
        own = {call.caller, call.channel} | excluding
        for one in self.bridges.reachable_from(call.channel or call.caller):
            name = self._agents.agent_with_interface(self.bridges.interface(one))
            if name and one not in own and self._agents.caller_on_channel(one) != call.caller:
                if call.phase is Phase.TRANSFERRING:
                    self._agents.note_transfer(call.agent, call, name, call.since)
                    self._phases.free_agent(call)
                call.agent, call.connected, call.is_direct = name, at, True
                self._phases.set_phase(call, Phase.TALKING, at)
                self._agents.take_over(name, one, call, at)
                return
