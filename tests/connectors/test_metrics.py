"""Tests of a connector's own metrics."""

from __future__ import annotations

import socket

import httpx
import pytest

from floorcast.client import Verdicts
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.model.errors import SettingError


@pytest.mark.parametrize("host", ["127.0.0.1", "a..b", "nowhere.invalid"])
def test_an_unusable_address_is_refused(host: str) -> None:
    """The error names the address and the options."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SettingError, match=f"{host} port {port}.*--metrics-port"):
            ConnectorMetrics().serve(port, host)


def test_metrics_are_served_on_a_port() -> None:
    """Prometheus's own parser can read the text, and every metric has its name."""
    metrics = ConnectorMetrics()
    metrics.set_source_connected("ami", connected=True)
    metrics.set_server_connected(connected=False)
    metrics.set_last_event_time(1795813658.5)
    metrics.count_unreadable()
    metrics.count_resync()
    metrics.count_sent(Verdicts(2, 1, []), 7)
    server, port = metrics.serve(0, "127.0.0.1")
    try:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    finally:
        server.shutdown()
        server.server_close()
    lines = {line for line in text.splitlines() if not line.startswith("#")}
    assert {
        'floorcast_connector_connected{to="ami"} 1.0',
        'floorcast_connector_connected{to="floorcast"} 0.0',
        "floorcast_connector_last_event_timestamp_seconds 1.7958136585e+09",
        "floorcast_connector_unsent_events 7.0",
        'floorcast_connector_sent_total{verdict="accepted"} 2.0',
        'floorcast_connector_sent_total{verdict="duplicate"} 1.0',
        "floorcast_connector_unreadable_total 1.0",
        "floorcast_connector_resyncs_total 1.0",
    } <= lines
