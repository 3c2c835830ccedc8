"""Runs a real server process on a loopback port, and has a small client for it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, Self, TextIO

import httpx

from floorcast.kv import token_secret
from floorcast.kv.sqlite_kv import SqliteKeyValueStore
from floorcast.model import token as tokens
from tests.real.preloaded import PreloadedProgram
from tests.real.sites import ACME, KEYS, PASSWORD, SITE, TOKENS

__all__ = [
    "AGENTS",
    "EVENTS",
    "Caller",
    "Page",
    "Server",
    "command",
    "environment",
    "free_port",
    "running",
    "send_until_ended",
]

START = 100.0  # seconds after which a server that has not started is killed
_RANDOM = random.SystemRandom()  # hypothesis resets Python's own generator before every test
_GIVEN: set[int] = set()
AGENTS, EVENTS = "/realtime/agentEvent/feed", "/realtime/event/feed"


def free_port() -> int:
    """Return a free port below the kernel's range for outgoing connections.

    On a port in that range, a client that retries while the server is down could connect to itself.
    No port is returned twice, because its first user may not have opened it yet. Until this process
    ends, other processes do not return it either.
    """
    while True:
        port = _RANDOM.randrange(15_000, 30_000)
        if port in _GIVEN:
            continue
        try:
            fcntl.lockf(_ports(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        _GIVEN.add(port)
        return port


@cache
def _ports() -> int:
    """Open the file of which each process locks a byte for each of its ports.

    It stays open, because a process loses all its locks when it closes any descriptor of the file.
    """
    file = Path(tempfile.gettempdir()) / f"floorcast-test-ports-{os.getuid()}"
    return os.open(file, os.O_RDWR | os.O_CREAT, 0o600)


def command(*arguments: object) -> list[str]:
    """Return a command line that runs the program with these arguments."""
    return [sys.executable, "-m", "floorcast", *map(str, arguments)]


def environment(**more: str) -> dict[str, str]:
    """Return the environment without floorcast's settings, but with ``more``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLOORCAST_")}
    return kept | more


def send_until_ended(process: subprocess.Popen[Any], number: signal.Signals) -> None:
    """Send a signal again and again until the process has ended."""
    while process.poll() is None:
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.005)


class Server:
    """A ``floorcast serve`` process that keeps its port and data folder when it is restarted.

    ``up`` is set while the server is running, and is cleared before it is killed. ``log`` has the
    server's log. ``variables`` are added to the server's environment. A start fails after
    ``patience`` seconds.
    """

    def __init__(
        self,
        folder: Path,
        site: str = SITE,
        options: Sequence[object] = (),
        patience: float = START,
    ) -> None:
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.site = folder / "site.toml"
        self.site.write_text(site)
        self.up = threading.Event()
        self.variables: dict[str, str] = {}
        self.port = free_port()
        scheme = "https" if "--tls-cert" in options else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._folder = folder
        self._options = options
        self.patience = patience
        self._output: TextIO | None = None
        self._process: PreloadedProgram | subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start the server, and wait until it reports that it is ready."""
        assert self._process is None
        output, stdout = os.pipe()
        self._output = os.fdopen(output)
        with self.log.open("a") as log, os.fdopen(stdout, "w"):
            self._process = self._launch(stdout, log.fileno())
        too_late = threading.Timer(self.patience, self._process.kill)
        too_late.start()
        said = self._output.readline()
        too_late.cancel()
        if said != f"floorcast answers at {self.url}\n":
            self.kill()
            raise AssertionError(f"it said {said!r}, and logged {self.log.read_text()}")
        self.up.set()
        return self

    def position_of(self, token: str, client: int = ACME) -> int:
        """Return the position in a token, which the installation's secret decodes."""
        file = self.data / "admin.db"
        kv = SqliteKeyValueStore(file if file.exists() else self.data / "shared.db")
        secret = kv.get(token_secret.BUCKET, token_secret.KEY)
        asyncio.run(kv.close())
        assert secret is not None
        return tokens.decode(client, token, secret).position

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        """Stop the server with SIGTERM. Returns its exit code."""
        return self._end(signal.SIGTERM)

    def send_signal(self, number: signal.Signals) -> None:
        """Send the server a signal, without waiting for the effect."""
        assert self._process is not None
        self.up.clear()
        with suppress(ProcessLookupError):  # it has ended
            os.kill(self._process.pid, number)

    def limit_files(self, size: int) -> None:
        """Limit the size of the server's files to ``size`` bytes, which acts like a full disk.

        -1 removes the limit.
        """
        assert self._process is not None
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, hard))

    def wait(self) -> int:
        """Wait until the server exits. Returns the exit code."""
        assert self._process is not None
        assert self._output is not None
        code = self._process.wait(START)
        self._process = None
        self._output.close()
        return code

    def _launch(self, stdout: int, stderr: int) -> PreloadedProgram | subprocess.Popen[bytes]:
        where = ("--data", self.data, "--site", self.site, "--port", self.port)
        arguments = [str(argument) for argument in ("serve", *where, *self._options)]
        variables = environment(**self.variables)
        if not self.variables:
            return PreloadedProgram(arguments, self._folder, variables, stdout, stderr)
        return subprocess.Popen(  # the loader reads some of the variables
            command(*arguments), cwd=self._folder, env=variables, stdout=stdout, stderr=stderr
        )

    def _end(self, number: signal.Signals) -> int:
        self.send_signal(number)
        return self.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.kill()


