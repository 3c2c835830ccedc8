"""A client's floor, which folds the client's log event by event.

``fold`` is deterministic and pure: its result depends on the events, their order and their times,
and never on a clock. Before an entry is folded, the caller reloads the entry's calls that have left
memory (``unloaded_calls``, ``CallTable.reload``). The result is then the same as if no call had
left memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

from floorcast.floor.active_campaigns import ActiveCampaigns
from floorcast.floor.agent_calls import NamedCalls
from floorcast.floor.agent_fold import AgentFold, FoldTimes
from floorcast.floor.agent_sizes import AgentSizes
from floorcast.floor.agent_states import AgentCounts, AgentStates, AgentTimes
from floorcast.floor.agents import FloorAgent
from floorcast.floor.aging import Aging
from floorcast.floor.alert_fold import AlertFold
from floorcast.floor.call_counts import CallCounts
from floorcast.floor.call_details import CallDetails
from floorcast.floor.call_effects import CallEffects
from floorcast.floor.call_fold import CALL_EVENT_TYPES, CallFold
from floorcast.floor.call_table import CallTable
from floorcast.floor.calls import Call, Key
from floorcast.floor.change_hooks import ChangeHooks
from floorcast.floor.counters import reason_index
from floorcast.floor.days import Calendar
from floorcast.floor.directory import NO_SERVICE
from floorcast.floor.dispositions import Dispositions
from floorcast.floor.intervals import Column
from floorcast.floor.ledger import Ledger
from floorcast.floor.message_fold import MessageFold
from floorcast.floor.rosters import LoggedInRoster, Roster
from floorcast.floor.segment_index import SegmentDays
from floorcast.floor.state import FloorState
from floorcast.floor.tally import Tally
from floorcast.floor.thresholds import Thresholds
from floorcast.floor.timeline import Timeline, forget_moments, forget_old_moments
from floorcast.model.inbound import (
    AgentMissed,
    AgentState,
    AlertTransition,
    CallAnswer,
    CallDisposition,
    CallEnd,
    CallLeave,
    CallQueue,
    CallStart,
    CallUpdate,
    CampaignUpdate,
    EmailAttempt,
    InboundEvent,
    LoggedEvent,
    SmsAttempt,
    UnknownEvent,
    milliseconds,
)
from floorcast.model.outbound import OutboundEvent
from floorcast.model.states import NOT_READY
from floorcast.model.token import TICKS_PER_MS, to_ms
from floorcast.site.configuration import FloorConfig

__all__ = ["LATE_MS", "QUIET_AGENT_MS", "QUIET_CALL_MS", "Floor"]

_SECOND_MS = 1_000  # in every time zone, a day begins at a whole second
_MINUTE_MS = 60_000
QUIET_CALL_MS = 4 * 3_600_000
QUIET_AGENT_MS = 16 * 3_600_000
LATE_MS = 15 * 60_000
_AGENTS_PER_STEP, _CALLS_PER_STEP = 2_000, 100  # of a change of the time zone: a millisecond or two
OLD_EVENT_MS = 60_000  # a source that sends an older event is catching up


class Floor:
    """One client's floor.

    ``state`` is its complete state. The other members are indexes, which are rebuilt at startup.

    ``logged_in_agents`` holds the agents that are logged in, and ``logged_off_agents`` the other
    agents, by the services that they were last logged in to. ``active_campaigns`` holds the
    campaigns that were active today or yesterday. ``named_calls`` is an index of agents by call.
    ``agent_sizes`` counts what the agents' moments and long texts take.
    ``hooks`` are called before anything changes.
    ``too_late`` counts the agent events that arrived too late to change a figure. ``old_event_at``
    is when an entry that began with an old event was recorded, in ms, or 0 if none was.

    Live figures leave out calls that have had no event for ``quiet_call_ms``, and agents that have
    had none for ``quiet_agent_ms``. An agent's state that arrives up to ``late_ms`` late counts at
    its own time. ``times`` receives every count of an agent's time.
    """

    def __init__(
        self,
        state: FloorState,
        quiet_call_ms: int = QUIET_CALL_MS,
        quiet_agent_ms: int = QUIET_AGENT_MS,
        late_ms: int = LATE_MS,
        times: AgentTimes | None = None,
    ) -> None:
        self._times = times
        self.state = state
        self.too_late = 0
        self.old_event_at = 0
        self.is_consistent = True
        self.folded = FoldTimes()
        self._quiet_agent_ms = quiet_agent_ms
        self._late_ms = late_ms
        self.hooks = ChangeHooks()
        self.call_table = CallTable(
            state.calls, quiet_call_ms, self.hooks.calls, quiet=state.quiet_calls
        )
        self.ledger = Ledger(state.counters, self.hooks.services)
        self.logged_in_agents = LoggedInRoster(self.hooks.services)
        self.logged_off_agents: Roster[FloorAgent] = Roster()
        self.active_campaigns = ActiveCampaigns(state.campaigns, self.ledger, self.hooks)
        self.agent_sizes = AgentSizes(state.agents.values())
        rosters = (self.logged_in_agents, self.logged_off_agents)
        self._aging = Aging(
            state,
            rosters,
            self.agent_sizes,
            self.active_campaigns,
            self.call_table,
            self.hooks,
        )
        self._last_second = to_ms(state.recorded_at) // _SECOND_MS
        self._last_minute = to_ms(state.recorded_at) // _MINUTE_MS
        if not state.newest_event_at and state.entry != state.config_entry:
            state.newest_event_at = state.recorded_at  # an earlier release did not store it
        self.named_calls = NamedCalls(state.agents)
        self._use_config(state.config)
        for call in self.call_table.calls.values():
            if len(call.steps) > call.max_steps:
                self.tally.shorten(call)
                self.call_table.sizes.measure(call)
        for agent in state.agents.values():
            _upgrade(agent)
            self._agents.update_rosters(agent)
        for campaign in state.campaigns.values():
            self.active_campaigns.update_listing(campaign, self.calendar)
        self.logged_in_agents.on_change = partial(self._note_count, int(Column.AGENTS_MOST))
        self.call_table.on_queue_change = partial(self._note_count, int(Column.QUEUE_MOST))

    def snapshot_state(self) -> FloorState:
        """Return the complete state, ready for a snapshot."""
        self.state.calls = list(self.call_table.calls.values())
        self.state.quiet_calls = list(self.call_table.quiet.items())
        return self.state

    def apply(self, config: FloorConfig) -> None:
        """Fold a change of the client's configuration."""
        for _ in self.apply_in_steps(config):
            pass

    def apply_in_steps(self, config: FloorConfig) -> Iterator[None]:
        """Do the same as ``apply`` in steps of a few ms. Yields after each step.

        While ``is_consistent`` is False, a new time zone has changed only some of the figures.
        Nothing else may change the floor before the last step is done.
        """
        yield from self.hooks.call_all()
        changes_zone = config.time_zone != self.state.config.time_zone
        old_calendar = self.calendar
        calls = []
        if changes_zone:
            self.is_consistent = False
            # the days of compacted steps cannot be moved
            calls = [call for call in self.call_table.calls.values() if call.compacted is None]
            for number, agent in enumerate(self.state.agents.values(), 1):
                # the time zone of their days has changed
                forget_moments(agent, self.agent_sizes)
                if number % _AGENTS_PER_STEP == 0:
                    yield
            yield from self._recount(calls, -1)
        rules = {rule.name for rule in config.alerts}
        self.state.alerts = {
            number: alert
            for number, alert in self.state.alerts.items()
            if alert.status != "ok" or alert.name in rules
        }
        self.state.config = config
        self.state.config_entry = self.state.entry
        self.state.directory.apply(config)
        self._use_config(config)
        now = to_ms(self.state.recorded_at)
        if changes_zone:
            today = self.calendar.day_of(now)
            yield from self.ledger.change_zone(old_calendar, self.calendar, today)
            yield from self._recount(calls, 1)
            self.active_campaigns.begin_day(self.calendar)
        self._begin_day(now)
        self.is_consistent = True
        yield from self.ledger.free_dropped()

    def _recount(self, calls: Sequence[Call], sign: int) -> Iterator[None]:
        for first in range(0, len(calls), _CALLS_PER_STEP):
            self.tally.recount(calls[first : first + _CALLS_PER_STEP], sign)
            yield

    def _use_config(self, config: FloorConfig) -> None:
        self.calendar = Calendar(config.time_zone)
        self.segment_days = SegmentDays(self.calendar, self.ledger)
        self.tally = Tally(
            self.ledger,
            self.calendar,
            CallCounts(self.ledger, self.calendar, self.hooks.agents),
            Thresholds(self.state.directory.services),
            self.call_table.by_service,
            self.state.config_entry,
        )
        self._dispositions = Dispositions(self.state.connects, self.tally, config.term_codes)
        calls = CallEffects(
            self.call_table,
            self.tally,
            self.hooks,
            self._dispositions,
            self.active_campaigns,
            self.calendar,
        )
        counts = AgentCounts(self.ledger, self.calendar, self._times)
        states = AgentStates(counts, calls, self._quiet_agent_ms)
        self._agents = AgentFold(
            self.state,
            calls,
            (self.logged_in_agents, self.logged_off_agents),
            Timeline(states, calls, self._late_ms, self.agent_sizes),
            self._count_too_late,
            self.folded,
            self.named_calls,
        )
        details = CallDetails(self.state.directory, self.tally)
        call_fold = CallFold(self.state, calls, details, self._agents)
        messages = MessageFold(self.state, self.calendar)
        self._fold_functions: dict[type[Any], Callable[..., OutboundEvent | None]] = {
            AgentState: self._agents.fold_state,
            EmailAttempt: messages.email,
            SmsAttempt: messages.sms,
            CampaignUpdate: self._campaign_update,
            AlertTransition: AlertFold(self.state).transition,
            CallStart: call_fold.start,
            CallQueue: call_fold.queue,
            CallAnswer: call_fold.answer,
            CallEnd: call_fold.end,
            CallDisposition: call_fold.disposition,
            CallLeave: call_fold.leave,
            CallUpdate: call_fold.update,
            AgentMissed: call_fold.missed,
        }

    def _note_count(self, most: int, service: int, before: int, now: int) -> None:
        """Record a change in a service's number of agents or waiting calls in the current slot."""
        for hook in self.hooks.services:
            hook(service)
        at = to_ms(self.state.recorded_at)
        day = self.calendar.day_of(at)
        intervals = self.ledger.intervals(day, service, at)
        if intervals is not None:
            intervals.note(at - self.calendar.bounds(day)[0], most, before, now)

    @property
    def log_offs(self) -> Sequence[OutboundEvent]:
        """The agents' events that follow the current entry's own events in the feed.

        They are not the events of a source: agents whose login got another id have logged off.
        """
        return self._agents.log_offs

    def _count_too_late(self) -> None:
        self.too_late += 1

    # -- entries ---------------------------------------------------------------------------

    def begin_entry(self, number: int, recorded_at: int) -> None:
        """Begin an entry that was recorded at ``recorded_at`` (ticks), and remove old data."""
        for _ in self.begin_entry_in_steps(number, recorded_at):
            pass

    def begin_entry_in_steps(self, number: int, recorded_at: int) -> Iterator[None]:
        """Do the same as ``begin_entry`` in steps of a few ms. Yields after each step.

        The caller may take the calls that a step evicts. Nothing else may change the floor before
        the last step is done.
        """
        self.state.entry, self.state.recorded_at = number, recorded_at
        self._agents.log_offs.clear()
        now = to_ms(recorded_at)
        if now // _SECOND_MS != self._last_second:
            self._last_second = now // _SECOND_MS
            yield from self._remove_old(now)

    def _remove_old(self, now: int) -> Iterator[None]:
        """Remove old calls and days. Called at most once per second of log time."""
        self._begin_day(now)
        yield from self.ledger.free_dropped()
        yield from self._forget_evicted(self.call_table.evict_ended(now))
        if now // _MINUTE_MS != self._last_minute:
            self._last_minute = now // _MINUTE_MS
            yield from self._tidy(now)

    def _forget_evicted(self, steps: Iterator[None]) -> Iterator[None]:
        evicted, known = self.call_table.evicted, 0
        for _ in steps:
            for call in islice(evicted, known, None):
                self.tally.forget(call)
                self._agents.forget_call(call)
            yield
            known = len(evicted)  # 0 if the caller has taken them

    def _begin_day(self, now: int) -> None:
        if self.ledger.begin_day(self.calendar.day_of(now)):
            self.active_campaigns.begin_day(self.calendar)

    def _tidy(self, now: int) -> Iterator[None]:
        midnight, _ = self.calendar.bounds(self.calendar.day_of(now))
        yield from self._forget_evicted(self.call_table.evict_quiet(now, midnight))
        self._dispositions.tidy(now)
        self.folded.forget()
        yield from self._aging.tidy(now)
        self.named_calls.forget_agents()
        yield from forget_old_moments(self.state.agents, self.agent_sizes, now - self._late_ms)

    def note_source_events(self, events: Sequence[LoggedEvent]) -> None:
        """Record that a source sent these events. Called before an entry's events are folded."""
        if not events or type(events[0]) is AlertTransition:
            return
        self.state.newest_event_at = self.state.recorded_at
        first, now = events[0], to_ms(self.state.recorded_at)
        if isinstance(first, UnknownEvent) or first.time is None:
            return
        if now - milliseconds(first.time) > OLD_EVENT_MS:
            self.old_event_at = now

    def unloaded_calls(self, events: Iterable[LoggedEvent]) -> list[Key]:
        """Return the calls that the events need and that are not in memory."""
        found: dict[Key, None] = {}
        calls, add_unnamed_calls = self.call_table.calls, self._agents.add_unnamed_calls
        for event in events:
            data: Any = event.data
            kind: Any = type(event)
            if kind is AgentState or kind is CallAnswer:
                add_unnamed_calls(event, found)  # type: ignore[arg-type]  # see ``kind``
                if kind is AgentState:
                    data = data.call
                    if data is None or data.transaction_id is None or data.session_id is None:
                        continue
            elif kind not in CALL_EVENT_TYPES:
                continue
            key = (int(data.transaction_id), data.session_id)
            if key not in calls:
                found[key] = None
        return list(found)

    def fold(
        self, event: InboundEvent | AlertTransition, recorded_at: int, event_id: str
    ) -> OutboundEvent | None:
        """Fold one event. ``event_id`` is its id in the feeds whose event ids are tokens."""
        at = recorded_at // TICKS_PER_MS if event.time is None else milliseconds(event.time)
        now = recorded_at // TICKS_PER_MS
        feed_event = self._fold_functions[type(event)](event, at, now, event_id)
        if self.tally.reassigned:
            self._agents.reassign(now)
        return feed_event

    def _campaign_update(self, event: CampaignUpdate, at: int, _now: int, _event_id: str) -> None:
        data, directory = event.data, self.state.directory
        campaign_id = directory.campaign(data.campaign)
        service = None if data.service is None else directory.service(data.service)
        report = (campaign_id, data, service, at, self.calendar)
        if self.active_campaigns.record_report(*report) and data.name is not None:
            directory.name_campaign(campaign_id, data.name)


def _upgrade(agent: FloorAgent) -> None:
    """Convert an agent that an earlier release stored."""
    agent.applied_until = max(agent.applied_until, agent.last_event)
    if agent.named_service is None and agent.service != NO_SERVICE:
        agent.named_service = agent.service
    if agent.state is NOT_READY and agent.reason_slot < 0:
        agent.reason_slot = reason_index(agent.reason)
