"""Tests of the checks on the configuration of NATS servers."""

from __future__ import annotations

import asyncio

from floorcast.cluster.nats_url import NatsLogin
from floorcast.cluster.server_checks import check_servers
from tests.nats_servers import NatsServers


def test_unprotected_cluster_port_and_late_flushing_are_reported(nats_cluster: NatsServers) -> None:
    """The problem names the port and the setting. A port that does not respond is ignored."""
    one = nats_cluster.servers[0]
    url = f"nats://127.0.0.1:{one.port}"
    login = NatsLogin(monitor=one.monitor, routes=one.route)
    strangers, late = sorted(
        asyncio.run(check_servers([url], login)), key=lambda one: "flushes" in one
    )
    assert f":{one.monitor}: this NATS server flushes its disk every 120 s" in late
    assert "sync_interval: always" in late
    assert f":{one.route}: any NATS server may join" in strangers
    assert asyncio.run(check_servers([url], NatsLogin(monitor=1, routes=1))) == []
    # not the port of a NATS server
    assert asyncio.run(check_servers([url], NatsLogin(monitor=one.port, routes=one.monitor))) == []
