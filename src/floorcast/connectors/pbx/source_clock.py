"""Estimates the time at the source, whose clock may be set while a connector runs.

A connector's times are on one timeline. It is the source's clock, plus a correction from the moment
at which that clock is set to another time: otherwise a call could end before it began, an agent's
next state would count as an earlier one, and the server would refuse events from the future.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from math import copysign

import structlog

from floorcast.model.token import boot_seconds

__all__ = ["IMPOSSIBLY_AHEAD_SECONDS", "SourceClock", "steady_clock"]

MAX_EPOCH = 2**33  # seconds; the year 2242
DISORDER_SECONDS = 0.5  # by which a message may be older than the message before it
WHOLE_SECONDS = 1.0  # added to that if times are in whole seconds
# A message that is further ahead than this shows that the clock was set. The server refuses events
# that are more than 5 minutes ahead of its clock.
MAX_AHEAD_SECONDS = 300.0
IMPOSSIBLY_AHEAD_SECONDS = 86_400.0  # the time of a message is a mistake, and no clock was set
IMPLAUSIBLE_SECONDS = 60.0  # a timeline this far from the local clock gives way to a better clock
MAX_DRIFT = 2e-4  # seconds per second by which two clocks may run apart
SLEW = 0.01  # seconds per second by which a correction shrinks if the source's clock is plausible
OTHER_SOURCE_SECONDS = 10.0  # during which times from before the clock was set may arrive
STORED_SECONDS = 5.0  # changes of the offset that are not worth storing

_log = structlog.get_logger("floorcast.connect")


def steady_clock() -> Callable[[], float]:
    """Return a clock in epoch seconds that does not notice when this machine's clock is set."""
    booted = time.time() - boot_seconds()
    return lambda: booted + boot_seconds()


class SourceClock:
    """A clock that follows the source's clock. ``clock`` is the local clock, in epoch seconds.

    ``position`` is what ``take_position`` returned before, and ``latest`` is the time of the last
    event, both from an earlier run. ``moved`` is the sum of what ``adjust`` has returned: a time
    that was read before must be moved by what has been added to it since.
    """

    def __init__(self, clock: Callable[[], float], position: str = "", latest: float = 0.0) -> None:
        self._clock = clock
        self.moved = 0.0
        self._latest = latest
        self._is_known = bool(position)
        offset, _, correction = position.partition(" ")
        # Seconds by which the timeline is ahead of the local clock: by the last message, and by the
        # message with the shortest way.
        self._offset = self._best_offset = float(offset or 0)
        self._correction = float(correction or 0)
        self._stored = (self._best_offset, self._correction)
        self._received = clock()
        self._before, self._set_at = self._correction, -float(MAX_EPOCH)

    def local_now(self) -> float:
        """Return the local time, in epoch seconds."""
        return self._clock()

    def now(self) -> float:
        """Return the time on the timeline, in epoch seconds."""
        return self._clock() + self._offset

    def adjust(self, at: float, received: float) -> float:
        """Take the time of a message that was sent at ``at`` and received at ``received``.

        ``at`` is by the source's clock, and ``received`` is local. An invalid time (NaN, or after
        the year 2242) is ignored, because it would distort later times. Returns the seconds by
        which the timeline moved. They are 0 unless the source's clock was far from the local one
        and is now closer to it. All times that are kept must then be moved.
        """
        if not 0 <= at < MAX_EPOCH:
            return 0.0
        moved = 0.0
        elapsed = max(0.0, received - self._received)
        self._best_offset -= MAX_DRIFT * elapsed
        if abs(at - received) <= IMPLAUSIBLE_SECONDS:
            self._slew(elapsed)
        expected = max(received + self._best_offset, self._latest)
        went_back = at + self._correction < self._latest - DISORDER_SECONDS
        if went_back or (self._is_known and at + self._correction > expected + MAX_AHEAD_SECONDS):
            moved = self._set(at, received, expected)
            self.moved += moved
        now = at + self._correction
        self._offset = now - received
        is_best = went_back or not self._is_known or self._offset > self._best_offset
        self._best_offset = self._offset if is_best else self._best_offset
        self._is_known, self._received = True, received
        self._latest = max(self._latest + moved, now)
        return moved

    def adjust_to_second(self, second: float, received: float) -> float:
        """Take a time in whole seconds, as ``adjust`` does."""
        now = second + self._correction
        if self._is_known and -1.0 <= received + self._offset - now <= 2.0:
            self._latest = max(self._latest, now)
            return 0.0
        return self.adjust(second + 0.5, received)

    def follow(self, at: float) -> None:
        """Take the time of a recorded message, which is only known to follow the one before it.

        An impossible time is ignored, because all later times would count as going back.
        """
        if not 0 <= at < MAX_EPOCH or self.is_impossible(at):
            return
        if at + self._correction < self._latest - DISORDER_SECONDS - WHOLE_SECONDS:
            self._before, self._correction = self._correction, self._latest - at
        self._latest = max(self._latest, at + self._correction)

    def is_impossible(self, at: float) -> bool:
        """Return whether a recorded time is so far in the future that it must be a mistake."""
        return self.corrected(at) > self.now() + IMPOSSIBLY_AHEAD_SECONDS

    def corrected(self, at: float) -> float:
        """Return a time of the source's clock on the timeline.

        A second source may report times from before the clock was set a little later. An invalid
        time stays invalid.
        """
        if not 0 <= at < MAX_EPOCH:
            return at
        now = at + self._correction
        if self._clock() - self._set_at < OTHER_SOURCE_SECONDS:
            return _latest_past((now, at + self._before), self.now())
        return now

    def correct_epochs(self, rows: Iterable[dict[str, str]], names: Iterable[str]) -> None:
        """Move the columns ``names``, which have times by the source's clock, to the timeline.

        A row may have times from before and after the clock was set.
        """
        if not self._correction:
            return
        for row in rows:
            for name in names:
                text = row.get(name, "")
                if text.isdecimal() and len(text) <= 10 and int(text):
                    times = (float(text), float(text) + self._correction)
                    row[name] = str(round(_latest_past(times, self.now())))

    def take_position(self) -> str | None:
        """Return what the next run needs, or None if it has not changed since the last call."""
        offset, correction = self._stored
        changes = (self._best_offset - offset, self._correction - correction)
        if not self._is_known or max(map(abs, changes)) < STORED_SECONDS:
            return None
        self._stored = (self._best_offset, self._correction)
        return f"{self._best_offset:.3f} {self._correction:.3f}"

    def _slew(self, elapsed: float) -> None:
        """Return to the source's clock, so slowly that no time is before an earlier one."""
        step = min(abs(self._correction), SLEW * elapsed)
        self._correction -= copysign(step, self._correction)

    def _set(self, at: float, received: float, expected: float) -> float:
        before, moved = self._correction, 0.0
        is_implausible = abs(expected - received) > IMPLAUSIBLE_SECONDS
        if is_implausible and abs(at - received) < abs(expected - received):
            moved, self._correction = at - expected, 0.0
        else:
            self._correction = expected - at
        self._before, self._set_at = before + moved, received
        _log.warning(
            "the source's clock was set; times continue without a jump"
            if not moved
            else "the source's clock was set to the right time",
            seconds=round(at + before - expected),
        )
        return moved


def _latest_past(times: Iterable[float], now: float) -> float:
    """Return the latest of the times that is not in the future, or else the earliest."""
    past = [one for one in times if one <= now + WHOLE_SECONDS + DISORDER_SECONDS]
    return max(past) if past else min(times)
