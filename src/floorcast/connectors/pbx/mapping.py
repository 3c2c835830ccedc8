"""Maps a PBX's signs to CloudEvents. No I/O.

An event id is derived from what happened, never from the time of reading. If a sign is read twice
or from both sources, the server therefore recognizes the second event as a duplicate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import floor
from typing import Any

from floorcast.client import CloudEvent
from floorcast.connectors.pbx.bridges import Bridges
from floorcast.connectors.pbx.call_phases import TRANSFER_GRACE, CallPhases
from floorcast.connectors.pbx.config import Dialect, MappingConfig
from floorcast.connectors.pbx.pbx_events import (
    ABANDONED,
    AgentConnected,
    BridgeAnnounced,
    BridgeConfirmed,
    BridgeEntered,
    BridgeLeft,
    CallMissed,
    ChannelHungUp,
    ChannelTransferred,
    ConversationEnded,
    DialedNumber,
    DialStarted,
    DispositionSet,
    HoldChanged,
    LeaveReason,
    LocalChannelPaired,
    PbxEvent,
    PbxRestarted,
    QueueJoined,
    QueueLeft,
    RingEnded,
    Ringing,
)
from floorcast.connectors.pbx.state import PbxCall, PbxState, Phase
from floorcast.connectors.pbx.transfers import Transfers

__all__ = ["PbxEventMapper"]

JOIN_GRACE = 1.0  # seconds after leaving a queue during which a join continues the call
COMPLETED_GRACE = 0.5  # seconds after AgentComplete during which a transfer may be reported
REASON_GRACE = 5.0  # seconds to wait for the reason why a caller left a queue
WHOLE_SECONDS = 1.0  # seconds added to grace periods if times are in whole seconds
SAME_JOIN = 1.0  # seconds during which another join of the same queue is a repetition
SAME_WAIT = 2.0  # maximum seconds between the known join and the join according to HoldTime
MAX_DIALED = 10_000  # dialed numbers whose caller has not joined yet
MAX_EARLY = 10_000  # offers whose caller has not joined yet
RESULTS = {"": "", "caller": "Completed by caller", "agent": "Completed by agent"}


class PbxEventMapper:
    """Maps the calls and agents of one PBX.

    ``hangups`` is true if the source reports hangups (AMI does, ``queue_log`` does not). Without
    hangups, a call that leaves its queue or its agent is assumed to have ended. ``whole_seconds``
    is true if the source's times are in whole seconds.
    """

    def __init__(
        self,
        config: MappingConfig,
        dialect: Dialect,
        state: PbxState,
        *,
        hangups: bool,
        whole_seconds: bool = False,
    ) -> None:
        self._config = config
        self._dialect = dialect
        self._state = state
        self._hangups = hangups
        self._more = WHOLE_SECONDS if whole_seconds else 0.0
        self._phases = CallPhases(config, dialect, state, hangups=hangups, more=self._more)
        self._agents = self._phases.agents
        self._transfers = Transfers(state, self._phases)
        self._dialed: dict[str, str] = {}
        self._early: dict[str, Ringing] = {}
        self._takers: dict[type[PbxEvent], Callable[[Any], None]] = {
            QueueJoined: self._join,
            AgentConnected: self._connect,
            ConversationEnded: self._complete,
            QueueLeft: self._leave,
            LeaveReason: self._know_because,
            Ringing: self._ring,
            BridgeAnnounced: self._bridging,
            BridgeConfirmed: lambda sign: self._confirm(sign.agent),
            CallMissed: self._miss,
            RingEnded: self._ring_over,
            ChannelHungUp: self._hang_up,
            DialedNumber: self._dial,
            DispositionSet: self._dispose,
            ChannelTransferred: self._transfers.transfer,
            DialStarted: self._transfers.dialling,
            HoldChanged: self._transfers.hold,
            BridgeEntered: self._transfers.enter,
            BridgeLeft: lambda sign: self._transfers.bridges.leave(sign.bridge, sign.channel),
            LocalChannelPaired: lambda sign: self._transfers.bridges.pair(sign.one, sign.two),
            PbxRestarted: self._restart,
        }

    def apply(self, sign: PbxEvent) -> list[CloudEvent]:
        """Return the events that result from a sign and from the time that passed before it."""
        self._phases.advance(sign.at)
        self._state.last_at = max(self._state.last_at, sign.at)
        self._takers.get(type(sign), self._agents.apply)(sign)
        return self._phases.taken()

    def advance(self, now: float) -> list[CloudEvent]:
        """Return the events that result from the passage of time. ``now`` is by the PBX's clock."""
        self._phases.advance(now)
        return self._phases.taken()

    def know_reason(self, caller: str, reason: str) -> None:
        """Set the reason why a caller left a queue, if it becomes known only afterwards."""
        call = self._state.call(caller)
        if call and call.phase is Phase.LEAVING:
            if reason not in {"", ABANDONED}:
                call.reason = reason
            call.due = min(call.due, call.since + JOIN_GRACE + self._more)
            self._state.keep_call(call)

    def see_channels(self, channels: Iterable[tuple[str, str, str]]) -> None:
        """Replace the known channels. Each consists of a Uniqueid, a name and a bridge."""
        self._transfers.bridges = Bridges(channels)

    def unknown_interfaces(self) -> set[str]:
        """Return the interfaces in ``queue_log`` whose members are not known."""
        return self._agents.unknown

    def _know_because(self, sign: LeaveReason) -> None:
        self.know_reason(sign.caller, sign.reason)

    # --- from the queue to the end --------------------------------------------------------------

    def _join(self, sign: QueueJoined) -> None:
        call = self._state.call(sign.caller)
        if call is not None and self._is_known_join(sign, call):
            return
        if call is not None and call.phase is Phase.COMPLETED:
            self._phases.finish(call)
        if call is None or call.phase is Phase.ENDED:
            call = self._begin(sign, call.session + 1 if call else 1)
        elif call.phase is Phase.LEAVING:
            elsewhere = call.queue != sign.queue
            self._phases.emit_leave(call, "OVERFLOW" if elsewhere else call.reason or "OTHER")
        elif call.phase is Phase.TALKING:
            self._agents.complete(call.agent, call, sign.at, "Transferred")
        elif call.phase is Phase.TRANSFERRING:
            self._phases.let_go(call)
        call.turn += 1
        call.reason = call.result = ""
        call.queue, call.joined = sign.queue, sign.at
        self._phases.move(call, Phase.WAITING, sign.at)
        self._phases.emit(
            f"{call.key}/{call.turn}/queue",
            "call.queue",
            sign.at,
            {**self._agents.named_call(call), "service": self._config.service(sign.queue)},
        )
        early = self._early.pop(sign.caller, None)
        if early is not None and early.queue == sign.queue:
            self._agents.ring(early, call)

    def _ring(self, sign: Ringing) -> None:
        if call := self._state.call(sign.caller):
            self._agents.ring(sign, call)
            return
        # FreeSWITCH may offer a caller before it reports their join
        self._early[sign.caller] = sign
        if len(self._early) > MAX_EARLY:
            del self._early[next(iter(self._early))]

    def _confirm(self, agent: str) -> None:
        """Confirm an announced bridge, with the time of its announcement."""
        connected = self._agents.named(agent).bridging
        if connected is not None:
            self._connect(connected)

    def _is_known_join(self, sign: QueueJoined, call: PbxCall) -> bool:
        """Return whether the join is the last one, or an earlier one from the slower source."""
        if call.queue == sign.queue:
            return sign.at < call.joined + SAME_JOIN
        return sign.at < floor(call.joined)

    def _begin(self, sign: QueueJoined, session: int) -> PbxCall:
        call = PbxCall(caller=sign.caller, session=session, queue=sign.queue, number=sign.number)
        dialed = self._dialed.pop(sign.caller, "") or sign.dialed
        data: dict[str, object] = {
            **self._agents.named_call(call),
            "service": self._config.service(sign.queue),
            "direction": "INBOUND",
        }
        if sign.number:
            data["callerId"] = sign.number
        if dialed:
            data["phoneDialed"] = dialed
        self._phases.emit(f"{call.key}/start", "call.start", sign.at, data)
        return call

    def _connect(self, sign: AgentConnected) -> None:
        known = self._state.call(sign.caller)
        if known and sign.at < floor(known.connected) + (known.phase is Phase.ENDED):
            return  # a late sign from the other source
        call = self._waiting_for(sign)
        if call.phase is Phase.TALKING:
            if call.agent == self._config.agents.get(sign.agent, sign.agent):
                return
            self._agents.complete(call.agent, call, sign.at, "Transferred")
        before = self._state.calls.get(self._agents.named(sign.agent).call)
        if before is not None and before is not call and before.due:
            self._phases.time_over(before)  # the expected sign can no longer arrive
        call.connected, call.is_direct = sign.at, False
        self._phases.move(call, Phase.TALKING, sign.at)
        call.agent = self._agents.connect(sign, call)

    def _waiting_for(self, sign: AgentConnected) -> PbxCall:
        """Return the connected call.

        The caller may have joined under another id, or the join may not have been reported.
        """
        call = self._state.call(sign.caller)
        if call and call.queue == sign.queue and call.phase is not Phase.ENDED:
            return call
        joined = sign.at - sign.waited
        for one in self._state.calls.values():
            same_queue = one.queue == sign.queue and one.phase in {Phase.WAITING, Phase.LEAVING}
            if same_queue and abs(one.joined - joined) <= SAME_WAIT and one is not call:
                if call is not None and call.phase is not Phase.ENDED:
                    self._phases.end(call, sign.at, "Transferred")
                self._state.keep_alias(sign.caller, one.caller)
                return one
        self._join(QueueJoined(at=joined, caller=sign.caller, queue=sign.queue))
        found = self._state.call(sign.caller)
        assert found is not None
        return found

    def _complete(self, sign: ConversationEnded) -> None:
        agent = self._agents.named(sign.agent)
        if agent.bridging and agent.bridging.caller == sign.caller:
            self._confirm(sign.agent)
        call = self._state.call(sign.caller) or self._state.call(agent.call)
        if call is None or call.agent != agent.name:
            self._agents.complete(agent.name, call, sign.at, "")
            return
        talking = call.phase in {Phase.TALKING, Phase.HANGING_UP}
        if not talking or call.is_direct or sign.at < floor(call.connected):
            return
        by = sign.by or call.hung_up_by
        call.result = RESULTS.get(by, "Transferred")
        if call.phase is Phase.HANGING_UP:
            self._agents.complete(agent.name, call, sign.at, call.result)
            self._phases.end(call, call.since, call.result)
        elif by == "transfer":
            self._phases.pass_on(call, sign.at)
        elif not by:
            self._agents.complete(agent.name, call, sign.at, call.result)
            self._phases.move(call, Phase.PARTED, sign.at, TRANSFER_GRACE)
        else:
            self._phases.move(call, Phase.COMPLETED, sign.at, COMPLETED_GRACE)
            if not self._hangups:
                self._phases.finish(call)

    def _leave(self, sign: QueueLeft) -> None:
        call = self._state.call(sign.caller)
        if call is None or call.phase is not Phase.WAITING or call.queue != sign.queue:
            return
        if sign.at < floor(call.joined):
            return
        if sign.reason == ABANDONED:
            # the queue log reported this before AMI, so nothing else will report the hangup
            self._phases.end(call, sign.at, "Abandoned")
            return
        call.reason, call.exit_key = sign.reason, sign.key
        is_asked = self._hangups and self._dialect.asks_why and not sign.reason
        self._phases.move(
            call, Phase.LEAVING, sign.at, REASON_GRACE if is_asked else JOIN_GRACE + self._more
        )

    def _bridging(self, sign: BridgeAnnounced) -> None:
        self._agents.named(sign.connected.agent).bridging = sign.connected

    def _ring_over(self, sign: RingEnded) -> None:
        self._transfers.ring_ended(sign.leg, sign.at)
        self._agents.apply(sign)

    def _miss(self, sign: CallMissed) -> None:
        call = self._state.call(sign.caller)
        agent = self._agents.named(sign.agent)
        if call and call.phase is not Phase.ENDED:
            data = {
                "agent": agent.name,
                **self._agents.named_call(call),
                "reason": sign.reason,
                "service": self._config.service(sign.queue),
                "ringSeconds": sign.ring_seconds,
            }
            number = f"{call.key}/{call.turn}/missed/{agent.name}/{int(sign.at)}"
            self._phases.emit(number, "agent.missed", sign.at, data)
        self._agents.missed(agent, sign)

    def _hang_up(self, sign: ChannelHungUp) -> None:
        own, aliased = self._state.calls.get(sign.channel), self._state.call(sign.channel)
        for call in (own, aliased):
            if call is not None and sign.channel == (call.channel or call.caller):
                call.hung_up_by = sign.by
                self._hang_up_call(call, sign.at)
        talk = self._state.calls.get(self._agents.call_of_leg(sign.channel))
        if talk is not None and talk.is_direct and talk.phase is Phase.TALKING:
            talk.result, talk.reason = "Transferred", "OTHER"
            self._agents.complete(talk.agent, talk, sign.at, talk.result)
            self._phases.move(talk, Phase.LEAVING, sign.at, JOIN_GRACE)
        self._transfers.ring_ended(sign.channel, sign.at)
        self._early.pop(sign.channel, None)
        self._agents.hung_up(sign)
        self._transfers.bridges.gone(sign.channel)

    def _hang_up_call(self, call: PbxCall, at: float) -> None:
        match call.phase:
            case Phase.TALKING if call.is_direct:
                call.result = "Transferred"
                self._phases.move(call, Phase.COMPLETED, at)
                self._phases.finish(call)
            case Phase.TALKING:
                self._phases.move(call, Phase.HANGING_UP, at, TRANSFER_GRACE)
            case Phase.COMPLETED:
                self._phases.finish(call)
            case Phase.WAITING:
                self._phases.end(call, at, "Abandoned")
            case Phase.LEAVING:
                self._phases.end(call, call.since, call.result or "Abandoned")
            case Phase.TRANSFERRING:
                self._phases.let_go(call)
                self._phases.emit_leave(call, "TRANSFER")
                self._phases.end(call, at, "Transferred")
            case Phase.PARTED:
                self._phases.end(call, at, RESULTS.get(call.hung_up_by, ""))
            case Phase.LEFT:
                self._phases.end(call, at, "")
            case Phase.HANGING_UP | Phase.ENDED:
                return

    def _dial(self, sign: DialedNumber) -> None:
        self._dialed[sign.caller] = sign.number
        if len(self._dialed) > MAX_DIALED:
            del self._dialed[next(iter(self._dialed))]

    def _dispose(self, sign: DispositionSet) -> None:
        call = self._state.call(sign.caller)
        if call is None or not sign.code:
            return
        call.dispositions += 1
        self._state.keep_call(call)
        data = {**self._agents.named_call(call), "termCode": sign.code}
        if sign.agent:
            data["agent"] = self._agents.named(sign.agent).name
        self._phases.emit(
            f"{call.key}/disposition/{call.dispositions}", "call.disposition", sign.at, data
        )

    # --- a new start ----------------------------------------------------------------------------

    def _restart(self, sign: PbxRestarted) -> None:
        for call in list(self._state.calls.values()):
            if call.since <= sign.at:
                self._agents.complete(call.agent, call, sign.at, "")
                if call.phase is not Phase.ENDED:
                    self._phases.end(call, sign.at, "")
        if sign.empty:
            self._agents.all_gone(sign.at)
