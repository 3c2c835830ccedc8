"""A real Asterisk for tests: its callers and agents (SIPp), and connectors attached to it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.client.intake import Intake

ROOT = Path(__file__).resolve().parents[2]
MATERIAL = ROOT.parent / "shared" / "asterisk"
PATIENCE = 20.0  # seconds for what takes one or two
PORTS = (5038, 5060)  # of AMI and SIP: fixed, so there is one Asterisk at a time

_pause = threading.Event().wait


def wait_until(
    holds: Callable[[], bool], what: Callable[[], object], patience: float = PATIENCE
) -> None:
    """Return once it holds; fails with what there is when it does not in time."""
    tries = round(patience / 0.05)
    for _ in range(tries):
        if holds():
            return
        _pause(0.05)
    pytest.fail(f"not in {patience:.0f} s: {what()}")


@contextmanager
def tree() -> Iterator[Path]:
    """The folder to chroot into; skips, and says why, where there can be none.

    ``ASTERISK_TREE`` names one that is there already.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("a real Asterisk has fixed ports, and so a run of its own: make test-asterisk")
    if os.geteuid() != 0:
        pytest.skip("a real Asterisk needs root, to chroot")
    if not MATERIAL.is_dir():
        pytest.skip("there is no ../shared/asterisk to build an Asterisk with")
    if any(_is_taken(port) for port in PORTS):
        pytest.skip("port 5038 is taken: another Asterisk is at work on this machine")
    named = os.environ.get("ASTERISK_TREE")
    if named:
        yield Path(named) / "root"
        return
    folder = Path(tempfile.mkdtemp(prefix="floorcast-asterisk-", dir="/var/tmp"))
    try:
        built = subprocess.run(
            [MATERIAL / "get-asterisk.sh", folder],
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        if built.returncode:
            pytest.skip(f"no Asterisk could be built: {built.stderr[-300:]}")
        yield folder / "root"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Asterisk:
    """One that runs in the tree."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.queue_log = root / "var/log/asterisk/queue_log"
        for old in self.queue_log.parent.glob("queue_log*"):
            old.unlink()
        # SIPp 3.7 refuses an optional message at the end of a scenario.
        scenario = (root / "sipp/agent-noanswer.xml").read_text("utf-8")
        scenario = scenario.replace(
            '<recv request="ACK" optional="true"/>', '<recv request="ACK"/>'
        )
        (root / "sipp/agent-rings.xml").write_text(scenario, "utf-8")
        self._process: subprocess.Popen[bytes] | None = None
        self._spawned: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self._process = subprocess.Popen(
            [*self._in_tree("/usr/sbin/asterisk"), "-C", "/etc/floorcast-asterisk/asterisk.conf",
             "-f", "-n"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(lambda: _is_taken(5038), lambda: "AMI does not answer")
        wait_until(lambda: "Anna" in self.command("queue show sales"), lambda: "no queue")

    def kill(self) -> None:
        """As a power cut does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)

    def stop(self) -> None:
        for one in self._spawned:
            if one.poll() is None:
                one.kill()
            one.wait(PATIENCE)
        if self._process and self._process.poll() is None:
            self.kill()

    def command(self, line: str) -> str:
        found = subprocess.run(
            [*self._in_tree("/usr/sbin/asterisk"), "-C", "/etc/floorcast-asterisk/asterisk.conf",
             "-rx", line],
            capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        return found.stdout

    def action(self, name: str, **members: str) -> str:
        """An action of AMI's; its reply."""
        lines = [
            "Action: Login", "Username: floorcast", "Secret: floorcast", "Events: off", "",
            f"Action: {name}", "ActionID: it", *(f"{key}: {text}" for key, text in members.items()),
            "", "Action: Logoff", "", "",
        ]  # fmt: skip
        with socket.create_connection(("127.0.0.1", 5038), PATIENCE) as connection:
            connection.sendall("\r\n".join(lines).encode())
            said = b""
            while data := connection.recv(1 << 16):
                said += data
        return said.decode()

    def channel(self, prefix: str) -> str:
        """The name of the one channel that begins so."""
        names: list[str] = []

        def is_there() -> bool:
            lines = self.command("core show channels concise").splitlines()
            names[:] = [one.split("!")[0] for one in lines if one.startswith(prefix)]
            return bool(names)

        wait_until(is_there, lambda: f"no channel {prefix}")
        return names[0]

    def await_caller_in(self, queue: str) -> None:
        """Return once somebody waits in a queue."""
        wait_until(
            lambda: "Callers:" in self.command(f"queue show {queue}"), lambda: "nobody waits"
        )

    def caller(self, extension: str, seconds: float) -> subprocess.Popen[bytes]:
        """Somebody calls, and hangs up after so many seconds, if nobody else has before."""
        port = self._next_port(5090)
        return self._sipp(
            "-sn", "uac", "-s", extension, "-i", "127.0.0.2", "-p", str(port), "-mi", "127.0.0.2",
            "-mp", str(22000 + 10 * (port - 5090)), "-d", str(round(seconds * 1000)), "-m", "1",
            "127.0.0.1:5060",
        )  # fmt: skip

    def originate(self, number: int, extension: str) -> None:
        """An agent's phone is rung, and connected to an extension of the agents."""
        self.action(
            "Originate", Channel=f"PJSIP/agent{number}", Context="agents", Exten=extension,
            Priority="1", Async="true",
        )  # fmt: skip

    @contextmanager
    def agent(self, number: int, scenario: str = "") -> Iterator[None]:
        """An agent at a telephone, who answers at once unless a scenario says otherwise."""
        how = ["-sf", f"/sipp/{scenario}.xml"] if scenario else ["-sn", "uas"]
        one = self._sipp(
            *how, "-i", "127.0.0.1", "-p", str(5070 + number), "-mi", "127.0.0.1",
            "-mp", str(21000 + 100 * number),
        )  # fmt: skip
        try:
            wait_until(lambda: _is_bound(5070 + number), lambda: "the agent's phone is off")
            yield
        finally:
            one.kill()
            one.wait(PATIENCE)

    def _next_port(self, first: int) -> int:
        return first + len(self._spawned) % 200

    def _sipp(self, *options: str) -> subprocess.Popen[bytes]:
        one = subprocess.Popen(
            [*self._in_tree("/usr/bin/sipp"), "-nostdin", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "TERM": "dumb"},
        )  # fmt: skip
        self._spawned.append(one)
        return one

    def _in_tree(self, program: str) -> list[str]:
        return ["chroot", str(self.root), program]


def _is_bound(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


class Connector:
    """``floorcast connect asterisk`` by one way, and the server that it sends to."""

    def __init__(self, name: str, folder: Path, queue_log: Path | None, *, ami: bool) -> None:
        self.name = name
        self.intake = Intake()
        self._log = folder / f"{name}.txt"
        self._options = ["--spool", str(folder / f"{name}.db"), "--url", self.intake.url]
        if ami:
            self._options += ["--ami", "127.0.0.1", "--ami-user", "floorcast"]
        if queue_log:
            self._options += ["--queue-log", str(queue_log)]
        self._process: subprocess.Popen[bytes] | None = None
        self.seen = 0

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "floorcast", "connect", "asterisk", "--key", "k",
                 *self._options],
                env={**os.environ, "FLOORCAST_AMI_SECRET": "floorcast"},
                stdout=log, stderr=log,
            )  # fmt: skip

    def kill(self) -> None:
        """Without a moment to tidy up."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)

    def stop(self) -> int:
        """As an operator does; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE)

    def events(self) -> list[dict[str, Any]]:
        """What the server has taken, in the order in which it came."""
        return list(self.intake.received.values())

    def said(self) -> str:
        return self._log.read_text("utf-8") if self._log.exists() else ""
