"""Folds one hour of a client's log as the server does, from a snapshot up to a given time.

The content of an hour depends only on the log, not on the snapshot from which folding starts,
because recording starts at the first entry that can affect the hour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog

from floorcast.archive.agent_periods import AgentRecorder
from floorcast.archive.backfill import backfill_begin
from floorcast.archive.hours import (
    MAX_AHEAD_MS,
    SEAL_DELAY_MS,
    Hour,
    hour_start,
    hours_between,
)
from floorcast.floor.agents import FloorAgent
from floorcast.floor.call_fold import CALL_EVENT_TYPES
from floorcast.floor.calls import Call, Key
from floorcast.floor.days import Calendar
from floorcast.floor.floor import Floor
from floorcast.floor.state import FloorState, decode_call, encode_call
from floorcast.log.port import Entry
from floorcast.model.errors import FloorcastError
from floorcast.model.inbound import AgentState, LoggedEvent, UnknownEvent, milliseconds, read_lines
from floorcast.model.token import TICKS_PER_MS, event_id_maker, position, to_ms
from floorcast.projection.refold import FoldLimits
from floorcast.site.configuration import FloorConfig
from floorcast.store.stored_calls import CallKey

__all__ = ["EventsRemoved", "FloorSource", "HourFold", "RecordedEvent", "fold_hour"]

OLDEST_LATE_MS = 30 * 3_600_000  # no figure counts older hours, unless they are yesterday's

_log = structlog.get_logger(__name__)
_config_decoder = msgspec.json.Decoder(FloorConfig)


class EventsRemoved(FloorcastError):
    """The log no longer has the events of an hour."""


class FloorSource(Protocol):
    """The stored data of a client's floor. See ``floorcast.archive.stored_floor``."""

    @property
    def client(self) -> int:
        """The client's id."""
        ...

    def last_before(self, ticks: int) -> int:
        """Return the number of the last entry recorded before a tick."""
        ...

    def entries(self, after: int) -> Iterator[Entry]:
        """Yield the entries with higher numbers than ``after``, in order."""
        ...

    def state(self, at_most_entry: int) -> FloorState | None:
        """Return the newest stored state at or before an entry."""
        ...

    def find_calls(self, keys: Collection[CallKey], at_position: int) -> dict[CallKey, bytes]:
        """Return those of the calls that had left memory at a position."""
        ...


class RecordedEvent(NamedTuple):
    """An event recorded in the hour, with its position and its recording time in ticks."""

    position: int
    recorded_at: int
    event: LoggedEvent


