"""Serves a connector's metrics to Prometheus on a separate port."""

from __future__ import annotations

from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from floorcast.client import Verdicts
from floorcast.model.errors import SettingError

__all__ = ["ConnectorMetrics"]


class ConnectorMetrics:
    """The metrics of one connector."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._connected = Gauge(
            "floorcast_connector_connected",
            "1 while the connection named by the label is up, otherwise 0.",
            ["to"],
            registry=self._registry,
        )
        self._last_event = Gauge(
            "floorcast_connector_last_event_timestamp_seconds",
            "Time of the source's last message, by the source's clock.",
            registry=self._registry,
        )
        self._unsent = Gauge(
            "floorcast_connector_unsent_events",
            "Events in the spool.",
            registry=self._registry,
        )
        self._sent = Counter(
            "floorcast_connector_sent",
            "Events that the server accepted or recognized as duplicates.",
            ["verdict"],
            registry=self._registry,
        )
        self._refused = Counter(
            "floorcast_connector_refused",
            "Events that the server rejected.",
            registry=self._registry,
        )
        self._resyncs = Counter(
            "floorcast_connector_resyncs",
            "Comparisons of the source's state with the connector's state.",
            registry=self._registry,
        )
        self._unreadable = Counter(
            "floorcast_connector_unreadable",
            "Lines and frames that could not be read.",
            registry=self._registry,
        )

    def serve(self, port: int, host: str) -> tuple[WSGIServer, int]:
        """Serve metrics on a port; 0 means any free port. Returns the server and the port.

        Raises SettingError if the address cannot be used.
        """
        try:
            server, _ = start_http_server(port, host, self._registry)
        except (OSError, UnicodeError) as error:  # UnicodeError: a label is empty or too long
            reason = getattr(error, "strerror", None) or "this is not a valid host name"
            raise SettingError(
                f"metrics cannot be served on {host} port {port}: {reason}; choose another address"
                " with --metrics-host and --metrics-port"
            ) from error
        return server, int(server.server_port)

    def set_source_connected(self, channel: str, *, connected: bool) -> None:
        """Note that a connection to the source was made or lost."""
        self._connected.labels(channel).set(connected)

    def set_server_connected(self, *, connected: bool) -> None:
        """Note whether the server responds."""
        self._connected.labels("floorcast").set(connected)

    def set_last_event_time(self, at: float) -> None:
        """Record the time of the source's last message, by the source's clock."""
        self._last_event.set(at)

    def count_unreadable(self) -> None:
        """Count an unreadable line or frame."""
        self._unreadable.inc()

    def count_resync(self) -> None:
        """Count a comparison of the source's state with the connector's state."""
        self._resyncs.inc()

    def set_unsent(self, unsent: int) -> None:
        """Note how many events are waiting to be sent."""
        self._unsent.set(unsent)

    def count_sent(self, verdicts: Verdicts, unsent: int) -> None:
        """Note the server's response to a batch."""
        self._sent.labels("accepted").inc(verdicts.accepted)
        self._sent.labels("duplicate").inc(verdicts.duplicates)
        self._refused.inc(len(verdicts.rejected))
        self._unsent.set(unsent)

    def value(self, name: str, **labels: str) -> float:
        """Return the value of a metric, or 0 if it was never set."""
        return self._registry.get_sample_value(name, labels) or 0.0

    def has(self, name: str, **labels: str) -> bool:
        """Return whether a metric with this name and these labels exists."""
        return self._registry.get_sample_value(name, labels) is not None
