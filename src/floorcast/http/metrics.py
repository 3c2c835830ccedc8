"""The metrics of ``/metrics``. No label names a client, a user or an id of either.

A webhook is named by an id that only the installation can derive (``floorcast webhook list``).

Lower layers have plain counters (see ``Rings.counts``) or get an ``observe`` callback; only this
module uses Prometheus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from floorcast.cluster.node_state import ClusterState
from floorcast.feeds.ring import Rings
from floorcast.sse.hub import Hub
from floorcast.webhooks.service import WebhookState

__all__ = ["Metrics"]

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_Family = CounterMetricFamily | GaugeMetricFamily


class Metrics:
    """A server's metrics, in their own registry. Times are in seconds."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "floorcast_requests", "Requests served.", ("route", "status"), registry=registry
        )
        self.request_seconds = Histogram(
            "floorcast_request_seconds",
            "Time from a request's head to its response's end, with the wait of a long poll.",
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
            "Agents' states that arrived too late to change a figure.",
            registry=registry,
        )
        self.ready = Gauge(
            "floorcast_ready", "1 while requests are served, else 0.", registry=registry
        )
        ProcessCollector(registry=registry)

    def watch_feeds(self, rings: Rings, streams: Hub) -> None:
        """Add the metrics of the feeds and of the streams."""
        self.registry.register(_Feeds(rings, streams))

    def watch_webhooks(self, states: Callable[[], Iterable[WebhookState]]) -> None:
        """Add the metrics of the webhooks that this node sends."""
        self.registry.register(_Webhooks(states))

    def watch(self, cluster: Callable[[], ClusterState]) -> None:
        """Add the metrics of the node's cluster."""
        self.registry.register(_Cluster(cluster))

    def watch_archive(self, state: ArchiveCounts) -> None:
        """Add the metrics of the archive."""
        self.registry.register(_Archive(state))

    def watch_connections(self, look: Callable[[], tuple[int, Mapping[str, int]]]) -> None:
        """Add the number of open connections, and of those closed or refused by reason."""
        self.registry.register(_Connections(look))

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class _Feeds(Collector):
    """Reads the rings' counts on each scrape."""

    def __init__(self, rings: Rings, streams: Hub) -> None:
        self._rings = rings
        self._streams = streams

    def collect(self) -> Iterable[Metric]:
        rings, counts = self._rings, self._rings.counts
        yield _counter("published_events", "Events published to a feed.", counts.published)
        yield _counter("given_events", "Events in the pages built.", counts.given)
        yield _counter("pages", "Pages built.", counts.pages)
        yield _counter(
            "mirror_reads", "Segments that pages had to read from the store.", counts.store_reads
        )
        yield _counter("seals", "Segments sealed.", counts.seals)
        yield _gauge("ring_bytes", "Memory used by the rings.", rings.bytes)
        yield _gauge("waiting_readers", "Long polls waiting for an event.", rings.waiting)
        streams = self._streams
        yield _gauge("open_streams", "Open streams.", len(streams.readers))
        yield _counter("opened_streams", "Streams opened.", streams.counts.opened)
        yield _counter(
            "stream_events", "Events written to streams, counted per reader.", streams.counts.events
        )
        yield _counter("stream_bytes", "Bytes written to streams, as sent.", streams.counts.bytes)
        yield _counter(
            "slow_readers_closed",
            "Streams whose reader took nothing.",
            streams.counts.slow,
        )


class _Connections(Collector):
    """Reads the counts of connections on each scrape."""

    def __init__(self, look: Callable[[], tuple[int, Mapping[str, int]]]) -> None:
        self._look = look

    def collect(self) -> Iterable[Metric]:
        total, closed = self._look()
        yield GaugeMetricFamily(
            "floorcast_connections", "Open connections, streams included.", value=total
        )
        by_reason = CounterMetricFamily(
            "floorcast_connections_closed",
            "Connections closed or refused, by reason.",
            labels=("why",),
        )
        for why, count in closed.items():
            by_reason.add_metric((why,), count)
        yield by_reason


class ArchiveCounts(Protocol):
    """The progress of the archive."""

    pending: int
    sealed: int
    corrected: int
    missing: int
    failures: int


class _Archive(Collector):
    """Reads the archive's counts on each scrape."""

    def __init__(self, state: ArchiveCounts) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        state = self._state
        yield GaugeMetricFamily(
            "floorcast_archive_pending_hours",
            "Hours of clients that are due to be sealed in the archive.",
            value=state.pending,
        )
        for name, meaning, value in (
            ("sealed_hours", "Hours sealed in the archive.", state.sealed),
            ("corrected_hours", "Hours written again because of late events.", state.corrected),
            ("missing_hours", "Hours that the log had forgotten before.", state.missing),
            ("failures", "Attempts to seal an hour that failed.", state.failures),
        ):
            yield CounterMetricFamily(f"floorcast_archive_{name}", meaning, value=value)


class _Webhooks(Collector):
    """Reads the state of the webhooks on each scrape."""

    def __init__(self, states: Callable[[], Iterable[WebhookState]]) -> None:
        self._states = states

    def collect(self) -> Iterable[Metric]:
        states = list(self._states())
        for kind, name, meaning, member in (
            (GaugeMetricFamily, "lag_seconds", "Age of the oldest undelivered event.", "lag"),
            (GaugeMetricFamily, "suspended", "1 while the webhook is suspended.", "suspended"),
            (CounterMetricFamily, "events", "Events delivered.", "events"),
            (CounterMetricFamily, "failures", "Requests that failed.", "failures"),
            (CounterMetricFamily, "suspensions", "Suspensions.", "suspensions"),
        ):
            family = kind(f"floorcast_webhook_{name}", meaning, labels=("webhook",))
            for state in states:
                family.add_metric((state.id,), float(getattr(state, member)))
            yield family


class _Cluster(Collector):
    """Reads the state of the cluster on each scrape."""

    def __init__(self, state: Callable[[], ClusterState]) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        state = self._state()
        for name, meaning, value in (
            ("connected", "1 while connected to a NATS server, else 0.", state.connected),
            ("quorum", "1 while events can be stored, else 0.", state.quorum),
            ("disk_bytes", "Bytes of this node's copy of the log.", state.disk_bytes),
        ):
            yield GaugeMetricFamily(f"floorcast_cluster_{name}", meaning, value=value)
        messages = GaugeMetricFamily(
            "floorcast_cluster_lag_messages",
            "Messages of a stream that this node has not received yet.",
            labels=("stream",),
        )
        seconds = GaugeMetricFamily(
            "floorcast_cluster_lag_seconds",
            "How long this node has lacked messages of a stream.",
            labels=("stream",),
        )
        for lag in state.lags:
            messages.add_metric((lag.stream,), lag.messages)
            seconds.add_metric((lag.stream,), lag.seconds)
        yield messages
        yield seconds
        leading = GaugeMetricFamily(
            "floorcast_cluster_stream_leader",
            "1 for the NATS server that leads a stream; no sample while there is no leader.",
            labels=("stream", "server"),
        )
        for stream, server in state.leaders.items():
            if server:
                leading.add_metric((stream, server), 1)
        yield leading


def _counter(name: str, meaning: str, value: float) -> _Family:
    return CounterMetricFamily(f"floorcast_feed_{name}", meaning, value=value)


def _gauge(name: str, meaning: str, value: float) -> _Family:
    return GaugeMetricFamily(f"floorcast_feed_{name}", meaning, value=value)
