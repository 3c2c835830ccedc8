"""Maps PBX events to CloudEvents. No I/O.

A CloudEvent's id is derived from the PBX event, never from the time of reading. If a PBX event is
read twice or from both sources, the server therefore recognizes the second CloudEvent as a
duplicate.
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
    PbxClockSet,
    PbxEvent,
    PbxRestarted,
    QueueJoined,
    QueueLeft,
    RingEnded,
    Ringing,
)
from floorcast.connectors.pbx.state import PbxCall, PbxState, Phase
from floorcast.connectors.pbx.transfers import Transfers
from floorcast.connectors.pbx.unreadable import Unreadable

__all__ = ["PbxEventMapper"]

JOIN_GRACE = 1.0  # seconds after leaving a queue during which a join continues the call
COMPLETED_GRACE = 0.5  # seconds after AgentComplete during which a transfer may be reported
REASON_GRACE = 5.0  # seconds to wait for the reason why a caller left a queue
WHOLE_SECONDS = 1.0  # seconds added to grace periods if times are in whole seconds
SAME_JOIN_SECONDS = 1.0  # seconds during which another join of the same queue is a duplicate
SAME_WAIT_SECONDS = 2.0  # maximum seconds between the known join and the join according to HoldTime
MAX_DIALED = 10_000  # dialed numbers whose caller has not joined yet
MAX_EARLY_OFFERS = 10_000  # offers whose caller has not joined yet
RESULTS = {"": "", "caller": "Completed by caller", "agent": "Completed by agent"}


class PbxEventMapper:
    """Maps the calls and agents of one PBX.

    ``reports_hangups`` is true if the source reports hangups (AMI does, ``queue_log`` does not).
    Without hangups, a call that leaves its queue or its agent is assumed to have ended.
    ``whole_seconds`` is true if the source's times are in whole seconds.
    """

    def __init__(
        self,
        config: MappingConfig,
        dialect: Dialect,
        state: PbxState,
        *,
        reports_hangups: bool,
        whole_seconds: bool = False,
    ) -> None:
        self._config = config
        self._dialect = dialect
        self._state = state
        self._reports_hangups = reports_hangups
        self._extra_grace = WHOLE_SECONDS if whole_seconds else 0.0
        self._phases = CallPhases(
            config, dialect, state, reports_hangups=reports_hangups, extra_grace=self._extra_grace
        )
        self._agents = self._phases.agents
        self._transfers = Transfers(state, self._phases)
        self._dialed: dict[str, str] = {}
        self._early_offers: dict[str, Ringing] = {}
        self._handlers: dict[type[PbxEvent], Callable[[Any], None]] = {
            QueueJoined: self._join,
            AgentConnected: self._connect,
            ConversationEnded: self._end_conversation,
            QueueLeft: self._leave,
            LeaveReason: self._apply_leave_reason,
            Ringing: self._ring,
            BridgeAnnounced: self._announce_bridge,
            BridgeConfirmed: lambda event: self._confirm(event.agent),
            CallMissed: self._note_missed,
            RingEnded: self._end_ring,
            ChannelHungUp: self._hang_up,
            DialedNumber: self._note_dialed,
            DispositionSet: self._set_disposition,
            ChannelTransferred: self._transfers.transfer,
            DialStarted: self._transfers.dial_started,
            HoldChanged: self._transfers.hold,
            BridgeEntered: self._transfers.enter,
            BridgeLeft: lambda event: self._transfers.bridges.leave(event.bridge, event.channel),
            LocalChannelPaired: lambda event: self._transfers.bridges.pair(event.one, event.two),
            PbxRestarted: self._restart,
        }

    def apply(self, event: PbxEvent) -> list[CloudEvent]:
        """Return the CloudEvents caused by a PBX event and by the time that passed before it."""
        if isinstance(event, PbxClockSet):
            self._state.move_times(event.seconds)
            return []
        self._phases.advance(event.at)
        self._state.last_at = max(self._state.last_at, event.at)
        self._handlers.get(type(event), self._agents.apply)(event)
        return self._phases.take_events()

    def advance(self, now: float) -> list[CloudEvent]:
        """Return the CloudEvents due at ``now``, which is by the PBX's clock."""
        self._phases.advance(now)
        return self._phases.take_events()

    def set_leave_reason(self, caller: str, reason: str) -> None:
        """Set the reason why a caller left a queue, if it becomes known afterwards."""
        call = self._state.call(caller)
        if call and call.phase is Phase.LEAVING:
            if reason not in {"", ABANDONED}:
                call.reason = reason
            call.due = min(call.due, call.since + JOIN_GRACE + self._extra_grace)
            self._state.store_call(call)

    def replace_channels(self, channels: Iterable[tuple[str, str, str]]) -> None:
        """Replace the known channels. Each consists of a Uniqueid, a name and a bridge."""
        self._transfers.bridges = Bridges(channels)

    def unknown_interfaces(self) -> set[str]:
        """Return the interfaces in ``queue_log`` whose members are not known."""
        return self._agents.unknown_interfaces

    def take_skipped(self) -> list[Unreadable]:
        """Return the reasons for what was not sent since the last call."""
        skipped, self._agents.skipped[:] = [*self._agents.skipped], []
        return skipped

    def _apply_leave_reason(self, event: LeaveReason) -> None:
        self.set_leave_reason(event.caller, event.reason)

    # --- calls, from the queue to the end -------------------------------------------------------

    def _join(self, event: QueueJoined) -> None:
        call = self._state.call(event.caller)
        if call is not None and self._is_known_join(event, call):
            return
        if call is not None and call.phase is Phase.COMPLETED:
            self._phases.finish(call)
        if call is None or call.phase is Phase.ENDED:
            call = self._start_call(event, call.session + 1 if call else 1)
        elif call.phase is Phase.LEAVING:
            is_other_queue = call.queue != event.queue
            self._phases.emit_leave(call, "OVERFLOW" if is_other_queue else call.reason or "OTHER")
        elif call.phase is Phase.TALKING:
            self._agents.end_call(call.agent, call, event.at, "Transferred")
        elif call.phase is Phase.TRANSFERRING:
            self._phases.free_agent(call)
        call.turn += 1
        call.reason = call.result = ""
        call.queue, call.joined = event.queue, event.at
        self._phases.set_phase(call, Phase.WAITING, event.at)
        self._phases.emit(
            f"{call.key}/{call.turn}/queue",
            "call.queue",
            event.at,
            {**self._agents.call_ids(call), "service": self._config.service(event.queue)},
        )
        early = self._early_offers.pop(event.caller, None)
        if early is not None and early.queue == event.queue:
            self._agents.offer(early, call)

    def _ring(self, event: Ringing) -> None:
        if call := self._state.call(event.caller):
            self._agents.offer(event, call)
            return
        # FreeSWITCH may offer a caller before it reports their join
        self._early_offers[event.caller] = event
        if len(self._early_offers) > MAX_EARLY_OFFERS:
            del self._early_offers[next(iter(self._early_offers))]

    def _confirm(self, agent: str) -> None:
        """Confirm an announced bridge, with the time of its announcement."""
        connected = self._agents.agent_of(agent).bridging
        if connected is not None:
            self._connect(connected)

    def _is_known_join(self, event: QueueJoined, call: PbxCall) -> bool:
        """Return whether the join is the last one, or an earlier one from the slower source."""
        if call.queue == event.queue:
            return event.at < call.joined + SAME_JOIN_SECONDS
        return event.at < floor(call.joined)

    def _start_call(self, event: QueueJoined, session: int) -> PbxCall:
        call = PbxCall(caller=event.caller, session=session, queue=event.queue, number=event.number)
        dialed = self._dialed.pop(event.caller, "") or event.dialed
        data: dict[str, object] = {
            **self._agents.call_ids(call),
            "service": self._config.service(event.queue),
            "direction": "INBOUND",
        }
        if event.number:
            data["callerId"] = event.number
        if dialed:
            data["phoneDialed"] = dialed
        self._phases.emit(f"{call.key}/start", "call.start", event.at, data)
        return call

    def _connect(self, event: AgentConnected) -> None:
        known = self._state.call(event.caller)
        if known and event.at < floor(known.connected) + (known.phase is Phase.ENDED):
            return  # a late PBX event from the other source
        call = self._connected_call(event)
        if call.phase is Phase.TALKING:
            if call.agent == self._config.agents.get(event.agent, event.agent):
                return
            self._agents.end_call(call.agent, call, event.at, "Transferred")
        before = self._state.calls.get(self._agents.agent_of(event.agent).call)
        if before is not None and before is not call and before.due:
            self._phases.expire(before)  # the expected PBX event can no longer arrive
        call.connected, call.is_direct = event.at, False
        self._phases.set_phase(call, Phase.TALKING, event.at)
        call.agent = self._agents.connect(event, call)

    def _connected_call(self, event: AgentConnected) -> PbxCall:
        """Return the connected call.

        The caller may have joined under another id, or the join may not have been reported.
        """
        call = self._state.call(event.caller)
        if call and call.queue == event.queue and call.phase is not Phase.ENDED:
            return call
        joined = max(0.0, event.at - event.waited)
        for one in self._state.calls.values():
            same_queue = one.queue == event.queue and one.phase in {Phase.WAITING, Phase.LEAVING}
            if same_queue and abs(one.joined - joined) <= SAME_WAIT_SECONDS and one is not call:
                if call is not None and call.phase is not Phase.ENDED:
                    self._phases.end(call, event.at, "Transferred")
                self._state.add_alias(event.caller, one.caller)
                return one
        self._join(QueueJoined(at=joined, caller=event.caller, queue=event.queue))
        found = self._state.call(event.caller)
        assert found is not None
        return found

    def _end_conversation(self, event: ConversationEnded) -> None:
        agent = self._agents.agent_of(event.agent)
        if agent.bridging and agent.bridging.caller == event.caller:
            self._confirm(event.agent)
        call = self._state.call(event.caller) or self._state.call(agent.call)
        if call is None or call.agent != agent.name:
            self._agents.end_call(agent.name, call, event.at, "")
            return
        talking = call.phase in {Phase.TALKING, Phase.HANGING_UP}
        if not talking or call.is_direct or event.at < floor(call.connected):
            return
        by = event.by or call.hung_up_by
        call.result = RESULTS.get(by, "Transferred")
        if call.phase is Phase.HANGING_UP:
            self._agents.end_call(agent.name, call, event.at, call.result)
            self._phases.end(call, call.since, call.result)
        elif by == "transfer":
            self._phases.begin_transfer(call, event.at)
        elif not by:
            self._agents.end_call(agent.name, call, event.at, call.result)
            self._phases.set_phase(call, Phase.PARTED, event.at, TRANSFER_GRACE)
        else:
            self._phases.set_phase(call, Phase.COMPLETED, event.at, COMPLETED_GRACE)
            if not self._reports_hangups:
                self._phases.finish(call)

    def _leave(self, event: QueueLeft) -> None:
        call = self._state.call(event.caller)
        if call is None or call.phase is not Phase.WAITING or call.queue != event.queue:
            return
        if event.at < floor(call.joined):
            return
        if event.reason == ABANDONED:
            # the queue log reported this before AMI, so nothing else will report the hangup
            self._phases.end(call, event.at, "Abandoned")
            return
        call.reason, call.exit_key = event.reason, event.key
        reason_follows = (
            self._reports_hangups and self._dialect.asks_leave_reason and not event.reason
        )
        self._phases.set_phase(
            call,
            Phase.LEAVING,
            event.at,
            REASON_GRACE if reason_follows else JOIN_GRACE + self._extra_grace,
        )

    def _announce_bridge(self, event: BridgeAnnounced) -> None:
        self._agents.agent_of(event.connected.agent).bridging = event.connected

    def _end_ring(self, event: RingEnded) -> None:
        self._transfers.ring_ended(event.leg, event.at)
        self._agents.apply(event)

    def _note_missed(self, event: CallMissed) -> None:
        call = self._state.call(event.caller)
        agent = self._agents.agent_of(event.agent)
        if call and call.phase is not Phase.ENDED:
            data = {
                "agent": agent.name,
                **self._agents.call_ids(call),
                "reason": event.reason,
                "service": self._config.service(event.queue),
                "ringSeconds": event.ring_seconds,
            }
            event_id = f"{call.key}/{call.turn}/missed/{agent.name}/{int(event.at)}"
            self._phases.emit(event_id, "agent.missed", event.at, data)
        self._agents.note_missed(agent, event)

    def _hang_up(self, event: ChannelHungUp) -> None:
        own, aliased = self._state.calls.get(event.channel), self._state.call(event.channel)
        for call in (own, aliased):
            if call is not None and event.channel == (call.channel or call.caller):
                call.hung_up_by = event.by
                self._hang_up_call(call, event.at)
        agent_call = self._state.calls.get(self._agents.caller_on_channel(event.channel))
        if agent_call is not None and agent_call.is_direct and agent_call.phase is Phase.TALKING:
            agent_call.result, agent_call.reason = "Transferred", "OTHER"
            self._agents.end_call(agent_call.agent, agent_call, event.at, agent_call.result)
            self._phases.set_phase(agent_call, Phase.LEAVING, event.at, JOIN_GRACE)
        self._transfers.ring_ended(event.channel, event.at)
        self._early_offers.pop(event.channel, None)
        self._agents.note_hangup(event)
        self._transfers.bridges.remove(event.channel)

    def _hang_up_call(self, call: PbxCall, at: float) -> None:
        match call.phase:
            case Phase.TALKING if call.is_direct:
                call.result = "Transferred"
                self._phases.set_phase(call, Phase.COMPLETED, at)
                self._phases.finish(call)
            case Phase.TALKING:
                self._phases.set_phase(call, Phase.HANGING_UP, at, TRANSFER_GRACE)
            case Phase.COMPLETED:
                self._phases.finish(call)
            case Phase.WAITING:
                self._phases.end(call, at, "Abandoned")
            case Phase.LEAVING:
                self._phases.end(call, call.since, call.result or "Abandoned")
            case Phase.TRANSFERRING:
                self._phases.free_agent(call)
                self._phases.emit_leave(call, "TRANSFER")
                self._phases.end(call, at, "Transferred")
            case Phase.PARTED:
                self._phases.end(call, at, RESULTS.get(call.hung_up_by, ""))
            case Phase.LEFT:
                self._phases.end(call, at, "")
            case Phase.HANGING_UP | Phase.ENDED:
                return

    def _note_dialed(self, event: DialedNumber) -> None:
        self._dialed[event.caller] = event.number
        if len(self._dialed) > MAX_DIALED:
            del self._dialed[next(iter(self._dialed))]

    def _set_disposition(self, event: DispositionSet) -> None:
        call = self._state.call(event.caller)
        if call is None or not event.code:
            return
        call.dispositions += 1
        self._state.store_call(call)
        data = {**self._agents.call_ids(call), "termCode": event.code}
        if event.agent:
            data["agent"] = self._agents.agent_of(event.agent).name
        self._phases.emit(
            f"{call.key}/disposition/{call.dispositions}", "call.disposition", event.at, data
        )

    # --- restarts -------------------------------------------------------------------------------

    def _restart(self, event: PbxRestarted) -> None:
        for call in list(self._state.calls.values()):
            if call.since <= event.at:
                self._agents.end_call(call.agent, call, event.at, "")
                if call.phase is not Phase.ENDED:
                    self._phases.end(call, event.at, "")
        if event.empty:
            self._agents.log_off_all(event.at)
