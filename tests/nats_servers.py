"""Real NATS servers with JetStream on loopback ports, one or a cluster of three.

Each can be killed, stopped in its tracks and started again; it keeps its ports and its data.
``wired`` servers can be cut off from the others, too. Starting takes seconds, so tests share them
(``nats_server``, ``nats_cluster`` in conftest.py). Each test takes an account of its own, which
sees nothing of the others' streams.
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

__all__ = ["SOON", "NatsServer", "NatsServers", "between_looks", "comes_about"]

READY = 100.0  # seconds after which a cluster that does not come about fails the test
LOOK = 0.02  # seconds between two looks at a server that starts
GLANCE = 0.005  # seconds between two looks at what the servers bring about
SOON = 100.0  # seconds after which what does not come about fails the test
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
    """One server process; ``name`` is what JetStream calls it, ``data`` its folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.port, self.monitor, self.route = free_port(), free_port(), free_port()
        folder.mkdir(exist_ok=True)
        self._config = folder / f"{name}.conf"
        self.data = folder / name
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, routes: list[int], *, wired: bool, **parts: str) -> None:
        """Write its configuration; ``routes`` are the ports of its cluster, its own among them.

        One that is ``wired`` tells the others no address, so that they come by the wires alone.
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
        """Start it; ``NatsServers.ready`` waits until it answers."""
        assert self._process is None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(PROGRAM), "--config", str(self._config)], stdout=log, stderr=log
            )
        return self

    def kill(self) -> None:
        """End it by SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Stop it as a machine that hangs: connections stay, nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def running(self) -> bool:
        """Whether it was started and not killed since."""
        return self._process is not None

    @property
    def died(self) -> bool:
        """Whether it ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def monitored(self, what: str) -> dict[str, Any]:
        """What its monitoring page says; nothing while it does not answer."""
        url = f"http://127.0.0.1:{self.monitor}/{what}"
        try:  # without certificates: to read those takes 40 ms of the processor, at each look
            answer = httpx.get(url, trust_env=False, verify=False)
        except httpx.TransportError:
            return {}
        found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return found

    def said(self) -> str:
        """What it logged."""
        return self._log.read_text()


class NatsServers:
    """One server, or three that are a cluster. Those that are ``wired`` can be cut off.

    ``parts`` of the configuration: ``accounts``, ``max_file`` and ``more``.
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
        """Let nothing pass between this server and the others; nobody is told."""
        for pair, wire in self._wires.items():
            if server.name in pair:
                wire.cut()

    def mend(self) -> None:
        """Let everything pass again."""
        for wire in self._wires.values():
            wire.mend()

    def account(self) -> str:
        """The URL of an account that nobody had before, by which floorcast finds the servers."""
        number = next(self._accounts)
        assert number < ACCOUNTS
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        return f"nats://u{number}:secret@{hosts}"

    @staticmethod
    def only(url: str, server: NatsServer) -> str:
        """The same account at one server."""
        return f"{url.rpartition('@')[0]}@127.0.0.1:{server.port}"

    def named(self, name: str) -> NatsServer:
        """The server that JetStream calls so (the leader of a stream, say)."""
        return next(server for server in self.servers if server.name == name)

    def start(self) -> Self:
        """Start those that do not run, and wait until streams can be made."""
        for server in self.servers:
            if not server.running:
                server.start()
        return self.ready()

    def ready(self) -> Self:
        """Wait until all that run answer, and (in a cluster) agree on who leads."""
        until = time.monotonic() + READY
        while not all(self._ready(server) for server in self.servers if server.running):
            died = any(server.died for server in self.servers)
            if died or time.monotonic() > until:
                said = "\n".join(server.said() for server in self.servers)
                raise AssertionError(f"the NATS servers do not come up:\n{said[-4000:]}")
            threading.Event().wait(LOOK)
        return self

    def stop(self) -> None:
        """Kill those that run."""
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


async def comes_about(so: Callable[[], object], seconds: float = SOON) -> None:
    """Wait until it is so, and leave the processor to the servers that bring it about."""
    async with asyncio.timeout(seconds):
        while not so():
            await between_looks()


async def between_looks() -> None:
    """Leave the processor to the servers for a moment."""
    await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=GLANCE)
