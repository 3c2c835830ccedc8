"""Signs in, CloudEvents out: what happens at a PBX, as floorcast's events. No I/O.

Event ids follow from what happened, never from when it was read: reading a sign again, or from
the other channel, gives an event that the server recognises.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import floor

from floorcast.client import CloudEvent
from floorcast.connectors.pbx.agents import Agents
from floorcast.connectors.pbx.config import Dialect, MappingConfig
from floorcast.connectors.pbx.signs import (
    ABANDONED,
    Bridging,
    Completed,
    Confirmed,
    Connected,
    Dialed,
    Disposed,
    HungUp,
    Joined,
    Left,
    LeftBecause,
    Missed,
    Rang,
    Restarted,
    Sign,
    Swapped,
)
from floorcast.connectors.pbx.state import CallNow, Phase, State

__all__ = ["Mapping"]

JOIN_GRACE = 1.0  # seconds after leaving a queue in which a join goes on with the call
TRANSFER_GRACE = 2.0  # seconds after a transfer in which a join goes on with the call
WHOLE_SECONDS = 1.0  # more, where times are whole seconds
SAME_JOIN = 1.0  # seconds within which a join of the same queue is the one known already
SAME_WAIT = 2.0  # seconds by which HoldTime and the time of the join differ, at most
MAX_DIALED = 10_000  # numbers that wait for their caller to join
MAX_EARLY = 10_000  # offers that wait for their caller to join
RESULTS = {"": "", "caller": "Completed by caller", "agent": "Completed by agent"}


class Mapping:
    """The calls of one PBX, and its agents.

    ``hangups``: the source tells when channels hang up (AMI does, ``queue_log`` does not). Where
    it does not, a call that left its queue or its agent is taken to have ended.
    """

    def __init__(
        self,
        config: MappingConfig,
        dialect: Dialect,
        state: State,
        *,
        hangups: bool,
        whole_seconds: bool = False,
    ) -> None:
        self._config = config
        self._dialect = dialect
        self._state = state
        self._hangups = hangups
        self._more = WHOLE_SECONDS if whole_seconds else 0.0
        self._events: list[CloudEvent] = []
        self._dialed: dict[str, str] = {}
        self._early: dict[str, Rang] = {}
        self._agents = Agents(config, dialect, state, self._emit)
        self._pending = {one.caller for one in state.calls.values() if one.due}

    def apply(self, sign: Sign) -> list[CloudEvent]:
        """The events that follow from a sign, and from the time that has passed before it."""
        self._advance(sign.at)
        self._state.last_at = max(self._state.last_at, sign.at)
        self._apply(sign)
        return self._taken()

    def advance(self, now: float) -> list[CloudEvent]:
        """The events that follow from the time alone; ``now`` is by the PBX's clock."""
        self._advance(now)
        return self._taken()

    def know_reason(self, caller: str, reason: str) -> None:
        """Why a caller left a queue, where that is learned after the fact."""
        call = self._state.call(caller)
        if call and call.phase is Phase.LEAVING and reason not in {"", ABANDONED}:
            call.reason = reason
            self._state.keep_call(call)

    def unknown_interfaces(self) -> set[str]:
        """Interfaces that ``queue_log`` named without it being known whose they are."""
        return self._agents.unknown

    def _taken(self) -> list[CloudEvent]:
        events, self._events = self._events, []
        self._state.forget_ended()
        return events

    def _apply(self, sign: Sign) -> None:
        match sign:
            case Joined():
                self._join(sign)
            case Connected():
                self._connect(sign)
            case Completed():
                self._complete(sign)
            case Left():
                self._leave(sign)
            case Missed():
                self._miss(sign)
            case HungUp():
                self._hang_up(sign)
            case _:
                self._apply_rarer(sign)

    def _apply_rarer(self, sign: Sign) -> None:
        match sign:
            case Rang():
                self._ring(sign)
            case Bridging():
                self._agents.named(sign.connected.agent).bridging = sign.connected
            case Confirmed():
                self._confirm(sign.agent)
            case LeftBecause():
                self.know_reason(sign.caller, sign.reason)
            case Dialed():
                self._dial(sign)
            case Disposed():
                self._dispose(sign)
            case Swapped():
                self._swap(sign)
            case Restarted():
                self._restart(sign)
            case _:
                self._agents.apply(sign)

    # --- a call's way ---------------------------------------------------------------------------

    def _join(self, sign: Joined) -> None:
        call = self._state.call(sign.caller)
        if call is not None and self._is_known_join(sign, call):
            return
        if call is None or call.phase is Phase.ENDED:
            call = self._begin(sign, call.session + 1 if call else 1)
        elif call.phase is Phase.LEAVING:
            elsewhere = call.queue != sign.queue
            self._emit_leave(call, "OVERFLOW" if elsewhere else call.reason or "OTHER")
        elif call.phase is Phase.TALKING:
            self._agents.complete(call.agent, call, sign.at, "Transferred")
        call.turn += 1
        call.queue, call.joined = sign.queue, sign.at
        self._move(call, Phase.WAITING, sign.at)
        self._emit(
            f"{call.key}/{call.turn}/queue",
            "call.queue",
            sign.at,
            {**self._named(call), "service": self._config.service(sign.queue)},
        )
        early = self._early.pop(sign.caller, None)
        if early is not None and early.queue == sign.queue:
            self._agents.ring(early, call)

    def _ring(self, sign: Rang) -> None:
        if call := self._state.call(sign.caller):
            self._agents.ring(sign, call)
            return
        self._early[sign.caller] = sign  # FreeSWITCH may offer a caller before it says they joined
        if len(self._early) > MAX_EARLY:
            del self._early[next(iter(self._early))]

    def _confirm(self, agent: str) -> None:
        """The bridge that was announced has come about, at the time of its announcement."""
        connected = self._agents.named(agent).bridging
        if connected is not None:
            self._connect(connected)

    def _is_known_join(self, sign: Joined, call: CallNow) -> bool:
        """Whether the join is the last one, or one before it, told late by the other channel."""
        if call.queue == sign.queue:
            return sign.at < call.joined + SAME_JOIN
        return sign.at < floor(call.joined)

    def _begin(self, sign: Joined, session: int) -> CallNow:
        call = CallNow(caller=sign.caller, session=session, queue=sign.queue, number=sign.number)
        dialed = self._dialed.pop(sign.caller, "") or sign.dialed
        data: dict[str, object] = {
            **self._named(call),
            "service": self._config.service(sign.queue),
            "direction": "INBOUND",
        }
        if sign.number:
            data["callerId"] = sign.number
        if dialed:
            data["phoneDialed"] = dialed
        self._emit(f"{call.key}/start", "call.start", sign.at, data)
        return call

    def _connect(self, sign: Connected) -> None:
        known = self._state.call(sign.caller)
        if known and sign.at < floor(known.connected) + (known.phase is Phase.ENDED):
            return  # told late by the other channel
        call = self._waiting_for(sign)
        if call.phase is Phase.TALKING:
            if call.agent == self._config.agents.get(sign.agent, sign.agent):
                return
            self._agents.complete(call.agent, call, sign.at, "Transferred")
        self._move(call, Phase.TALKING, sign.at)
        call.connected = sign.at
        call.agent = self._agents.connect(sign, call)

    def _waiting_for(self, sign: Connected) -> CallNow:
        """The call that is connected, which may have joined under another id, or unseen."""
        call = self._state.call(sign.caller)
        if call and call.queue == sign.queue and call.phase is not Phase.ENDED:
            return call
        joined = sign.at - sign.waited
        for one in self._state.calls.values():
            same_queue = one.queue == sign.queue and one.phase in {Phase.WAITING, Phase.LEAVING}
            if same_queue and abs(one.joined - joined) <= SAME_WAIT and one is not call:
                if call is not None and call.phase is not Phase.ENDED:
                    self._end(call, sign.at, "Transferred")
                self._state.keep_alias(sign.caller, one.caller)
                return one
        self._join(Joined(at=joined, caller=sign.caller, queue=sign.queue))
        found = self._state.call(sign.caller)
        assert found is not None
        return found

    def _complete(self, sign: Completed) -> None:
        agent = self._agents.named(sign.agent)
        if agent.bridging and agent.bridging.caller == sign.caller:
            self._confirm(sign.agent)
        call = self._state.call(sign.caller) or self._state.call(agent.call)
        if call is None or call.agent != agent.name:
            self._agents.complete(agent.name, call, sign.at, "")
            return
        talking = call.phase in {Phase.TALKING, Phase.HANGING_UP}
        if not talking or sign.at < floor(call.connected):
            return
        hanging_up = call.phase is Phase.HANGING_UP
        by = sign.by or call.hung_up_by
        result = RESULTS.get(by, "Transferred")
        self._agents.complete(agent.name, call, sign.at, result)
        if hanging_up:
            self._end(call, call.since, result)
            if not sign.by:  # told by a PBX whose hangup of the caller was the last of it
                self._state.forget_call(call.caller)
        elif by == "transfer":
            self._move(call, Phase.TRANSFERRING, sign.at, TRANSFER_GRACE + self._more)
        elif by:
            self._end(call, sign.at, result)
        else:
            self._move(call, Phase.PARTED, sign.at, TRANSFER_GRACE)

    def _leave(self, sign: Left) -> None:
        call = self._state.call(sign.caller)
        if call is None or call.phase is not Phase.WAITING or call.queue != sign.queue:
            return
        if sign.at < floor(call.joined):
            return
        if sign.reason == ABANDONED:
            # Of the queue log, and AMI has not said it first: nothing else will tell the hangup.
            self._end(call, sign.at, "Abandoned")
            return
        call.reason, call.exit_key = sign.reason, sign.key
        self._move(call, Phase.LEAVING, sign.at, JOIN_GRACE + self._more)

    def _miss(self, sign: Missed) -> None:
        call = self._state.call(sign.caller)
        agent = self._agents.named(sign.agent)
        if call and call.phase is not Phase.ENDED:
            data = {
                "agent": agent.name,
                **self._named(call),
                "reason": sign.reason,
                "service": self._config.service(sign.queue),
                "ringSeconds": sign.ring_seconds,
            }
            number = f"{call.key}/{call.turn}/missed/{agent.name}/{int(sign.at)}"
            self._emit(number, "agent.missed", sign.at, data)
        self._agents.missed(agent, sign)

    def _hang_up(self, sign: HungUp) -> None:
        own, call = self._state.calls.get(sign.channel), self._state.call(sign.channel)
        for one in (own, call):
            if one is not None:
                one.hung_up_by = sign.by
                self._hang_up_call(one, sign.at)
        self._early.pop(sign.channel, None)
        self._agents.hung_up(sign)

    def _hang_up_call(self, call: CallNow, at: float) -> None:
        match call.phase:
            case Phase.TALKING:
                self._move(call, Phase.HANGING_UP, at, TRANSFER_GRACE)
            case Phase.HANGING_UP:
                return
            case Phase.ENDED:
                self._state.forget_call(call.caller)
            case Phase.WAITING | Phase.LEAVING:
                ended = call.since if call.phase is Phase.LEAVING else at
                self._end(call, ended, "Abandoned")
                self._state.forget_call(call.caller)
            case Phase.TRANSFERRING:
                self._emit_leave(call, "TRANSFER")
                self._end(call, at, "Transferred")
                self._state.forget_call(call.caller)
            case Phase.PARTED | Phase.LEFT:
                parted = call.phase is Phase.PARTED
                self._end(call, at, RESULTS.get(call.hung_up_by, "") if parted else "")
                self._state.forget_call(call.caller)

    def _dial(self, sign: Dialed) -> None:
        self._dialed[sign.caller] = sign.number
        if len(self._dialed) > MAX_DIALED:
            del self._dialed[next(iter(self._dialed))]

    def _dispose(self, sign: Disposed) -> None:
        call = self._state.call(sign.caller)
        if call is None or not sign.code:
            return
        call.dispositions += 1
        self._state.keep_call(call)
        data = {**self._named(call), "termCode": sign.code}
        if sign.agent:
            data["agent"] = self._agents.named(sign.agent).name
        self._emit(f"{call.key}/disposition/{call.dispositions}", "call.disposition", sign.at, data)

    def _swap(self, sign: Swapped) -> None:
        """The consulting channel's place is taken by the caller that was passed on."""
        call, passed_on = self._state.call(sign.channel), self._state.call(sign.to)
        if call is None or call is passed_on or call.phase is Phase.ENDED:
            return
        if passed_on and passed_on.phase in {Phase.TALKING, Phase.TRANSFERRING}:
            if passed_on.phase is Phase.TALKING:
                self._agents.complete(passed_on.agent, passed_on, sign.at, "Transferred")
            self._emit_leave(passed_on, "TRANSFER", sign.at)
            self._end(passed_on, sign.at, "Transferred")
        self._state.keep_alias(sign.to, call.caller)

    def _restart(self, sign: Restarted) -> None:
        for call in list(self._state.calls.values()):
            if call.since <= sign.at:
                if call.phase in {Phase.TALKING, Phase.HANGING_UP}:
                    self._agents.complete(call.agent, call, sign.at, "")
                if call.phase is not Phase.ENDED:
                    self._end(call, sign.at, "")
                self._state.forget_call(call.caller)
        if sign.empty:
            self._agents.all_gone(sign.at)

    # --- the time -------------------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        due = [call for one in self._pending if (call := self._state.calls.get(one))]
        for call in sorted(due, key=lambda one: one.due):
            if call.due and call.due <= now:
                self._time_over(call)
        if due:
            self._pending = {one.caller for one in due if one.due}
        self._agents.advance(now)

    def _time_over(self, call: CallNow) -> None:
        since = call.since
        if call.phase is Phase.HANGING_UP:
            self._agents.complete(call.agent, call, since, "")
            self._end(call, since, "")
            self._state.forget_call(call.caller)
            return
        transferred = call.phase in {Phase.TRANSFERRING, Phase.PARTED}
        self._emit_leave(call, "TRANSFER" if transferred else call.reason or "OTHER")
        self._move(call, Phase.LEFT, since)
        if not self._hangups:
            self._end(call, since, "Transferred" if transferred else "")

    # --- what is written ------------------------------------------------------------------------

    def _move(self, call: CallNow, phase: Phase, at: float, seconds: float = 0.0) -> None:
        call.phase, call.since = phase, at
        call.due = at + seconds if seconds else 0.0
        self._state.keep_call(call)
        if seconds:
            self._pending.add(call.caller)

    def _end(self, call: CallNow, at: float, result: str) -> None:
        self._move(call, Phase.ENDED, at)
        data = self._named(call) | ({"lvResult": result} if result else {})
        self._emit(f"{call.key}/end", "call.end", at, data)

    def _emit_leave(self, call: CallNow, reason: str, at: float | None = None) -> None:
        self._emit(
            f"{call.key}/{call.turn}/leave",
            "call.leave",
            call.since if at is None else at,
            {
                **self._named(call),
                "reason": reason,
                **({"key": call.exit_key} if reason == "KEY" and call.exit_key else {}),
            },
        )

    def _named(self, call: CallNow) -> dict[str, object]:
        return self._agents.named_call(call)

    def _emit(self, number: str, kind: str, at: float, data: dict[str, object]) -> None:
        self._events.append(
            CloudEvent(
                id=number,
                source=f"{self._dialect.kind}/{self._config.source}",
                type=kind,
                time=datetime.fromtimestamp(at, UTC),
                data=data,
            )
        )
