"""Runs one or three real NATS servers with JetStream on loopback ports.

A server can be killed, suspended and restarted, and keeps its ports and data. ``wired`` servers can
also be cut off from the others. Servers take seconds to start, so tests share them (``nats_server``
and ``nats_cluster`` in conftest.py). Each test uses its own account, which isolates its streams.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from tests.real.server import free_port
from tests.real.wire import Wire

__all__ = ["SOON", "NatsServer", "NatsServers", "pause", "wait_until"]

READY = 100.0  # seconds in which a cluster must form
START_POLL_SECONDS = 0.02  # seconds between two checks of a starting server
POLL_SECONDS = 0.005  # seconds between two checks of a condition
SOON = 100.0  # seconds until a condition must be true
ACCOUNTS = 500
PROGRAM = Path(sys.executable).with_name("nats-server")

CONFIG = """
server_name: {name}
listen: 127.0.0.1:{port}
http: 127.0.0.1:{monitor}
jetstream {{ store_dir: "{folder}", max_mem: 64MB, max_file: {max_file} }}
{accounts}
{cluster}
{more}
"""
ACCOUNT = "A{0}: {{ jetstream: enabled, users: [{{ user: u{0}, password: secret }}] }}"
SHARED_ACCOUNTS = ", ".join(ACCOUNT.format(number) for number in range(ACCOUNTS))
NOWHERE = 'advertise: "127.0.0.1:1",'
PARTS = {"accounts": f"accounts {{ {SHARED_ACCOUNTS} }}", "max_file": "4GB", "more": ""}
CLUSTER = (
    "cluster {{ name: test, listen: 127.0.0.1:{port}, no_advertise: true, "
    "{advertise} routes: [{routes}] }}"
)


class NatsServer:
    """A server process. ``name`` is its JetStream name, and ``data`` is its folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.port, self.monitor, self.route = free_port(), free_port(), free_port()
        folder.mkdir(exist_ok=True)
        self._config = folder / f"{name}.conf"
        self.data = folder / name
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, routes: list[int], *, wired: bool, **parts: str) -> None:
        """Write the configuration. ``routes`` has the ports of all servers, including this one.

        A ``wired`` server advertises an unusable address, so that others connect only through
        wires.
        """
        urls = ", ".join(f"nats-route://127.0.0.1:{port}" for port in routes)
        cluster = (
            CLUSTER.format(port=self.route, routes=urls, advertise=NOWHERE if wired else "")
            if len(routes) > 1
            else ""
        )
        self._config.write_text(
            CONFIG.format(
                name=self.name,
                port=self.port,
                monitor=self.monitor,
                folder=self.data,
                cluster=cluster,
                **parts,
            )
        )

    def start(self) -> Self:
        """Start the server. ``NatsServers.ready`` waits until it responds."""
        assert self._process is None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(PROGRAM), "--config", str(self._config)], stdout=log, stderr=log
            )
        return self

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Suspend the server. Its connections stay open, but it does not respond."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume a suspended server."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def running(self) -> bool:
        """Whether the server was started and has not been killed since then."""
        return self._process is not None

    @property
    def died(self) -> bool:
        """Whether the server has exited by itself."""
        return self._process is not None and self._process.poll() is not None

    def monitored(self, what: str) -> dict[str, Any]:
        """Return the data of a monitoring page, or nothing if the server does not respond."""
        url = f"http://127.0.0.1:{self.monitor}/{what}"
        try:  # verify=False, because loading certificates takes 40 ms of CPU time
            answer = httpx.get(url, trust_env=False, verify=False)
        except httpx.TransportError:
            return {}
        found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return found

    def log_text(self) -> str:
        """Return the text of the server's log."""
        return self._log.read_text()


class NatsServers:
    """One server, or a cluster of three. ``wired`` servers can be cut off.

    ``parts`` can replace ``accounts``, ``max_file`` and ``more`` in the configuration.
    """

    def __init__(
        self,
        folder: Path,
        count: int,
        *,
        wired: bool = False,
        **parts: str,
    ) -> None:
        if not PROGRAM.exists():
            pytest.skip("nats-server is not installed")
        self.servers = [NatsServer(folder, f"nats{number}") for number in range(count)]
        self._accounts = itertools.count()
        self._wires: dict[tuple[str, str], Wire] = {}
        for server in self.servers:
            routes = [self._route(server, other, wired) for other in self.servers]
            server.configure(routes, wired=wired, **(PARTS | parts))

    def _route(self, server: NatsServer, other: NatsServer, wired: bool) -> int:
        if not wired or server is other:
            return other.route
        wire = self._wires[server.name, other.name] = Wire(other.route)
        return wire.port

    def cut_off(self, server: NatsServer) -> None:
        """Drop all traffic between this server and the others, without closing connections."""
        for pair, wire in self._wires.items():
            if server.name in pair:
                wire.cut()

    def mend(self) -> None:
        """Forward all traffic between the servers again."""
        for wire in self._wires.values():
            wire.mend()

    def account(self) -> str:
        """Return a URL with which floorcast can connect to the servers, with a new account."""
        number = next(self._accounts)
        assert number < ACCOUNTS
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        return f"nats://u{number}:secret@{hosts}"

    @staticmethod
    def only(url: str, server: NatsServer) -> str:
        """Return the URL for the same account that has only this server."""
        return f"{url.rpartition('@')[0]}@127.0.0.1:{server.port}"

    def named(self, name: str) -> NatsServer:
        """Return the server with this JetStream name."""
        return next(server for server in self.servers if server.name == name)

    def start(self) -> Self:
        """Start the stopped servers, and wait until streams can be created."""
        for server in self.servers:
            if not server.running:
                server.start()
        return self.ready()

    def ready(self) -> Self:
        """Wait until all running servers respond and, in a cluster, agree on a leader."""
        until = time.monotonic() + READY
        while not all(self._ready(server) for server in self.servers if server.running):
            died = any(server.died for server in self.servers)
            if died or time.monotonic() > until:
                said = "\n".join(server.log_text() for server in self.servers)
                raise AssertionError(f"the NATS servers do not come up:\n{said[-4000:]}")
            threading.Event().wait(START_POLL_SECONDS)
        return self

    def stop(self) -> None:
        """Kill the running servers."""
        for server in self.servers:
            if server.running:
                server.kill()
        for wire in self._wires.values():
            wire.close()

    def _ready(self, server: NatsServer) -> bool:
        if not server.monitored("healthz"):
            return False
        if len(self.servers) == 1:
            return True
        return bool(server.monitored("jsz").get("meta_cluster", {}).get("leader"))


async def wait_until(condition: Callable[[], object], seconds: float = SOON) -> None:
    """Wait until a condition is true. Between checks, the servers can use the CPU."""
    async with asyncio.timeout(seconds):
        while not condition():
            await pause()


async def pause() -> None:
    """Wait for a moment, in which the servers can use the CPU."""
    await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=POLL_SECONDS)
