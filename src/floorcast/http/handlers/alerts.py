"""The handler that acknowledges alerts."""

from __future__ import annotations

from collections.abc import Iterator

from floorcast.alerts.transitions import acknowledgement, transition_batch
from floorcast.floor.view import NO_ALERT, FloorView, public_alert_id
from floorcast.http.auditing import audit_acknowledgement
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Response
from floorcast.model.errors import InvalidParameter, NotFound
from floorcast.model.token import to_ms
from floorcast.statistics.alert_list import alert_row
from floorcast.statistics.visibility import Visibility

__all__ = ["acknowledge"]

ACKNOWLEDGE_ATTEMPTS = 3  # a change that is repeated for a new webhook may come in between


async def acknowledge(context: RequestContext) -> Response:
    """Acknowledge a firing alert. An alert that is already acknowledged stays as it is."""
    services, alert_id = context.services, context.parameter
    view, key = next(_found(context, alert_id), (None, ""))
    if view is None:
        raise NotFound("there is no such alert")
    alert = view.alerts[key]
    for _ in range(ACKNOWLEDGE_ATTEMPTS):
        if alert.status != "firing":
            break
        transition = acknowledgement(view, key, context.session.name, to_ms(services.now()))
        appended = await services.log.append(transition_batch(view.client, [transition]))
        await services.floor_of(view.client).wait_until_folded(appended.number)
        view = FloorView(services.floor_of(view.client).floor)
        alert = view.alerts.get(key, NO_ALERT)
    if alert.status != "acknowledged":
        raise InvalidParameter(
            f"the alert is {alert.status}: only a firing alert can be acknowledged"
        )
    audit_acknowledgement(context, view.client, alert_id, alert.name)
    return Response.json(alert_row(view, key, alert))


def _views(context: RequestContext) -> Iterator[FloorView]:
    for client in context.session.visible_clients:
        yield FloorView(context.services.floor_of(client).floor)


def _found(context: RequestContext, alert_id: str) -> Iterator[tuple[FloorView, str]]:
    """Yield the floor and the key of each alert with this id that the user can see."""
    for view in _views(context):
        for key, alert in view.alerts.items():
            if public_alert_id(view.client, key, alert) == alert_id and _visibility(
                context, view
            ).sees_service(view, alert.service):
                yield view, key


def _visibility(context: RequestContext, view: FloorView) -> Visibility:
    session = context.session
    return Visibility([view], session.call_centers, listed=session.services)
