"""A command continues if the lines that tell how it is doing cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.real.server import Server, command, environment

STATUS_SCRIPT = """
import sys
from floorcast.cli.login import report_recovery, report_wait
from floorcast.cli.progress_bar import show_progress
from floorcast.cli.status_line import flush_or_discard, print_status
with show_progress(10) as progress:
    progress.update(10)
for _ in range(1000):
    print_status("x" * 100)
    report_wait(1, "no response")
    report_recovery(1)
sys.stderr.write("not a whole line")
flush_or_discard(sys.stderr)
"""


@contextmanager
def unwritable(kind: str) -> Iterator[int]:
    """Yield a descriptor that cannot be written: a full disk, or a pipe that nobody reads."""
    if kind == "full":
        descriptor = os.open("/dev/full", os.O_WRONLY)
    else:
        read, descriptor = os.pipe()
        os.close(read)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(params=["full", "pipe"])
def output(request: pytest.FixtureRequest) -> Iterator[int]:
    """Return a descriptor that cannot be written."""
    with unwritable(request.param) as descriptor:
        yield descriptor


def test_lost_lines_do_not_change_the_exit_code(output: int) -> None:
    """Python itself would exit with 120, because it cannot write what is left in its buffer."""
    arguments = [sys.executable, "-c", STATUS_SCRIPT]
    assert subprocess.run(arguments, stdout=output, stderr=output, check=False).returncode == 0


def test_server_does_without_its_output(tmp_path: Path, output: int) -> None:
    """The server runs, and it stops cleanly."""
    server = Server(tmp_path)
    arguments = ("serve", "--data", server.data, "--site", server.site, "--port", server.port)
    with subprocess.Popen(
        command(*arguments), env=environment(), stdout=output, stderr=output
    ) as process:
        try:
            with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as http:
                while http.get(f"{server.url}/readyz").status_code != 200:
                    assert process.poll() is None
        finally:
            process.terminate()
    assert process.returncode == 0
