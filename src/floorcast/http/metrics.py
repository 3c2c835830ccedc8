"""The metrics at ``/metrics``. No label contains the name or id of a client or user.

A webhook is named by an id that only the installation can derive (``floorcast webhook list``).

Lower layers have plain counters (see ``Rings.counts``) or get an ``observe`` callback; only this
module and ``http/collectors.py`` use Prometheus.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from floorcast.cluster.node_state import ClusterState
from floorcast.feeds.ring import Rings
from floorcast.http.collectors import (
    ArchiveCollector,
    ArchiveCounts,
    ClusterCollector,
    ConnectionsCollector,
    FeedsCollector,
    WebhooksCollector,
)
from floorcast.http.responses import Content
from floorcast.sse.hub import Hub
from floorcast.webhooks.service import WebhookState

__all__ = ["Metrics"]

PAGES_PER_SECOND = 5  # a page takes about 10 ms, and needs no session

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """A server's metrics, in their own registry. Times are in seconds, as is ``clock``'s."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._page = Content(b"")
        self._second = -math.inf  # in which the last page was rendered
        self._rendered = 0  # pages in that second
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "floorcast_requests", "Requests served.", ("route", "status"), registry=registry
        )
        self.request_seconds = Histogram(
            "floorcast_request_seconds",
            "Time from a request's head to the end of its response, including a long poll's wait.",
            ("route",),
            buckets=_FAST,
            registry=registry,
        )
        self.sent_bytes = Counter(
            "floorcast_sent_bytes", "Bytes of response bodies sent.", ("route",), registry=registry
        )
        self.intake_events = Counter(
            "floorcast_intake_events",
            "Events received, by outcome: accepted, duplicate or rejected.",
            ("outcome",),
            registry=registry,
        )
        self.intake_refused = Counter(
            "floorcast_intake_refused",
            "Requests with events that got 503 because too many were in progress.",
            registry=registry,
        )
        self.intake_seconds = Histogram(
            "floorcast_intake_seconds",
            "Time from receiving a request with events to acknowledging it.",
            buckets=_FAST,
            registry=registry,
        )
        self.log_append_seconds = Histogram(
            "floorcast_log_append_seconds",
            "Time to flush the log.",
            buckets=_FAST,
            registry=registry,
        )
        self.log_commit_events = Histogram(
            "floorcast_log_commit_events",
            "Events made durable by one flush.",
            buckets=(1, 10, 100, 1_000, 3_000, 10_000, 30_000, 100_000),
            registry=registry,
        )
        self.log_failures = Counter(
            "floorcast_log_failures",
            "Appends that were not made durable.",
            registry=registry,
        )
        self.fold_seconds = Histogram(
            "floorcast_fold_seconds",
            "Time to fold and publish one log entry.",
            buckets=_FAST,
            registry=registry,
        )
        self.fold_failures = Counter(
            "floorcast_fold_failures",
            "Events that could not be folded because of a bug; the server's log names them.",
            registry=registry,
        )
        self.too_late = Counter(
            "floorcast_agent_states_too_late",
            "Agent states that arrived too late to change a figure.",
            registry=registry,
        )
        self.ready = Gauge(
            "floorcast_ready", "1 while requests are served, else 0.", registry=registry
        )
        ProcessCollector(registry=registry)

    def watch_feeds(self, rings: Rings, streams: Hub) -> None:
        """Add the metrics of feeds and streams."""
        self.registry.register(FeedsCollector(rings, streams))

    def watch_webhooks(self, states: Callable[[], Iterable[WebhookState]]) -> None:
        """Add the metrics of the webhooks that this node sends."""
        self.registry.register(WebhooksCollector(states))

    def watch(self, cluster: Callable[[], ClusterState]) -> None:
        """Add the metrics of the node's cluster."""
        self.registry.register(ClusterCollector(cluster))

    def watch_archive(self, state: ArchiveCounts) -> None:
        """Add the metrics of the archive."""
        self.registry.register(ArchiveCollector(state))

    def watch_connections(self, read_counts: Callable[[], tuple[int, Mapping[str, int]]]) -> None:
        """Add the number of open connections, and the number closed or refused, by reason."""
        self.registry.register(ConnectionsCollector(read_counts))

    def page(self) -> Content:
        """Return the metrics, which are rendered at most ``PAGES_PER_SECOND`` times a second.

        Further calls in the same second return the last page.
        """
        second = self._clock() // 1
        if second != self._second:
            self._second, self._rendered = second, 0
        if self._rendered < PAGES_PER_SECOND:
            self._rendered += 1
            self._page = Content(self.text())
        return self._page

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
