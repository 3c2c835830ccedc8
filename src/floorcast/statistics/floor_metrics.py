"""A floor's figures for a monitoring system, service by service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from floorcast.floor.view import NO_SERVICE, Call, Service, ServiceTotals
from floorcast.model.states import STATE_NAMES, State
from floorcast.statistics.consistent_scan import CallScan, Scan, Slices
from floorcast.statistics.visibility import Moment, Scope

__all__ = ["ServiceMetrics", "floor_metrics"]


class ServiceMetrics(NamedTuple):
    """One service's current numbers and its totals. The totals are never reset.

    ``longest_wait`` is in ms. ``agents`` holds the number of agents by the name of their state.
    Agents that have been quiet for too long are not counted.
    """

    service: Service
    call_center: str
    in_queue: int
    with_agent: int
    longest_wait: int
    agents: dict[str, int]
    totals: ServiceTotals


def floor_metrics(scopes: Sequence[Scope], moment: Moment) -> Slices[ServiceMetrics]:
    """Return a row for each known service in view, ordered by id."""
    return Slices([_MetricsRows(scope, moment) for scope in scopes])


class _ServiceCalls:
    """A service's calls in progress."""

    def __init__(self) -> None:
        self.waiting: list[int] = []
        self.connected = 0


class _MetricsRows:
    """Reads the rows of one floor: its calls first, then its services."""

    def __init__(self, scope: Scope, moment: Moment) -> None:
        self._now = moment.now
        self._calls: dict[int, _ServiceCalls] = {}
        self._call_scan = _calls(scope, moment)
        self._scan = _services(scope, moment)

    def __iter__(self) -> Iterator[list[ServiceMetrics]]:
        """Yield a few rows per turn, and empty lists while the calls are scanned."""
        for some in self._call_scan:
            for service, since, connected in some:
                calls = self._calls.setdefault(service, _ServiceCalls())
                calls.connected += connected
                if since is not None:
                    calls.waiting.append(since)
            yield []
        for found in self._scan:
            yield [self._with_calls(row) for row in found]

    def close(self) -> None:
        """Release the floor."""
        self._call_scan.close()
        self._scan.close()

    def _with_calls(self, row: ServiceMetrics) -> ServiceMetrics:
        calls = self._calls.get(row.service.id)
        if calls is None:
            return row
        longest = max(0, self._now - min(calls.waiting)) if calls.waiting else 0
        return row._replace(
            in_queue=len(calls.waiting), with_agent=calls.connected, longest_wait=longest
        )


def _calls(scope: Scope, moment: Moment) -> CallScan[tuple[int, int | None, bool]]:
    heard_after = moment.now - moment.quiet_call

    def read(service: int, call: Call) -> tuple[int, int | None, bool] | None:
        if call.last_event <= heard_after:
            return None
        return service, call.waiting_since, call.connected

    return CallScan(scope, read)


def _services(scope: Scope, moment: Moment) -> Scan[ServiceMetrics]:
    view = scope.view
    heard_after = moment.now - moment.quiet_agent

    def read(number: int) -> ServiceMetrics | None:
        service = view.services.get(number)
        if service is None or number == NO_SERVICE:
            return None
        states: Counter[State] = Counter()
        for agent in view.logged_in((number,)):
            known = view.floor_agents[agent]
            if known.last_event > heard_after:
                states[known.state] += 1
        center = None if service.call_center is None else view.call_centers.get(service.call_center)
        totals = view.totals_of(number)
        return ServiceMetrics(
            service,
            "" if center is None else center.name,
            in_queue=0,
            with_agent=0,
            longest_wait=0,
            agents={STATE_NAMES[state]: states[state] for state in State if state},
            totals=ServiceTotals() if totals is None else ServiceTotals([], totals.most[:]),
        )

    return Scan(scope.services, read, view.hooks.services, scope.rows)
