"""Signs in, CloudEvents out: what happens at a PBX, as floorcast's events. No I/O.

Event ids follow from what happened, never from when it was read: reading a sign again, or from
the other channel, gives an event that the server recognises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from math import floor
from typing import Any

from floorcast.client import CloudEvent
from floorcast.connectors.pbx.agents import Agents
from floorcast.connectors.pbx.bridges import Bridges
from floorcast.connectors.pbx.config import Dialect, MappingConfig
from floorcast.connectors.pbx.signs import (
    ABANDONED,
    Bridging,
    Completed,
    Confirmed,
    Connected,
    Dialed,
    Dialling,
    Disposed,
    Entered,
    Held,
    HungUp,
    Joined,
    Left,
    LeftBecause,
    LeftBridge,
    Missed,
    Paired,
    Rang,
    Restarted,
    RingEnded,
    Sign,
    Transferred,
)
from floorcast.connectors.pbx.state import CallNow, Phase, State

__all__ = ["Mapping"]

JOIN_GRACE = 1.0  # seconds after leaving a queue in which a join goes on with the call
TRANSFER_GRACE = 2.0  # seconds after a transfer in which a join goes on with the call
COMPLETED_GRACE = 0.5  # seconds after AgentComplete in which it may prove to have been a transfer
LET_GO_GRACE = 0.5  # seconds after a blind transfer in which another agent's telephone may ring
REASON_GRACE = 5.0  # seconds for which the answer to why a caller left a queue is waited for
WHOLE_SECONDS = 1.0  # more, where times are whole seconds
SAME_JOIN = 1.0  # seconds within which a join of the same queue is the one known already
SAME_WAIT = 2.0  # seconds by which HoldTime and the time of the join differ, at most
MAX_DIALED = 10_000  # numbers that wait for their caller to join
MAX_EARLY = 10_000  # offers that wait for their caller to join
PASSED_ON = {Phase.TRANSFERRING, Phase.LEFT}  # another agent may take such a call over
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
        self._takers: dict[type[Sign], Callable[[Any], None]] = {
            Joined: self._join,
            Connected: self._connect,
            Completed: self._complete,
            Left: self._leave,
            LeftBecause: self._know_because,
            Rang: self._ring,
            Bridging: self._bridging,
            Confirmed: lambda sign: self._confirm(sign.agent),
            Missed: self._miss,
            RingEnded: self._ring_over,
            HungUp: self._hang_up,
            Dialed: self._dial,
            Disposed: self._dispose,
            Transferred: self._transfer,
            Dialling: self._dialling,
            Held: self._hold,
            Entered: self._enter,
            LeftBridge: lambda sign: self._bridges.leave(sign.bridge, sign.channel),
            Paired: lambda sign: self._bridges.pair(sign.one, sign.two),
            Restarted: self._restart,
        }
        self._bridges = Bridges()
        self._rings: dict[str, str] = {}  # telephones that ring for a call that was passed on
        self._passed_on = {one.caller for one in state.calls.values() if one.phase in PASSED_ON}
        self._pending = {one.caller for one in state.calls.values() if one.due}

    def apply(self, sign: Sign) -> list[CloudEvent]:
        """The events that follow from a sign, and from the time that has passed before it."""
        self._advance(sign.at)
        self._state.last_at = max(self._state.last_at, sign.at)
        self._takers.get(type(sign), self._agents.apply)(sign)
        return self._taken()

    def advance(self, now: float) -> list[CloudEvent]:
        """The events that follow from the time alone; ``now`` is by the PBX's clock."""
        self._advance(now)
        return self._taken()

    def know_reason(self, caller: str, reason: str) -> None:
        """Why a caller left a queue, where that is learned after the fact."""
        call = self._state.call(caller)
        if call and call.phase is Phase.LEAVING:
            if reason not in {"", ABANDONED}:
                call.reason = reason
            call.due = min(call.due, call.since + JOIN_GRACE + self._more)
            self._state.keep_call(call)

    def see_channels(self, channels: Iterable[tuple[str, str, str]]) -> None:
        """The channels that there are: Uniqueid, name and bridge of each."""
        self._bridges = Bridges(channels)

    def unknown_interfaces(self) -> set[str]:
        """Interfaces that ``queue_log`` named without it being known whose they are."""
        return self._agents.unknown

    def _taken(self) -> list[CloudEvent]:
        events, self._events = self._events, []
        self._state.forget_ended()
        return events

    def _know_because(self, sign: LeftBecause) -> None:
        self.know_reason(sign.caller, sign.reason)

    # --- a call's way ---------------------------------------------------------------------------

    def _join(self, sign: Joined) -> None:
        call = self._state.call(sign.caller)
        if call is not None and self._is_known_join(sign, call):
            return
        if call is not None and call.phase is Phase.COMPLETED:
            self._finish(call)
        if call is None or call.phase is Phase.ENDED:
            call = self._begin(sign, call.session + 1 if call else 1)
        elif call.phase is Phase.LEAVING:
            elsewhere = call.queue != sign.queue
            self._emit_leave(call, "OVERFLOW" if elsewhere else call.reason or "OTHER")
        elif call.phase is Phase.TALKING:
            self._agents.complete(call.agent, call, sign.at, "Transferred")
        elif call.phase is Phase.TRANSFERRING:
            self._let_go(call)
        call.turn += 1
        call.reason = call.result = ""
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
        """Whether the join is the last one, or an earlier one from the slower channel."""
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
        before = self._state.calls.get(self._agents.named(sign.agent).call)
        if before is not None and before is not call and before.due:
            self._time_over(before)  # what it waited for cannot come any more
        call.connected, call.is_direct = sign.at, False
        self._move(call, Phase.TALKING, sign.at)
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
        if not talking or call.is_direct or sign.at < floor(call.connected):
            return
        by = sign.by or call.hung_up_by
        call.result = RESULTS.get(by, "Transferred")
        if call.phase is Phase.HANGING_UP:
            self._agents.complete(agent.name, call, sign.at, call.result)
            self._end(call, call.since, call.result)
        elif by == "transfer":
            self._pass_on(call, sign.at)
        elif not by:
            self._agents.complete(agent.name, call, sign.at, call.result)
            self._move(call, Phase.PARTED, sign.at, TRANSFER_GRACE)
        else:
            self._move(call, Phase.COMPLETED, sign.at, COMPLETED_GRACE)
            if not self._hangups:
                self._finish(call)

    def _finish(self, call: CallNow) -> None:
        """The conversation was the end of the call."""
        self._agents.complete(call.agent, call, call.since, call.result)
        self._end(call, call.since, call.result)

    def _pass_on(self, call: CallNow, at: float) -> None:
        """Its agent passed it on: to a queue, to another agent, or elsewhere."""
        if self._hangups:
            self._move(call, Phase.TRANSFERRING, at, LET_GO_GRACE)
        else:
            self._move(call, Phase.TRANSFERRING, at, TRANSFER_GRACE + self._more)
            self._let_go(call)

    def _let_go(self, call: CallNow) -> None:
        """The agent who passed it on is free."""
        self._agents.complete(call.agent, call, call.since, "Transferred")

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
        is_asked = self._hangups and self._dialect.asks_why and not sign.reason
        self._move(
            call, Phase.LEAVING, sign.at, REASON_GRACE if is_asked else JOIN_GRACE + self._more
        )

    def _bridging(self, sign: Bridging) -> None:
        self._agents.named(sign.connected.agent).bridging = sign.connected

    def _ring_over(self, sign: RingEnded) -> None:
        self._ring_ended(sign.leg, sign.at)
        self._agents.apply(sign)

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
        own, aliased = self._state.calls.get(sign.channel), self._state.call(sign.channel)
        for call in (own, aliased):
            if call is not None and sign.channel == (call.channel or call.caller):
                call.hung_up_by = sign.by
                self._hang_up_call(call, sign.at)
        talk = self._state.calls.get(self._agents.call_of_leg(sign.channel))
        if talk is not None and talk.is_direct and talk.phase is Phase.TALKING:
            talk.result, talk.reason = "Transferred", "OTHER"
            self._agents.complete(talk.agent, talk, sign.at, talk.result)
            self._move(talk, Phase.LEAVING, sign.at, JOIN_GRACE)
        self._ring_ended(sign.channel, sign.at)
        self._early.pop(sign.channel, None)
        self._agents.hung_up(sign)
        self._bridges.gone(sign.channel)

    def _hang_up_call(self, call: CallNow, at: float) -> None:
        match call.phase:
            case Phase.TALKING if call.is_direct:
                call.result = "Transferred"
                self._move(call, Phase.COMPLETED, at)
                self._finish(call)
            case Phase.TALKING:
                self._move(call, Phase.HANGING_UP, at, TRANSFER_GRACE)
            case Phase.COMPLETED:
                self._finish(call)
            case Phase.WAITING:
                self._end(call, at, "Abandoned")
            case Phase.LEAVING:
                self._end(call, call.since, call.result or "Abandoned")
            case Phase.TRANSFERRING:
                self._let_go(call)
                self._emit_leave(call, "TRANSFER")
                self._end(call, at, "Transferred")
            case Phase.PARTED:
                self._end(call, at, RESULTS.get(call.hung_up_by, ""))
            case Phase.LEFT:
                self._end(call, at, "")
            case Phase.HANGING_UP | Phase.ENDED:
                return

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

    # --- to another agent -----------------------------------------------------------------------

    def _transfer(self, sign: Transferred) -> None:
        call = self._passed_on_by(sign)
        other = self._consulted(sign, call)
        if other is not None:
            self._put_through(call, other, sign)
        elif call is not None:
            if sign.passed_on not in {call.caller, call.channel}:
                self._state.keep_alias(sign.passed_on, call.caller)
            if call.phase is Phase.TALKING:
                self._pass_on(call, sign.at)
            elif call.phase is Phase.COMPLETED:
                self._pass_on(call, call.since)
            if sign.second:
                self._find_agent(call, sign.at, but={sign.by, sign.second})

    def _passed_on_by(self, sign: Transferred) -> CallNow | None:
        """The call whose agent transferred it; None for a caller who transfers an agent."""
        for one in self._bridges.reach(sign.passed_on):
            # The caller may come into the bridge after the agent has passed them on already.
            of_leg = self._state.calls.get(self._agents.call_of_leg(one))
            call = self._state.call(one) or of_leg
            if call and call.phase in {Phase.TALKING, Phase.COMPLETED, Phase.TRANSFERRING}:
                return None if sign.by in {call.caller, call.channel} else call
        return None

    def _consulted(self, sign: Transferred, call: CallNow | None) -> CallNow | None:
        """The other call, which the agent made to ask before an attended transfer."""
        if not sign.second:
            return None
        for one in (sign.second, *self._bridges.reach(sign.target or sign.second)):
            other = self._state.call(one)
            if other and other is not call and other.phase is not Phase.ENDED:
                return other
        return None

    def _put_through(self, call: CallNow | None, other: CallNow, sign: Transferred) -> None:
        """The caller takes the place of the agent who consulted: that call goes on for both."""
        if call is not None:
            if other.phase is Phase.TALKING:
                self._agents.passed_on(call.agent, call, other.agent, sign.at)
            self._agents.complete(call.agent, call, sign.at, "Transferred")
            self._emit_leave(call, "TRANSFER", sign.at)
            self._end(call, sign.at, "Transferred")
        self._state.keep_alias(sign.passed_on, other.caller)
        if sign.second == (other.channel or other.caller):
            other.channel = sign.passed_on
        self._state.keep_call(other)

    def _dialling(self, sign: Dialling) -> None:
        call = self._state.call(sign.caller) if self._passed_on else None
        if call is None or call.phase is not Phase.TRANSFERRING:
            return
        name = self._agents.with_interface(sign.interface)
        if name:
            self._agents.passed_on(call.agent, call, name, call.since)
            self._let_go(call)
            self._agents.ring_directly(name, sign.leg, call, sign.at)
            self._rings[sign.leg] = call.caller
            call.due = 0.0  # until the telephone has rung
            self._state.keep_call(call)

    def _ring_ended(self, leg: str, at: float) -> None:
        call = self._state.calls.get(self._rings.pop(leg, ""))
        if (
            call is not None
            and call.phase is Phase.TRANSFERRING
            and call.caller not in {*self._rings.values()}
        ):
            call.due = at + TRANSFER_GRACE
            self._state.keep_call(call)
            self._pending.add(call.caller)

    def _enter(self, sign: Entered) -> None:
        self._bridges.enter(sign.bridge, sign.channel, sign.name)
        if not self._passed_on:
            return
        for one in self._bridges.reach(sign.channel):
            call = self._state.call(one)
            if call is not None and call.phase in PASSED_ON:
                self._find_agent(call, sign.at, but=set())
                return

    def _find_agent(self, call: CallNow, at: float, but: set[str]) -> None:
        """Give the call to the agent whose telephone it has reached, if there is one."""
        own = {call.caller, call.channel} | but
        for one in self._bridges.reach(call.channel or call.caller):
            name = self._agents.with_interface(self._bridges.interface(one))
            if name and one not in own and self._agents.call_of_leg(one) != call.caller:
                if call.phase is Phase.TRANSFERRING:
                    self._agents.passed_on(call.agent, call, name, call.since)
                    self._let_go(call)
                call.agent, call.connected, call.is_direct = name, at, True
                self._move(call, Phase.TALKING, at)
                self._agents.take_over(name, one, call, at)
                return

    def _hold(self, sign: Held) -> None:
        """The telephone may be behind a Local channel: the agent is whose call it hears."""
        channel = sign.channel
        if not self._agents.call_of_leg(channel) and self._state.call(channel) is None:
            for one in self._bridges.reach(channel):
                call = self._state.call(one)
                if call and call.phase is Phase.TALKING:
                    channel = self._state.agent(call.agent).leg
        self._agents.apply(Held(at=sign.at, channel=channel, on=sign.on))

    # --- everything anew ------------------------------------------------------------------------

    def _restart(self, sign: Restarted) -> None:
        for call in list(self._state.calls.values()):
            if call.since <= sign.at:
                self._agents.complete(call.agent, call, sign.at, "")
                if call.phase is not Phase.ENDED:
                    self._end(call, sign.at, "")
        if sign.empty:
            self._agents.all_gone(sign.at)

    # --- the time -------------------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        due = [call for one in self._pending if (call := self._state.calls.get(one))]
        for call in sorted(due, key=lambda one: one.due):
            while call.due and call.due <= now:
                self._time_over(call)
        if due:
            self._pending = {one.caller for one in due if one.due}
        self._agents.advance(now)

    def _time_over(self, call: CallNow) -> None:
        since = call.since
        match call.phase:
            case Phase.HANGING_UP:
                call.result = ""
                self._finish(call)
            case Phase.COMPLETED:
                self._finish(call)
            case Phase.TRANSFERRING if self._agents.is_with(call.agent, call):
                self._let_go(call)
                call.due = since + TRANSFER_GRACE + self._more
                self._state.keep_call(call)
            case _:
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
        if phase in PASSED_ON:
            self._passed_on.add(call.caller)
        else:
            self._passed_on.discard(call.caller)

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