class HourFold:
    """A client's floor at the hour's cut, with everything that was recorded during the hour.

    ``late`` counts the hour's events that belong to earlier hours, by hour name. ``first`` and
    ``last`` are the numbers of the hour's first and last entries. ``present`` has the agents whose
    states were still in progress at the end, with the start and end (ms) of the time that
    ``finish`` counted for them.
    """

    def __init__(
        self,
        source: FloorSource,
        hour: Hour,
        state: FloorState,
        limits: FoldLimits,
        *,
        keeps_events: bool = True,
        calendar: Calendar | None = None,
    ) -> None:
        self._names = calendar
        self._keeps_events = keeps_events
        self.hour = hour
        self.times = AgentRecorder(hour)
        self.floor = Floor(state, limits.quiet_call, limits.quiet_agent, limits.late, self.times)
        self.events: list[RecordedEvent] = []
        self.late: Counter[str] = Counter()
        self.first = self.last = 0
        self._sealed_until = 0
        self._log_begin = 0
        self._source = source
        self.quiet_call = limits.quiet_call
        self.present: list[tuple[FloorAgent, int, int]] = []
        self._quiet_agent = limits.quiet_agent
        self._evicted: dict[Key, bytes] = {}

    def fold_entry(self, entry: Entry) -> None:
        """Fold an entry."""
        floor = self.floor
        floor.begin_entry(entry.number, entry.recorded_at)
        self._keep_evicted_calls()
        in_hour = self.hour.start <= to_ms(entry.recorded_at) < self.hour.end
        in_hour &= self._keeps_events
        if in_hour:
            self.first, self.last = self.first or entry.number, entry.number
            if entry.number == 1:
                self._log_begin = self.hour.start
        if entry.kind == "site":
            floor.apply(_config_decoder.decode(entry.payload))
        elif entry.kind == "events":
            events = read_lines(entry.payload)
            self._reload_calls(events, entry)
            late = self._note_late(events, entry) if in_hour else set[int]()
            self._fold_events(events, entry, late, in_hour=in_hour)

    def finish(self) -> None:
        """Count the agents' states that are still in progress."""
        calendar = self.floor.calendar
        for agent in self.floor.state.agents.values():
            if not agent.state:
                continue
            until = min(self.hour.end, agent.last_event + self._quiet_agent)
            begin = max(agent.counted_until, self.hour.start)
            if begin < until:
                day = calendar.day_of(begin)
                if (day, agent.service) not in agent.visited:
                    self.times.visit(agent, begin, 1)
                self.times.spent(agent, begin, until - begin, 1)
                self.present.append((agent, begin, until))

    def calls(self) -> Iterator[Call]:
        """Yield all calls that have been in memory since recording began."""
        present = self.floor.call_table.calls
        yield from present.values()
        for key, encoded in self._evicted.items():
            if key not in present:
                yield decode_call(encoded)

    def call_end_ms(self, call: Call) -> int:
        """Return the time (ms) at which a call ended or, if it has not ended, expires.

        A call expires when ``quiet_call`` ms have passed since its last event, which may be in the
        future.
        """
        if call.ended is not None:
            return call.ended
        return call.last_event + self.quiet_call

    def _fold_events(
        self,
        events: Sequence[LoggedEvent],
        entry: Entry,
        late: Collection[int],
        *,
        in_hour: bool,
    ) -> None:
        """Fold the events of an entry. ``late`` has the indices of the late events."""
        event_id = event_id_maker(self.floor.state.client, entry.recorded_at, entry.number)
        first = position(entry.number, 0)
        for index, event in enumerate(events):
            if in_hour:
                self.events.append(RecordedEvent(first + index, entry.recorded_at, event))
            if isinstance(event, UnknownEvent):
                continue
            try:
                self.floor.fold(event, entry.recorded_at, event_id(index))
            except Exception:  # noqa: BLE001 -- as in the server, no input may stop the fold
                _log.exception("fold_failed", client=self._source.client, entry=entry.number)
            if in_hour:
                self._note_recounted(event, known=index in late)

    def _note_recounted(self, event: LoggedEvent, *, known: bool) -> None:
        """Note the sealed hours in which an event that is not late changed its call's counts.

        For example, the event may name the service of a call that was answered in an earlier hour.
        Agent events need no correction: they count only time since the agent's last event, and
        sealed hours already include that time.
        """
        since = self.floor.ledger.pop_all_recounted()
        if since is not None and not known and type(event) in CALL_EVENT_TYPES:
            self._note_sealed_since(since)

    def _note_sealed_since(self, at: int) -> None:
        """Note the sealed hours from ``at`` (ms) on, except those that are too old."""
        oldest = min(
            self._sealed_until - OLDEST_LATE_MS,
            backfill_begin(self._sealed_until, self.floor.calendar),
        )
        self._note_hours(max(at, oldest), self._sealed_until)

    @property
    def _naming_calendar(self) -> Calendar:
        """The calendar of the names in ``late``. The floor's one may be from before a change."""
        return self._names or self.floor.calendar

    def _note_hours(self, begin: int, end: int) -> None:
        for hour in hours_between(self.hour.client, begin, end, self._naming_calendar):
            self.late[hour.name] += 1

    def _note_late(self, events: Sequence[LoggedEvent], entry: Entry) -> set[int]:
        """Note the sealed hours that late events change. Returns the indices of these events.

        Sealed hours are earlier than the hour of this fold. The hours before the log's first entry
        count as sealed, because only ``late`` makes the server seal them.
        """
        late: set[int] = set()
        recorded = to_ms(entry.recorded_at)
        sealed_until = self._sealed_until = max(
            hour_start(self.hour.client, recorded - SEAL_DELAY_MS, self._naming_calendar),
            self._log_begin,
        )
        self.floor.ledger.mark_read(sealed_until)
        self.floor.ledger.pop_all_recounted()
        known = self.floor.call_table.calls
        for index, event in enumerate(events):
            at = recorded if getattr(event, "time", None) is None else _time_of(event)
            if at < sealed_until:
                late.add(index)
                self._note_sealed_since(at)
                continue
            call = known.get(self._call_in_wrap_up(event) or _key_of(event))
            end_ms = sealed_until if call is None else self.call_end_ms(call)
            if end_ms < sealed_until:
                late.add(index)
                self._note_hours(end_ms, end_ms + 1)
        return late

    def _call_in_wrap_up(self, event: LoggedEvent) -> Key | None:
        """Return the call whose wrap-up the event may end.

        The wrap-up counts in the hour in which the call ended.
        """
        if not isinstance(event, AgentState):
            return None
        number = self.floor.state.directory.known_agent(event.data.agent)
        agent = None if number is None else self.floor.state.agents.get(number)
        return None if agent is None else agent.wrap_up_call

    def _reload_calls(self, events: Sequence[LoggedEvent], entry: Entry) -> None:
        unknown = self.floor.unloaded_calls(events)
        stored = [key for key in unknown if key not in self._evicted]
        found = self._source.find_calls(stored, position(entry.number, 0)) if stored else {}
        for key in unknown:
            encoded = self._evicted.get(key) or found.get(key)
            if encoded is not None:
                self.floor.call_table.reload(decode_call(encoded))

    def _keep_evicted_calls(self) -> None:
        evicted = self.floor.call_table.evicted
        for call in evicted:
            self._evicted[call.key] = encode_call(call)
        evicted.clear()


def fold_hour(
    source: FloorSource,
    hour: Hour,
    cut: int,
    limits: FoldLimits,
    *,
    keeps_events: bool = True,
    calendar: Calendar | None = None,
) -> HourFold:
    """Fold the entries that the log recorded before ``cut`` (ms).

    ``hour`` can also be a longer span. If ``keeps_events`` is false, the result has neither
    ``events`` nor ``late``. The names of the hours in ``late`` are those of ``calendar``, which is
    the floor's by default.

    Raises Forgotten if the log and the snapshots do not reach back to the hour.
    """
    begin = source.last_before((hour.start - MAX_AHEAD_MS) * TICKS_PER_MS)
    state = source.state(begin)
    if state is None:
        raise EventsRemoved(f"the log no longer has the events of {hour.name}")
    fold = HourFold(source, hour, state, limits, keeps_events=keeps_events, calendar=calendar)
    stop = cut * TICKS_PER_MS
    fold.times.recording = state.entry >= begin
    for entry in source.entries(state.entry):
        if entry.recorded_at >= stop:
            break
        fold.times.recording = entry.number > begin
        fold.fold_entry(entry)
    fold.times.recording = True
    fold.finish()
    return fold


def _time_of(event: Any) -> int:  # noqa: ANN401 -- every event but an unknown one has a time
    return milliseconds(event.time)


def _key_of(event: Any) -> Key:  # noqa: ANN401 -- events without a call lack these members
    data = event.data
    transaction = getattr(data, "transaction_id", None)
    session = getattr(data, "session_id", None)
    return (0, "") if transaction is None or session is None else (int(transaction), session)
