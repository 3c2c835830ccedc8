"""Tests of the printed NATS configuration with real servers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx

from floorcast.cluster.nats_config import Ports, Secrets, ServerLayout, nats_config, new_secrets
from floorcast.cluster.status import query_status
from tests.certificates import certificates
from tests.cluster.cluster_nodes import Cluster, follow, page, sms
from tests.nats_servers import PROGRAM
from tests.real.server import free_port

NAMES = ("a", "b", "c")


def start_servers(
    folder: Path, secrets: Secrets, ports: dict[str, Ports]
) -> list[subprocess.Popen[bytes]]:
    """Start three servers with the printed configuration, and the test's ports and folders."""
    routes = [("127.0.0.1", ports[name].routes) for name in NAMES]
    found = []
    for name in NAMES:
        store, listen = str(folder / name), "127.0.0.1"
        layout = ServerLayout(listen, store, "1GB", str(folder), "localhost")
        config = folder / f"{name}.conf"
        config.write_text(nats_config(name, routes, secrets, ports[name], layout))
        found.append(subprocess.Popen([str(PROGRAM), "--config", str(config)], stderr=-3))
    return found


def test_printed_configuration_admits_only_nodes(tmp_path: Path) -> None:
    """TLS, the account's permissions and immediate flushing work, and no problem is reported."""
    certificates(tmp_path)
    secrets = new_secrets()
    ports = {name: Ports(free_port(), free_port(), free_port()) for name in NAMES}
    servers = start_servers(tmp_path, secrets, ports)
    hosts = ",".join(f"127.0.0.1:{ports[name].clients}" for name in NAMES)
    seen = f"monitor={ports['a'].monitor}&routes={ports['a'].routes}"
    url = f"tls://floorcast:{secrets.floorcast}@{hosts}?ca={tmp_path}/ca.pem&{seen}"
    cluster = Cluster(tmp_path, url)
    try:
        one, other = cluster.open(replicas=3, node="one"), cluster.open(replicas=3, node="other")
        session = one.login()
        begun = page(one, session, "")["token"]
        one.take(sms("x"))
        assert len(follow(other, session, begun, 1)[0]) == 1

        async def wait_for_no_problems() -> None:
            problems: list[str] = ["not asked yet"]
            while problems:
                problems = (await query_status(url)).problems

        one.run(wait_for_no_problems())
        monitor = f"http://127.0.0.1:{ports['a'].monitor}/varz"
        assert set(httpx.get(monitor).json()["connect_urls"]) == {
            f"localhost:{ports[name].clients}" for name in NAMES
        }
    finally:
        cluster.close()
        for server in servers:
            server.kill()
            server.wait()


def test_servers_are_reached_by_the_names_in_their_certificates() -> None:
    """Without the setting, servers and nodes also try IP addresses, which TLS rejects."""
    text = nats_config("nats-1", [("nats-1", 6222), ("nats-2", 6222)], new_secrets())
    assert 'client_advertise: "nats-1:4222"' in text
    assert '  advertise: "nats-1:6222"' in text
