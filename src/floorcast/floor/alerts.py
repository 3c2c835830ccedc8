"""Alerts: the status of each rule at each service, folded from the log's transitions."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from msgspec import Struct

from floorcast.model.inbound_data import AlertStatus
from floorcast.site.configuration import AlertRule

__all__ = ["NO_ALERT", "Alert", "alert_key", "covers", "next_status", "public_alert_id"]


class Alert(Struct, frozen=True):
    """The status of a rule at a service, with the data of the last change.

    ``service`` is None for a rule about the whole client. ``number`` is the entry of the last
    change. ``since`` is when the status began, in ms; for an acknowledged alert, it is when the
    alert fired. ``to`` has the webhooks that the last change was sent to, and ``notified`` those
    that any change was sent to since the alert was last ok. ``public_id`` is the alert's id in
    these changes, or empty if an earlier release made them: their id was the alert's key.
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
    notified: tuple[str, ...] = ()
    public_id: str = ""

    @property
    def receivers(self) -> frozenset[str]:
        """The webhooks that know that the alert is not ok, and must be sent its end."""
        # an earlier release stored only ``to``
        return frozenset() if self.status == "ok" else frozenset((*self.notified, *self.to))


NO_ALERT = Alert("", "", None, 0.0, above=True)
"""The placeholder for an alert that has never changed."""


def alert_key(name: str, service: int | None) -> str:
    """Return the key of a rule's alert at a service among a client's alerts.

    A new threshold does not change the key. Logs and snapshots contain it. Two clients' alerts can
    have the same key.
    """
    named = f"{'' if service is None else service}\n{name}"
    return blake2b(named.encode(), digest_size=8).hexdigest()


def public_alert_id(client: int, key: str, alert: Alert) -> str:
    """Return an alert's id for users and receivers, which no other client's alert has.

    The id does not change before the alert is ok again, because receivers match an alert's changes
    by its id.
    """
    return _public_id(client, key) if alert.status == "ok" else alert.public_id or key


@lru_cache(maxsize=20_000)
def _public_id(client: int, key: str) -> str:
    return blake2b(f"{client}\n{key}".encode(), digest_size=8).hexdigest()


def covers(rule: AlertRule, service: int, call_center: int | None) -> bool:
    """Return whether the rule covers a service that is in this call center."""
    if rule.services:
        return service in rule.services
    return not rule.call_centers or call_center in rule.call_centers


def next_status(
    rule: AlertRule, alert: Alert, value: float | None, *, calls: int, held: int
) -> AlertStatus:
    """Return the alert's status for the figure's current value.

    ``value`` is None outside the rule's hours and where the figure does not exist. ``calls`` is the
    number of calls from which the figure was computed. ``held`` is for how long a pending alert has
    been pending, in ms.
    """
    if value is None or calls < rule.min_calls:
        return "ok"
    if alert.status in ("firing", "acknowledged"):
        back = value <= rule.clear if rule.above else value >= rule.clear
        return "ok" if back else alert.status
    if not (value > rule.threshold if rule.above else value < rule.threshold):
        return "ok"
    if alert.status != "pending":
        held = 0
    return "firing" if held >= rule.hold * 1000 else "pending"
