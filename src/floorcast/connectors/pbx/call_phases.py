"""Moves a PBX's calls from phase to phase and creates the resulting events. No I/O.

A PBX event or the passage of time changes the phase. ``TRANSFERRING`` and other temporary phases
end at a set time (``PbxCall.due``).
"""

from __future__ import annotations

from datetime import UTC, datetime

from floorcast.client import CloudEvent
from floorcast.connectors.pbx.agents import Agents
from floorcast.connectors.pbx.config import Dialect, MappingConfig
from floorcast.connectors.pbx.state import PbxCall, PbxState, Phase

__all__ = ["TAKEOVER_PHASES", "TRANSFER_GRACE", "CallPhases"]

TRANSFER_GRACE = 2.0  # seconds after a transfer during which a join continues the call
RING_GRACE = 0.5  # seconds after a blind transfer for another agent's telephone to ring
TAKEOVER_PHASES = {Phase.TRANSFERRING, Phase.LEFT}  # another agent may take over such a call


class CallPhases:
    """Moves the calls of one PBX from phase to phase. Times are in seconds, by the PBX's clock.

    ``takeover_candidates`` has the callers whose calls another agent may take over.
    ``reports_hangups`` is as in ``PbxEventMapper``. ``extra_grace`` is the number of seconds that
    is added to every grace period.
    """

    def __init__(
        self,
        config: MappingConfig,
        dialect: Dialect,
        state: PbxState,
        *,
        reports_hangups: bool,
        extra_grace: float,
    ) -> None:
        self._source = f"{dialect.kind}/{config.source}"
        self._state = state
        self._reports_hangups = reports_hangups
        self._extra_grace = extra_grace
        self._events: list[CloudEvent] = []
        self.agents = Agents(config, dialect, state, self.emit)
        self.takeover_candidates = {
            one.caller for one in state.calls.values() if one.phase in TAKEOVER_PHASES
        }
        self._pending = {one.caller for one in state.calls.values() if one.due}

    def take_events(self) -> list[CloudEvent]:
        """Return the events created since the last call of this method."""
        events, self._events = self._events, []
        self._state.forget_ended()
        return events

    def advance(self, now: float) -> None:
        """End the phases that are due at ``now``."""
        due = [call for one in self._pending if (call := self._state.calls.get(one))]
        for call in sorted(due, key=lambda one: one.due):
            while call.due and call.due <= now:
                self.expire(call)
        if due:
            self._pending = {one.caller for one in due if one.due}
        self.agents.advance(now)

    def finish(self, call: PbxCall) -> None:
        """End the call with the result of its conversation."""
        self.end(call, call.since, call.result)

    def begin_transfer(self, call: PbxCall, at: float) -> None:
        """Note that the agent transferred the call to a queue, to another agent, or elsewhere."""
        if self._reports_hangups:
            self.set_phase(call, Phase.TRANSFERRING, at, RING_GRACE)
        else:
            self.set_phase(call, Phase.TRANSFERRING, at, TRANSFER_GRACE + self._extra_grace)
            self.free_agent(call)

    def free_agent(self, call: PbxCall) -> None:
        """Free the agent who transferred the call."""
        self.agents.end_call(call.agent, call, call.since, "Transferred")

    def set_phase(self, call: PbxCall, phase: Phase, at: float, seconds: float = 0.0) -> None:
        """Move the call to a phase. If ``seconds`` is not 0, the phase ends after that time."""
        call.phase, call.since = phase, at
        call.due = at + seconds if seconds else 0.0
        self._state.store_call(call)
        if seconds:
            self._pending.add(call.caller)
        if phase in TAKEOVER_PHASES:
            self.takeover_candidates.add(call.caller)
        else:
            self.takeover_candidates.discard(call.caller)

    def set_due(self, call: PbxCall, due: float) -> None:
        """Set the time at which the call's phase ends."""
        call.due = due
        self._state.store_call(call)
        self._pending.add(call.caller)

    def end(self, call: PbxCall, at: float, result: str) -> None:
        """End the call, and free its agent."""
        if call.agent:
            self.agents.end_call(call.agent, call, at, result)
        self.set_phase(call, Phase.ENDED, at)
        data = self.agents.call_ids(call) | ({"lvResult": result} if result else {})
        self.emit(f"{call.key}/end", "call.end", at, data)

    def emit_leave(self, call: PbxCall, reason: str, at: float | None = None) -> None:
        """Create the ``call.leave`` event, at ``at`` or at the start of the phase."""
        self.emit(
            f"{call.key}/{call.turn}/leave",
            "call.leave",
            call.since if at is None else at,
            {
                **self.agents.call_ids(call),
                "reason": reason,
                **({"key": call.exit_key} if reason == "KEY" and call.exit_key else {}),
            },
        )

    def emit(self, event_id: str, kind: str, at: float, data: dict[str, object]) -> None:
        """Create an event. ``event_id`` is derived from the PBX event."""
        self._events.append(
            CloudEvent(
                id=event_id,
                source=self._source,
                type=kind,
                time=datetime.fromtimestamp(at, UTC),
                data=data,
            )
        )

    def expire(self, call: PbxCall) -> None:
        """Handle the end of a phase that reached its time limit."""
        since = call.since
        match call.phase:
            case Phase.HANGING_UP:
                call.result = ""
                self.finish(call)
            case Phase.COMPLETED:
                self.finish(call)
            case Phase.TRANSFERRING if self.agents.is_in_call(call.agent, call):
                self.free_agent(call)
                call.due = since + TRANSFER_GRACE + self._extra_grace
                self._state.store_call(call)
            case _:
                transferred = call.phase in {Phase.TRANSFERRING, Phase.PARTED}
                self.emit_leave(call, "TRANSFER" if transferred else call.reason or "OTHER")
                self.set_phase(call, Phase.LEFT, since)
                if not self._reports_hangups:
                    self.end(call, since, "Transferred" if transferred else "")
