"""Alerts: the state of a rule at a service, and the transitions between states.

``propose`` is a pure function of the figures, the state and the time. What it returns goes through
the client's log; ``follow`` applies it only to the state it was made from. So two nodes that
propose the same transition, or one that is proposed again after a restart, change nothing twice.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["Alert", "Rule", "Status", "Transition", "acknowledge", "follow", "propose"]

Status = Literal["ok", "pending", "firing", "acknowledged"]


class Rule(Struct, frozen=True):
    """When an alert fires: beyond ``threshold`` for ``hold_ms``; over when back at ``clear``."""

    threshold: float
    clear: float
    above: bool = True
    hold_ms: int = 0
    min_calls: int = 0

    def exceeded(self, value: float) -> bool:
        """Returns whether the value is beyond the threshold."""
        return value > self.threshold if self.above else value < self.threshold

    def cleared(self, value: float) -> bool:
        """Returns whether the value is back at ``clear``."""
        return value <= self.clear if self.above else value >= self.clear


class Alert(Struct, frozen=True):
    """The state of a rule at a service; ``since`` in epoch ms, ``number`` counts transitions."""

    status: Status = "ok"
    since: int = 0
    number: int = 0
    value: float | None = None
    acknowledged_by: int | None = None


class Transition(Struct, frozen=True):
    """A change of state at ``at`` (epoch ms); ``follows`` is the number of the state before."""

    status: Status
    at: int
    follows: int
    value: float | None = None
    user: int | None = None


def propose(
    rule: Rule, alert: Alert, value: float | None, *, calls: int, now: int
) -> Transition | None:
    """Returns the next transition, if one is due.

    ``value`` is None where there is none: outside the rule's hours, or for a service that has no
    row today. ``calls`` is what a rate is of.
    """
    status = _next(rule, alert, None if calls < rule.min_calls else value, now)
    if status == alert.status:
        return None
    return Transition(status=status, at=now, follows=alert.number, value=value)


def _next(rule: Rule, alert: Alert, value: float | None, now: int) -> Status:
    if value is None:
        return "ok"
    if alert.status in ("firing", "acknowledged"):
        return "ok" if rule.cleared(value) else alert.status
    if not rule.exceeded(value):
        return "ok"
    held = now - alert.since if alert.status == "pending" else 0
    return "firing" if held >= rule.hold_ms else "pending"


def acknowledge(alert: Alert, *, user: int, now: int) -> Transition | None:
    """Returns the transition of a firing alert that a user acknowledges; None for any other."""
    if alert.status != "firing":
        return None
    return Transition(
        status="acknowledged", at=now, follows=alert.number, value=alert.value, user=user
    )


def follow(alert: Alert, transition: Transition) -> Alert:
    """Returns the state after the transition; the same state if it follows another."""
    if transition.follows != alert.number:
        return alert
    return Alert(
        status=transition.status,
        since=transition.at,
        number=alert.number + 1,
        value=transition.value,
        acknowledged_by=transition.user,
    )
