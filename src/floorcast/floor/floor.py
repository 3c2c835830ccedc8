"""A client's floor: the fold of its log, event by event.

``fold`` is deterministic and pure: what it does depends on the events, their order and their
times, never on a clock. Before an entry is folded, its caller brings back the calls that it
speaks of and that have left the memory (``unknown_calls``, ``CallTable.reload``), so that the
result is as if none had ever left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from floorcast.floor import message_events, voice_events
from floorcast.floor.active_campaigns import ActiveCampaigns
from floorcast.floor.agent_events import agent_event, agent_event_kind
from floorcast.floor.agents import CallInHand, OnFloor, change_state
from floorcast.floor.call_table import CallTable
from floorcast.floor.calls import (
    ANSWER,
    END,
    QUEUE,
    START,
    Call,
    Key,
    Step,
)
from floorcast.floor.change_hooks import ChangeHooks
from floorcast.floor.days import Calendar
from floorcast.floor.directory import NO_SERVICE
from floorcast.floor.dispositions import Dispositions
from floorcast.floor.ledger import Ledger
from floorcast.floor.rosters import OnDuty, Roster
from floorcast.floor.state import FloorState
from floorcast.floor.tally import Tally
from floorcast.model.inbound import (
    AgentState,
    AgentStateData,
    CallAnswer,
    CallDisposition,
    CallEnd,
    CallQueue,
    CallStart,
    CampaignUpdate,
    EmailAttempt,
    InboundEvent,
    LoggedEvent,
    SmsAttempt,
    milliseconds,
)
from floorcast.model.outbound import AgentEvent, InteractionEvent
from floorcast.model.states import State
from floorcast.model.token import TICKS_PER_MS, to_ms
from floorcast.site.configuration import FloorConfig

__all__ = ["Floor", "OutboundEvent"]

_TIDY_MS = 60_000


class OutboundEvent(Struct, gc=False):
    """What an event puts into a feed: the class that filters look at, and the event."""

    feed: str
    kind: str
    service: int | None
    call_center: int | None
    event: AgentEvent | InteractionEvent


class Floor:
    """One client's floor. ``state`` is all of it; the rest are indexes, made anew on a start.

    ``on_duty`` has the agents that are logged in, ``off_duty`` the others, by the service of
    their last event; ``at_work`` the campaigns of today and yesterday. ``hooks`` are
    called before anything changes.
    """

    def __init__(self, state: FloorState, quiet_call_ms: int = 4 * 3_600_000) -> None:
        self.state = state
        self.hooks = ChangeHooks()
        self.call_table = CallTable(state.calls, quiet_call_ms, self.hooks.calls)
        self.ledger = Ledger(state.counters, self.hooks.services)
        self.on_duty = OnDuty(self.hooks.services)
        self.off_duty: Roster[OnFloor] = Roster()
        self.at_work = ActiveCampaigns(state.campaigns, self.ledger, self.hooks)
        self._tidied = to_ms(state.recorded_at) // _TIDY_MS
        self._folds: dict[type[Any], Callable[..., OutboundEvent | None]] = {
            AgentState: self._agent_state,
            CallStart: self._call_start,
            CallQueue: self._call_queue,
            CallAnswer: self._call_answer,
            CallEnd: self._call_end,
            CallDisposition: self._call_disposition,
            EmailAttempt: self._email,
            SmsAttempt: self._sms,
            CampaignUpdate: self._campaign_update,
        }
        self._use_plan(state.plan)
        for call in self.call_table.calls.values():
            self._tally.shorten(call)
        for agent in state.agents.values():
            self._locate(agent)
        for campaign in state.campaigns.values():
            self.at_work.place(campaign, self.calendar)

    def captured(self) -> FloorState:
        """All of the floor, ready for a snapshot."""
        self.state.calls = list(self.call_table.calls.values())
        return self.state

    def apply(self, plan: FloorConfig) -> None:
        """Fold a change of the client's site."""
        self.hooks.everything()
        self.state.plan = plan
        self.state.terms = self.state.entry
        self.state.directory.apply(plan)
        self._use_plan(plan)

    def _use_plan(self, plan: FloorConfig) -> None:
        self.calendar = Calendar(plan.time_zone)
        self._tally = Tally(
            self.ledger,
            self.calendar,
            self.state.directory.services,
            self.hooks.agents,
            self.state.terms,
        )
        self._dispositions = Dispositions(self.state.connects, self._tally, plan.term_codes)

    # -- entries ---------------------------------------------------------------------------

    def begin_entry(self, number: int, recorded_at: int) -> None:
        """An entry begins: the log has reached ``recorded_at`` (ticks). Tidies what is over."""
        self.state.entry, self.state.recorded_at = number, recorded_at
        now = to_ms(recorded_at)
        if self.ledger.begin_day(self.calendar.day_of(now)):
            self.at_work.begin_day(self.calendar)
        self.call_table.evict_ended(now)
        for call in self.call_table.evicted:
            self._tally.forget(call)
        if now // _TIDY_MS != self._tidied:
            self._tidied = now // _TIDY_MS
            self._tidy(now)

    def _tidy(self, now: int) -> None:
        self.call_table.evict_quiet(now, self.calendar.bounds(self.calendar.day_of(now))[0])
        self._dispositions.tidy(now)

    def unknown_calls(self, events: Iterable[LoggedEvent]) -> list[Key]:
        """The calls that the events speak of and that are not in memory."""
        found: dict[Key, None] = {}
        calls = self.call_table.calls
        for event in events:
            data: Any = event.data
            kind = type(event)
            if kind is AgentState:
                data = data.call
                if data is None or data.transaction_id is None or data.session_id is None:
                    continue
            elif kind not in _OF_CALLS:
                continue
            key = (int(data.transaction_id), data.session_id)
            if key not in calls:
                found[key] = None
        return list(found)

    def fold(self, event: InboundEvent, recorded_at: int, event_id: str) -> OutboundEvent | None:
        """Fold one event; ``event_id`` is the id that it bears in the interaction feed."""
        at = recorded_at // TICKS_PER_MS if event.time is None else milliseconds(event.time)
        return self._folds[type(event)](event, at, recorded_at // TICKS_PER_MS, event_id)

    # -- agents ----------------------------------------------------------------------------

    def _agent_state(self, event: AgentState, at: int, now: int, _event_id: str) -> OutboundEvent:
        data = event.data
        state, directory = self.state, self.state.directory
        agent_id = directory.agent(data.agent)
        for hook in self.hooks.agents:
            hook(agent_id)
        agent = state.agents.get(agent_id)
        if agent is None:
            agent = state.agents[agent_id] = OnFloor(agent_id)
            self._locate(agent)
        for hook in self.hooks.services:
            hook(agent.service)
        agent.seq += 1
        service = None if data.service is None else directory.service(data.service)
        if data.team is not None:
            directory.join_team(agent_id, directory.team(data.team))
        call = self._call_in_hand(data)
        if at >= agent.last_event:
            self._enter(agent, data, at, service, call)
            service = agent.service
        if call is not None and call.key is not None:
            if data.event_type == "IN_CALL":
                self._answered_by(agent, call, service, at, now)
            if call.service is None:
                call.service = self._service_of(call.key)
        served = None if service == NO_SERVICE else service
        in_hand = call or agent.call
        fed = agent_event(state.client, agent, data, in_hand, served, at, directory)
        kind = agent_event_kind(fed, directory)
        return OutboundEvent("agent", kind, served, directory.call_center_of(served), fed)

    def _enter(
        self,
        agent: OnFloor,
        data: AgentStateData,
        at: int,
        service: int | None,
        call: CallInHand | None,
    ) -> None:
        before = agent.service, agent.logged_in
        change_state(agent, data.event_type, at, service, data.reason, self.ledger, self.calendar)
        if before != (agent.service, agent.logged_in):
            self._locate(agent)
        if data.monitored is not None:
            agent.monitored = data.monitored
        if data.skill is not None:
            agent.skill = data.skill
        if call is not None and agent.state is not State.LOGOFF:
            agent.call = call

    def _locate(self, agent: OnFloor) -> None:
        self.on_duty.put(agent.id, agent, agent.service if agent.logged_in else None)
        self.off_duty.put(agent.id, agent, None if agent.logged_in else agent.service)

    def _call_in_hand(self, data: AgentStateData) -> CallInHand | None:
        ref = data.call
        if ref is None:
            return None
        named = None if ref.service is None else self.state.directory.service(ref.service)
        transaction = None if ref.transaction_id is None else int(ref.transaction_id)
        call = CallInHand(
            transaction,
            ref.session_id,
            named,
            ref.phone_number,
            ref.account,
            ref.campaign_type,
            ref.direction,
        )
        known = None if call.key is None else self.call_table.calls.get(call.key)
        if known is not None:
            if call.phone is None:
                call.phone = known.customer_phone
            call.account = known.account if call.account is None else call.account
            if call.campaign_type is None:
                call.campaign_type = known.campaign_type
            if call.direction is None:
                call.direction = known.direction
        return call

    def _service_of(self, key: Key) -> int | None:
        known = self.call_table.calls.get(key)
        if known is None or known.present_service == NO_SERVICE:
            return None
        return known.present_service

    def _answered_by(
        self, agent: OnFloor, ref: CallInHand, service: int | None, at: int, now: int
    ) -> None:
        assert ref.key is not None
        call = self.call_table.touch(ref.key, at, now)
        if call.direction is None:
            self._tally.direct(call, ref.direction)
        named = ref.service if ref.service is not None else service
        self._step(call, Step(at, ANSWER, None if named == NO_SERVICE else named, agent.id))
        if not self._handled(agent, call, at):
            agent.handled_service = None  # another's call: its wrap-up is not counted

    def _handled(self, agent: OnFloor, call: Call, at: int) -> bool:
        for leg in reversed(call.legs):
            if leg.agent == agent.id and leg.answered is not None:
                # told again, late: the wrap-up that followed is over, and the next one is not its
                again = at == agent.handled_at and agent.handled_service is None
                if at >= agent.handled_at and not again:
                    agent.handled_service, agent.handled_at = leg.service, at
                return True
        return False

    # -- calls -----------------------------------------------------------------------------

    def _step(self, call: Call, step: Step) -> None:
        self.call_table.settle(call, step, self._tally)
        self._dispositions.follow(call)
        if call.campaign is not None:
            last = max(step.at, call.last_step)
            self.at_work.had_call(call.campaign, call.service, last, self.calendar)

    def _learn(self, call: Call, at: int, data: object, names: tuple[str, ...]) -> None:
        """Take over what an event tells of the call, unless a later one told it."""
        told = 0
        for name in names:
            if getattr(data, name) is not None:
                told |= _BITS[name]
        if not told:
            return
        told = call.news(at, told)
        for name in names:
            if told & _BITS[name]:
                value = getattr(data, name)
                if name == "campaign":
                    call.campaign = self.state.directory.campaign(value)
                elif name == "consumer":
                    call.first_name, call.last_name = value.first_name, value.last_name
                elif name in ("direction", "call_direction"):
                    self._tally.direct(call, value)
                else:
                    setattr(call, name, value)

    def _call_start(self, event: CallStart, at: int, now: int, event_id: str) -> OutboundEvent:
        data, directory = event.data, self.state.directory
        call = self.call_table.touch((int(data.transaction_id), data.session_id), at, now)
        service = directory.service(data.service)
        self._learn(call, at, data, _START_MEMBERS)
        self._step(call, Step(at, START, service, None))
        named = voice_events.Named(call, directory)
        fed = voice_events.call_start(self.state.client, call, at, event_id, named)
        return OutboundEvent("interaction", "VOICE", named.service, named.call_center, fed)

    def _call_queue(self, event: CallQueue, at: int, now: int, _event_id: str) -> None:
        data = event.data
        call = self.call_table.touch((int(data.transaction_id), data.session_id), at, now)
        if data.skill is not None or data.priority is not None:
            self._learn(call, at, data, _QUEUE_MEMBERS)
        service = None if data.service is None else self.state.directory.service(data.service)
        self._step(call, Step(at, QUEUE, service, None))

    def _call_answer(self, event: CallAnswer, at: int, now: int, _event_id: str) -> None:
        data = event.data
        call = self.call_table.touch((int(data.transaction_id), data.session_id), at, now)
        agent_id = None if data.agent is None else self.state.directory.agent(data.agent)
        self._step(call, Step(at, ANSWER, None, agent_id))
        agent = None if agent_id is None else self.state.agents.get(agent_id)
        if agent is not None:
            self._handled(agent, call, at)

    def _call_end(self, event: CallEnd, at: int, now: int, event_id: str) -> OutboundEvent:
        data, directory = event.data, self.state.directory
        call = self.call_table.touch((int(data.transaction_id), data.session_id), at, now)
        self._learn(call, at, data, _END_MEMBERS)
        service = None if data.service is None else directory.service(data.service)
        self._step(call, Step(at, END, service, None))
        said = data.agent if data.agent is not None else data.agent_id
        named = voice_events.Named(call, directory, None if said is None else directory.agent(said))
        threshold = None
        if named.service is not None:
            threshold = directory.services[named.service].sla_seconds
        fed = voice_events.call_termination(
            self.state.client, call, data, at, event_id, named, threshold
        )
        return OutboundEvent("interaction", "VOICE", named.service, named.call_center, fed)

    def _call_disposition(
        self, event: CallDisposition, at: int, now: int, event_id: str
    ) -> OutboundEvent:
        data, directory = event.data, self.state.directory
        call = self.call_table.touch((int(data.transaction_id), data.session_id), at, now)
        agent = None if data.agent is None else directory.agent(data.agent)
        if data.account is not None:
            self._learn(call, at, data, ("account",))
        self._dispositions.set(call, at, data.term_code, agent)
        named = voice_events.Named(call, directory, agent)
        fed = voice_events.call_disposition(self.state.client, call, data, at, event_id, named)
        return OutboundEvent("interaction", "VOICE", named.service, named.call_center, fed)

    # -- messages and campaigns ------------------------------------------------------------

    def _email(self, event: EmailAttempt, at: int, _now: int, event_id: str) -> OutboundEvent:
        directory = self.state.directory
        service = directory.service(event.data.service)
        fed = message_events.email_event(
            self.state.client, event.data, service, self.calendar.stamp(at), event_id, directory
        )
        return OutboundEvent(
            "interaction", "EMAIL", service, directory.call_center_of(service), fed
        )

    def _sms(self, event: SmsAttempt, at: int, _now: int, event_id: str) -> OutboundEvent:
        directory = self.state.directory
        service = directory.service(event.data.service)
        fed = message_events.sms_event(
            self.state.client, event.data, service, self.calendar.stamp(at), event_id, directory
        )
        return OutboundEvent("interaction", "SMS", service, directory.call_center_of(service), fed)

    def _campaign_update(self, event: CampaignUpdate, at: int, _now: int, _event_id: str) -> None:
        data, directory = event.data, self.state.directory
        campaign_id = directory.campaign(data.campaign)
        if data.name is not None:
            directory.name_campaign(campaign_id, data.name)
        service = None if data.service is None else directory.service(data.service)
        self.at_work.reported(campaign_id, data, service, at, self.calendar)


_OF_CALLS = frozenset({CallStart, CallQueue, CallAnswer, CallEnd, CallDisposition})
_QUEUE_MEMBERS = ("skill", "priority")
_START_MEMBERS = (
    "direction",
    "campaign",
    "consumer",
    "campaign_type",
    "phone_dialed",
    "caller_id",
    "account",
    "total_due",
    "zip_code",
    "area_code_state",
    "phone_position",
    "priority",
    "operator_phone",
)
_END_MEMBERS = (
    "call_direction",
    "campaign",
    "campaign_type",
    "phone_dialed",
    "caller_id",
    "account",
    "operator_phone",
    "area_code_state",
    "zip_code",
    "phone_position",
    "priority",
    "lv_result",
)
_BITS = {
    name: 1 << bit
    for bit, name in enumerate(dict.fromkeys(_START_MEMBERS + _QUEUE_MEMBERS + _END_MEMBERS))
}
_BITS["call_direction"] = _BITS["direction"]
