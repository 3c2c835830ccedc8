"""Compares the figures of a client's services with the client's alert rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from floorcast.floor.view import AlertRule, FloorView, alert_key, covers
from floorcast.model.token import to_ms
from floorcast.site.alert_figures import INTERVAL, SILENCE
from floorcast.site.alert_file import MAX_ALERTS
from floorcast.site.alert_hours import Hours, parse_hours
from floorcast.statistics.interval_rows import ServiceInterval
from floorcast.statistics.requests import ServiceFilter
from floorcast.statistics.service_intervals import IntervalSpan, service_intervals
from floorcast.statistics.service_stats import ServiceStatistics, service_stats
from floorcast.statistics.visibility import Moment, Visibility

__all__ = ["EvaluatedAlert", "alerts_of", "evaluate_alerts"]

_ALERTS_PER_TURN = 500  # alerts per turn of the event loop
_ATTRIBUTES: Final[Mapping[str, str]] = {
    **{one.encode_name: one.name for one in structs.fields(ServiceStatistics)},
    **{INTERVAL + one.encode_name: one.name for one in structs.fields(ServiceInterval)},
}
# 100, not 0, if nothing was counted
_NO_VALUE_WITHOUT_CALLS: Final = frozenset({"percentComplete"})


class EvaluatedAlert(NamedTuple):
    """A rule, a service (None for the whole client) and the value of the rule's figure there.

    ``alert`` is the alert's key. ``value`` is None outside the rule's hours or if the figure does
    not exist. ``calls`` is the number of calls that were handled or abandoned in the period that
    the figure covers.
    """

    alert: str
    rule: AlertRule
    service: int | None
    value: float | None
    calls: int


def alerts_of(view: FloorView) -> list[tuple[AlertRule, int | None]]:
    """Return a pair for each service of each rule, at most ``MAX_ALERTS`` + 1 pairs."""
    found: list[tuple[AlertRule, int | None]] = []
    for rule in view.alert_rules:
        if rule.figure == SILENCE:
            found.append((rule, None))
            continue
        for service in rule.services or view.services:
            if service in view.services and covers(rule, service, view.call_center_of(service)):
                found.append((rule, service))
                if len(found) > MAX_ALERTS:
                    return found
    return found


def evaluate_alerts(
    view: FloorView, pairs: Sequence[tuple[AlertRule, int | None]], moment: Moment
) -> Iterator[list[EvaluatedAlert]]:
    """Yield the value of each alert, a few per turn.

    ``pairs`` are those that ``alerts_of`` returns. At most ``MAX_ALERTS`` of them are evaluated.
    """
    pairs = pairs[:MAX_ALERTS]
    zone = ZoneInfo(view.time_zone)
    rules = {rule.name: rule for rule, _ in pairs}
    active = {name for name, rule in rules.items() if _hours(rule.hours).includes(moment.now, zone)}
    figures = _Figures(view, moment)
    yield from figures.read([(rule, one) for rule, one in pairs if rule.name in active])
    for first in range(0, len(pairs), _ALERTS_PER_TURN):
        found = []
        for rule, service in pairs[first : first + _ALERTS_PER_TURN]:
            value, calls = None, 0
            if rule.name in active:
                value, calls = figures.of(rule, service)
            found.append(EvaluatedAlert(alert_key(rule.name, service), rule, service, value, calls))
        yield found


class _Figures:
    """The figures that rules need, by service, for the day and for each interval length."""

    def __init__(self, view: FloorView, moment: Moment) -> None:
        self._view = view
        self._moment = moment
        self._rows: dict[int, dict[int, ServiceStatistics | ServiceInterval]] = {}

    def read(self, pairs: Sequence[tuple[AlertRule, int | None]]) -> Iterator[list[EvaluatedAlert]]:
        """Read the figures, a few per turn."""
        wanted: dict[int, set[int]] = {}
        for rule, service in pairs:
            if service is not None:
                wanted.setdefault(_length(rule), set()).add(service)
        for length, services in wanted.items():
            scopes = Visibility([self._view]).scopes(ServiceFilter(services=frozenset(services)))
            rows = self._rows[length] = {}
            slices = (
                service_intervals(scopes, self._moment, IntervalSpan(length, 1))
                if length
                else service_stats(scopes, self._moment)
            )
            with slices:
                for some in slices:
                    rows.update((int(row.service_id), row) for row in some)
                    yield []

    def of(self, rule: AlertRule, service: int | None) -> tuple[float | None, int]:
        """Return the value of the rule's figure and the number of calls in its span."""
        if service is None:
            heard = self._view.newest_event_at
            return (max(0, self._moment.now - to_ms(heard)) / 1000 if heard else None), 0
        row = self._rows[_length(rule)].get(service)
        if row is None:  # nothing was counted there
            return (None if rule.figure in _NO_VALUE_WITHOUT_CALLS else 0), 0
        decided = (
            row.handled + row.abandoned
            if isinstance(row, ServiceInterval)
            else row.total_handled + row.total_abandoned
        )
        return _value(row, rule.figure), decided


def _value(row: Struct, figure: str) -> float:
    value: int | float = getattr(row, _ATTRIBUTES[figure])
    return value


def _length(rule: AlertRule) -> int:
    """Return the length in seconds of the interval of the rule's figure, or 0 for the day."""
    return rule.interval if rule.figure.startswith(INTERVAL) else 0


_ALWAYS = "00:00-24:00"


@lru_cache(maxsize=1024)
def _hours(text: str) -> Hours:
    return parse_hours(text or _ALWAYS)
