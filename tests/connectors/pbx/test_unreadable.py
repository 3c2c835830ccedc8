"""Tests that count and log unreadable input."""

from __future__ import annotations

from structlog.testing import capture_logs

from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.pbx.unreadable import MAX_LOGGED_KINDS, ConnectorWarnings, Unreadable


def test_each_kind_is_logged_once_and_all_input_is_counted() -> None:
    """All unreadable input is counted. Only a bounded number of kinds is remembered and logged."""
    metrics = ConnectorMetrics()
    warnings = ConnectorWarnings(metrics)
    with capture_logs() as logs:
        for number in range(MAX_LOGGED_KINDS + 50):
            for _ in range(2):
                warnings.count_unreadable(Unreadable(f"line {number} is none of ours"))
    assert metrics.value("floorcast_connector_unreadable_total") == 2 * (MAX_LOGGED_KINDS + 50)
    assert len(logs) == MAX_LOGGED_KINDS
