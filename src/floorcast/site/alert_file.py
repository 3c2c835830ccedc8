"""Checks the alert rules (``[[client.alert]]``) in a site file and converts them for the floor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

from msgspec import Meta, Struct

from floorcast.model.wording import did_you_mean
from floorcast.site.alert_figures import FIGURES, INTERVAL, RATES, SILENCE
from floorcast.site.alert_hours import parse_hours
from floorcast.site.configuration import (
    DEFAULT_INTERVAL,
    INTERVALS,
    AlertRule,
    CallCenter,
    Id,
    Limit,
    Name,
    Seconds,
    Service,
)

__all__ = ["MAX_ALERTS", "MAX_RULES", "FileAlert", "alert_problems", "alert_rules"]

MAX_RULES = 200  # rules per client
MAX_ALERTS = 10_000  # rule-service pairs per client, evaluated every second
IdsOrNames = tuple[Id | Name, ...]
Threshold = Annotated[float, Meta(ge=-(2**53), le=2**53)]


class FileAlert(
    Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}
):
    """One ``[[client.alert]]`` as written. ``service`` and ``call_center`` hold ids or names."""

    name: Name
    figure: str
    service: IdsOrNames = ()
    call_center: IdsOrNames | Id | Name = ()
    above: Threshold | None = None
    below: Threshold | None = None
    for_: Seconds = 0
    clear: Threshold | None = None
    min_calls: Limit | None = None
    hours: str = ""
    interval: int = DEFAULT_INTERVAL
    to: tuple[Name, ...] = ()

    @property
    def call_centers(self) -> IdsOrNames:
        """The call centers; a single one can be written without brackets."""
        given = self.call_center
        return given if isinstance(given, tuple) else (given,)


def alert_rules(
    alerts: Iterable[FileAlert], services: Iterable[Service], centers: Iterable[CallCenter]
) -> tuple[AlertRule, ...]:
    """Return the rules, sorted by name. The alerts must be free of problems."""
    service_ids, call_center_ids = _ids(services), _ids(centers)
    return tuple(
        AlertRule(
            name=one.name,
            figure=one.figure,
            threshold=(threshold := float(one.below or 0 if one.above is None else one.above)),
            clear=threshold if one.clear is None else float(one.clear),
            above=one.above is not None,
            hold=one.for_,
            min_calls=int(one.figure in RATES) if one.min_calls is None else one.min_calls,
            hours=one.hours,
            services=tuple(sorted({service_ids[name] for name in one.service})),
            call_centers=tuple(sorted({call_center_ids[name] for name in one.call_centers})),
            interval=one.interval,
            to=tuple(sorted(set(one.to))),
        )
        for one in sorted(alerts, key=lambda one: one.name)
    )


def alert_problems(
    alerts: Iterable[FileAlert],
    services: Iterable[Service],
    centers: Iterable[CallCenter],
    webhooks: Iterable[str],
) -> Iterator[str]:
    """Yield the problems with a client's alerts, one line each."""
    alerts = list(alerts)
    if len(alerts) > MAX_RULES:
        yield f": {len(alerts)} alerts are declared; a client has at most {MAX_RULES}"
    service_ids, call_center_ids = _ids(services), _ids(centers)
    count = 0
    for one in alerts:
        for problem in _problems(one):
            yield f", alert {one.name}: {problem}"
        for key, given, known in (
            ("service", one.service, service_ids),
            ("call_center", one.call_centers, call_center_ids),
            ("to", one.to, dict.fromkeys(webhooks, 0)),
        ):
            for name in given:
                if name not in known:
                    what = 'webhook whose send has "alerts"' if key == "to" else key
                    guess = did_you_mean(str(name), (str(each) for each in known))
                    yield f", alert {one.name}: {key} {name!r} is not a {what}{guess}"
        count += len(one.service) or len(service_ids) // 2
    if count > MAX_ALERTS:
        yield f": the alerts have {count:,} services together; at most {MAX_ALERTS:,} are evaluated"


def _problems(one: FileAlert) -> Iterator[str]:
    if one.figure not in FIGURES:
        hint = did_you_mean(one.figure, FIGURES) or "; docs/alerts.md lists the figures"
        yield f"figure {one.figure!r} does not exist{hint}"
    yield from _threshold_problems(one)
    if one.service and one.call_centers:
        yield "give either service or call_center"
    if one.figure == SILENCE and (one.service or one.call_centers):
        yield "silence is a figure of the whole client: remove service and call_center"
    if one.interval not in INTERVALS:
        yield f"interval must be one of {', '.join(map(str, INTERVALS))} seconds"
    if one.interval != DEFAULT_INTERVAL and not one.figure.startswith(INTERVAL):
        yield f"interval is for figures that begin with {INTERVAL!r}: remove it"
    if one.hours:
        try:
            parse_hours(one.hours)
        except ValueError as error:
            yield f"hours: {error}"


def _threshold_problems(one: FileAlert) -> Iterator[str]:
    if (one.above is None) == (one.below is None):
        yield "give either above or below"
    elif one.clear is not None:
        if one.above is not None and one.clear > one.above:
            yield f"clear {one.clear:g} is above the threshold {one.above:g}"
        if one.below is not None and one.clear < one.below:
            yield f"clear {one.clear:g} is below the threshold {one.below:g}"


def _ids(parts: Iterable[Service] | Iterable[CallCenter]) -> Mapping[int | str, int]:
    """Map both ids and names to ids."""
    return {key: part.id for part in parts for key in (part.id, part.name)}
