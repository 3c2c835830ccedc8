"""The alerts of the services that a user sees, and their acknowledgement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct, field

from floorcast.alerts.evaluation import alerts_of
from floorcast.alerts.transitions import acknowledgement, batch_of
from floorcast.floor.view import NO_ALERT, Alert, AlertRule, FloorView, alert_id
from floorcast.http.auditing import audit_acknowledgement
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Response
from floorcast.model.errors import InvalidParameter, NotFound
from floorcast.model.inbound import AlertStatus
from floorcast.model.token import to_ms
from floorcast.site.alert_file import MAX_ALERTS
from floorcast.statistics.visibility import Visibility

__all__ = ["AlertAnswer", "AlertRow", "acknowledge", "alerts"]


class AlertRow(Struct, rename="camel", kw_only=True):
    """A rule at a service; the members of the service are null for a rule about the client.

    ``since`` and ``acknowledged_at`` are in ms; ``hold`` is in seconds. The value is that of the
    last look, less than two seconds old.
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
    """Every alert that the user sees: firing ones first, then by name and service."""

    alerts: list[AlertRow]
    time_stamp: int


async def alerts(context: RequestContext) -> Response:
    """List the alerts."""
    services = context.services
    rows = [row for view in _views(context) for row in _rows(context, view)]
    rows.sort(key=lambda row: (_ORDER[row.status], row.name, row.service_id or 0))
    client = context.session.client
    token = services.token_now(client, services.feed_of(client, "alerts").through)
    answer = AlertAnswer(rows, to_ms(services.now()))
    return Response.of(answer, headers=(("feed-token", token),))


async def acknowledge(context: RequestContext) -> Response:
    """Acknowledge a firing alert; one that is acknowledged stays as it is."""
    services, number = context.services, context.parameter
    view = next((one for one in _views(context) if _sees(context, one, number)), None)
    if view is None:
        raise NotFound("there is no such alert")
    alert = view.alerts[number]
    if alert.status == "firing":
        transition = acknowledgement(number, alert, context.session.name, to_ms(services.now()))
        appended = await services.log.append(batch_of(view.client, [transition]))
        await services.floor_of(view.client).until_folded(appended.number)
        view = FloorView(services.floor_of(view.client).floor)
        alert = view.alerts.get(number, NO_ALERT)
    if alert.status != "acknowledged":
        raise InvalidParameter(f"the alert is {alert.status}: only a firing one is acknowledged")
    audit_acknowledgement(context, view.client, number, alert.name)
    return Response.of(next(row for row in _rows(context, view) if row.alert_id == number))


_ORDER = {"firing": 0, "acknowledged": 1, "pending": 2, "ok": 3}


def _views(context: RequestContext) -> Iterator[FloorView]:
    for client in context.session.clients_seen:
        yield FloorView(context.services.floor_of(client).floor)


def _sees(context: RequestContext, view: FloorView, number: str) -> bool:
    alert = view.alerts.get(number)
    return alert is not None and _visibility(context, view).sees_service(view, alert.service)


def _visibility(context: RequestContext, view: FloorView) -> Visibility:
    session = context.session
    return Visibility([view], session.call_centers, listed=session.services)


def _rows(context: RequestContext, view: FloorView) -> Iterator[AlertRow]:
    visibility = _visibility(context, view)
    values = context.services.alert_values.get(view.client, {})
    known = set()
    for rule, service in alerts_of(view, view.alert_rules)[:MAX_ALERTS]:
        number = alert_id(rule.name, service)
        known.add(number)
        if visibility.sees_service(view, service):
            alert = view.alerts.get(number, NO_ALERT)
            value = values.get(number, alert.value)
            yield _row(view, (number, service), rule, alert, value)
    for number, alert in view.alerts.items():
        if alert.status == "ok" or number in known:
            continue
        if visibility.sees_service(view, alert.service):  # its rule is gone: the next look ends it
            yield _row(view, (number, alert.service), _rule_of(alert), alert, alert.value)


def _rule_of(alert: Alert) -> AlertRule:
    return AlertRule(
        name=alert.name,
        figure=alert.figure,
        threshold=alert.threshold,
        clear=alert.threshold,
        above=alert.above,
        to=alert.to,
    )


def _row(
    view: FloorView,
    whose: tuple[str, int | None],
    rule: AlertRule,
    alert: Alert,
    value: float | None,
) -> AlertRow:
    number, service = whose
    known = None if service is None else view.services.get(service)
    number_of_center = None if known is None else known.call_center
    center = None if number_of_center is None else view.call_centers.get(number_of_center)
    return AlertRow(
        alert_id=number,
        client_id=view.client,
        name=rule.name,
        status=alert.status,
        since=alert.since or None,
        figure=rule.figure,
        value=value,
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
