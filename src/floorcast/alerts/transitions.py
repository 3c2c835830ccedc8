"""Alert transitions, as events for the client's log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from floorcast.floor.view import NO_ALERT, Alert, AlertRule, FloorView, next_status, public_alert_id
from floorcast.log.port import Batch
from floorcast.model.inbound import ALERT_SOURCE, AlertTransition
from floorcast.model.inbound_data import AlertStatus, AlertTransitionData
from floorcast.statistics.alert_evaluation import EvaluatedAlert

__all__ = [
    "HeldTime",
    "acknowledgement",
    "clearing_transitions",
    "due_transitions",
    "transition_batch",
]

HeldTime = Callable[[str, Alert], int]
"""Returns for how long the alert with this key has been pending, in ms."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def due_transitions(
    view: FloorView, evaluated: Iterable[EvaluatedAlert], now: int, held: HeldTime
) -> Iterator[AlertTransition]:
    """Yield the transitions that the figures and the receivers require at ``now`` (ms).

    If a rule names a webhook that does not know of its alert, the alert's last change is repeated
    for that webhook. The end of an alert is sent to every webhook that knows of it, also if the
    rule no longer names the webhook, which would otherwise never learn that the alert is over.
    """
    for one in evaluated:
        alert = view.alerts.get(one.alert, NO_ALERT)
        status = next_status(
            one.rule, alert, one.value, calls=one.calls, held=held(one.alert, alert)
        )
        if status != alert.status:
            ref = _ref(view, one.alert, one.service, alert)
            to = alert.receivers if status == "ok" else one.rule.to
            yield _transition(ref, one.rule, status, now, to=to, value=one.value)
        elif status != "ok" and (added := frozenset(one.rule.to) - alert.receivers):
            ref = _ref(view, one.alert, one.service, alert)
            yield _transition(
                ref, alert, status, now, to=added, value=alert.value, user=alert.acknowledged_by
            )


def clearing_transitions(
    view: FloorView, known: frozenset[str], now: int
) -> Iterator[AlertTransition]:
    """Yield transitions that clear the alerts whose keys are not in ``known``."""
    for key, alert in view.alerts.items():
        if key not in known and alert.status != "ok":
            ref = _ref(view, key, alert.service, alert)
            yield _transition(ref, alert, "ok", now, to=alert.receivers)


def acknowledgement(view: FloorView, key: str, user: str, now: int) -> AlertTransition:
    """Return the transition that records a user's acknowledgement of a firing alert."""
    alert = view.alerts[key]
    ref = _ref(view, key, alert.service, alert)
    to = next((rule.to for rule in view.alert_rules if rule.name == alert.name), alert.to)
    return _transition(ref, alert, "acknowledged", now, to=to, value=alert.value, user=user)


def transition_batch(client: int, transitions: list[AlertTransition]) -> Batch:
    """Return the events as a batch for the log."""
    return Batch(client, [msgspec.json.encode(one) for one in transitions], transitions)


class _AlertRef(NamedTuple):
    """An alert's key, id and service, and the entry of its last change."""

    alert: str
    public_id: str
    service: int | None
    follows: int


def _ref(view: FloorView, key: str, service: int | None, alert: Alert) -> _AlertRef:
    public_id = public_alert_id(view.client, key, alert)
    return _AlertRef(key, public_id, service, alert.number or view.config_entry)


def _transition(
    ref: _AlertRef,
    rule: AlertRule | Alert,
    status: AlertStatus,
    now: int,
    *,
    to: Iterable[str],
    value: float | None = None,
    user: str | None = None,
) -> AlertTransition:
    data = AlertTransitionData(
        alert=ref.alert,
        name=rule.name,
        figure=rule.figure,
        service=ref.service,
        status=status,
        follows=ref.follows,
        threshold=rule.threshold,
        above=rule.above,
        value=value,
        acknowledged_by=user,
        to=tuple(sorted(to)),
        public_id=ref.public_id,
    )
    # proposals that follow the same change have the same id, so the log stores only one of them
    return AlertTransition(
        id=f"{ref.alert}:{ref.follows}",
        source=ALERT_SOURCE,
        specversion="1.0",
        time=_EPOCH + timedelta(milliseconds=now),
        data=data,
    )
