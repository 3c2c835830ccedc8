"""Alerts: the status of each rule at each service, folded from the log's transitions."""

from __future__ import annotations

from hashlib import blake2b

from msgspec import Struct

from floorcast.model.inbound_data import AlertStatus
from floorcast.site.configuration import AlertRule

__all__ = ["NO_ALERT", "Alert", "alert_id", "covers", "next_status"]


class Alert(Struct, frozen=True):
    """The status of a rule at a service, with the data of the last change.

    ``service`` is None for a rule about the whole client. ``number`` is the entry of the last
    change. ``since`` is when the status began, in ms; for an acknowledged alert, it is when the
    alert fired. ``to`` has the webhooks that the last change was sent to, and ``told`` those that
    any change was sent to since the alert was last ok.
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
    told: tuple[str, ...] = ()

    @property
    def receivers(self) -> frozenset[str]:
        """The webhooks that know that the alert is not ok, and must be sent its end."""
        # an earlier release stored only ``to``
        return frozenset() if self.status == "ok" else frozenset((*self.told, *self.to))


NO_ALERT = Alert("", "", None, 0.0, above=True)
"""The placeholder for an alert that has never changed."""


def alert_id(name: str, service: int | None) -> str:
    """Return the id of a rule's alert at a service. A new threshold does not change the id."""
    named = f"{'' if service is None else service}\n{name}"
    return blake2b(named.encode(), digest_size=8).hexdigest()


def covers(rule: AlertRule, service: int, call_center: int | None) -> bool:
    """Return whether the rule covers a service that is in this call center."""
    if rule.services:
        return service in rule.services
    return not rule.call_centers or call_center in rule.call_centers


def next_status(
    rule: AlertRule, alert: Alert, value: float | None, *, calls: int, now: int
) -> AlertStatus:
    """Return the alert's status for the figure's value at ``now`` (ms).

    ``value`` is None outside the rule's hours and where the figure does not exist. ``calls`` is the
    number of calls from which the figure was computed.
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
