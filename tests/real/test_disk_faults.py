"""Tests that a real server on a disk with random faults keeps every acknowledged event.

The test takes seconds in CI. To search longer, run ``FAULT_SECONDS=600 pytest
tests/real/test_disk_faults.py``.
"""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from tests.real.server import EVENTS, Caller, Server
from tests.real.sites import KEYS, event, ndjson

SECONDS = float(os.environ.get("FAULT_SECONDS", "4"))
SOURCE = Path(__file__).with_name("disk_faults.c")
COMPILER = shutil.which("cc")
LINES = {"Authorization": f"Bearer {KEYS['ACME']}", "Content-Type": "application/x-ndjson"}
FAULTS = {
    "full once": 1,
    "full": 2,
    "broken once": 3,
    "broken": 4,
    "short write": 5,
    "slow flush": 6,
}
LONGEST = 30.0  # seconds after a repair of the disk in which the server must accept events again

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="needs a C compiler"),
    pytest.mark.skipif(sys.platform != "linux", reason="preloads a library as Linux does"),
]


class Disk:
    """The server's disk. ``fail`` injects a fault after ``calls`` further calls."""

    def __init__(self, control: mmap.mmap) -> None:
        self._control = control

    def fail(self, fault: str, calls: int) -> None:
        self._control[4:8] = struct.pack("<i", calls)
        self._control[0:4] = struct.pack("<i", FAULTS[fault])

    def heal(self) -> None:
        self._control[0:4] = struct.pack("<i", 0)

    @property
    def happened(self) -> int:
        (count,) = struct.unpack("<i", self._control[8:12])
        return int(count)


@contextmanager
def failing_server(folder: Path) -> Iterator[tuple[Server, Disk]]:
    """Run a server on a disk that fails on request."""
    library, control = folder / "disk_faults.so", folder / "control"
    assert COMPILER is not None
    build = [COMPILER, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(build, check=True)
    control.write_bytes(bytes(12))
    with control.open("r+b") as file, mmap.mmap(file.fileno(), 12) as shared:
        server = Server(folder)
        server.variables = {
            "LD_PRELOAD": str(library),
            "FAULTS_CONTROL": str(control),
            "FAULTS_FOLDER": str(server.data),
        }
        with server:
            yield server, Disk(shared)


class Source:
    """Sends events and records which of them were acknowledged."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.number = 0
        self.acknowledged: list[str] = []
        self.refused: list[str] = []

    def send(self, count: int) -> bool:
        """Send some new events. Returns whether they were accepted."""
        names = [f"{self.number}/{n}" for n in range(count)]
        self.number += 1
        ended = {"transactionId": 1, "sessionId": "s"}
        body = ndjson([event("call.end", name, account=name, **ended) for name in names])
        answer = self.caller.http.post("/ingest/v1/events", content=body, headers=LINES)
        assert answer.status_code in {200, 503}, answer.text
        (self.acknowledged if answer.status_code == 200 else self.refused).extend(names)
        return answer.status_code == 200

    def send_until_taken(self) -> None:
        until = time.monotonic() + LONGEST
        while not self.send(1):
            assert time.monotonic() < until, "the disk is well, and nothing is taken"


def fed(caller: Caller, token: str) -> list[str]:
    """Return the accounts of the interaction feed's events after a token."""
    accounts: list[str] = []
    while events := (page := caller.feed(EVENTS, token)).events:
        accounts += [one["account"] for one in events]
        token = page.token
        if len(events) < 1000:
            break
    return accounts


def check(caller: Caller, source: Source, begin: str) -> None:
    """Check that the feed has every acknowledged event once and in order, and no refused event."""
    accounts = fed(caller, begin)
    assert len(set(accounts)) == len(accounts)
    known = set(accounts)
    assert known.isdisjoint(source.refused)
    assert accounts == source.acknowledged


def test_acknowledged_events_survive_every_fault(tmp_path: Path) -> None:
    """Acknowledged events survive writes, flushes and renames that fail.

    These calls fail once or repeatedly, write only a part, or are slow.
    """
    seed = int(os.environ.get("FAULT_SEED", str(Random().randrange(10**6))))
    print(f"FAULT_SEED={seed}")  # noqa: T201 -- reproduces a failure
    chance = Random(seed)
    with failing_server(tmp_path) as (server, disk), Caller(server.url) as caller:
        caller.login()
        begin = caller.feed(EVENTS).token
        source = Source(caller)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            disk.fail(chance.choice(list(FAULTS)), chance.randrange(12))
            for _ in range(chance.randrange(1, 6)):
                source.send(chance.choice([1, 20, 300]))
            disk.heal()
            source.send_until_taken()
            check(caller, source, begin)
        assert disk.happened > 5
        server.kill()
        server.start()
        check(caller, source, begin)
        source.send_until_taken()
