"""The calls in memory by key, and the calls in progress by service.

A call that only a term code, a missed offer or a wrap-up names is in memory but not in progress.

A call leaves memory some minutes after it ended, or some hours after its last event. Memory use
therefore depends on the size of the floor and does not grow over the day. A call that leaves is
added to ``evicted``, from which the caller takes it. It comes back (``reload``) when an event names
it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile

from floorcast.floor.call_sizes import CallSizes
from floorcast.floor.calls import Call, Key
from floorcast.floor.counted_calls import CallsByService
from floorcast.floor.queue_segments import Step
from floorcast.floor.rosters import CountChange
from floorcast.floor.tally import Tally

__all__ = ["ENDED_KEPT_MS", "EVICTED_PER_STEP", "CallTable"]

ENDED_KEPT_MS = 600_000  # an ended call stays in memory for the events that usually follow
QUIET_KEPT_MS = 52 * 3_600_000  # as long as the store keeps a call
MAX_QUIET = 100_000  # keys; beyond that, the oldest are forgotten
EVICTED_PER_STEP = 32  # calls, which take about 2 ms, mostly for storing them
READ_PER_STEP = 2_000  # calls, which take about 2 ms
MAX_ENDED = 100_000  # ended calls in memory; beyond that, the first to end leave sooner
MAX_ENDED_BYTES = 32 << 20  # that they take beyond ordinary calls; as above


class CallTable:
    """The calls of one floor that are in memory. Times are in ms.

    ``ended`` holds the keys of the calls that have ended. ``quiet`` holds the keys of the
    calls that left memory without having ended, and when they left. ``hooks`` are called with a
    call before it changes, enters memory or leaves it. ``evict_ended`` keeps at most ``max_ended``
    calls that have ended. ``sizes`` has the calls that take more memory than others.
    """

    def __init__(
        self,
        calls: Iterable[Call],
        quiet_ms: int,
        hooks: Sequence[Callable[[Call], None]] = (),
        max_ended: int = MAX_ENDED,
        quiet: Iterable[tuple[Key, int]] = (),
    ) -> None:
        self._hooks = hooks
        self.calls: dict[Key, Call] = {}
        self.in_progress: dict[int, dict[Key, Call]] = {}
        self.by_service = CallsByService()
        self.sizes = CallSizes()
        self.evicted: list[Call] = []
        self.quiet: dict[Key, int] = dict(quiet)
        self._quiet_ms = quiet_ms
        self._max_ended = max_ended
        self._where: dict[Key, int] = {}
        self._waiting_at: dict[Key, int] = {}
        self._queue_sizes: dict[int, int] = {}
        self.on_queue_change: CountChange | None = None
        self.ended: set[Key] = set()
        # No call in memory becomes quiet before this time, so no call is read until then.
        self._first_quiet_at = 0
        for call in calls:
            call.upgrade()
            self.calls[call.key] = call
            self.by_service.add_all(call)
            self.update_indexes(call)
            self.sizes.measure(call)
        self._leaving = deque(
            sorted((c.last_recorded, c.key) for c in self.calls.values() if c.ended is not None)
        )

    def touch(self, key: Key, at: int, now: int) -> Call:
        """Return the call of an event at ``at``, recorded at ``now``. The call may be new."""
        call = self.calls.get(key)
        if call is None:
            call = Call(*key, last_event=at)
            if self._hooks:
                self._call_hooks(call)
            self.calls[key] = call
            self.quiet.pop(key, None)
        else:
            if self._hooks:
                self._call_hooks(call)
            call.last_event = max(call.last_event, at)
        if call.last_recorded != now:
            if call.ended is not None:
                self._leaving.append((now, key))
            call.last_recorded = now
        return call

    def apply_step(self, call: Call, step: Step, tally: Tally) -> None:
        """Apply a step to the call, and update the indexes."""
        ended = call.ended is not None
        tally.apply_step(call, step)
        if call.ended is not None and not ended:
            self._leaving.append((call.last_recorded, call.key))
        self.update_indexes(call)
        self.sizes.measure(call)

    def reload(self, call: Call) -> None:
        """Add a call that had left memory. It leaves again unless the current entry changes it."""
        call.upgrade()
        self._call_hooks(call)
        self.calls[call.key] = call
        self._first_quiet_at = min(self._first_quiet_at, self._quiet_at(call))
        self.quiet.pop(call.key, None)
        self.by_service.add_all(call)
        self.update_indexes(call)
        self.sizes.measure(call)
        if call.ended is not None:
            self._leaving.appendleft((call.last_recorded, call.key))

    def evict_ended(self, now: int) -> Iterator[None]:
        """Remove calls that ended some time ago, or sooner if there are too many.

        This takes steps, because a request can end 10,000 calls at once. It yields after each step.
        """
        ended, evicted = self._leaving, 0
        while ended and (ended[0][0] + ENDED_KEPT_MS <= now or self._has_many_ended()):
            last_recorded, key = ended.popleft()
            call = self.calls.get(key)
            if call is not None and call.last_recorded == last_recorded:
                self._evict(call)
                evicted += 1
                if evicted % EVICTED_PER_STEP == 0:
                    yield
        yield

    def _has_many_ended(self) -> bool:
        return len(self.ended) > self._max_ended or self.sizes.ended_bytes > MAX_ENDED_BYTES

    def evict_quiet(self, now: int, midnight: int) -> Iterator[None]:
        """Remove calls that have had no event for too long, in steps like ``evict_ended``.

        Calls that were waiting at the last ``midnight`` stay, because they are also offered on the
        current day.
        """
        if self._first_quiet_at <= now:
            yield from self._evict_all_quiet(now, midnight)
        over = len(self.quiet) - MAX_QUIET
        due = takewhile(
            lambda one: one[0] < over or one[1][1] + QUIET_KEPT_MS <= now,
            enumerate(self.quiet.items()),
        )
        for key in [key for _, (key, _) in due]:
            del self.quiet[key]
        yield

    def _evict_all_quiet(self, now: int, midnight: int) -> Iterator[None]:
        quiet, first = [], now + self._quiet_ms
        for number, call in enumerate(self.calls.values(), 1):  # does not change between the steps
            due = self._quiet_at(call)
            if due <= now and not call.waited_at_midnight(midnight, self._quiet_ms):
                quiet.append(call)
            elif due < first:
                first = due
            if number % READ_PER_STEP == 0:
                yield
        self._first_quiet_at = first
        quiet.reverse()
        while quiet:
            call = quiet.pop()  # to free all of 100,000 calls after the last step takes 300 ms
            self._evict(call)
            if call.ended is None:
                self.quiet[call.key] = now
            if len(quiet) % EVICTED_PER_STEP == 0:
                yield

    def _quiet_at(self, call: Call) -> int:
        return max(call.last_recorded, call.last_event) + self._quiet_ms

    def _call_hooks(self, call: Call) -> None:
        for hook in self._hooks:
            hook(call)

    def _evict(self, call: Call) -> None:
        self._call_hooks(call)
        del self.calls[call.key]
        self.by_service.remove(call)
        self.ended.discard(call.key)
        self.sizes.forget(call.key)
        self._move_queue(call.key, None)
        where = self._where.pop(call.key, None)
        if where is not None:
            del self.in_progress[where][call.key]
        self.evicted.append(call)

    def update_indexes(self, call: Call) -> None:
        """Update the indexes with the service that has the call now."""
        key = (call.transaction, call.session)
        ended = call.ended is not None
        where = call.current_service if not ended and (call.segments or call.begun) else None
        before = self._where.get(key)
        waits_at = where if call.waiting else None
        if waits_at is not None or key in self._waiting_at:
            self._move_queue(key, waits_at)
        if ended:
            self.ended.add(key)
        elif before is None:
            self.ended.discard(key)
        if where == before:
            return
        if before is not None:
            del self.in_progress[before][key]
            if where is None:
                del self._where[key]
        if where is not None:
            self.in_progress.setdefault(where, {})[key] = call
            self._where[key] = where

    def _move_queue(self, key: Key, waits_at: int | None) -> None:
        """Update the queue sizes of the services whose queues a call leaves and joins."""
        before = self._waiting_at.pop(key, None)
        if waits_at is not None:
            self._waiting_at[key] = waits_at
        if before == waits_at:
            return
        if before is not None:
            self._resize_queue(before, -1)
        if waits_at is not None:
            self._resize_queue(waits_at, 1)

    def _resize_queue(self, service: int, change: int) -> None:
        size = self._queue_sizes.get(service, 0)
        self._queue_sizes[service] = size + change
        if self.on_queue_change is not None:
            self.on_queue_change(service, size, size + change)
