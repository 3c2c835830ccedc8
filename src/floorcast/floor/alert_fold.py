"""Folds the alert transitions that the servers propose.

A proposed transition names the change that it follows, and it is applied only directly after that
change. If two nodes propose the same transition, or one node proposes it again after a restart, it
is applied once. A transition to the status that the alert has repeats the last change for webhooks
that were not sent it.
"""

from __future__ import annotations

from msgspec import structs

from floorcast.floor.alerts import NO_ALERT, Alert, public_alert_id
from floorcast.floor.directory import Directory
from floorcast.floor.state import FloorState
from floorcast.model.inbound import AlertTransition
from floorcast.model.inbound_data import AlertTransitionData
from floorcast.model.outbound import AlertEvent, OutboundEvent

__all__ = ["AlertFold"]


class AlertFold:
    """Folds alert transitions."""

    def __init__(self, state: FloorState) -> None:
        self._state = state

    def transition(
        self, event: AlertTransition, at: int, _now: int, event_id: str
    ) -> OutboundEvent | None:
        """Fold an alert's change at ``at`` (ms). Return None if the transition does not apply."""
        data, state = event.data, self._state
        before = state.alerts.get(data.alert, NO_ALERT)
        if data.follows != (before.number or state.config_entry):
            return None
        public_id = data.public_id or data.alert
        if before.status != "ok":
            public_id = public_alert_id(state.client, data.alert, before)
        if data.status == "ok" and all(rule.name != data.name for rule in state.config.alerts):
            state.alerts.pop(data.alert, None)  # the rule is gone, and this was its last change
        elif data.status == before.status != "ok":
            at = before.since if before.acknowledged_at is None else before.acknowledged_at
            state.alerts[data.alert] = _repeated(before, data.to, state.entry)
        else:
            state.alerts[data.alert] = _next_alert(before, data, at, state.entry, public_id)
        feed_event = _alert_event(state.client, public_id, data, at, event_id, state.directory)
        return OutboundEvent("alerts", "", data.service, feed_event.call_center_id, feed_event)


def _repeated(alert: Alert, to: tuple[str, ...], number: int) -> Alert:
    """Return the alert after its last change was repeated for the webhooks ``to``."""
    known = tuple(sorted(alert.receivers.union(to)))
    return structs.replace(alert, number=number, to=(*alert.to, *to), notified=known)


def _next_alert(
    alert: Alert, data: AlertTransitionData, at: int, number: int, public_id: str
) -> Alert:
    """Return the alert after a transition at ``at`` (ms), which is in entry ``number``."""
    acknowledged = data.status == "acknowledged"
    return Alert(
        data.name,
        data.figure,
        data.service,
        data.threshold,
        data.above,
        status=data.status,
        since=alert.since if acknowledged else at,
        number=number,
        value=data.value,
        acknowledged_by=data.acknowledged_by if acknowledged else None,
        acknowledged_at=at if acknowledged else None,
        to=data.to,
        notified=() if data.status == "ok" else tuple(sorted(alert.receivers.union(data.to))),
        public_id=public_id,
    )


def _alert_event(
    client: int,
    public_id: str,
    data: AlertTransitionData,
    at: int,
    event_id: str,
    directory: Directory,
) -> AlertEvent:
    """Return the feed's event for a transition."""
    service = None if data.service is None else directory.services.get(data.service)
    return AlertEvent(
        event_id=event_id,
        timestamp=at,
        client_id=client,
        alert_id=public_id,
        name=data.name,
        status=data.status,
        figure=data.figure,
        service_id=data.service,
        service_name=None if service is None else service.name,
        call_center_id=directory.call_center_of(data.service),
        condition="above" if data.above else "below",
        threshold=data.threshold,
        value=data.value,
        acknowledged_by=data.acknowledged_by,
        to=data.to,
    )
