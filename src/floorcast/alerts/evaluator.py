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

from floorcast.alerts.transitions import clearing_transitions, due_transitions, transition_batch
from floorcast.floor.view import FloorView
from floorcast.log.port import EventLog
from floorcast.model.cancellation import cancel_all
from floorcast.model.errors import Unavailable
from floorcast.model.inbound import AlertTransition
from floorcast.model.loop_turns import take_turn
from floorcast.model.token import Now, to_ms
from floorcast.projection.refold import FoldLimits
from floorcast.projection.runner import Projection
from floorcast.site.alert_file import MAX_ALERTS
from floorcast.statistics.alert_evaluation import alerts_of, evaluate_alerts
from floorcast.statistics.visibility import Moment

__all__ = ["AlertEvaluator"]

_log = structlog.stdlib.get_logger(__name__)


class AlertEvaluator:
    """Evaluates the alerts of every client that this node serves."""

    def __init__(
        self, floors: Mapping[int, Projection], log: EventLog, now: Now, limits: FoldLimits
    ) -> None:
        self._floors = floors
        self._log = log
        self._now = now
        self._limits = limits
        self._running: dict[int, asyncio.Task[None]] = {}
        self._over_limit: set[int] = set()

    async def evaluate_all(self) -> None:
        """Start an evaluation for every client whose previous evaluation has finished."""
        for client, floor in list(self._floors.items()):
            state = floor.floor.state
            if client not in self._running and (state.config.alerts or state.alerts):
                task = self._running[client] = asyncio.create_task(self.evaluate_and_append(floor))
                task.add_done_callback(partial(self._finished, client))

    async def close(self) -> None:
        """Stop evaluating."""
        await cancel_all(list(self._running.values()))

    def _finished(self, client: int, _task: asyncio.Task[None]) -> None:
        del self._running[client]

    async def evaluate_and_append(self, floor: Projection) -> None:
        """Append a client's due transitions to its log."""
        try:
            transitions = await self.evaluate(floor)
            if transitions:
                await self._log.append(transition_batch(floor.client, transitions))
        except Unavailable as error:  # the next evaluation proposes them again
            _log.warning("alerts_not_logged", client=floor.client, why=str(error))
        except Exception:  # noqa: BLE001 — a fault in one client's figures must not stop the others
            _log.exception("alerts_failed", client=floor.client)

    async def evaluate(self, floor: Projection) -> list[AlertTransition]:
        """Return a client's due transitions."""
        if floor.last_folded < self._log.head(floor.client).number:
            return []  # the figures lag behind the log; the next evaluation will see them
        view = FloorView(floor.floor)
        moment = Moment(to_ms(self._now()), self._limits.quiet_call, self._limits.quiet_agent)
        rules, pairs = view.alert_rules, alerts_of(view)
        self._warn(floor.client, len(pairs))
        known: set[str] = set()
        found: list[AlertTransition] = []
        for evaluated in evaluate_alerts(view, pairs, moment):
            known.update(one.alert for one in evaluated)
            found += due_transitions(view, evaluated, moment.now)
            await take_turn(floor.client)
        if rules is view.alert_rules:
            found += clearing_transitions(view, frozenset(known), moment.now)
        return found

    def _warn(self, client: int, count: int) -> None:
        if count <= MAX_ALERTS:
            self._over_limit.discard(client)
        elif client not in self._over_limit:
            self._over_limit.add(client)
            _log.warning("alerts_not_evaluated", client=client, evaluated=MAX_ALERTS)
