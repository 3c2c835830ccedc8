"""The agents of a floor: what their events, and the answers that name them, change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from floorcast.floor.agent_events import agent_event
from floorcast.floor.agents import ANSWERED, AgentMoment, CallInHand, OnFloor, Told
from floorcast.floor.call_table import CallTable
from floorcast.floor.calls import ANSWER, Call, Key, Step, WrapUp
from floorcast.floor.change_hooks import ChangeHooks
from floorcast.floor.counters import reason_index
from floorcast.floor.directory import NO_SERVICE
from floorcast.floor.rosters import OnDuty, Roster
from floorcast.floor.state import FloorState
from floorcast.floor.tally import Tally
from floorcast.floor.timeline import Timeline
from floorcast.model.inbound import AgentState, AgentStateData, CallAnswer, Thing, milliseconds
from floorcast.model.outbound import AgentEvent
from floorcast.model.states import State
from floorcast.site.configuration import NotReadyReason

__all__ = ["AgentFold", "Calls"]


class Calls(NamedTuple):
    """The calls of the floor: which are there, what they count, and what follows a step.

    ``follow`` is called when something that a call's term code depends on has changed.
    """

    table: CallTable
    tally: Tally
    hooks: ChangeHooks
    step: Callable[[Call, Step], None]
    follow: Callable[[Call], None]

    def wrap_up(self, key: Key, wrap_up: WrapUp, sign: int) -> None:
        """See ``CallEffects``."""
        call = self._changing(key)
        if call is None and sign > 0:
            call = self.table.touch(key, wrap_up.begin, wrap_up.begin + wrap_up.spent)
        if call is not None:
            self.tally.wrap_up(call, wrap_up, sign)

    def leave(self, key: Key, agent: int, at: int, sign: int) -> None:
        """See ``CallEffects``."""
        call = self._changing(key)
        if call is not None:
            call.leave(agent, at, sign)
            self.follow(call)

    def come_back(self, key: Key, agent: int, at: int, sign: int) -> None:
        """See ``CallEffects``."""
        call = self.table.calls.get(key)
        if call is not None and call.gone:
            self._changing(key)
            call.come_back(agent, at, sign)
            self.follow(call)

    def amend(self, key: Key, step: Step) -> None:
        """See ``CallEffects``."""
        call = self._changing(key)
        if call is not None:
            self.tally.amend(call, step)
            self.table.locate(call)
            self.follow(call)

    def _changing(self, key: Key) -> Call | None:
        call = self.table.calls.get(key)
        if call is not None:
            for hook in self.hooks.calls:
                hook(call)
        return call


class AgentFold:
    """Folds agents' events; ``too_late`` is called for one that came too late for any figure."""

    def __init__(
        self,
        state: FloorState,
        calls: Calls,
        rosters: tuple[OnDuty, Roster[OnFloor]],
        timeline: Timeline,
        too_late: Callable[[], None],
    ) -> None:
        self._state = state
        self._calls = calls
        self._on_duty, self._off_duty = rosters
        self._timeline = timeline
        self._too_late = too_late
        self._reasons = _counted_as(state.plan.not_ready_reasons)

    def heard(self, event: AgentState, at: int, now: int) -> tuple[int | None, AgentEvent]:
        """An agent entered a state at ``at`` (ms), as was taken at ``now``; what is fed."""
        data, state, directory = event.data, self._state, self._state.directory
        agent = self.agent(directory.agent(data.agent))
        agent.seq += 1
        service = None if data.service is None else directory.service(data.service)
        call = None if data.call is None else self._call_in_hand(data, agent.id)
        told = self._told(data, call)
        # a clock that is ahead never adds time that has not passed
        moment = AgentMoment(min(at, now), data.event_type, service, told)
        if moment.at >= agent.reached or self._timeline.places(agent, moment.at, now):
            key = None if call is None else call.key
            if key is not None and data.event_type == "IN_CALL":
                self._calls.table.touch(key, at, now)
            service = self._take(agent, moment, now)
            if call is not None and key is not None:
                self._tell_call(agent, data.event_type, call, service, at, now)
        else:
            self._take_late(agent, moment)
        served = None if service == NO_SERVICE else service
        fed = agent_event(state.client, agent, data, call or agent.call, served, at, directory)
        return served, fed

    def answered(self, number: int, call: Call, at: int, now: int) -> None:
        """A ``call.answer`` named the agent."""
        agent = self.agent(number)
        in_hand = CallInHand(call.transaction, call.session)
        in_hand.phone, in_hand.account = call.customer_phone, call.account
        in_hand.campaign_type, in_hand.direction = call.campaign_type, call.direction
        in_hand.service = self._service_of(call.key, number)
        moment = AgentMoment(min(at, now), ANSWERED, None, Told(call=in_hand))
        if self._timeline.places(agent, moment.at, now):
            self._timeline.take(agent, moment, now)

    def agent(self, number: int) -> OnFloor:
        """The agent, which is about to change; a new one if need be."""
        hooks = self._calls.hooks
        for hook in hooks.agents:
            hook(number)
        agent = self._state.agents.get(number)
        if agent is None:
            agent = self._state.agents[number] = OnFloor(number)
            self.locate(agent)
        if hooks.services:
            for service in agent.logged_in_to:
                for hook in hooks.services:
                    hook(service)
        return agent

    def locate(self, agent: OnFloor) -> None:
        """Know at which services the agent is."""
        on = agent.logged_in
        self._on_duty.put(agent.id, agent, agent.logged_in_to if on else ())
        self._off_duty.put(agent.id, agent, () if on else agent.logged_in_to)

    def add_calls_behind(self, event: AgentState | CallAnswer, found: dict[Key, None]) -> None:
        """Find the calls that an event of an agent may change without naming them."""
        thing: Thing | None = event.data.agent
        number = None if thing is None else self._state.directory.known_agent(thing)
        agent = None if number is None else self._state.agents.get(number)
        if agent is None:
            return
        keys: Iterable[Key | None] = ()
        if agent.state is State.WRAP_UP or (
            type(event) is AgentState and event.data.event_type == "WRAP_UP"
        ):
            keys = (agent.wraps_up, agent.answered)
        if agent.newer and event.time is not None and milliseconds(event.time) < agent.reached:
            keys = self._timeline.calls_of(agent)
        for key in keys:
            if key is not None and key not in self._calls.table.calls:
                found[key] = None

    # -- one event -------------------------------------------------------------------------

    def _take(self, agent: OnFloor, moment: AgentMoment, now: int) -> int:
        state, since, reason = agent.state, agent.since, agent.reason
        at, services, team = agent.service, agent.services, agent.team
        service = self._timeline.take(agent, moment, now)
        moved = agent.service != at or agent.services != services
        if moved or agent.state is not state or agent.since != since or agent.reason != reason:
            if agent.state is not State.LOGOFF or agent.since != since:
                agent.changed_at = now
            if moved or (agent.state is State.LOGOFF) is not (state is State.LOGOFF):
                self.locate(agent)
        if agent.team is not None and agent.team != team:
            self._state.directory.join_team(agent.id, agent.team)
        return service

    def _take_late(self, agent: OnFloor, moment: AgentMoment) -> None:
        """Too late: it changes no figure, but a Logon still tells what no other event told."""
        self._too_late()
        if moment.kind != "LOGON":
            return
        if moment.service is not None and agent.service_at <= moment.at:
            agent.service = agent.at_hand = moment.service
            agent.services, agent.service_at = (), moment.at
            self.locate(agent)
        told = moment.told
        if told is not None and told.team is not None and agent.team is None:
            agent.team = told.team
            self._state.directory.join_team(agent.id, told.team)

    def _tell_call(
        self, agent: OnFloor, kind: str, ref: CallInHand, service: int, at: int, now: int
    ) -> None:
        """The agent named a call: it is heard of, and answered if the agent is in it."""
        key, table = ref.key, self._calls.table
        assert key is not None
        if kind == "IN_CALL":
            call = table.calls[key]
            if call.direction is None:
                self._calls.tally.direct(call, ref.direction)
            named = service if ref.named is None else ref.named
            self._calls.step(call, Step(at, ANSWER, _or_none(named), agent.id))
        elif key in table.calls:
            table.touch(key, at, now)
        if ref.service is None:
            ref.service = self._service_of(key, agent.id)

    def _told(self, data: AgentStateData, call: CallInHand | None) -> Told | None:
        directory = self._state.directory
        services = None
        if data.services is not None:
            services = tuple(dict.fromkeys(map(directory.service, data.services)))
        team = None if data.team is None else directory.team(data.team)
        reason, skill, monitored = data.reason, data.skill, data.monitored
        if (reason, services, team, monitored, skill, call) == _NOTHING_TOLD:
            return None if data.event_type != "NOT_READY" else _OTHER
        slot = reason_index(self._reasons.get(reason, reason) if reason else None)
        return Told(reason, slot, services, team, monitored, skill, call)

    def _call_in_hand(self, data: AgentStateData, agent: int) -> CallInHand | None:
        ref = data.call
        assert ref is not None
        named = None if ref.service is None else self._state.directory.service(ref.service)
        call = CallInHand(
            None if ref.transaction_id is None else int(ref.transaction_id),
            ref.session_id,
            named,
            ref.phone_number,
            ref.account,
            ref.campaign_type,
            ref.direction,
            named,
        )
        key = call.key
        known = None if key is None else self._calls.table.calls.get(key)
        if key is None or known is None:
            return call
        if call.phone is None:
            call.phone = known.customer_phone
        call.account = known.account if call.account is None else call.account
        if call.campaign_type is None:
            call.campaign_type = known.campaign_type
        if call.direction is None:
            call.direction = known.direction
        if call.service is None and data.event_type == "IN_CALL":
            call.service = _or_none(known.present_service)
        elif call.service is None:
            call.service = self._service_of(key, agent)
        return call

    def _service_of(self, key: Key, agent: int) -> int | None:
        """The service on which the agent had the call; else the one that has it."""
        known = self._calls.table.calls.get(key)
        if known is None:
            return None
        turn = known.turn_of(agent)
        return _or_none(known.present_service if turn is None else turn.service)


_NOTHING_TOLD = (None, None, None, None, None, None)
_OTHER = Told(slot=reason_index(None))


def _or_none(service: int) -> int | None:
    return None if service == NO_SERVICE else service


def _counted_as(reasons: tuple[NotReadyReason, ...]) -> dict[str, str]:
    return {one.reason: one.counts_as for one in reasons}
