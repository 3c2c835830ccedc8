"""Finds an event's path, which is the modules that run between its arrival and its readers.

In each round, a server in this process has an open stream and a waiting long poll, and receives one
agent event. The round records every module whose code runs from the start of the event's request
until both readers have the event. The path consists of the modules that run in every round. It
therefore excludes a periodic task, which on a busy machine can run in most of them.

    python -m benchmarks.event_path
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import floorcast
from floorcast.config.settings import Settings
from floorcast.server.logging import set_up_log
from floorcast.server.uvicorn_server import serve

__all__ = ["event_path"]

ROUNDS = 7
DEADLINE_SECONDS = 20.0
PACKAGE = str(Path(floorcast.__file__).parent) + os.sep

SITE = """
[[client]]
id = 7
name = "ACME"
feeds = ["agent"]
api_tokens = ["token-of-twenty-characters"]
ingest_keys = ["key-of-at-least-twenty-chars-x"]
user = [{id = 1, name = "reader", password = "correct horse battery", role = "Sysadmin"}]
"""


class Recorder:
    """Records which of floorcast's files run code on any thread while ``on`` is true."""

    def __init__(self) -> None:
        self.on = False
        self.files: set[str] = set()

    def __call__(self, frame: FrameType, _event: str, _argument: object) -> None:
        """See ``sys.setprofile``."""
        if self.on:
            self.files.add(frame.f_code.co_filename)

    def modules(self) -> set[str]:
        """Return the recorded modules as paths within the package."""
        return {file.removeprefix(PACKAGE) for file in self.files if file.startswith(PACKAGE)}


class Wire:
    """A connection to the server that uses none of floorcast's code."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("http://").rpartition(":")
        self._socket = socket.create_connection((host, int(port)), DEADLINE_SECONDS)

    def send(self, method: str, path: str, headers: dict[str, str], body: object = None) -> None:
        """Send one request."""
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "host: test", f"content-length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._socket.sendall("\r\n".join((*lines, "", "")).encode() + content)

    def until(self, mark: bytes) -> bytes:
        """Read up to and including ``mark``."""
        got = b""
        while mark not in got:
            more = self._socket.recv(65536)
            if not more:
                raise ConnectionError(got.decode("latin-1"))
            got += more
        return got

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def _ask(address: str, path: str, headers: dict[str, str], body: object) -> dict[str, object]:
    wire = Wire(address)
    wire.send("POST", path, headers, body)
    answer: dict[str, object] = json.loads(wire.until(b"}").partition(b"\r\n\r\n")[2])
    wire.close()
    return answer


def _session(address: str) -> str:
    login = {"clientName": "ACME", "userName": "reader", "password": "correct horse battery"}
    access = {"lv-access": "token-of-twenty-characters"}
    return str(_ask(address, "/session/login", access, login)["sessionId"])


def _round(address: str, session: str, number: int, recorder: Recorder) -> set[str]:
    """Send one event to a waiting stream and a waiting poll. Returns the modules that ran."""
    head = {"lv-session": session, "content-type": "application/json"}
    feed = "/realtime/agentEvent/feed"
    token = _ask(address, feed, head, {})["token"]
    stream, poll, source = Wire(address), Wire(address), Wire(address)
    stream.send("GET", f"{feed}/sse", {**head, "accept": "text/event-stream"})
    stream.until(b"id: ")
    poll.send("POST", feed, head, {"token": token})
    _waits(address)
    event = {
        "specversion": "1.0",
        "id": str(number),
        "source": "event_path",
        "type": "agent.state",
        "data": {"agent": 9, "eventType": ("READY", "NOT_READY")[number % 2]},
    }
    key = {
        "authorization": "Bearer key-of-at-least-twenty-chars-x",
        "content-type": "application/cloudevents+json",
    }
    recorder.files.clear()
    recorder.on = True
    source.send("POST", "/ingest/v1/events", key, event)
    poll.until(b'"agentEvent":[{')
    stream.until(b"data: ")
    source.until(b'"accepted"')
    recorder.on = False
    for wire in (stream, poll, source):
        wire.close()
    return recorder.modules()


def _waits(address: str) -> None:
    """Wait until the server's metrics show that the long poll is waiting."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        wire = Wire(address)
        wire.send("GET", "/metrics", {"connection": "close"})
        if b"floorcast_feed_waiting_readers 1.0" in wire.until(b"slow_readers_closed_total "):
            return
        wire.close()
    raise TimeoutError("the long poll does not wait")


def event_path(rounds: int = ROUNDS) -> list[str]:
    """Return the modules on an event's path, as sorted paths within the package.

    This function must be called on the main thread, because it runs the server there. The clients
    run on another thread.
    """
    recorder = Recorder()
    seen: Counter[str] = Counter()
    failure: list[BaseException] = []

    def drive(address: str) -> None:
        try:
            session = _session(address)
            for number in range(rounds):
                seen.update(_round(address, session, number, recorder))
        except BaseException as error:  # noqa: BLE001 — raised on the main thread, see below
            failure.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    def listening(address: str) -> None:
        threading.Thread(target=drive, args=(address,), daemon=True).start()

    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site.toml"
        site.write_text(SITE)
        _profiled(lambda: serve(_settings(Path(folder), site), listening), recorder)
    if failure:
        raise failure[0]
    return sorted(module for module, times in seen.items() if times == rounds)


def _settings(folder: Path, site: Path) -> Settings:
    return Settings(data=folder / "data", site=site, host="127.0.0.1", port=0)


def _profiled(work: Callable[[], None], recorder: Recorder) -> None:
    threading.setprofile(recorder)
    sys.setprofile(recorder)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


if __name__ == "__main__":
    set_up_log("warning", "text")
    found = event_path()
    print("\n".join(found))
    print(f"{len(found)} modules")
