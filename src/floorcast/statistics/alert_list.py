"""The alert list: each rule and its value, for each service that a user may see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct, field

from floorcast.floor.view import NO_ALERT, Alert, AlertRule, FloorView, public_alert_id
from floorcast.model.inbound_data import AlertStatus
from floorcast.statistics.alert_evaluation import EvaluatedAlert, alerts_of, evaluate_alerts
from floorcast.statistics.visibility import Moment, Visibility

__all__ = ["AlertAnswer", "AlertRow", "alert_row", "alerts"]


class AlertRow(Struct, rename="camel", kw_only=True):
    """A rule and its state at a service.

    The service and call center members are null if the rule covers the whole client. ``since`` and
    ``acknowledged_at`` are in ms, and ``hold`` is in seconds.
    """

    alert_id: str
    client_id: int
    name: str
    status: AlertStatus
    since: int | None
    figure: str
    value: int | float | None
    condition: Literal["above", "below"]
    threshold: int | float
    clear: int | float
    hold: int = field(name="for")
    service_id: int | None
    service_name: str | None
    call_center_id: int | None
    call_center_name: str | None
    acknowledged_by: str | None
    acknowledged_at: int | None
    to: tuple[str, ...]


class AlertAnswer(Struct, rename="camel"):
    """The alerts that a user may see: firing ones first, then by name and service."""

    alerts: list[AlertRow]
    time_stamp: int


_STATUS_ORDER = {"firing": 0, "acknowledged": 1, "pending": 2, "ok": 3}


def alerts(visibility: Visibility, moment: Moment) -> Iterator[list[AlertRow]]:
    """Read some rows in each turn of the event loop, and yield an empty list until all are read.

    The last list yielded contains all rows, in order.
    """
    rows: list[AlertRow] = []
    for view in visibility.views:
        for some in _of_floor(view, visibility, moment):
            rows += some
            yield []
    yield sorted(rows, key=lambda row: (_STATUS_ORDER[row.status], row.name, row.service_id or 0))


def _of_floor(view: FloorView, visibility: Visibility, moment: Moment) -> Iterator[list[AlertRow]]:
    known: set[str] = set()
    for some in evaluate_alerts(view, alerts_of(view), moment):
        known.update(one.alert for one in some)
        yield [
            _row(view, one, view.alerts.get(one.alert, NO_ALERT))
            for one in some
            if visibility.sees_service(view, one.service)
        ]
    # alerts whose rule was removed: the next evaluation clears them
    yield [
        alert_row(view, key, alert)
        for key, alert in view.alerts.items()
        if alert.status != "ok"
        and key not in known
        and visibility.sees_service(view, alert.service)
    ]


def _rule_of(alert: Alert) -> AlertRule:
    return AlertRule(
        name=alert.name,
        figure=alert.figure,
        threshold=alert.threshold,
        clear=alert.threshold,
        above=alert.above,
        to=alert.to,
    )


def alert_row(view: FloorView, key: str, alert: Alert) -> AlertRow:
    """Return an alert's row, with the value that the figure had at the alert's last change."""
    rules = [rule for rule in view.alert_rules if rule.name == alert.name]
    rule = rules[0] if rules else _rule_of(alert)
    return _row(view, EvaluatedAlert(key, rule, alert.service, alert.value, 0), alert)


def _row(view: FloorView, one: EvaluatedAlert, alert: Alert) -> AlertRow:
    rule, service = one.rule, one.service
    known = None if service is None else view.services.get(service)
    number_of_center = None if known is None else known.call_center
    center = None if number_of_center is None else view.call_centers.get(number_of_center)
    return AlertRow(
        alert_id=public_alert_id(view.client, one.alert, alert),
        client_id=view.client,
        name=rule.name,
        status=alert.status,
        since=alert.since or None,
        figure=rule.figure,
        value=one.value,
        condition="above" if rule.above else "below",
        threshold=rule.threshold,
        clear=rule.clear,
        hold=rule.hold,
        service_id=service,
        service_name=None if known is None else known.name,
        call_center_id=number_of_center,
        call_center_name=None if center is None else center.name,
        acknowledged_by=alert.acknowledged_by,
        acknowledged_at=alert.acknowledged_at,
        to=rule.to,
    )
