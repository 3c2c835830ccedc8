"""Runs a real Asterisk for tests, with callers, agents (SIPp) and connectors.

Each Asterisk runs in its own network namespace, so that tests with the same ports can run in
parallel. A caller stays until the test hangs up.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import trustme

from tests.client.intake import Intake
from tests.real.phone import Leg, Phone

ROOT = Path(__file__).resolve().parents[2]
MATERIAL = ROOT.parent / "shared" / "asterisk"
EXTENSIONS = Path(__file__).with_name("asterisk_extensions.conf")
PATIENCE = 60.0  # seconds for steps that usually take one or two
SUITES = {"22": "sid", "16": "bullseye"}  # Debian suites by Asterisk version
CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8914, 1

_pause = threading.Event().wait


def wait_until(
    holds: Callable[[], bool], what: Callable[[], object], patience: float = PATIENCE
) -> None:
    """Wait until a condition is true. After ``patience`` seconds, fail with the current state."""
    tries = round(patience / 0.05)
    for _ in range(tries):
        if holds():
            return
        _pause(0.05)
    pytest.fail(f"not in {patience:.0f} s: {what()}")


@contextmanager
def own_network() -> Iterator[None]:
    """Give this thread, and the threads and processes that it starts, their own loopback."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(CLONE_NEWNET):
            pytest.skip(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
        yield
    finally:
        libc.setns(before, CLONE_NEWNET)
        os.close(before)


@contextmanager
def tree(version: str) -> Iterator[Path]:
    """Yield a folder for chroot that has this version. Skips the test if there can be none.

    ``ASTERISK_TREE`` can name a folder that already has a tree for each version. Otherwise, the
    workers of a test run share one tree, which the first worker builds and the last worker removes.
    """
    if os.geteuid() != 0:
        pytest.skip("a real Asterisk needs root, to chroot")
    if not MATERIAL.is_dir():
        pytest.skip("there is no ../shared/asterisk to build an Asterisk with")
    named = os.environ.get("ASTERISK_TREE")
    if named:
        yield Path(named) / version / "root"
        return
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    folder = Path("/var/tmp") / f"floorcast-asterisk-{version}-{run}"  # /dev/shm allows no devices
    folder.mkdir(exist_ok=True)
    with (folder / "users").open("w") as users:
        with (folder / "builder").open("w") as builder:
            fcntl.flock(builder, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            if not (folder / "built").exists():
                _build(folder, version)
        try:
            yield folder / "root"
        finally:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass  # another worker is using the tree
            else:
                shutil.rmtree(folder, ignore_errors=True)


def _build(folder: Path, version: str) -> None:
    built = subprocess.run(
        [MATERIAL / "get-asterisk.sh", folder, SUITES[version]],
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    if built.returncode:
        pytest.skip(f"no Asterisk {version} could be built: {built.stderr[-300:]}")
    (folder / "built").touch()


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Asterisk:
    """An Asterisk that runs in a tree, with its own files in the folder ``name``."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        place = Path("runs") / name
        folder = root / place
        shutil.copytree(root / "etc/floorcast-asterisk", folder / "etc")
        settings = folder / "etc/asterisk.conf"
        text = settings.read_text("utf-8")
        for key in ("etc", "run", "log", "spool", "db"):
            (folder / key).mkdir(exist_ok=True)
            own = f"ast{key}dir => /{place / key}"
            text, count = re.subn(f"^ast{key}dir => .*$", own, text, flags=re.MULTILINE)
            assert count == 1, key
        settings.write_text(text, "utf-8")
        with (folder / "etc/extensions.conf").open("a", encoding="utf-8") as extensions:
            extensions.write(EXTENSIONS.read_text("utf-8"))
        self.authority = folder / "ca.pem"
        _use_tls(folder, f"/{place}/etc/pbx.pem", self.authority)
        # SIPp 3.7 refuses an optional message at the end of a scenario.
        scenario = (root / "sipp/agent-noanswer.xml").read_text("utf-8")
        self._rings = folder / "agent-rings.xml"
        self._rings.write_text(
            scenario.replace('<recv request="ACK" optional="true"/>', '<recv request="ACK"/>'),
            "utf-8",
        )
        self.folder = folder
        self.queue_log = folder / "log/queue_log"
        self._settings = f"/{place}/etc/asterisk.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self._spawned: list[subprocess.Popen[bytes]] = []
        self._callers = Phone("caller", "127.0.0.2", 5090)

    def start(self) -> None:
        self._process = subprocess.Popen(
            [*self._in_tree("/usr/sbin/asterisk"), "-C", self._settings, "-f", "-n"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(lambda: _is_taken(5038), lambda: "AMI does not answer")
        self.command("core waitfullybooted")
        wait_until(lambda: "Anna" in self.command("queue show sales"), lambda: "no queue")

    def kill(self) -> None:
        """Kill Asterisk with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)

    def stop(self) -> None:
        self._callers.close()
        for one in self._spawned:
            if one.poll() is None:
                one.kill()
            one.wait(PATIENCE)
        if self._process and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, line: str) -> str:
        found = subprocess.run(
            [*self._in_tree("/usr/sbin/asterisk"), "-C", self._settings, "-rx", line],
            capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        return found.stdout

    def action(self, name: str, **members: str) -> str:
        """Log in to AMI and send an action. Returns everything that AMI sends."""
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

    def pause(self, interface: str, reason: str) -> None:
        """Pause an agent in all queues or, if ``reason`` is empty, end the pause."""
        paused = "true" if reason else "false"
        self.action("QueuePause", Interface=interface, Paused=paused, Reason=reason)

    def channel(self, prefix: str) -> str:
        """Wait for a channel whose name has this prefix. Returns its name."""
        names: list[str] = []

        def is_there() -> bool:
            lines = self.command("core show channels concise").splitlines()
            names[:] = [one.split("!")[0] for one in lines if one.startswith(prefix)]
            return bool(names)

        wait_until(is_there, lambda: f"no channel {prefix}")
        return names[0]

    def await_talk(self, prefix: str) -> None:
        """Wait until a channel whose name has this prefix is bridged, and can be transferred."""

        def is_there() -> bool:
            lines = self.command("core show channels concise").splitlines()
            channels = [one.split("!") for one in lines if one.count("!") > 12]  # skips warnings
            bridges = [one[12] for one in channels if one[12]]
            return any(bridges.count(one[12]) > 1 for one in channels if one[0].startswith(prefix))

        wait_until(is_there, lambda: self.command("core show channels concise"))

    def log_lines(self) -> list[str]:
        """Return all lines of the queue log, including lines from before a rotation."""
        logs = sorted(self.queue_log.parent.glob(f"{self.queue_log.name}*"), reverse=True)
        return [line for one in logs for line in one.read_text("utf-8").splitlines()]

    def await_line(
        self, event: str, count: int = 1, meanwhile: Callable[[], object] = lambda: None
    ) -> None:
        """Wait until the queue log has ``count`` lines with an event.

        ``meanwhile`` is called between checks.
        """

        def found() -> int:
            return sum(line.split("|")[4] == event for line in self.log_lines())

        def is_there() -> bool:
            if found() >= count:
                return True
            meanwhile()
            return False

        wait_until(is_there, lambda: f"{found()} lines of {event}")

    def await_agent_pool(self, *, is_free: bool) -> None:
        """Wait until the pool's agent is logged in and free, or is not."""

        def shown() -> str:
            return self.command("agent show all")

        wait_until(lambda: ("NOT_INUSE" in shown()) == is_free, shown)

    def caller(self, extension: str) -> Leg:
        """Call an extension. Returns the call, which lasts until either side hangs up."""
        return self._callers.call(extension)

    @contextmanager
    def phone(self, number: int) -> Iterator[Phone]:
        """Provide an agent's telephone, which a test controls and which answers at once."""
        one = Phone(f"agent{number}", "127.0.0.1", 5070 + number)
        try:
            yield one
        finally:
            one.close()

    def originate(self, number: int, extension: str) -> None:
        """Ring an agent's phone, and connect it to an extension in the agents' context."""
        self.action(
            "Originate", Channel=f"PJSIP/agent{number}", Context="agents", Exten=extension,
            Priority="1", Async="true",
        )  # fmt: skip

    @contextmanager
    def agent(self, number: int, scenario: str = "") -> Iterator[None]:
        """Run a telephone for an agent until the end of the block.

        The telephone answers at once, or follows a scenario of SIPp.
        """
        where = f"/{self._rings.relative_to(self.root)}"
        where = where if scenario == "agent-rings" else f"/sipp/{scenario}.xml"
        how = ["-sf", where] if scenario else ["-sn", "uas"]
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


def _use_tls(folder: Path, in_tree: str, authority: Path) -> None:
    """Also enable AMI over TLS, on port 5039."""
    issuer = trustme.CA()
    issuer.cert_pem.write_to_path(authority)
    issuer.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        folder / "etc/pbx.pem"
    )
    settings = folder / "etc/manager.conf"
    tls = f"tlsenable = yes\ntlsbindaddr = 127.0.0.1:5039\ntlscertfile = {in_tree}\n"
    text = settings.read_text("utf-8").replace("[general]\n", f"[general]\n{tls}", 1)
    settings.write_text(text, "utf-8")


def _is_bound(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


class Connector:
    """A ``floorcast connect asterisk`` process with its sources, and its own intake."""

    def __init__(
        self,
        name: str,
        folder: Path,
        queue_log: Path | None,
        port: int,
        *,
        ami: bool,
        options: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._port = port
        self.intake = Intake()
        self._log = folder / f"{name}.txt"
        self._options = ["--spool", str(folder / f"{name}.db"), "--url", self.intake.url]
        self._options += ["--metrics-port", str(port), *options]
        if ami:
            self._options += ["--ami", "127.0.0.1", "--ami-user", "floorcast"]
            self._options += ["--record", str(folder / f"{name}.record")]
        if queue_log:
            self._options += ["--queue-log", str(queue_log)]
        self._sources = ["ami"] * ami + ["queue_log"] * bool(queue_log)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "floorcast", "connect", "asterisk", "--key", "k",
                 *self._options],
                env={**os.environ, "FLOORCAST_AMI_SECRET": "floorcast"},
                stdout=log, stderr=log,
            )  # fmt: skip

    def kill(self) -> None:
        """Kill the program with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)

    def stop(self) -> int:
        """Stop the program as an operator would. Returns the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE)

    def metric_value(self, name: str) -> float:
        """Return a metric, or 0 if it is missing or the program does not respond."""
        with suppress(OSError), urlopen(f"http://127.0.0.1:{self._port}/metrics") as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"floorcast_connector_{name} "):
                    return float(line.split(" ")[1])
        return 0.0

    def await_start(self) -> None:
        """Wait until the connector is connected to each of its sources."""
        wait_until(
            lambda: all(self.metric_value(f'connected{{to="{one}"}}') for one in self._sources),
            self.log_text,
        )

    def events(self) -> list[dict[str, Any]]:
        """Return the events that the intake has accepted, in order of arrival."""
        return list(self.intake.received.values())

    def log_text(self) -> str:
        return self._log.read_text("utf-8") if self._log.exists() else ""
