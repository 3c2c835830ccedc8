"""Tests that a worker process that is killed leaves no partial hour."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from floorcast.archive.jobs import SealJob
from floorcast.archive.storage import open_archive
from floorcast.model.token import to_ms
from tests.archive.sealed_folders import ZONE, folder
from tests.archive.sources import LIMITS
from tests.archive.test_checking import findings
from tests.real.sites import ACME

# a worker that kills itself after n flushed files, before the next rename
KILLED = """
import os, signal, sys
from floorcast.archive.work import seal
left = int(sys.argv[1])
def flush(descriptor, flush=os.fsync):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    flush(descriptor)
os.fsync = flush
seal(sys.stdin.buffer.read())
"""


@pytest.mark.parametrize("flushes", [0, 4, 9, 15])
def test_a_killed_process_leaves_no_partial_hour(tmp_path: Path, flushes: int) -> None:
    """No hour is listed after the kill, and the next attempt seals the hour completely."""
    with folder(tmp_path) as floor:
        floor.call(1)
        floor.advance(75)
        job = SealJob(
            str(floor.harness.data), str(floor.archive), ACME, ZONE, to_ms(floor.clock()), LIMITS
        )
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(flushes)],
            input=msgspec.msgpack.encode(job), check=False,
        )  # fmt: skip
        assert done.returncode == -signal.SIGKILL
        archive = open_archive(str(floor.archive))
        assert archive.dates(ACME) == [] or archive.hours(ACME, "2026-11-24") == []
        assert floor.seal().sealed == "2026-11-24/10"
        assert findings(archive, ACME) == []
        assert not [name for name in floor.files() if name.endswith(".part")]
