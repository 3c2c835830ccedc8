"""Tests that forward events from the spool to the server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from floorcast.client import AsyncSender, Timing
from floorcast.client.sender_protocol import MAX_BATCH_EVENTS
from floorcast.connectors.forwarder import MAX_LOGGED_EVENTS, Forwarder
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.spool import Spool
from floorcast.model.errors import BadCredentials
from tests.client.intake import TAKE, Answer, Intake, running
from tests.connectors.test_spool import event


def forward_all(intake: Intake, spool: Spool, metrics: ConnectorMetrics) -> None:
    """Send all events."""

    async def main() -> None:
        forwarder = Forwarder(spool, metrics)
        timing = Timing(patience=1e9, waiting=forwarder.on_waiting, chance=lambda: 0.0)
        async with AsyncSender(intake.url, "k", timing=timing) as sender:
            while await forwarder.send_some(sender):
                pass

    asyncio.run(main())


def test_events_are_sent_in_order_and_removed_once_accepted(tmp_path: Path) -> None:
    """Events are sent in batches. The start and the end of an outage are each logged once."""
    busy = Answer(503, {"code": 101, "message": "busy"})
    metrics = ConnectorMetrics()
    with running(busy, busy, None) as intake, Spool(tmp_path / "s") as spool, capture_logs() as log:
        spool.commit([event(n) for n in range(MAX_BATCH_EVENTS + 5)], {}, {})
        forward_all(intake, spool, metrics)
        assert spool.unsent == 0
    assert list(intake.received) == [str(n) for n in range(MAX_BATCH_EVENTS + 5)]
    assert [one["event"] for one in log] == [
        "floorcast does not respond",
        "floorcast responds again",
    ]
    assert metrics.value("floorcast_connector_sent_total", verdict="accepted") == 1005
    assert metrics.value("floorcast_connector_connected", to="floorcast") == 1


def test_rejected_events_are_logged_and_do_not_stop_the_others(tmp_path: Path) -> None:
    """Only the first refused events are logged individually."""
    count = MAX_LOGGED_EVENTS + 10
    rejected = [
        {"index": n, "id": str(n), "code": 202, "message": "type: unknown"} for n in range(count)
    ]
    refused = Answer(400, {"accepted": 0, "duplicates": 0, "rejected": rejected, "code": 202})
    metrics = ConnectorMetrics()
    with running(refused) as intake, Spool(tmp_path / "s") as spool, capture_logs() as log:
        spool.commit([event(n) for n in range(count)], {}, {})
        forward_all(intake, spool, metrics)
        assert spool.unsent == 0
    assert len(log) == MAX_LOGGED_EVENTS + 1
    assert log[0] == {
        "event": "an event was refused",
        "log_level": "error",
        "id": "0",
        "type": "call.end",
        "why": "type: unknown",
    }
    assert metrics.value("floorcast_connector_refused_total") == count


def run_until_refused(intake: Intake, spool: Spool, metrics: ConnectorMetrics) -> None:
    """Run a forwarder until the server refuses its key."""

    async def main() -> None:
        forwarder = Forwarder(spool, metrics)
        timing = Timing(patience=1e9, waiting=forwarder.on_waiting, chance=lambda: 0.0)
        async with AsyncSender(intake.url, "k", timing=timing) as sender:
            await forwarder.run(sender)

    with pytest.raises(BadCredentials, match="not one of this server's"):
        asyncio.run(main())


WRONG_KEY = Answer(401, {"code": 300, "message": "the ingest key is not one of this server's"})


@pytest.mark.parametrize("outages", [0, 2])
def test_a_wrong_key_is_found_before_the_first_event(tmp_path: Path, outages: int) -> None:
    """Without any event, a forwarder raises the server's refusal of its key."""
    busy = Answer(503, {"code": 101, "message": "starting"})
    metrics = ConnectorMetrics()
    with running(*[busy] * outages, WRONG_KEY) as intake, Spool(tmp_path / "s") as spool:
        run_until_refused(intake, spool, metrics)
        assert [one.body for one in intake.requests] == [b""] * (outages + 1)
    assert metrics.value("floorcast_connector_connected", to="floorcast") == 0


def test_a_server_is_connected_once_it_has_accepted_the_key(tmp_path: Path) -> None:
    """The metric of the connection does not wait for the first event to be stored."""
    metrics = ConnectorMetrics()
    with running(TAKE, WRONG_KEY) as intake, Spool(tmp_path / "s") as spool:
        spool.commit([event(1)], {}, {})
        run_until_refused(intake, spool, metrics)
        assert intake.received == {}
    assert metrics.value("floorcast_connector_connected", to="floorcast") == 1
