"""Runs real nodes on real NATS servers, with callers that switch nodes at random."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

from floorcast.cluster.log_messages import stream_name, stream_number
from tests.nats_servers import NatsServer, NatsServers
from tests.real.server import Caller, Server
from tests.real.sites import ACME
from tests.real.wire import Wire

__all__ = ["STREAMS", "Cluster", "RoamingCaller", "running_cluster", "wait_until"]

STREAMS = 2
SOON = 100.0  # seconds for steps that usually take one or two
LOOK = 0.05  # seconds between two checks


def wait_until(condition: Callable[[], object], seconds: float = SOON) -> None:
    """Wait until a condition is true."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the condition did not become true"
        threading.Event().wait(LOOK)


class Cluster:
    """A cluster's nodes and NATS servers.

    The last node connects to the NATS servers through wires that can be cut.
    """

    def __init__(self, folder: Path, servers: NatsServers, wires: Sequence[Wire]) -> None:
        self.servers = servers
        self.wires = wires
        self.url = servers.account()
        self._account = "A" + self.url.removeprefix("nats://u").partition(":")[0]
        self.nodes = [
            self._node(folder, number, self.url) for number in range(len(servers.servers) - 1)
        ]
        self.nodes.append(self._node(folder, len(self.nodes), self._wired()))

    @property
    def leader(self) -> NatsServer:
        """Return the NATS server that leads ACME's stream."""
        stream = stream_name(stream_number(ACME, STREAMS))
        while True:
            for server in self.servers.servers:
                if server.running:
                    found = server.monitored("jsz?accounts=true&streams=true")
                    for name in _leaders(found, self._account, stream):
                        return self.servers.named(name)

    def _wired(self) -> str:
        login, _, _ = self.url.rpartition("@")
        return f"{login}@{','.join(f'127.0.0.1:{wire.port}' for wire in self.wires)}"

    @staticmethod
    def _node(folder: Path, number: int, url: str) -> Server:
        home = folder / f"node{number}"
        home.mkdir()
        options = ("--log", url, "--node", f"node{number}", "--streams", STREAMS)
        return Server(home, options=options, patience=SOON)


def _leaders(found: Mapping[str, Any], account: str, stream: str) -> Iterator[str]:
    for one in found.get("account_details", ()):
        for each in one.get("stream_detail", ()) if one["name"] == account else ():
            if each["name"] == stream and each.get("cluster", {}).get("leader"):
                yield each["cluster"]["leader"]


class RoamingCaller(Caller):
    """A caller that sends each request to a random node, and retries on other nodes."""

    def __init__(self, nodes: Sequence[Server], seed: str) -> None:
        super().__init__("http://nowhere.invalid")
        self._nodes = nodes
        self._random = random.Random(seed)

    def _ask(
        self,
        path: str,
        *,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        params: Mapping[str, int] = MappingProxyType({}),
    ) -> httpx.Response:
        until = time.monotonic() + SOON
        while True:
            node = self._random.choice(self._nodes)
            try:
                answer = self.http.post(
                    node.url + path, json=json, content=content, headers=headers,
                    params=params or None,
                )  # fmt: skip
                if answer.status_code != 503:
                    return answer
            except httpx.TransportError:
                pass
            assert time.monotonic() < until, "no node answers"
            threading.Event().wait(LOOK)


@contextmanager
def running_cluster(
    folder: Path, servers: NatsServers, prepare: Callable[[Cluster], object] = bool
) -> Iterator[Cluster]:
    """Run a cluster until the end of the block. ``prepare`` is called before the nodes start."""
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.port)) for server in servers.servers]
        cluster = Cluster(folder, servers, wires)
        prepare(cluster)
        for node in cluster.nodes:
            stack.enter_context(node)
        yield cluster
