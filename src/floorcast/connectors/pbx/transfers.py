"""Follows transfers at a PBX. No I/O.

The agent to whom a call is passed on is found from channels and bridges.
"""

from __future__ import annotations

from floorcast.connectors.pbx.agents import Agents
from floorcast.connectors.pbx.bridges import Bridges
from floorcast.connectors.pbx.call_phases import PASSED_ON, TRANSFER_GRACE, CallPhases
from floorcast.connectors.pbx.pbx_events import (
    BridgeEntered,
    ChannelTransferred,
    DialStarted,
    HoldChanged,
)
from floorcast.connectors.pbx.state import PbxCall, PbxState, Phase

__all__ = ["Transfers"]


class Transfers:
    """Follows calls that agents pass on. A resynchronization replaces ``bridges``."""

    def __init__(self, state: PbxState, phases: CallPhases) -> None:
        self._state = state
        self._phases = phases
        self._agents: Agents = phases.agents
        self.bridges = Bridges()
        self._rings: dict[str, str] = {}  # telephones ringing for a call that was passed on

    def transfer(self, sign: ChannelTransferred) -> None:
        """Handle a blind or attended transfer by an agent."""
        call = self._passed_on_by(sign)
        other = self._consulted(sign, call)
        if other is not None:
            self._put_through(call, other, sign)
        elif call is not None:
            if sign.passed_on not in {call.caller, call.channel}:
                self._state.keep_alias(sign.passed_on, call.caller)
            if call.phase is Phase.TALKING:
                self._phases.pass_on(call, sign.at)
            elif call.phase is Phase.COMPLETED:
                self._phases.pass_on(call, call.since)
            if sign.second:
                self._find_agent(call, sign.at, but={sign.by, sign.second})

    def dialling(self, sign: DialStarted) -> None:
        """Note that a telephone is being called.

        If an agent passed the call on, the telephone's agent is the next agent of the call.
        """
        call = self._state.call(sign.caller) if self._phases.passed_on else None
        if call is None or call.phase is not Phase.TRANSFERRING:
            return
        name = self._agents.with_interface(sign.interface)
        if name:
            self._agents.passed_on(call.agent, call, name, call.since)
            self._phases.let_go(call)
            self._agents.ring_directly(name, sign.leg, call, sign.at)
            self._rings[sign.leg] = call.caller
            call.due = 0.0  # wait until the telephone has rung
            self._state.keep_call(call)

    def ring_ended(self, leg: str, at: float) -> None:
        """Note that a telephone stopped ringing.

        If it rang for a call that was passed on, the call waits briefly for another telephone to
        ring.
        """
        call = self._state.calls.get(self._rings.pop(leg, ""))
        if (
            call is not None
            and call.phase is Phase.TRANSFERRING
            and call.caller not in {*self._rings.values()}
        ):
            self._phases.wait_until(call, at + TRANSFER_GRACE)

    def enter(self, sign: BridgeEntered) -> None:
        """Handle a channel that entered a bridge: the call may have reached another agent."""
        self.bridges.enter(sign.bridge, sign.channel, sign.name)
        if not self._phases.passed_on:
            return
        for one in self.bridges.reach(sign.channel):
            call = self._state.call(one)
            if call is not None and call.phase in PASSED_ON:
                self._find_agent(call, sign.at, but=set())
                return

    def hold(self, sign: HoldChanged) -> None:
        """Handle a hold.

        The telephone may be behind a Local channel. Its agent is therefore found through the call
        that the telephone hears.
        """
        channel = sign.channel
        if not self._agents.call_of_leg(channel) and self._state.call(channel) is None:
            for one in self.bridges.reach(channel):
                call = self._state.call(one)
                if call and call.phase is Phase.TALKING:
                    channel = self._state.agent(call.agent).leg
        self._agents.apply(HoldChanged(at=sign.at, channel=channel, on=sign.on))

    def _passed_on_by(self, sign: ChannelTransferred) -> PbxCall | None:
        """Return the call if its own agent transferred it.

        Returns None if there is no such call, or if a caller transferred an agent.
        """
        for one in self.bridges.reach(sign.passed_on):
            # the caller may enter the bridge after the agent has already passed them on
            of_leg = self._state.calls.get(self._agents.call_of_leg(one))
            call = self._state.call(one) or of_leg
            if call and call.phase in {Phase.TALKING, Phase.COMPLETED, Phase.TRANSFERRING}:
                return None if sign.by in {call.caller, call.channel} else call
        return None

    def _consulted(self, sign: ChannelTransferred, call: PbxCall | None) -> PbxCall | None:
        """Return the consultation call that the agent made before an attended transfer."""
        if not sign.second:
            return None
        for one in (sign.second, *self.bridges.reach(sign.target or sign.second)):
            other = self._state.call(one)
            if other and other is not call and other.phase is not Phase.ENDED:
                return other
        return None

    def _put_through(self, call: PbxCall | None, other: PbxCall, sign: ChannelTransferred) -> None:
        """Replace the consulting agent with the caller in the consultation call.

        The consultation call continues with the caller.
        """
        if call is not None:
            if other.phase is Phase.TALKING:
                self._agents.passed_on(call.agent, call, other.agent, sign.at)
            self._agents.complete(call.agent, call, sign.at, "Transferred")
            self._phases.emit_leave(call, "TRANSFER", sign.at)
            self._phases.end(call, sign.at, "Transferred")
        self._state.keep_alias(sign.passed_on, other.caller)
        if sign.second == (other.channel or other.caller):
            other.channel = sign.passed_on
        self._state.keep_call(other)

    def _find_agent(self, call: PbxCall, at: float, but: set[str]) -> None:
        """Give the call to the agent whose telephone it has reached, if there is one."""
        own = {call.caller, call.channel} | but
        for one in self.bridges.reach(call.channel or call.caller):
            name = self._agents.with_interface(self.bridges.interface(one))
            if name and one not in own and self._agents.call_of_leg(one) != call.caller:
                if call.phase is Phase.TRANSFERRING:
                    self._agents.passed_on(call.agent, call, name, call.since)
                    self._phases.let_go(call)
                call.agent, call.connected, call.is_direct = name, at, True
                self._phases.move(call, Phase.TALKING, at)
                self._agents.take_over(name, one, call, at)
                return
