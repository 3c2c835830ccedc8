"""Alerts: the status of each rule at each service, folded from the log's transitions."""

from __future__ import annotations

from hashlib import blake2b

from msgspec import Struct

from floorcast.model.inbound_data import AlertStatus
from floorcast.site.configuration import AlertRule

__all__ = ["NO_ALERT", "Alert", "alert_id", "covers", "next_status"]


class Alert(Struct, frozen=True):
    """The status of a rule at a service (None: the client), with the data of its last change.

    ``number`` is the entry of that change. ``since`` is when the status began, in ms; that of an
    acknowledged alert is when it fired.
    """

    name: str
    figure: str
    service: int | None
    threshold: float
    above: bool
    status: AlertStatus = "ok"
    since: int = 0
    number: int = 0
    value: int | float | None = None
    acknowledged_by: str | None = None
    acknowledged_at: int | None = None
    to: tuple[str, ...] = ()


NO_ALERT = Alert("", "", None, 0.0, above=True)
"""Stands for an alert that has never changed."""


def alert_id(name: str, service: int | None) -> str:
    """Identifies the alert of a rule at a service. A rule whose threshold changes keeps its id."""
    named = f"{'' if service is None else service}\n{name}"
    return blake2b(named.encode(), digest_size=8).hexdigest()


def covers(rule: AlertRule, service: int, call_center: int | None) -> bool:
    """Whether the rule is for a service of the client, in this call center."""
    if rule.services:
        return service in rule.services
    return not rule.call_centers or call_center in rule.call_centers


def next_status(
    rule: AlertRule, alert: Alert, value: float | None, *, calls: int, now: int
) -> AlertStatus:
    """The status that follows from the figure's value at ``now`` (ms).

    ``value`` is None outside the rule's hours, and where the figure does not exist. ``calls`` is
    the number of calls that the figure was made of.
    """
    if value is None or calls < rule.min_calls:
        return "ok"
    if alert.status in ("firing", "acknowledged"):
        back = value <= rule.clear if rule.above else value >= rule.clear
        return "ok" if back else alert.status
    if not (value > rule.threshold if rule.above else value < rule.threshold):
        return "ok"
    held = now - alert.since if alert.status == "pending" else 0
    return "firing" if held >= rule.hold * 1000 else "pending"
