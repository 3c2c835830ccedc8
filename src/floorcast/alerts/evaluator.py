"""Evaluates every client's alerts once a second and appends transitions to the client's log.

Every node of a cluster evaluates the alerts. If several nodes propose the same transition, the log
stores the first proposal. The fold ignores a transition that does not follow the alert's last
change, so the nodes need no coordination.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

import structlog

from floorcast.alerts.continuity import Continuity
from floorcast.alerts.transitions import clearing_transitions, due_transitions, transition_batch
from floorcast.floor.view import FloorView
from floorcast.log.port import EventLog
from floorcast.model.cancellation import cancel_all
from floorcast.model.errors import Unavailable
from floorcast.model.inbound import AlertTransition
from floorcast.model.loop_turns import take_turn
from floorcast.model.token import TICKS_PER_SECOND, Now, to_ms
from floorcast.projection.refold import FoldLimits
from floorcast.projection.runner import Projection
from floorcast.site.alert_file import MAX_ALERTS
from floorcast.statistics.alert_evaluation import alerts_of, evaluate_alerts
from floorcast.statistics.visibility import Moment

__all__ = ["AlertEvaluator"]

MAX_FOLD_SECONDS = 2.0  # for a floor to fold what the log has
FORGET_MS = 3_600_000  # since a client that is gone was evaluated
CATCHING_UP_MS = 5_000  # after an old event, its source is expected to send more of them
MAX_BEHIND_TICKS = 5 * TICKS_PER_SECOND  # that this node's log may lack other nodes' entries

_log = structlog.stdlib.get_logger(__name__)


class AlertEvaluator:
    """Evaluates the alerts of every client that this node serves.

    No alert is evaluated while its figures may be out of date. See ``Continuity``.
    """

    def __init__(
        self, floors: Mapping[int, Projection], log: EventLog, now: Now, limits: FoldLimits
    ) -> None:
        self._floors = floors
        self._log = log
        self._now = now
        self._limits = limits
        self._running: dict[int, asyncio.Task[None]] = {}
        self._continuity: dict[int, Continuity] = {}
        self._over_limit: set[int] = set()

    def begin(self) -> None:
        """Note until when the figures are known. Call this before any events are accepted.

        Otherwise, the first events after a start would hide the time in which the server was down.
        """
        for floor in self._floors.values():
            self._continuity_of(floor)

    async def evaluate_all(self) -> None:
        """Start an evaluation for every client whose previous evaluation has finished."""
        self._forget_clients()
        if not self._log.healthy or self._log.stall_reason:
            return  # the sources are refused, and no transition could be stored
        for client, floor in list(self._floors.items()):
            if client in self._running:
                continue
            state = floor.floor.state
            if state.config.alerts or state.alerts:
                task = self._running[client] = asyncio.create_task(self.evaluate_and_append(floor))
                task.add_done_callback(partial(self._finished, client))
            else:  # a rule may be declared at any time
                self._resume(floor)

    async def close(self) -> None:
        """Stop evaluating."""
        await cancel_all(list(self._running.values()))

    def _finished(self, client: int, _task: asyncio.Task[None]) -> None:
        del self._running[client]

    async def evaluate_and_append(self, floor: Projection) -> None:
        """Append a client's due transitions to its log, unless its figures may be out of date."""
        try:
            if not await self._is_current(floor):
                return
            if not self._resume(floor):
                return
            transitions = await self.evaluate(floor)
            if transitions:
                await self._log.append(transition_batch(floor.client, transitions))
            self._continuity_of(floor).finish(to_ms(self._now()))
        except Unavailable as error:  # the next evaluation proposes them again
            _log.warning("alerts_not_logged", client=floor.client, why=str(error))
        except Exception:  # noqa: BLE001 — a fault in one client's figures must not stop the others
            _log.exception("alerts_failed", client=floor.client)

    async def evaluate(self, floor: Projection) -> list[AlertTransition]:
        """Return a client's due transitions."""
        continuity, view = self._continuity_of(floor), FloorView(floor.floor)
        moment = Moment(to_ms(self._now()), self._limits.quiet_call, self._limits.quiet_agent)
        rules, pairs = view.alert_rules, alerts_of(view)
        self._warn(floor.client, len(pairs))
        known: set[str] = set()
        found: list[AlertTransition] = []
        for evaluated in evaluate_alerts(view, pairs, moment):
            known.update(one.alert for one in evaluated)
            found += due_transitions(view, evaluated, moment.now, continuity.held)
            await take_turn(floor.client, for_answer=True)
        continuity.forget(frozenset(known))
        if self._floors.get(floor.client) is not floor:
            return []  # the floor is being rebuilt, and the figures may be those of half an entry
        if rules is not view.alert_rules:
            return []  # the site has changed, and an old rule must not fire
        return [*found, *clearing_transitions(view, frozenset(known), moment.now)]

    async def _is_current(self, floor: Projection) -> bool:
        """Return whether the floor has what the log has. Waits a moment for a busy floor."""
        if self._log.ticks_behind(floor.client) > MAX_BEHIND_TICKS:
            return False
        head = self._log.head(floor.client).number
        if floor.last_folded < head:
            try:
                async with asyncio.timeout(MAX_FOLD_SECONDS):
                    await floor.wait_until_folded(head)
            except (TimeoutError, Unavailable):
                return False
        return True

    def _resume(self, floor: Projection) -> bool:
        now = to_ms(self._now())
        catching_up = now - floor.floor.old_event_at <= CATCHING_UP_MS
        return self._continuity_of(floor).resume(now, catching_up=catching_up)

    def _forget_clients(self) -> None:
        now = to_ms(self._now())
        for client in self._continuity.keys() - self._floors.keys():
            if self._continuity[client].is_older_than(now - FORGET_MS):  # it may be being rebuilt
                del self._continuity[client]

    def _continuity_of(self, floor: Projection) -> Continuity:
        known = self._continuity.get(floor.client)
        if known is None:
            heard_at = floor.floor.state.newest_event_at or self._now()
            known = self._continuity[floor.client] = Continuity(to_ms(heard_at))
        return known

    def _warn(self, client: int, count: int) -> None:
        if count <= MAX_ALERTS:
            self._over_limit.discard(client)
        elif client not in self._over_limit:
            self._over_limit.add(client)
            _log.warning("alerts_not_evaluated", client=client, evaluated=MAX_ALERTS)
