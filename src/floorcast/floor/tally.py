"""Counts a call for its services and agents by day, and takes counts back.

A step replaces some of a call's queue segments (``SegmentChange``). The counts of the replaced
segments are taken back and the new segments are counted. A late event therefore corrects every
figure that it affects, and the cost of a step depends on what it changes and not on the length of
the call. A wait is judged by the thresholds in force at the call's last step.

A call counts once per service and day (``metrics.md``). If it comes back to a service on the same
day, it does not count as offered there again. It counts as handled there if it was answered in any
of its segments. Its wait, talk and wrap-up there are those of the first segment that was answered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeVar

from floorcast.floor.call_counts import CallCounts
from floorcast.floor.call_steps import (
    SegmentChange,
    add_first_step,
    add_later_step,
    amend,
    apply_step,
    compact,
)
from floorcast.floor.calls import REDUCED_MAX_STEPS, Call, Key, WrapUp
from floorcast.floor.counted_calls import CallsByService
from floorcast.floor.days import Calendar
from floorcast.floor.directory import NO_SERVICE
from floorcast.floor.ledger import Ledger
from floorcast.floor.queue_segments import ANSWER, END, QUEUE, QueueSegment, Step
from floorcast.floor.segment_index import DayService, OutcomeKind, SegmentDays, SegmentIndex
from floorcast.floor.thresholds import Thresholds
from floorcast.floor.wrap_ups import segment_before, with_wrap_up

__all__ = ["Tally"]

MAX_COMPACTED = 10_000  # stored days and services for which a very long call was counted
CACHED_FROM = 8  # a call with this many segments keeps its index

_T = TypeVar("_T")


class Tally:
    """Counts calls with ``counts``, and judges them with ``thresholds``.

    ``by_service`` records the services at which a call has a segment. ``config_entry`` identifies
    the current configuration. A call that was judged under another configuration is judged again at
    its next step. ``reassigned`` holds, by the call's key, the agents whose segments of the call
    have changed, until the agents' fold handles them.
    """

    def __init__(
        self,
        ledger: Ledger,
        calendar: Calendar,
        counts: CallCounts,
        thresholds: Thresholds,
        by_service: CallsByService,
        config_entry: int = 0,
    ) -> None:
        self.counts = counts
        self._thresholds = thresholds
        self._by_service = by_service
        self._day_of = calendar.day_of
        self._same_day = calendar.same_day
        self._segment_days = SegmentDays(calendar, ledger)
        self._config_entry = config_entry
        self._indexes: dict[tuple[int, str], SegmentIndex] = {}
        self.reassigned: defaultdict[Key, set[int]] = defaultdict(set)

    # -- calls -----------------------------------------------------------------------------

    def apply_step(self, call: Call, step: Step) -> None:
        """Apply a step to the call, and replace the call's previous counts."""
        if not call.steps and call.compacted is None and not call.wrap_ups:
            self._apply_first_step(call, step)
            return
        if len(call.segments) == 1 and self._apply_usual_step(call, call.segments[0], step):
            return
        self._rejudge(call)
        index = self.index_of(call)
        self._count_change(call, index, apply_step(call, step))
        self.shorten(call)

    def shorten(self, call: Call) -> None:
        """Compact the oldest steps of a call that has too many steps."""
        if len(call.steps) > call.max_steps:
            self._compact(call)

    def amend(self, call: Call, step: Step) -> None:
        """Change the service of a step of the call."""
        index = self.index_of(call)
        self._count_change(call, index, amend(call, step))

    def set_direction(self, call: Call, direction: str | None) -> None:
        """Set the direction by which the call counts for its agents and services."""
        if direction == call.direction:
            return
        if not call.segments:
            call.direction = direction
            return
        index = self.index_of(call)
        call.add_work(len(call.segments))
        self._count_all(call, index, -1)
        call.direction = direction
        for segment in call.segments:
            if segment.answered is not None:
                self._thresholds.judge_answered(call, segment)
        self._count_all(call, index, 1)

    def recount(self, calls: Iterable[Call], sign: int) -> None:
        """Take back everything that is counted for these calls (-1), or count it (+1).

        The time zone can change in between. The calls must have no compacted steps.
        """
        for call in calls:
            index = SegmentIndex(call, self._segment_days)
            for day_service in index.day_services:
                self._count(call, index, day_service, sign)
            for credited, times in index.credited.items():
                if times > 0:
                    self.counts.credit(call, *credited, sign)
            self.counts.disposition(call, sign)

    def forget(self, call: Call) -> None:
        """Drop the index of a call that leaves memory."""
        self._indexes.pop(call.key, None)

    def wrap_up(self, call: Call, wrap_up: WrapUp, sign: int = 1) -> None:
        """Count a wrap-up that followed the call (+1), or undo that count (-1)."""
        if sign > 0 and self._is_only_wrap_up(call, wrap_up.agent):
            segment = call.segments[0]
            call.wrap_ups = (wrap_up,)
            segment.wrap_up = wrap_up.spent
            self.counts.wrap_up(segment, wrap_up.spent)
            return
        self._rejudge(call)
        index = self.index_of(call)
        call.wrap_ups = with_wrap_up(call.wrap_ups, wrap_up, sign)
        self._count_change(call, index, SegmentChange([], []), recount_wrap_ups=True)

    # -- the usual step --------------------------------------------------------------------

    def _is_only_wrap_up(self, call: Call, agent: int) -> bool:
        """Return whether this is the first wrap-up, by an agent that answered the only segment."""
        if len(call.segments) != 1 or call.wrap_ups or call.compacted is not None:
            return False
        return call.judged == self._config_entry and call.segments[0].answered_by(agent) is not None

    def _apply_first_step(self, call: Call, step: Step) -> None:
        """Apply a step to a call that has no steps yet."""
        if call.judged != self._config_entry:
            call.judged = self._config_entry
        if step.kind == QUEUE and not call.segments and call.ended is None:
            add_first_step(call, step)
            self._by_service.add(call, call.segments[0].service)
            self.counts.offered(self._day_of(step.at), call.segments[0].service, step.at, 1)
            return
        apply_step(call, step)
        for segment in call.segments:
            day, service = self._day_of(segment.began), segment.service
            self._by_service.add(call, service)
            self.counts.offered(day, service, segment.began, 1)
            if segment.answered is not None:
                self._thresholds.judge_answered(call, segment)
                self.counts.handled(segment, day, service, 1)
                if segment.agent is not None:
                    self.counts.credit(call, day, service, segment.agent, 1)

    def _apply_usual_step(self, call: Call, segment: QueueSegment, step: Step) -> bool:
        """Apply the step if it answers or ends the only segment on the day when the segment began.

        Returns False, without an effect, if this usual case does not apply.
        """
        at, kind = step.at, step.kind
        if segment.left is not None or at < call.last_step or len(call.steps) >= REDUCED_MAX_STEPS:
            return False
        if call.judged != self._config_entry or call.wrap_ups or call.compacted is not None:
            return False
        answers = kind == ANSWER and segment.answered is None and segment.service != NO_SERVICE
        day = self._same_day(segment.began, at)
        if day is None or not (answers or kind == END):
            return False
        add_later_step(call, segment, step)
        if answers:
            self._thresholds.judge_answered(call, segment)
            self.counts.handled(segment, day, segment.service, 1)
            if segment.agent is not None:
                self.counts.credit(call, day, segment.service, segment.agent, 1)
        elif segment.answered is not None:
            self.counts.talk(segment, 1)
        else:
            self._thresholds.judge(call, segment)
            self.counts.abandoned(segment, day, segment.service, 1)
        return True

    # -- any other step --------------------------------------------------------------------

    def _count_change(
        self,
        call: Call,
        index: SegmentIndex,
        change: SegmentChange,
        *,
        recount_wrap_ups: bool = False,
    ) -> None:
        """Count a change: judge the new segments, and assign the wrap-ups to segments."""
        rewrapped = self._changed_wrap_ups(call) if call.wrap_ups or recount_wrap_ups else ()
        removed, added = change
        if not removed and not added and not rewrapped:
            return
        touched = set(self._offered_days(removed))
        touched.update(self._offered_days(segment for segment, _ in rewrapped))
        for segment in added:
            self._thresholds.judge(call, segment)
        touched.update(self._offered_days(added))
        for day_service in touched:
            self._count(call, index, day_service, -1)
        for segment in removed:
            self._index(call, index, segment, -1)
        for segment, spent in rewrapped:
            segment.wrap_up = spent
        for segment in added:
            self._index(call, index, segment, 1)
        self._by_service.update(call, removed, added)
        for day_service in touched:
            self._count(call, index, day_service, 1)
        agents = {agent for segment in chain(removed, added) for agent, _ in segment.answers()}
        if agents:
            self.reassigned[call.key].update(agents)

    def _rejudge(self, call: Call) -> None:
        """Judge the call again if the thresholds have changed."""
        if call.judged == self._config_entry:
            return
        call.judged = self._config_entry
        if call.segments:
            index = self.index_of(call)
            self._count_all(call, index, -1)
            for segment in call.segments:
                index.update(segment, -1)
                self._thresholds.judge(call, segment)
                index.update(segment, 1)
            self._count_all(call, index, 1)

    def _count_all(self, call: Call, index: SegmentIndex, sign: int) -> None:
        for day_service in index.answered.keys() | index.abandoned.keys() | index.moved_on.keys():
            self._count(call, index, day_service, sign, offers=False)
        for credited, times in index.credited.items():
            if times > 0:
                self.counts.credit(call, *credited, sign)

    def index_of(self, call: Call) -> SegmentIndex:
        """Return the index of a call in memory. The index of a long call is cached."""
        known = self._indexes.get(call.key)
        if known is not None:
            return known
        index = SegmentIndex(call, self._segment_days)
        if len(call.segments) > CACHED_FROM or call.compacted is not None:
            self._indexes[call.key] = index
        return index

    def _index(self, call: Call, index: SegmentIndex, segment: QueueSegment, sign: int) -> None:
        """Add a segment to the index (+1) or remove it (-1), and update its agents' credits."""
        index.update(segment, sign)
        for agent, at in segment.answers():
            credited = (self._day_of(at), segment.service, agent)
            before = index.credited[credited]
            index.credited[credited] = before + sign
            if (before > 0) is not (before + sign > 0):
                self.counts.credit(call, *credited, sign)

    def _offered_days(self, segments: Iterable[QueueSegment]) -> Iterator[DayService]:
        for segment in segments:
            yield from self._segment_days.offers(segment)

    def _count(
        self,
        call: Call,
        index: SegmentIndex,
        day_service: DayService,
        sign: int,
        *,
        offers: bool = True,
    ) -> None:
        """Count the call at one service on one day (+1), or take it back (-1)."""
        if offers and (times := index.offered.get(day_service)):
            self.counts.offered(*day_service, times[0], sign)
        outcome = index.outcome(day_service)
        if outcome is None:
            return
        kind, segment = outcome
        if kind is OutcomeKind.HANDLED:
            if sign > 0:
                self._thresholds.judge_answered(call, segment)
            self.counts.handled(segment, *day_service, sign)
            if segment.left is not None:
                self.counts.talk(segment, sign)
        elif kind is OutcomeKind.ABANDONED:
            self.counts.abandoned(segment, *day_service, sign)
        else:
            self.counts.moved_on(segment, *day_service, sign)

    def _compact(self, call: Call) -> None:
        """Keep the newest steps, and only the counted segments of the older steps."""
        index = self.index_of(call)
        removed = compact(call, call.max_steps * 3 // 4)
        compacted = call.compacted
        assert compacted is not None
        times = self._segment_days.compacted_offer_times(compacted)
        offered = dict(zip(compacted.offered, times, strict=True))
        credited = dict.fromkeys(compacted.credited)
        handled, abandoned = dict(compacted.counted_handled()), dict(compacted.counted_abandoned())
        moved_on = dict(compacted.counted_moved_on())
        of_kind = {
            OutcomeKind.HANDLED: handled,
            OutcomeKind.ABANDONED: abandoned,
            OutcomeKind.MOVED_ON: moved_on,
        }
        for segment in removed:
            for day_service in self._segment_days.offers(segment):
                offered[day_service] = index.offered[day_service][0]
            outcome_at = self._segment_days.outcome_at(segment)
            outcome = None if outcome_at is None else index.outcome(outcome_at)
            if outcome_at is not None and outcome is not None and outcome.segment is segment:
                for counted in of_kind.values():
                    counted.pop(outcome_at, None)
                of_kind[outcome.kind][outcome_at] = segment
            for agent, at in segment.answers():
                credited[self._day_of(at), segment.service, agent] = None
        self._by_service.update(call, removed, [])
        compacted.offered = _newest(offered)
        compacted.offered_at = [offered[day_service] for day_service in compacted.offered]
        compacted.handled, compacted.handled_segments = _pairs(handled)
        compacted.abandoned, compacted.abandoned_segments = _pairs(abandoned)
        compacted.moved_on, compacted.moved_on_segments = _pairs(moved_on)
        compacted.credited = _newest(credited)
        self.forget(call)

    def _changed_wrap_ups(self, call: Call) -> list[tuple[QueueSegment, int]]:
        """Return the segments whose wrap-up has changed, with the new wrap-up."""
        call.add_work(len(call.segments) + len(call.wrap_ups))
        spent = [0] * len(call.segments)
        for one in call.wrap_ups:
            number = segment_before(call.segments, one)
            if number is not None:
                spent[number] += one.spent
        pairs = zip(call.segments, spent, strict=True)
        return [(segment, total) for segment, total in pairs if segment.wrap_up != total]


def _pairs(
    counted: dict[DayService, QueueSegment | None],
) -> tuple[list[DayService], list[QueueSegment | None]]:
    newest = _newest(counted)
    return newest, [counted[day_service] for day_service in newest]


def _newest(counted: Iterable[_T]) -> list[_T]:
    return list(counted)[-MAX_COMPACTED:]
