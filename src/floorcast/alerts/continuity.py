"""Since when a client's figures have been known, and for how long pending alerts have held.

While a server is down, lags behind the log or cannot store events, its figures are out of date, and
nobody knows what they would have been. Such a time is a *gap*. After a gap, the sources first send
the events that they could not send. A gap is recognized by the time between two evaluations, so a
clock that jumps also causes one.
"""

from __future__ import annotations

from floorcast.floor.view import Alert

__all__ = ["MAX_CATCH_UP_MS", "MAX_SETTLE_MS", "MAX_STEP_MS", "Continuity"]

MAX_STEP_MS = 5_000  # ms between two evaluations; a longer time is a gap
MAX_SETTLE_MS = 60_000  # ms for which rules are not evaluated after a gap
MAX_CATCH_UP_MS = 600_000  # ms for which they are not evaluated while old events arrive after a gap


class Continuity:
    """The times at which a client's figures were known. All times are in ms.

    ``known_until`` is the last time at which they are certain to have been known.
    """

    def __init__(self, known_until: int) -> None:
        self._known_before = self._known_until = known_until
        self._unsettled = 0
        self._catch_up = 0
        self._known = 0  # the total of all times without gaps
        self._known_before_step = 0
        self._pending: dict[str, tuple[int, int]] = {}  # each alert's ``since`` and ``_known`` then

    def resume(self, now: int, *, catching_up: bool = False) -> bool:
        """Note that the figures are known at ``now``. Returns whether they are settled.

        They settle after a gap for as long as the gap was, at most ``MAX_SETTLE_MS``. If the
        sources are ``catching_up``, which means that they send old events, the figures settle when
        the sources have caught up, but after at most as long as the gap was and at most
        ``MAX_CATCH_UP_MS``: a source whose clock is wrong always sends old events.
        """
        self._known_before_step, before = self._known, self._known_until
        step, self._known_until = now - before, now
        was_settled = not self._unsettled and not self._catch_up
        if not 0 <= step <= MAX_STEP_MS:
            self._unsettled = max(self._unsettled, min(abs(step), MAX_SETTLE_MS))
            self._catch_up = max(self._catch_up, min(abs(step), MAX_CATCH_UP_MS))
        elif was_settled:
            self._known += step
        else:
            self._unsettled = max(0, self._unsettled - step)
            self._catch_up = max(0, self._catch_up - step)
        if not self._unsettled and not catching_up:
            self._catch_up = 0
        return not self._unsettled and not self._catch_up

    def is_older_than(self, at: int) -> bool:
        """Return whether the figures have not been known since ``at``."""
        return self._known_until < at

    def finish(self, now: int) -> None:
        """Note that an evaluation of settled figures has ended.

        However long it took, its time is not a gap.
        """
        self._known += min(max(0, now - self._known_until), MAX_STEP_MS)
        self._known_until = now

    def held(self, key: str, alert: Alert) -> int:
        """Return for how long a pending alert has been pending, without gaps."""
        if alert.status != "pending":
            self._pending.pop(key, None)
            return 0
        since, known = self._pending.get(key, (None, 0))
        if since != alert.since:
            known = self._known - self._known_since(alert.since)
            self._pending[key] = (alert.since, known)
        return self._known - known

    def forget(self, keys: frozenset[str]) -> None:
        """Forget the pending alerts that are not in ``keys``."""
        self._pending = {key: one for key, one in self._pending.items() if key in keys}

    def _known_since(self, since: int) -> int:
        """Return how much of the time since an alert began to be pending was known, at least."""
        before = max(0, self._known_before - since)
        step = self._known - self._known_before_step
        return before + min(max(0, self._known_until - since), step)