class Page(NamedTuple):
    """The events on a feed's page, and the page's token."""

    events: list[dict[str, Any]]
    token: str


class Caller:
    """A client of a server, for one thread and, after the login, with one session.

    If the caller has the server's ``up``, ``feed`` and ``take`` repeat requests that get no
    response, as soon as the server is running again.
    """

    def __init__(self, url: str, client: str = "ACME", up: threading.Event | None = None) -> None:
        self.http = httpx.Client(base_url=url, timeout=30, trust_env=False, verify=False)
        self.client = client
        self._up = up

    def login(self, user: str = "sysadmin", token: str = "") -> str:
        """Log in. Returns the session's id, which later requests use."""
        answer = self.http.post(
            "/session/login",
            headers={"LV-Access": token or TOKENS[self.client]},
            json={"clientName": self.client, "userName": user, "password": PASSWORD},
        )
        assert answer.status_code == 200, answer.text
        session: str = answer.json()["sessionId"]
        self.http.headers["LV-Session"] = session
        return session

    def feed(self, path: str, token: str = "", count: int = 1000, **more: object) -> Page:
        """Send one request for a feed. Returns the page."""
        answer = self._ask(path, params={"count": count}, json={"token": token, **more})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return Page(body["agentEvent" if path == AGENTS else "events"], body["token"])

    def take(self, body: bytes) -> dict[str, Any]:
        """Send events as NDJSON until they are accepted. Returns the verdicts."""
        while True:
            answer = self._ask(
                "/ingest/v1/events",
                content=body,
                headers={
                    "Authorization": f"Bearer {KEYS[self.client]}",
                    "Content-Type": "application/x-ndjson",
                },
            )
            if answer.status_code != 503:
                assert answer.status_code == 200, answer.text
                verdicts: dict[str, Any] = answer.json()
                return verdicts

    def follow(
        self, path: str, token: str, *, until: str, count: int = 1000
    ) -> list[dict[str, Any]]:
        """Read a feed after a token until an event contains ``until``. Returns all events."""
        found: list[dict[str, Any]] = []
        while True:
            events, token = self.feed(path, token, count)
            found += events
            if any(until in map(str, one.values()) for one in events):
                return found

    def metric_values(self) -> dict[str, float]:
        """Return the values in ``/metrics`` by name with labels, as printed there.

        The page is rendered only a few times a second.
        """
        lines = self.http.get("/metrics").text.splitlines()
        parts = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in parts}

    def metric_value(self, metric: str) -> float:
        """Return the value of a metric in ``/metrics``, or 0 if the metric is missing."""
        return self.metric_values().get(metric, 0.0)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def _ask(
        self,
        path: str,
        *,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        params: Mapping[str, int] = MappingProxyType({}),
    ) -> httpx.Response:
        while True:
            try:
                return self.http.post(
                    path, json=json, content=content, headers=headers, params=params or None
                )
            except httpx.TransportError:
                if self._up is None or not self._up.wait(START):
                    raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def running(folder: Path, *options: object, site: str = SITE) -> Iterator[Server]:
    """Run a server until the end of the block."""
    with Server(folder, site, options) as server:
        yield server
