"""The handler of ``/metrics/floor``: one client's figures in Prometheus' text format."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from floorcast.auth.keys import bearer
from floorcast.floor.view import MOVED_ON, WAIT_BOUNDS, FloorView, Total
from floorcast.http.request_context import Caller, RequestContext
from floorcast.http.responses import Content, Response
from floorcast.model.loop_turns import take_turn
from floorcast.model.token import to_ms
from floorcast.statistics.floor_metrics import ServiceMetrics, floor_metrics
from floorcast.statistics.visibility import Moment, Visibility

__all__ = ["metrics_of_floor"]

_LABELS = ("service", "call_center")
_COUNTERS = (
    (Total.OFFERED, "calls_offered", "Calls offered to agents."),
    (Total.HANDLED, "calls_handled", "Calls that were answered."),
    (Total.ABANDONED, "calls_abandoned", "Calls that were abandoned."),
    (Total.ANSWERED_WITHIN, "calls_answered_within_sla", "Calls answered within sla_seconds."),
)


async def metrics_of_floor(context: RequestContext) -> Response:
    """Respond with the figures of the client that the metrics key belongs to."""
    services = context.services
    key = bearer(context.single_header("Authorization"))
    client = services.keys.client_of_metrics_key(key, context.address)
    context.caller = Caller(client)
    async with services.answer_limits.building(client):
        view = FloorView(services.floor_of(client).floor)
        moment = Moment(to_ms(services.now()), services.quiet_call_ms, services.quiet_agent_ms)
        rows: list[ServiceMetrics] = []
        with floor_metrics(Visibility([view]).scopes(), moment) as slices:
            for part in slices:
                rows += part
                await take_turn(client, for_answer=True)
        newest = services.newest_event(client)
        silence = max(0, moment.now - to_ms(newest)) / 1000 if newest else None
        registry = CollectorRegistry()
        registry.register(_FloorCollector(rows, silence))
        encode, media_type = choose_encoder(context.headers.get("accept", ""))
        # in a thread, because 20,000 services have a million samples
        body = await asyncio.to_thread(encode, registry)
    return Response(200, Content(body), media_type=media_type)


class _FloorCollector(Collector):
    """The metrics in one response. ``silence`` is None before the client's first event."""

    def __init__(self, rows: Sequence[ServiceMetrics], silence: float | None) -> None:
        self._rows = list(zip(_labels(rows), rows, strict=True))
        self._silence = silence

    def collect(self) -> Iterable[Metric]:
        if self._silence is not None:
            yield GaugeMetricFamily(
                "floorcast_floor_silence_seconds",
                "Time since the client's newest event was recorded.",
                value=self._silence,
            )
        in_queue = _gauge("calls_in_queue", "Calls waiting now.")
        with_agent = _gauge("calls_with_agent", "Calls with an agent now.")
        longest = _gauge(
            "longest_wait_seconds", "How long the longest-waiting call has waited so far."
        )
        for labels, row in self._rows:
            in_queue.add_metric(labels, row.in_queue)
            with_agent.add_metric(labels, row.with_agent)
            longest.add_metric(labels, row.longest_wait / 1000)
        yield from (in_queue, with_agent, longest, self._agents())
        for total, name, description in _COUNTERS:
            family = _counter(name, description)
            for labels, row in self._rows:
                family.add_metric(labels, row.totals.most[total])
            yield family
        yield self._moved_on()
        yield self._waits()

    def _agents(self) -> Metric:
        family = _gauge("agents", "Agents logged in to the service now, by state.", "state")
        for labels, row in self._rows:
            for state, count in row.agents.items():
                family.add_metric((*labels, state), count)
        return family

    def _moved_on(self) -> Metric:
        family = _counter("calls_moved_on", "Calls that left the service unanswered.", "reason")
        for labels, row in self._rows:
            for index, reason in enumerate(MOVED_ON):
                family.add_metric((*labels, reason), row.totals.most[Total.MOVED_ON + index])
        return family

    def _waits(self) -> Metric:
        family = HistogramMetricFamily(
            "floorcast_wait_seconds", "How long answered calls waited.", labels=_LABELS
        )
        bounds = [*(str(float(bound)) for bound in WAIT_BOUNDS), "+Inf"]
        for labels, row in self._rows:
            counts = accumulate(row.totals.most[Total.BUCKETS :])
            buckets = list(zip(bounds, counts, strict=True))
            family.add_metric(labels, buckets, row.totals.most[Total.WAIT] / 1000)
        return family


def _labels(rows: Sequence[ServiceMetrics]) -> list[tuple[str, str]]:
    """Return each service's labels. Services with the same name also show their ids."""
    name_counts = Counter(row.service.name for row in rows)
    return [
        (name if name_counts[name] == 1 else f"{name} ({row.service.id})", row.call_center)
        for row in rows
        for name in (row.service.name,)
    ]


def _gauge(name: str, description: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"floorcast_{name}", description, labels=(*_LABELS, *labels))


def _counter(name: str, description: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"floorcast_{name}", description, labels=(*_LABELS, *labels))
