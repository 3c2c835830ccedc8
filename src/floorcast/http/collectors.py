"""Prometheus collectors, which read lower layers' counts on each scrape of ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from floorcast.cluster.node_state import ClusterState
from floorcast.feeds.ring import Rings
from floorcast.sse.hub import Hub
from floorcast.webhooks.service import WebhookState

__all__ = [
    "ArchiveCollector",
    "ArchiveCounts",
    "ClusterCollector",
    "ConnectionsCollector",
    "FeedsCollector",
    "WebhooksCollector",
]

_Family = CounterMetricFamily | GaugeMetricFamily


class FeedsCollector(Collector):
    """Reads the counts of feeds and streams on each scrape."""

    def __init__(self, rings: Rings, streams: Hub) -> None:
        self._rings = rings
        self._streams = streams

    def collect(self) -> Iterable[Metric]:
        """See ``Collector``."""
        rings, counts = self._rings, self._rings.counts
        yield _counter("published_events", "Events published to a feed.", counts.published)
        yield _counter("given_events", "Events in pages that were built.", counts.given)
        yield _counter("pages", "Pages built.", counts.pages)
        yield _counter(
            "mirror_reads", "Segments read from the store to build pages.", counts.store_reads
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
            "Streams closed because their reader read nothing.",
            streams.counts.slow,
        )


class ConnectionsCollector(Collector):
    """Reads the connection counts on each scrape."""

    def __init__(self, read_counts: Callable[[], tuple[int, Mapping[str, int]]]) -> None:
        self._read_counts = read_counts

    def collect(self) -> Iterable[Metric]:
        """See ``Collector``."""
        total, closed = self._read_counts()
        yield GaugeMetricFamily(
            "floorcast_connections", "Open connections, including streams.", value=total
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


class ArchiveCollector(Collector):
    """Reads the archive's counts on each scrape."""

    def __init__(self, state: ArchiveCounts) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        """See ``Collector``."""
        state = self._state
        yield GaugeMetricFamily(
            "floorcast_archive_pending_hours",
            "Client hours that are due to be sealed in the archive.",
            value=state.pending,
        )
        for name, meaning, value in (
            ("sealed_hours", "Hours sealed in the archive.", state.sealed),
            ("corrected_hours", "Hours written again because of late events.", state.corrected),
            (
                "missing_hours",
                "Hours that were not sealed before the log removed them.",
                state.missing,
            ),
            ("failures", "Failed attempts to seal an hour.", state.failures),
        ):
            yield CounterMetricFamily(f"floorcast_archive_{name}", meaning, value=value)


class WebhooksCollector(Collector):
    """Reads the state of the webhooks on each scrape."""

    def __init__(self, states: Callable[[], Iterable[WebhookState]]) -> None:
        self._states = states

    def collect(self) -> Iterable[Metric]:
        """See ``Collector``."""
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


class ClusterCollector(Collector):
    """Reads the state of the cluster on each scrape."""

    def __init__(self, state: Callable[[], ClusterState]) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        """See ``Collector``."""
        state = self._state()
        for name, meaning, value in (
            ("connected", "1 while connected to a NATS server, else 0.", state.connected),
            ("quorum", "1 while events can be stored, else 0.", state.quorum),
            ("disk_bytes", "Size of this node's copy of the log in bytes.", state.disk_bytes),
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
