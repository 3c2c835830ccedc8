"""The transitions that are due, as events for the client's log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from floorcast.floor.view import NO_ALERT, Alert, FloorView, next_status
from floorcast.log.port import Batch
from floorcast.model.inbound import (
    ALERT_SOURCE,
    AlertStatus,
    AlertTransition,
    AlertTransitionData,
)
from floorcast.statistics.alert_evaluation import Judged

__all__ = ["acknowledgement", "batch_of", "due", "over"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def due(view: FloorView, judged: Iterable[Judged], now: int) -> Iterator[AlertTransition]:
    """The transitions that follow from figures at ``now`` (ms)."""
    for one in judged:
        alert, rule = view.alerts.get(one.alert, NO_ALERT), one.rule
        status = next_status(rule, alert, one.value, calls=one.calls, now=now)
        if status != alert.status:
            follows = alert.number or view.configured_in
            data = AlertTransitionData(
                alert=one.alert,
                name=rule.name,
                figure=rule.figure,
                service=one.service,
                status=status,
                follows=follows,
                threshold=rule.threshold,
                above=rule.above,
                value=one.value,
                to=rule.to,
            )
            yield _event(data, now)


def over(view: FloorView, known: frozenset[str], now: int) -> Iterator[AlertTransition]:
    """The end of alerts whose rule or service is not among the ``known`` any more."""
    for number, alert in view.alerts.items():
        if number not in known and alert.status != "ok":
            yield _event(_again(number, alert, "ok"), now)


def acknowledgement(number: str, alert: Alert, user: str, now: int) -> AlertTransition:
    """The transition by which a user acknowledges a firing alert."""
    data = msgspec.structs.replace(
        _again(number, alert, "acknowledged"), value=alert.value, acknowledged_by=user
    )
    return _event(data, now)


def batch_of(client: int, transitions: list[AlertTransition]) -> Batch:
    """What the log is given."""
    return Batch(client, [msgspec.json.encode(one) for one in transitions], transitions)


def _again(number: str, alert: Alert, status: AlertStatus) -> AlertTransitionData:
    return AlertTransitionData(
        alert=number,
        name=alert.name,
        figure=alert.figure,
        service=alert.service,
        status=status,
        follows=alert.number,
        threshold=alert.threshold,
        above=alert.above,
        to=alert.to,
    )


def _event(data: AlertTransitionData, now: int) -> AlertTransition:
    # every proposal that follows the same change has one id, so that the log stores one of them
    return AlertTransition(
        id=f"{data.alert}:{data.follows}",
        source=ALERT_SOURCE,
        specversion="1.0",
        time=_EPOCH + timedelta(milliseconds=now),
        data=data,
    )
